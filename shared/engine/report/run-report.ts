/** How a run stands: a census, put into the words that a person asks for. Kept in the bucket as `runs/<run>.json`. */
import type { Level } from '../chain/chain.ts';
import type { FailedItem } from '../item/standing.ts';
import type { RunStop } from '../runs/run-control.ts';
import type { Census, Finding, LevelCensus } from './census.ts';

export type LevelReport = {
  level: string;
  items: number;
  done: number;
  /** Noted as failed: `retrying` while Lambda may still retry it, then `dead`; `parked` when replays did not help. */
  failed: { retrying: number; dead: number; parked: number };
  /** Neither done nor failed; of these, `lost` are older than any event for them could be. */
  open: number;
  lost: number;
  /** Done, but with other children than the receipt counts. */
  short: number;
  /** Objects in the run's tree that are no items. */
  stray: number;
  /** Of the keys and ETags of its items. */
  contents?: string;
};

export type RunReason = {
  level: string;
  code: string;
  count: number;
  /** Of these, by what becomes of them. Absent in reports of version 0.1. */
  failed?: LevelReport['failed'];
  /** `id`: of an item in a batch. `requestId`: Lambda's, to find the attempt in the log. */
  sample: { key: string; id?: string; message: string; at: string; requestId?: string };
};

export type RunReport = {
  run: string;
  /** When the census ended, ISO 8601. */
  at: string;
  /** A person has paused or cancelled the run; absent: it runs, or is complete. */
  control?: RunStop;
  /** Every level is done, nothing failed, and every parent has the children that its receipt counts. */
  complete: boolean;
  levels: LevelReport[];
  /** Why items failed, the commonest first. */
  reasons: RunReason[];
  /** Calls to the API behind what is done: a level's receipts count theirs, a result is one call. */
  apiCalls: number;
  /** Of the keys and ETags of the results. */
  results?: string;
  /** Items that were done each second since the report before; absent in the first. */
  itemsPerSecond?: number;
  /** For the items known now, at that rate. While the tree still unfolds there are more to come. */
  secondsLeft?: number;
  /** Why the last sweep could not finish this run; the figures are then those of the sweep before. */
  problem?: SweepProblem;
};

export type SweepProblem = {
  code: string;
  message: string;
  /** ISO 8601. */
  at: string;
};

/** What tells a lost item from one that is only late, and a retry under way from a failure. */
export type ReportTerms = {
  /** An open item this much older than now is lost: no event for it can be alive. In milliseconds. */
  lostAfterMs: (level: Level) => number;
  /** Calls to the API were stopped until then, in milliseconds since 1970: no open item is older. Infinity while they are. */
  stoppedUntilMs: number;
  /** How long Lambda may still retry an item after its failure was noted, in milliseconds. */
  retryingForMs: number;
  /** Milliseconds since 1970, now. */
  now: () => number;
};

/** Kinds of failure that a report tells apart; the rest is in the counts. */
const maxReasons = 20;

/** Takes a census's findings as they come, and makes the report of them at the end. */
export class ReportBuilder {
  readonly #terms: ReportTerms;
  readonly #failed = new Map<string, LevelReport['failed']>();
  readonly #lost = new Map<string, number>();
  readonly #reasons = new Map<string, RunReason>();

  constructor(terms: ReportTerms) {
    this.#terms = terms;
  }

  /** @returns whether it is an open item that no event will bring on */
  add(finding: Finding): boolean {
    const { name } = finding.level;
    const { lostAfterMs, stoppedUntilMs, now } = this.#terms;
    const ageMs = now() - Math.max(waitingSinceMs(finding), stoppedUntilMs);
    const isLost = finding.kind === 'open' && ageMs > lostAfterMs(finding.level);
    if (isLost) this.#lost.set(name, (this.#lost.get(name) ?? 0) + finding.open);
    for (const failure of finding.failures) this.#countFailure(finding, failure);
    return isLost;
  }

  /**
   * @param census read to its end
   * @param before the last report of the run, for the rate
   * @param stop what people have set for the run
   */
  report(run: string, census: Census, before: RunReport | undefined, stop?: RunStop): RunReport {
    const counted = census.levels();
    const report: RunReport = {
      run,
      at: new Date(this.#terms.now()).toISOString(),
      complete: isComplete(counted),
      ...(stop !== undefined && !isComplete(counted) && { control: stop }),
      levels: counted.map(({ level, items, done, open, short, stray, contents }) => ({
        level,
        items,
        done,
        failed: this.#failed.get(level) ?? noneFailed(),
        open,
        lost: this.#lost.get(level) ?? 0,
        short,
        stray,
        contents,
      })),
      reasons: [...this.#reasons.values()].sort(commonestFirst).slice(0, maxReasons),
      apiCalls: census.apiCalls(),
      results: census.results(),
    };
    return { ...report, ...paceOf(report, before) };
  }

  #countFailure({ level: { name: level }, key, note }: Finding, failure: FailedItem): void {
    const { retryingForMs, now } = this.#terms;
    const { id, code, message, at, count } = failure;
    const fate = note?.status === 'parked' ? 'parked' : fateOf(failure, now(), retryingForMs);
    const counts = this.#failed.get(level) ?? noneFailed();
    counts[fate] += count;
    this.#failed.set(level, counts);
    const sample = { key, ...(id !== undefined && { id }), message, at, ...(note && { requestId: note.requestId }) };
    const kind = `${level} ${code}`;
    const reason = this.#reasons.get(kind) ?? { level, code, count: 0, failed: noneFailed(), sample };
    reason.count += count;
    if (reason.failed !== undefined) reason.failed[fate] += count;
    this.#reasons.set(kind, reason);
  }
}

function noneFailed(): LevelReport['failed'] {
  return { retrying: 0, dead: 0, parked: 0 };
}

/** @throws as the census does */
export async function takeRunReport(
  run: string,
  census: Census,
  terms: ReportTerms,
  { before, stop }: { before?: RunReport | undefined; stop?: RunStop | undefined } = {},
): Promise<RunReport> {
  const builder = new ReportBuilder(terms);
  for await (const finding of census.findings) builder.add(finding);
  return builder.report(run, census, before, stop);
}

/** When the last thing happened that should have brought an open item on: it was written, or the sweep re-fired it. */
export function waitingSinceMs({ modifiedMs, note }: Pick<Finding, 'modifiedMs' | 'note'>): number {
  return note === undefined ? modifiedMs : Math.max(modifiedMs, Date.parse(note.at));
}

/** No seed is no run. Every item that is there is done; receipts say that none is missing. */
function isComplete(census: readonly LevelCensus[]): boolean {
  return (
    (census[0]?.items ?? 0) > 0 &&
    census.every(({ items, done, short, stray }) => items === done && short === 0 && stray === 0)
  );
}

function fateOf({ class: kind, at }: FailedItem, nowMs: number, retryingForMs: number): 'retrying' | 'dead' {
  return kind === 'transient' && nowMs - Date.parse(at) < retryingForMs ? 'retrying' : 'dead';
}

function paceOf(report: RunReport, before: RunReport | undefined): Pick<RunReport, 'itemsPerSecond' | 'secondsLeft'> {
  if (before === undefined) return {};
  const seconds = (Date.parse(report.at) - Date.parse(before.at)) / 1000;
  const doneSince = countAll(report, 'done') - countAll(before, 'done');
  if (!(seconds > 0) || !(doneSince > 0)) return {};
  const itemsPerSecond = doneSince / seconds;
  return { itemsPerSecond, secondsLeft: countAll(report, 'open') / itemsPerSecond };
}

function countAll(report: RunReport, what: 'done' | 'open'): number {
  return report.levels.reduce((sum, level) => sum + level[what], 0);
}

function commonestFirst(a: RunReason, b: RunReason): number {
  return b.count - a.count || a.level.localeCompare(b.level) || a.code.localeCompare(b.code);
}

/**
 * What is another than it was, by level: an object was overwritten, deleted or added since.
 * @param before the report in the success marker
 */
export function changesSince(before: RunReport, now: RunReport): string[] {
  const levels = now.levels.filter(({ level, contents }) => {
    const was = before.levels.find((each) => each.level === level)?.contents;
    return was !== undefined && was !== contents;
  });
  const changed = levels.map(({ level }) => `the items of ${level}`);
  return before.results !== undefined && before.results !== now.results ? [...changed, 'the results'] : changed;
}
