/** The figures as markdown: medians, and ratios against the bare loop that writes to S3. */
import type { Contender } from './contenders.ts';
import type { KillOutcome } from './killed.ts';
import type { Measured, Outcome } from './sitting.ts';

export type Row = { contender: Contender; outcomes: Outcome[] } | { contender: Contender; absent: string };
export type KillRow = { contender: Contender; killed: KillOutcome } | { contender: Contender; absent: string };

/** The contender that the ratios are quoted against. */
export const denominator = 'loop';
/** And the same one that writes the files that s3-cascade writes. */
const batchDenominator = 'loop-batches';

export const median = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2;
};

export type Summary = {
  rounds: number;
  tasksPerSecond: number;
  slowest: number;
  fastest: number;
  /** Of the contender and its server. */
  toolCpuMs: number | undefined;
  /** With the S3 that it wrote to; Hermes is left out. */
  wholeCpuMs: number | undefined;
  peakMb: number | undefined;
  serverMb: number | undefined;
  calls: number;
};

/** undefined when a round of it was void: one wrong result is enough to distrust the others. */
export function summarize({ store }: Contender, outcomes: readonly Outcome[], tasks: number): Summary | undefined {
  const measured: Measured[] = outcomes.flatMap((outcome) => ('measured' in outcome ? [outcome.measured] : []));
  if (measured.length === 0 || measured.length < outcomes.length) return undefined;
  const rates = measured.map(({ seconds }) => tasks / seconds);
  const middle = (pick: (one: Measured) => number | undefined): number | undefined => {
    const numbers = measured.map(pick).filter((number) => number !== undefined);
    return numbers.length === 0 ? undefined : median(numbers);
  };
  // The engine's S3, and that of serverless-s3-local, are in the contender's own processes: they can not be told apart.
  const ownStore = store === 'engine' || store === 'own';
  return {
    rounds: measured.length,
    tasksPerSecond: median(rates),
    slowest: Math.min(...rates),
    fastest: Math.max(...rates),
    toolCpuMs: ownStore ? undefined : middle(({ cpuMs }) => cpuMs && (cpuMs.worker + cpuMs.server) / tasks),
    wholeCpuMs: middle(({ cpuMs }) => cpuMs && (cpuMs.worker + cpuMs.server + cpuMs.store) / tasks),
    peakMb: middle(({ peakMb }) => peakMb),
    serverMb: middle(({ serverMb }) => serverMb),
    calls: median(measured.map(({ calls }) => calls)),
  };
}

const cell = (number: number | undefined, digits = 0): string => (number === undefined ? '–' : number.toFixed(digits));

export function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const escaped = rows.map((row) => row.map((text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')));
  const lines = [header, header.map(() => '---'), ...escaped];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}

export function speedTable(rows: readonly Row[], tasks: number): string {
  const summaries = rows.map((row) => ('outcomes' in row ? summarize(row.contender, row.outcomes, tasks) : undefined));
  const bases = [denominator, batchDenominator].map(
    (name) => summaries[rows.findIndex(({ contender }) => contender.name === name)]?.tasksPerSecond,
  );
  return markdown(
    [
      'contender',
      'calls a second (slowest to fastest)',
      'to the loop',
      'to the loop with batches',
      'CPU ms a call, tool and server',
      'with the S3',
      'process, peak MB',
      'server, MB',
      'API calls',
    ],
    rows.map((row, at) => {
      const name = row.contender.title;
      if ('absent' in row) return [name, `absent: ${row.absent}`, ...Array<string>(7).fill('')];
      const summary = summaries[at];
      if (summary === undefined) return [name, `void: ${firstFailure(row.outcomes)}`, ...Array<string>(7).fill('')];
      const { tasksPerSecond, slowest, fastest } = summary;
      return [
        name,
        `${cell(tasksPerSecond)} (${cell(slowest)} to ${cell(fastest)})`,
        ...bases.map((base) => (base === undefined ? '–' : (tasksPerSecond / base).toFixed(2))),
        cell(summary.toolCpuMs, 2),
        cell(summary.wholeCpuMs, 2),
        cell(summary.peakMb),
        cell(summary.serverMb),
        cell(summary.calls),
      ];
    }),
  );
}

function firstFailure(outcomes: readonly Outcome[]): string {
  for (const outcome of outcomes) if ('failed' in outcome) return outcome.failed.split('\n', 1)[0] ?? '';
  return 'no round';
}

/** @param quietSeconds how long nothing had happened when the objects were counted */
export function killTable(rows: readonly KillRow[], quietSeconds: number): string {
  return markdown(
    [
      'contender',
      'calls before',
      'calls after',
      'made again',
      `missing after ${quietSeconds} quiet s`,
      'wrong',
      's to the last call',
    ],
    rows.map((row) => {
      const name = row.contender.title;
      if ('absent' in row) return [name, `absent: ${row.absent}`, ...Array<string>(5).fill('')];
      if ('failed' in row.killed)
        return [name, `void: ${row.killed.failed.split('\n', 1)[0] ?? ''}`, ...Array<string>(5).fill('')];
      const { callsBefore, callsAfter, repeats, missing, wrong, secondsToLastCall } = row.killed.killed;
      return [name, ...[callsBefore, callsAfter, repeats, missing, wrong].map(String), cell(secondsToLastCall, 1)];
    }),
  );
}

export function promiseTable(all: readonly Contender[]): string {
  return markdown(
    ['contender', 'retries', 'dead letters', 'replay', 'after a SIGKILL'],
    // A tool guarantees the same for tasks that are batches.
    all
      .filter(({ promises }, index) => all.findIndex((one) => one.promises === promises) === index)
      .map(({ title, promises: { retries, deadLetters, replay, killed } }) => [
        title,
        retries,
        deadLetters,
        replay,
        killed,
      ]),
  );
}
