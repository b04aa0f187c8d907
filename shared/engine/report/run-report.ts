/** How a run stands: a census, put into the words that a person asks for. Kept in the bucket as `runs/<run>.json`. */
import type { Level } from '../chain/chain.ts';
import { takeCensus, type CensusStore, type Finding, type LevelCensus } from './census.ts';
import type { FailureNote } from '../item/failure-note.ts';

export type LevelReport = {
  level: string;
  items: number;
  done: number;
  /** Noted as failed: `retrying` while Lambda may still be at it, then `dead`; `parked` when replays did not help. */
  failed: { retrying: number; dead: number; parked: number };
  /** Neither done nor failed; of these, `lost` are older than any event that could still bring them on. */
  open: number;
  lost: number;
  /** Done, but with fewer children than the receipt counts. */
  short: number;
  /** Objects under the run that are no items. */
  stray: number;
};

export type RunReason = {
  level: string;
  code: string;
  count: number;
  sample: { key: string; message: string; at: string };
};

export type RunReport = {
  run: string;
  /** When the census ended, ISO 8601. */
  at: string;
  /** Every level is done, nothing failed, and every parent has the children that its receipt counts. */
  complete: boolean;
  levels: LevelReport[];
  /** Why items failed, the commonest first. */
  reasons: RunReason[];
  /** Calls to the API behind what is done: a level's receipts count theirs, a result is one call. */
  apiCalls: number;
  /** Items that were done each second since the report before; absent in the first. */
  itemsPerSecond?: number;
  /** For the items known now, at that rate. While the tree still unfolds there are more to come. */
  secondsLeft?: number;
};

export type RunReportOptions = {
  run: string;
  store: CensusStore;
  /** Milliseconds since 1970, now. */
  now: () => number;
  /** An open item this much older than now is lost: no event for it can be alive. In milliseconds. */
  lostAfterMs: (level: Level) => number;
  /** Calls to the API were stopped until then, in milliseconds since 1970: no open item is older. Infinity while they are. */
  stoppedUntilMs: number;
  /** How long Lambda may still be trying an item after its failure was noted, in milliseconds. */
  retryingForMs: number;
  /** The last report of the run, for the rate. */
  before?: RunReport | undefined;
  /** Told of everything in the way of completeness; `isLost` for an open item that no event will bring on. */
  onFinding?: (finding: Finding, isLost: boolean) => Promise<void> | void;
};

/** Kinds of failure that a report tells apart; the rest is in the counts. */
const maxReasons = 20;

/** @throws as `takeCensus` */
export async function takeRunReport(options: RunReportOptions): Promise<RunReport> {
  const { run, store, now, before, onFinding } = options;
  const failed = new Map<string, LevelReport['failed']>();
  const lost = new Map<string, number>();
  const reasons = new Map<string, RunReason>();

  const { levels: census, apiCalls } = await takeCensus(run, store, (finding) => {
    const { level } = finding.level;
    const isLost =
      finding.kind === 'open' &&
      now() - Math.max(waitingSinceMs(finding), options.stoppedUntilMs) > options.lostAfterMs(finding.level);
    if (isLost) lost.set(level, (lost.get(level) ?? 0) + 1);
    if (finding.kind === 'failed' && finding.note !== undefined) {
      const counts = failed.get(level) ?? { retrying: 0, dead: 0, parked: 0 };
      counts[fateOf(finding.note, now(), options.retryingForMs)] += 1;
      failed.set(level, counts);
      countReason(reasons, level, finding.key, finding.note);
    }
    return onFinding?.(finding, isLost);
  });

  const levels = census.map(({ level, items, done, open, short, stray }) => ({
    level,
    items,
    done,
    failed: failed.get(level) ?? { retrying: 0, dead: 0, parked: 0 },
    open,
    lost: lost.get(level) ?? 0,
    short,
    stray,
  }));
  const report: RunReport = {
    run,
    at: new Date(now()).toISOString(),
    complete: isComplete(census),
    levels,
    reasons: [...reasons.values()].sort(commonestFirst).slice(0, maxReasons),
    apiCalls,
  };
  return { ...report, ...paceOf(report, before) };
}

/** When the last thing happened that should have brought an open item on: it was written, or the sweep re-fired it. */
function waitingSinceMs({ modifiedMs, note }: Finding): number {
  return note?.status === 'refired' ? Math.max(modifiedMs, Date.parse(note.at)) : modifiedMs;
}

/** No seed is no run. Every item that is there is done; receipts' counts say that none is missing. */
function isComplete(census: readonly LevelCensus[]): boolean {
  return (
    (census[0]?.items ?? 0) > 0 &&
    census.every(({ items, done, short, stray }) => items === done && short === 0 && stray === 0)
  );
}

function fateOf(note: FailureNote, nowMs: number, retryingForMs: number): keyof LevelReport['failed'] {
  if (note.status === 'parked') return 'parked';
  return note.class === 'transient' && nowMs - Date.parse(note.at) < retryingForMs ? 'retrying' : 'dead';
}

function countReason(
  reasons: Map<string, RunReason>,
  level: string,
  key: string,
  { code, message, at }: FailureNote,
): void {
  const reason = reasons.get(`${level} ${code}`);
  if (reason !== undefined) reason.count += 1;
  else reasons.set(`${level} ${code}`, { level, code, count: 1, sample: { key, message, at } });
}

function paceOf(report: RunReport, before: RunReport | undefined): Pick<RunReport, 'itemsPerSecond' | 'secondsLeft'> {
  if (before === undefined) return {};
  const seconds = (Date.parse(report.at) - Date.parse(before.at)) / 1000;
  const doneSince = countAll(report, 'done') - countAll(before, 'done');
  if (seconds <= 0 || doneSince <= 0) return {};
  const itemsPerSecond = doneSince / seconds;
  return { itemsPerSecond, secondsLeft: countAll(report, 'open') / itemsPerSecond };
}

function countAll(report: RunReport, what: 'done' | 'open'): number {
  return report.levels.reduce((sum, level) => sum + level[what], 0);
}

function commonestFirst(a: RunReason, b: RunReason): number {
  return b.count - a.count || a.level.localeCompare(b.level) || a.code.localeCompare(b.code);
}

/** @returns undefined for a text that is no report, e.g. since another version wrote it */
export function parseRunReport(body: string): RunReport | undefined {
  try {
    const report = JSON.parse(body) as Partial<RunReport> | null;
    return typeof report?.run === 'string' && typeof report.at === 'string' && Array.isArray(report.levels)
      ? (report as RunReport)
      : undefined;
  } catch {
    return undefined;
  }
}
