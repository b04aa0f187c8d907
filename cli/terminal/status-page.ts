/** How a run stands, for a person and for a script: a page, a line, an exit status. Pure. */
import type { RunStatus, Status } from '../../shared/engine/report/status.ts';
import { summaryOf } from '../../shared/engine/report/status.ts';
import { bar, reasonLines, reasonsOf } from './drawing.ts';
import { rateLines } from './rate-lines.ts';
import { publishLines } from './publish-lines.ts';
import { count, duration, oneLine, plural, table } from './format.ts';

/** 0: complete. 1: failed, and a person has to act. 2: still open. 3: there was no answer. */
export type StatusExit = 0 | 1 | 2 | 3;

export function exitOf(status: Status): StatusExit {
  if ('runs' in status) return 0;
  if (status.complete) return 0;
  // Nothing brings it on but a person.
  if (status.control?.state === 'cancelled') return 1;
  const { open, short, retrying, dead, parked, stray } = totalsOf(status);
  // The sweep takes care of a short parent and an open item; a stray object only a person can judge.
  if (open + short + retrying > 0) return 2;
  return dead + parked + stray > 0 ? 1 : 2;
}

/** A run in one line, for a log; of several runs, each in one. */
export function statusLine(status: Status): string {
  if (!('runs' in status)) return `${status.run}: ${summaryOf(status)}`;
  return status.runs.length > 0
    ? status.runs.map(({ line }) => line).join('\n')
    : 'There are no runs: there is no seed under seeds/.';
}

/** @param width no line is longer, in characters; 80 are enough */
export function statusPage(status: RunStatus, width = 80): string {
  const { run, complete, levels, apiCalls, itemsPerSecond, secondsLeft, control } = status;
  const verdict = complete
    ? 'is complete'
    : control !== undefined
      ? `is ${control.state.toUpperCase()}`
      : exitOf(status) === 1
        ? 'has FAILED'
        : 'is open';
  const pace = [
    `API calls ${count(apiCalls)}`,
    ...(itemsPerSecond === undefined ? [] : [`${itemsPerSecond.toFixed(1)} items a second`]),
    ...(secondsLeft === undefined || complete ? [] : [`about ${duration(secondsLeft)} left for the items known now`]),
  ].join(', ');
  const blocks = [
    [`Run ${run} ${verdict}.`, ...stopLines(status, width)],
    levelTable(levels, width),
    [`${pace}.`, ...rateOf(status), ageLine(status)],
    publishLines(status.published, width),
    problemLines(status, width),
    troubleLines(status),
    reasonLines(reasonsOf(status.reasons), width),
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function levelTable(levels: RunStatus['levels'], width: number): string[] {
  const figures = levels.map(({ level, items, done, failed, open, lost }) => {
    const all = failed.retrying + failed.dead + failed.parked;
    return { row: [level, count(items), count(done), count(all), count(open), count(lost)], items, done, failed: all };
  });
  const plain = table(
    ['level', '>items', '>done', '>failed', '>open', '>lost'],
    figures.map(({ row }) => row),
  );
  const widest = Math.max(...plain.map((line) => line.length));
  const barWidth = Math.min(40, width - widest - 2);
  // The numbers say everything; a terminal too narrow for bars gets none.
  if (barWidth < 5) return plain;
  return table(
    ['level', '', '>items', '>done', '>failed', '>open', '>lost'],
    figures.map(({ row: [level = '', ...numbers], ...of }) => [level, bar(of, barWidth), ...numbers]),
  );
}

function stopLines({ run, control }: RunStatus, width: number): string[] {
  if (control === undefined) return [];
  const { reason, at } = control;
  return [
    oneLine(`Since ${at}${reason === undefined ? '' : `: ${reason}`}`, width),
    `To continue: npm run run -- resume --run ${run}`,
  ];
}

function rateOf({ rate }: RunStatus): string[] {
  return rate === undefined ? [] : rateLines(rate);
}

function ageLine({ from, ageSeconds }: RunStatus): string {
  return from === 'census'
    ? 'The figures are of just now.'
    : `The figures are ${duration(Math.max(0, ageSeconds))} old, from the last sweep; --fresh counts now.`;
}

/** Why the last sweep could not finish this run: until that is corrected, nothing that was lost is re-fired. */
function problemLines({ problem }: RunStatus, width: number): string[] {
  if (problem === undefined) return [];
  return [
    `The sweep of ${problem.at} failed: ${problem.code}`,
    `  ${oneLine(problem.message, width - 2)}`,
    'Correct it; the next sweep looks at this run again.',
  ];
}

function troubleLines({ levels }: RunStatus): string[] {
  const kinds = (words: [number, string][]): string =>
    words
      .filter(([times]) => times > 0)
      .map(([times, word]) => `${count(times)} ${word}`)
      .join(', ');
  return levels.flatMap(({ level, failed: { retrying, dead, parked }, lost, short, stray }) => [
    ...(retrying + dead + parked > 0
      ? [
          `${level}: failed: ${kinds([
            [retrying, 'retrying'],
            [dead, 'dead'],
            [parked, 'parked'],
          ])}`,
        ]
      : []),
    ...(lost > 0 ? [`${level}: ${plural(lost, 'lost item')}: the next sweep re-fires what it may`] : []),
    ...(short > 0 ? [`${level}: ${plural(short, 'item')} with fewer children than the receipt counts`] : []),
    ...(stray > 0
      ? [
          `${level}: ${plural(stray, 'object')} under its prefix that ${stray === 1 ? 'is not an item' : 'are not items'}`,
        ]
      : []),
  ]);
}

function totalsOf({ levels }: RunStatus) {
  const totals = { open: 0, short: 0, stray: 0, retrying: 0, dead: 0, parked: 0 };
  for (const { open, short, stray, failed } of levels) {
    totals.open += open;
    totals.short += short;
    totals.stray += stray;
    totals.retrying += failed.retrying;
    totals.dead += failed.dead;
    totals.parked += failed.parked;
  }
  return totals;
}
