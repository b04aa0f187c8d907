/** What is said of an item that is explained, and the sentences for it. */
import type { Chain, Level } from '../chain/chain.ts';
import type { FailureNote, ItemFailure } from '../item/failure-note.ts';
import type { ReceiptFacts } from '../item/receipt.ts';
import type { Clock, Metadata, ObjectStore } from '../ports.ts';
import { readRunControl, runStoppedUntilMs } from '../runs/run-control.ts';

export type ExplainDeps = {
  chain: Chain;
  store: Pick<ObjectStore, 'get' | 'head' | 'list'>;
  clock: Pick<Clock, 'now'>;
  lostAfterMs: (level: Level) => number;
  retryingForMs: number;
  /** Until when calls were stopped, as `stoppedUntilMs` tells. */
  stoppedUntilMs: () => Promise<number>;
};

/**
 * - `done`, `retrying`, `dead`, `parked`: as in a run's report.
 * - `stopped`: it waits since calls to the API are paused or frozen, or its run is paused or cancelled; `waiting`: for its function or its turn.
 * - `lost`: no event for it can be alive; the sweep re-fires it.
 * - `absent`: there is no such object.
 */
export type ItemState = 'done' | 'retrying' | 'dead' | 'parked' | 'stopped' | 'waiting' | 'lost' | 'absent';

export type Explanation = {
  run: string;
  level: string;
  key: string;
  /** By the names that the chain gives them, from the top down. */
  ids: readonly { name: string; id: string }[];
  state: ItemState;
  /** What this means, in a sentence. */
  meaning: string;
  /** What a person can do about it; absent when there is nothing to do. */
  advice?: string;
  /** The item that it was listed by; absent for a seed. */
  parent?: { key: string; state: 'done' | 'open' | 'absent' };
  /** When the object was written, ISO 8601; absent when it is not there. */
  writtenAt?: string;
  /** What the writer left on it: the parent's key, when it was fetched, at which attempt. */
  lineage?: Metadata;
  /** Its receipt or its result; `line`: in a result part, from 1. */
  done?: { key: string; receipt?: ReceiptFacts; lineage?: Metadata; line?: number };
  /** Its last error; a receipt outranks it. */
  failure?: FailureNote;
  /** The batch that it is in, or that it is. */
  batch?: BatchFacts;
};

/** An object that holds several items, and what became of them. */
export type BatchFacts = {
  key: string;
  /** Of the parent's batches, from 0. */
  number: number;
  items: number;
  done: number;
  /** Its results, by the listing. */
  parts: readonly { key: string; items: number }[];
  /** How many of its items failed, and the first of them. */
  failed: number;
  failures: readonly ItemFailure[];
  /** Items one of which stopped the function; they are taken in smaller and smaller groups. */
  suspects: number;
};

/** What a failure note says of one item. */
export type Failed = Pick<FailureNote, 'status' | 'class' | 'code' | 'attempts' | 'replays' | 'at'>;

export type Words = Pick<Explanation, 'state' | 'meaning' | 'advice'>;
export type About = Pick<Explanation, 'run' | 'level' | 'key'>;

export function failedWords({ run, level }: About, note: Failed, { clock, retryingForMs }: ExplainDeps): Words {
  const reason = `Its last attempt, number ${note.attempts}, ended with ${note.code}.`;
  if (note.status === 'parked')
    return {
      state: 'parked',
      meaning: `${reason} It was replayed ${note.replays} times and failed each time.`,
      advice: `Correct the cause, then: npx sls invoke -f replay -d '${JSON.stringify({ run, level, code: note.code, from: 'failures', force: true })}'`,
    };
  if (note.class === 'transient' && clock.now() - Date.parse(note.at) < retryingForMs)
    return { state: 'retrying', meaning: `${reason} AWS may still retry it by itself.` };
  return {
    state: 'dead',
    meaning: `${reason} It waits for a person: nothing retries it.`,
    advice: `Correct the cause, then: npx sls invoke -f replay -d '${JSON.stringify({ run, level, code: note.code })}'`,
  };
}

export async function openWords({ run }: About, level: Level, sinceMs: number, deps: ExplainDeps): Promise<Words> {
  const control = await readRunControl(run, deps.store);
  if (control.state !== 'running')
    return {
      state: 'stopped',
      meaning: `The run is ${control.state}.`,
      advice: `To continue: npm run run -- resume --run ${run}`,
    };
  const nowMs = deps.clock.now();
  const stoppedMs = Math.max(await deps.stoppedUntilMs(), runStoppedUntilMs(control));
  if (stoppedMs === Infinity)
    return { state: 'stopped', meaning: 'All calls are paused.', advice: 'To continue: npm run rate -- resume' };
  if (stoppedMs > nowMs)
    return {
      state: 'stopped',
      meaning: `The API ordered all callers to wait until ${new Date(stoppedMs).toISOString()}.`,
    };
  if (nowMs - Math.max(sinceMs, stoppedMs) > deps.lostAfterMs(level))
    return {
      state: 'lost',
      meaning: 'No event for it can be alive any more. The next sweep re-fires it.',
      advice: `To sweep now: npx sls invoke -f sweep -d '${JSON.stringify({ run })}'`,
    };
  return { state: 'waiting', meaning: 'It waits for its function, or for its turn at the API.' };
}
