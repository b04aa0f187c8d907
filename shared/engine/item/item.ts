/**
 * An item's life: read it, see whether it is done, fetch its children, write them, write the receipt last. And what
 * becomes of it when that fails: a note in the bucket, and either Lambda's retries or a dead letter at once.
 */
import type { Level } from '../chain/chain.ts';
import { DeferredError, ItemError } from '../errors.ts';
import { expand, type Expansion } from './expand.ts';
import type { FailureWatch } from './failure-watch.ts';
import { countEarlierTries, noteFailure, sendDeadLetter, sendToWait, type Work } from './item-failure.ts';
import { doneKey, parseItemKey, receiptKey, resultKey, type ItemPath } from '../chain/keys.ts';
import { unmark } from '../runs/markers.ts';
import type { CallGate, Clock, Log, MessageSink, Metadata, ObjectStore, Page, StoredObject } from '../ports.ts';
import { isDone, isDoneSince, receiptMetadata, type Receipt } from './receipt.ts';
import { createCallGate, type RetryPolicy } from '../rate/call-gate.ts';
import type { Turns } from '../rate/turns.ts';

/** An object that appeared under a level's prefix. */
export type ItemEvent = {
  /** Decoded. */
  key: string;
  /** When S3 says that the object was written, in milliseconds since 1970. */
  atMs: number;
  /** How many times a replay gave it to the function again. 0 for what S3 sent. */
  replays: number;
  /** How many times the sweep did, since the last replay. */
  refires: number;
  /** Which delivery of a queue's message this is, from 1; undefined when Lambda was invoked with the event. */
  delivery?: number | undefined;
  /** The sweep found that the item is done but short of children: work on it all the same. */
  again: boolean;
  /** The event's record as it came, so that a dead letter can be replayed as it was. */
  record: object;
};

/** What a level's fetch is given: the run and the ids that its key holds. */
export type Item = ItemPath & { key: string };

/** An item that has been read, since its receipt has to name what it was written for. */
export type ReadItem = Item & {
  /** The API's own JSON, or the seed. */
  body: string;
};

/** A leaf's item: it is read only if the fetch asks for it, since its key says all that most APIs need. */
export type UnreadItem = Item & {
  /**
   * The API's own JSON.
   * @throws ItemError `MISSING` when it was deleted, `NOT_JSON`, `TOO_LARGE`; what the store throws
   */
  read: () => Promise<string>;
};

/** How a level asks the API: for a list of children, or for one result as JSON text. */
export type Fetch = { many: FetchMany } | { one: FetchOne };
export type FetchMany = (item: ReadItem, gate: CallGate) => AsyncIterable<Page>;
export type FetchOne = (item: UnreadItem, gate: CallGate) => Promise<string>;

export type ItemSettings = {
  retry: RetryPolicy;
  writeConcurrency: number;
  maxChildren: number;
  /** A larger item is an item error; it is not read. */
  maxItemBytes: number;
  /**
   * An event younger than this is at its first try: Lambda waits a minute before the first retry. Only an older one's
   * failure note is looked up for the number of tries, and only if its run has any. In milliseconds.
   */
  firstRetryMs: number;
};

export type ItemDeps = {
  level: Level;
  fetch: Fetch;
  store: ObjectStore;
  deadLetters: MessageSink;
  /** The level's waiting queue: items whose turn at the API did not come. */
  waiting: MessageSink;
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
};

/**
 * - `expanded`: all children and the receipt are there now.
 * - `duplicate`: they were there before, and the API was not called; or a seed that was dropped again took this one's place.
 * - `missing`: the item was deleted after its event; there is nothing to do. A leaf's item is not read, so it is not missed.
 * - `failed`: an item error; noted and on the dead-letter queue.
 * - `deferred`: its turn at the API did not come; it is on the waiting queue, and this was no try.
 */
export type Outcome = {
  outcome: 'expanded' | 'duplicate' | 'missing' | 'failed' | 'deferred';
  /** Children of the item that this try wrote. */
  written: number;
  apiCalls: number;
};

/**
 * Takes one item through its life.
 * @throws whatever went wrong, unless it was an item error that is noted and sent: then Lambda has to try again
 */
export async function processItem(event: ItemEvent, deps: ItemDeps): Promise<Outcome> {
  const { level, log, clock } = deps;
  const startedMs = clock.now();
  const work: Work = { run: undefined, attempt: 1, noteRead: false, apiCalls: 0 };
  const about = (): Record<string, unknown> => ({
    run: work.run,
    level: level.level,
    key: event.key,
    attempt: work.attempt,
  });
  try {
    const done = await attemptItem(event, work, deps);
    log.info(`Item ${done.outcome}.`, { ...about(), ...done, durationMs: clock.now() - startedMs });
    return done;
  } catch (error) {
    if (error instanceof DeferredError) {
      await sendToWait(event, work, error, deps);
      log.info('The item was handed back; it goes on when it may.', { ...about(), code: error.code });
      return { outcome: 'deferred', written: 0, apiCalls: work.apiCalls };
    }
    const note = await noteFailure(event, work, error, deps).catch((noteError: unknown) => {
      log.error('The failure note could not be written; the dead letter will tell.', { ...about(), error: noteError });
      throw error;
    });
    const fields = { ...about(), code: note.code, class: note.class, error };
    if (!(error instanceof ItemError)) {
      log.warn('The item failed; it is tried again, then it goes to the dead-letter queue.', fields);
      throw error;
    }
    await sendDeadLetter(event, note, deps);
    log.error('The item can not be fetched; it is on the dead-letter queue. Mend the cause, then replay it.', fields);
    return { outcome: 'failed', written: 0, apiCalls: work.apiCalls };
  }
}

function attemptItem(event: ItemEvent, work: Work, deps: ItemDeps): Promise<Outcome> {
  const path = parseItemKey(deps.level, event.key);
  work.run = path.run;
  const attempt: Attempt = { path, event, work, deps, gate: gateOf(work, deps) };
  return 'one' in deps.fetch ? fetchOne(deps.fetch.one, attempt) : fetchMany(deps.fetch.many, attempt);
}

/** One try of one item, whose key says that it is one. */
type Attempt = { path: ItemPath; event: ItemEvent; work: Work; deps: ItemDeps; gate: CallGate };

const duplicate: Outcome = { outcome: 'duplicate', written: 0, apiCalls: 0 };
const missing: Outcome = { outcome: 'missing', written: 0, apiCalls: 0 };

async function fetchMany(many: FetchMany, { path, event, work, deps, gate }: Attempt): Promise<Outcome> {
  const { level, store, clock, settings, deadlineMs } = deps;
  const [object, done] = await Promise.all([
    store.get(event.key, settings.maxItemBytes),
    store.head(doneKey(level, path)),
    countEarlierTries(event, work, settings.firstRetryMs, deps),
  ]);
  if (object === undefined) return missing;
  if (done !== undefined && isDone(level, done, object.eTag) && isDoneSince(event, done)) return duplicate;
  // The seed is a person's text, and is checked with a better message where it is read.
  if (path.ids.length > 0) mustBeJson(event.key, object.body);

  // A seed that is expanded anew makes its run incomplete: nobody shall read meanwhile that it is complete.
  if (path.ids.length === 0) await unmark(path.run, store);

  const expansion = await expand({
    level,
    path,
    pages: many({ ...path, key: event.key, body: object.body }, gate),
    store,
    clock,
    deadlineMs,
    writeConcurrency: settings.writeConcurrency,
    maxChildren: settings.maxChildren,
    metadata: () => lineageOf(path, event, work, clock),
  });
  const written = expansion.children - expansion.existing;
  // A seed that was dropped again meanwhile has an event of its own; the receipt for it must not be overwritten by this one.
  if (path.ids.length === 0 && (await store.head(event.key))?.eTag !== object.eTag)
    return { outcome: 'duplicate', written, apiCalls: work.apiCalls };
  await writeReceipt(path, object, expansion, work, event, deps);
  return { outcome: 'expanded', written, apiCalls: work.apiCalls };
}

async function fetchOne(one: FetchOne, { path, event, work, deps, gate }: Attempt): Promise<Outcome> {
  const { level, store, clock, settings } = deps;
  const [done] = await Promise.all([
    store.head(doneKey(level, path)),
    countEarlierTries(event, work, settings.firstRetryMs, deps),
  ]);
  // A result is whole or it is not there: there is nothing to do again.
  if (done !== undefined) return duplicate;

  const read = async (): Promise<string> => {
    const object = await store.get(event.key, settings.maxItemBytes);
    if (object === undefined) throw new ItemError('MISSING', `The item ${event.key} was deleted after its event.`);
    mustBeJson(event.key, object.body);
    return object.body;
  };
  const body = await one({ ...path, key: event.key, read }, gate);
  const created = await store.create(resultKey(level, path), body, lineageOf(path, event, work, clock));
  return { outcome: 'expanded', written: created === 'created' ? 1 : 0, apiCalls: work.apiCalls };
}

function gateOf(work: Work, { settings, turns, clock, random, deadlineMs, signal, onCall }: ItemDeps): CallGate {
  return createCallGate({
    policy: settings.retry,
    turns,
    clock,
    random,
    deadlineMs,
    signal,
    onCall: (durationMs) => {
      work.apiCalls += 1;
      onCall(durationMs);
    },
  });
}

/** What a child carries: where it comes from, when, and at which try. */
function lineageOf({ run }: ItemPath, { key }: ItemEvent, { attempt }: Work, clock: Clock): Metadata {
  return { run, 'parent-key': key, 'fetched-at': new Date(clock.now()).toISOString(), attempt: String(attempt) };
}

async function writeReceipt(
  path: ItemPath,
  object: StoredObject,
  expansion: Expansion,
  work: Work,
  event: ItemEvent,
  { level, store, clock }: ItemDeps,
): Promise<void> {
  const receipt: Receipt = {
    run: path.run,
    level: level.level,
    key: event.key,
    inputETag: object.eTag,
    ...expansion,
    apiCalls: work.apiCalls,
    attempt: work.attempt,
    at: new Date(clock.now()).toISOString(),
  };
  await store.put(receiptKey(level, path), JSON.stringify(receipt), receiptMetadata(receipt));
}

/** @throws ItemError `NOT_JSON`: somebody else's object under a level's prefix */
function mustBeJson(key: string, body: string): void {
  if (body.trim() === '')
    throw new ItemError('NOT_JSON', `The item ${key} is empty; it was expected to be the API's JSON.`);
  try {
    JSON.parse(body);
  } catch (error) {
    throw new ItemError(
      'NOT_JSON',
      `The item ${key} is not JSON (${(error as SyntaxError).message}). Was it put there by hand?`,
      {
        cause: error,
      },
    );
  }
}
