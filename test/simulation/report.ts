/** What a campaign comes to, for people and for programs. */
import { count } from '../../cli/terminal/format.ts';
import type { Failure, Tally } from './campaign.ts';
import type { Size } from './chain-plan.ts';
import { command, type Options } from './options.ts';
import type { Shrunk } from './shrink.ts';

export type Result = { tally: Tally; failures: readonly Failure[]; seconds: number; seed: number };

/** A shrunk trace that is longer is shown from its beginning and its end. */
const shownLines = 120;

export function resultPage({ tally, failures, seconds, seed }: Result): string {
  const { schedules, faults, levels, needed, hours, steps, calls, invocations } = tally;
  const rows = Object.entries(faults).sort(([, a], [, b]) => b - a);
  const sum = rows.reduce((all, [, times]) => all + times, 0);
  return [
    `${count(schedules)} schedules from seed ${seed} in ${seconds.toFixed(1)} s: ${Math.round(schedules / seconds)} a second.`,
    `${count(Math.round(hours / 24))} days, ${count(invocations)} invocations, ${count(calls)} calls of the API, ${count(steps)} steps.`,
    `Chains of ${Object.entries(levels)
      .map(([number, times]) => `${number} levels: ${count(times)}`)
      .join(', ')}.`,
    `${count(sum)} faults:`,
    ...rows.map(([name, times]) => `  ${name.padEnd(24)}${count(times).padStart(10)}`),
    `Once all was well, what completed the runs last: ${
      Object.entries(needed)
        .map(([name, times]) => `${name} ${count(times)}`)
        .join(', ') || 'nothing'
    }.`,
    failures.length === 0
      ? 'Every promise held.'
      : `${failures.length === 1 ? 'A promise was' : `${failures.length} promises were`} broken.`,
    ...(failures.length > 1
      ? failures.map(({ seed: its, promise, what }) => `  ${its} ${promise}: ${what.slice(0, 160)}`)
      : []),
    '',
  ].join('\n');
}

export function failurePage({ seed, promise, what }: Failure, shrunk: Shrunk | undefined, options: Options): string {
  const own = options.core === undefined ? '' : ` --core ${options.core}`;
  const odds = options.fault === undefined ? '' : ` --fault ${options.fault}`;
  const lines = ['', `Seed ${seed} breaks ${promise}: ${what}`];
  if (shrunk === undefined) {
    const size = sizeOption(options.size?.split('x').map(Number) ?? [], options);
    const keep = options.keep === undefined ? '' : ` --keep ${options.keep}`;
    return [
      ...lines,
      `Again, and smaller: ${command} --seed ${seed} --schedules 1${size}${odds}${keep}${own} --shrink`,
      '',
    ].join('\n');
  }
  const { verdict, size, keep, tried } = shrunk;
  return [
    ...lines,
    '',
    `The shortest that still does (after ${tried} attempts): ${verdict.violation?.what ?? ''}`,
    ...verdict.injected.map(({ id, fault, where }) => `  fault ${id} ${fault}: ${where}`),
    ...middleCut(verdict.trace).map((line) => `  ${line.slice(0, 240)}`),
    `Again: ${command} --seed ${seed} --schedules 1${sizeOption(size, options)}${odds}${keep.length === 0 ? '' : ` --keep ${keep.join(',')}`}${own}`,
    '',
  ].join('\n');
}

function sizeOption(size: Size, { levels, batch }: Options): string {
  return `${levels === undefined ? '' : ` --levels ${levels}`}${batch === undefined ? '' : ` --batch ${batch}`}${size.length === 0 ? '' : ` --size ${size.join('x')}`}`;
}

function middleCut(lines: readonly string[]): string[] {
  if (lines.length <= shownLines) return [...lines];
  const half = shownLines / 2;
  return [...lines.slice(0, half), `… ${lines.length - shownLines} lines …`, ...lines.slice(-half)];
}

export function resultJson({ tally, failures, seconds, seed }: Result, shrunk: Shrunk | undefined): object {
  return {
    seed,
    seconds,
    schedulesPerSecond: tally.schedules / seconds,
    ...tally,
    failures,
    ...(shrunk && {
      shrunk: { size: shrunk.size, keep: shrunk.keep, injected: shrunk.verdict.injected, trace: shrunk.verdict.trace },
    }),
  };
}
