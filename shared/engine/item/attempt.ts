/** One attempt of one object: what it works with, how its calls are made, and what its children carry. */
import type { Chain, Level } from '../chain/chain.ts';
import type { ItemPath } from '../chain/keys.ts';
import type { ItemEvent, Waiting } from '../events.ts';
import type { CallGate, Clock, FailureSink, Log, Metadata, ObjectStore } from '../ports.ts';
import { createCallGate, type RetryPolicy } from '../rate/call-gate.ts';
import type { Turns } from '../rate/turns.ts';
import { throwIfStopped, type RunControls } from '../runs/run-control.ts';
import type { RunParams } from '../runs/run-params.ts';
import type { FailureWatch } from './failure-watch.ts';
import type { Fetch } from './fetch.ts';
import type { FailureNote, ItemFailure } from './failure-note.ts';

/** What is known so far of the attempt, for the log and the failure note. */
export type Work = {
  run: string | undefined;
  attempt: number;
  /** The note of the attempts before, once it was looked for. */
  earlier: { note: FailureNote | undefined } | undefined;
  apiCalls: number;
  /** Of a batch: what became of its items, once the attempt has ended. */
  counts?: ItemCounts;
  /** Of a batch: those that failed, for the note; before its items are fetched, what is known of them. */
  items?: readonly ItemFailure[] | undefined;
};

export type ItemSettings = {
  retry: RetryPolicy;
  writeConcurrency: number;
  maxChildren: number;
  /** A larger item is an item error; it is not read. */
  maxItemBytes: number;
  /**
   * An event younger than this is at its first attempt: Lambda waits a minute before the first retry. Only an older one's
   * failure note is looked up for the number of attempts, and only if its run has any. In milliseconds.
   */
  firstRetryMs: number;
  /** A batch is full with so many bytes of items. */
  maxBatchBytes: number;
  /** A result part is full with so many bytes of lines. */
  maxPartBytes: number;
};

export type ItemDeps = {
  chain: Chain;
  level: Level;
  fetch: Fetch;
  store: ObjectStore;
  /** What a run was started with. */
  runParams: (run: string) => Promise<RunParams>;
  /** Whether people have paused or cancelled a run. */
  runControls: RunControls;
  deadLetters: FailureSink;
  /** The level's waiting queue: items whose turn at the API did not come. */
  waiting: FailureSink;
  turns: Turns;
  hasFailures: FailureWatch;
  clock: Clock;
  random: () => number;
  log: Log;
  settings: ItemSettings;
  requestId: string;
  /** Milliseconds since 1970 by which the work must end, with time left to note a failure. */
  deadlineMs: number;
  /** Aborted at the deadline. */
  signal: AbortSignal;
  /** After every call to the API, with its duration. */
  onCall: (durationMs: number) => void;
  /** After every attempt of a batch that fetched some of it. */
  onBatch: (counts: ItemCounts) => void;
};

/**
 * - `expanded`: all children and the receipt are there now.
 * - `duplicate`: they were there before, and the API was not called; or a seed that was dropped again took this one's place.
 * - `missing`: the item was deleted after its event; there is nothing to do. The last level's items are not read, so they are
 *   not missed.
 * - `failed`: an item error; noted and on the dead-letter queue.
 * - `deferred`: its turn at the API did not come, or its run is paused; it is on the waiting queue, and this was no attempt.
 * - `cancelled`: so is its run. No call is made any more, and this was no attempt; what was written before stays.
 *
 * A batch is `expanded` when all its items are done, and else what became of those that are not.
 */
export type Outcome = {
  outcome: 'expanded' | 'duplicate' | 'missing' | 'failed' | 'deferred' | 'cancelled';
  /** Children of the item that this attempt wrote. */
  written: number;
  apiCalls: number;
  /** Of a batch: what became of its items in this attempt. */
  items?: ItemCounts;
};

/** `cancelled`: absent when none was. */
export type ItemCounts = { done: number; failed: number; deferred: number; cancelled?: number };

/** One attempt of one object. The event is a copy: how long the API has kept it waiting is counted in it. */
export type Attempt = { event: ItemEvent; work: Work; deps: ItemDeps };

/**
 * The gate of an item's calls: what `throwIfStopped` throws comes from it, too.
 * @param patience how long the API has kept the item waiting; counted in it
 */
export function gateOf({ event, work, deps }: Attempt, patience: Waiting = event): CallGate {
  const { settings, turns, clock, random, deadlineMs, signal, onCall } = deps;
  return createCallGate({
    policy: settings.retry,
    turns: {
      take: (untilMs) => turns.take(untilMs, () => throwIfRunStopped(work, deps)),
      answered: (ms) => turns.answered(ms),
      freeze: (forMs) => turns.freeze(forMs),
    },
    clock,
    random,
    deadlineMs,
    signal,
    patience,
    refires: event.refires,
    onCall: (durationMs) => {
      work.apiCalls += 1;
      onCall(durationMs);
    },
  });
}

/** @throws as `throwIfStopped` */
export async function throwIfRunStopped({ run }: Work, { runControls }: Pick<ItemDeps, 'runControls'>): Promise<void> {
  if (run !== undefined) await throwIfStopped(run, runControls);
}

/** What a child carries: where it comes from, when, and at which attempt. */
export function lineageOf({ run }: ItemPath, { event, work, deps }: Attempt): Metadata {
  return {
    run,
    'parent-key': event.key,
    'fetched-at': new Date(deps.clock.now()).toISOString(),
    attempt: String(work.attempt),
  };
}
