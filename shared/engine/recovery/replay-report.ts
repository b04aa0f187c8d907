/** What a replay did: counted as it happens, told at the end. */
import type { Cause } from '../events.ts';

export type ReplayReason = {
  level: string;
  code: string;
  condition: string;
  count: number;
  /** `id`: of an item in a batch. */
  sample: { key: string | undefined; id?: string; message: string; at: string };
};

export type LevelCounts = { replayed: number; alreadyDone: number; parked: number; remaining: number };

export type ReplaySkips = {
  /** Of another run, or another reason than the one that is asked for. */
  filter: number;
  unreadable: number;
  /** The item was deleted. */
  missing: number;
  /** Replayed by this replay, and dead again before it ended. */
  failedAgain: number;
  /** `from: "failures"` only: Lambda may still retry it. */
  retrying: number;
  /** `from: "failures"` only: parked before, and no `force`. */
  parked: number;
  /** Of a cancelled run. */
  cancelled: number;
  /** S3, SQS or Lambda refused something about this one item; `refusals` has samples. */
  refused: number;
};

export type ReplayReport = {
  dryRun: boolean;
  /** Items that their function accepted. In a dry run: that it would have been given. */
  replayed: number;
  alreadyDone: number;
  /** Letters for an item that another letter had brought back in this replay. */
  duplicates: number;
  parked: number;
  skipped: ReplaySkips;
  /** What is left on the queues of the levels looked at, by SQS's count; or of the notes that were read. */
  remaining: number;
  /** SQS's counts lag by up to a minute. */
  remainingIsApproximate: boolean;
  byLevel: Record<string, LevelCounts>;
  reasons: ReplayReason[];
  /** The first of the items that could not be replayed, and why. */
  refusals: { level: string; key: string; message: string }[];
  seconds: number;
  stoppedBecause: 'drained' | 'limit' | 'time';
};

/** What was looked at: an object, or an item in it. */
type Looked = { key: string | undefined; id?: string | undefined; count?: number };

const maxRefusals = 20;

export class ReplayTally {
  readonly counts = { replayed: 0, alreadyDone: 0, duplicates: 0, parked: 0 };
  readonly skipped: ReplaySkips = {
    filter: 0,
    unreadable: 0,
    missing: 0,
    failedAgain: 0,
    retrying: 0,
    parked: 0,
    cancelled: 0,
    refused: 0,
  };
  readonly #byLevel = new Map<string, LevelCounts>();
  readonly #reasons = new Map<string, ReplayReason>();
  readonly #refusals: ReplayReport['refusals'] = [];

  /** Counts the items of an object that is dealt with, in all and for its level. */
  settle(level: string, what: 'replayed' | 'alreadyDone' | 'parked', items: number): void {
    this.counts[what] += items;
    this.#ofLevel(level)[what] += items;
  }

  leave(level: string, messages: number): void {
    this.#ofLevel(level).remaining += messages;
  }

  refuse(level: string, key: string, message: string): void {
    this.skipped.refused += 1;
    if (this.#refusals.length < maxRefusals) this.#refusals.push({ level, key: key.slice(0, 1024), message });
  }

  /** Groups what was looked at by level, code and condition, with the first as the sample. */
  note(level: string, { code, condition, message, atMs }: Cause, { key, id, count = 1 }: Looked): void {
    const kind = `${level} ${code} ${condition}`;
    const reason = this.#reasons.get(kind);
    if (reason === undefined) {
      const sample = { key, ...(id !== undefined && { id }), message, at: new Date(atMs).toISOString() };
      this.#reasons.set(kind, { level, code, condition, count, sample });
    } else {
      reason.count += count;
    }
  }

  report(end: Pick<ReplayReport, 'dryRun' | 'remainingIsApproximate' | 'seconds' | 'stoppedBecause'>): ReplayReport {
    return {
      dryRun: end.dryRun,
      ...this.counts,
      skipped: this.skipped,
      remaining: [...this.#byLevel.values()].reduce((sum, { remaining }) => sum + remaining, 0),
      remainingIsApproximate: end.remainingIsApproximate,
      byLevel: Object.fromEntries(this.#byLevel),
      reasons: [...this.#reasons.values()].sort((a, b) => b.count - a.count),
      refusals: this.#refusals,
      seconds: end.seconds,
      stoppedBecause: end.stoppedBecause,
    };
  }

  #ofLevel(level: string): LevelCounts {
    const counts = this.#byLevel.get(level) ?? { replayed: 0, alreadyDone: 0, parked: 0, remaining: 0 };
    this.#byLevel.set(level, counts);
    return counts;
  }
}
