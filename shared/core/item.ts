/**
 * An item's life: read it, see whether it is done, fetch its children, write them, write the receipt last. And what
 * becomes of it when that fails: a note in the bucket, and either Lambda's retries or a dead letter at once.
 */
import type { Level } from '../chain.ts';
import { ItemError } from './errors.ts';
import { expand, type Expansion } from './expand.ts';
import { parseFailureNote, reasonOf, type FailureNote } from './failure.ts';
import { doneKey, failureKey, failureKeyOf, parseItemKey, receiptKey, resultKey, type ItemPath } from './keys.ts';
import type { CallGate, Clock, DeadLetterSink, Log, Metadata, ObjectStore, Page, StoredObject } from './ports.ts';
import { isDone, receiptMetadata, type Receipt } from './receipt.ts';
import { createCallGate, type RetryPolicy } from './retry.ts';

/** An object that appeared under a level's prefix. */
export type ItemEvent = {
  /** Decoded. */
  key: string;
  /** When S3 says that the object was written, in milliseconds since 1970. */
  atMs: number;
  /** How many times a replay or the sweep gave it to the function again. 0 for what S3 sent. */
  replays: number;
  /** The sweep found that the item is done but short of children: work on it all the same. */
  again: boolean;
  /** The event's record as it came, so that a dead letter can be replayed as it was. */
  record: object;
};

/** What a level's fetch is given. */
export type Item = ItemPath & {
  key: string;
  /** The API's own JSON, or the seed. */
  body: string;
};

/** How a level asks the API: for a list of children, or for one result as JSON text. */
export type Fetch =
  | { many: (item: Item, gate: CallGate) => AsyncIterable<Page> }
  | { one: (item: Item, gate: CallGate) => Promise<string> };

export type ItemSettings = {
  retry: RetryPolicy;
  writeConcurrency: number;
  maxChildren: number;
  /** A larger item is an item error; it is not read. */
  maxItemBytes: number;
  /**
   * An event younger than this is at its first try: Lambda waits a minute before the first retry. Only an older one's
   * failure note is looked up for the number of tries. In milliseconds.
   */
  firstRetryMs: number;
};

export type ItemDeps = {
  level: Level;
  fetch: Fetch;
  store: ObjectStore;
  deadLetters: DeadLetterSink;
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
 * - `duplicate`: they were there before; the API was not called.
 * - `missing`: the item was deleted after its event; there is nothing to do.
 * - `failed`: an item error; noted and on the dead-letter queue.
 */
export type Outcome = {
  outcome: 'expanded' | 'duplicate' | 'missing' | 'failed';
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
    const note = await noteFailure(event, work, error, deps).catch((noteError: unknown) => {
      log.error('The failure note could not be written; the dead letter will tell.', { ...about(), error: noteError });
      throw error;
    });
    const fields = { ...about(), code: note.code, class: note.class, error };
    if (!(error instanceof ItemError)) {
      log.warn('The item failed; Lambda tries again, then it goes to the dead-letter queue.', fields);
      throw error;
    }
    await sendDeadLetter(event, note, deps);
    log.error('The item can not be fetched; it is on the dead-letter queue. Mend the cause, then replay it.', fields);
    return { outcome: 'failed', written: 0, apiCalls: work.apiCalls };
  }
}

/** What is known so far of the try, for the log and the failure note. */
type Work = { run: string | undefined; attempt: number; noteRead: boolean; apiCalls: number };

async function attemptItem(event: ItemEvent, work: Work, deps: ItemDeps): Promise<Outcome> {
  const { level, fetch, store, clock, settings } = deps;
  const path = parseItemKey(level, event.key);
  work.run = path.run;

  const isFirst = event.replays === 0 && clock.now() - event.atMs < settings.firstRetryMs;
  const [object, done] = await Promise.all([
    store.get(event.key, settings.maxItemBytes),
    store.head(doneKey(level, path)),
    isFirst ? undefined : countTries(failureKey(level, path), work, deps),
  ]);
  const nothing = { written: 0, apiCalls: 0 };
  if (object === undefined) return { outcome: 'missing', ...nothing };
  if (!event.again && done !== undefined && isDone(level, done, object.eTag))
    return { outcome: 'duplicate', ...nothing };
  // The seed is a person's text, and is checked with a better message where it is read.
  if (path.ids.length > 0) mustBeJson(event.key, object.body);

  const gate = createCallGate({
    policy: settings.retry,
    clock,
    random: deps.random,
    deadlineMs: deps.deadlineMs,
    signal: deps.signal,
    onCall: (durationMs) => {
      work.apiCalls += 1;
      deps.onCall(durationMs);
    },
  });
  const item: Item = { ...path, key: event.key, body: object.body };
  const lineage = (): Metadata => ({
    run: path.run,
    'parent-key': event.key,
    'fetched-at': iso(clock),
    attempt: String(work.attempt),
  });

  if ('one' in fetch) {
    const body = await fetch.one(item, gate);
    const created = await store.create(resultKey(level, path), body, lineage());
    return { outcome: 'expanded', written: created === 'created' ? 1 : 0, apiCalls: work.apiCalls };
  }
  const expansion = await expand({
    level,
    path,
    pages: fetch.many(item, gate),
    store,
    clock,
    deadlineMs: deps.deadlineMs,
    writeConcurrency: settings.writeConcurrency,
    maxChildren: settings.maxChildren,
    metadata: lineage,
  });
  await writeReceipt(path, object, expansion, work, event, deps);
  return { outcome: 'expanded', written: expansion.children - expansion.existing, apiCalls: work.apiCalls };
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
    at: iso(clock),
  };
  await store.put(receiptKey(level, path), JSON.stringify(receipt), receiptMetadata(receipt));
}

/** @returns the note as it was written */
async function noteFailure(event: ItemEvent, work: Work, error: unknown, deps: ItemDeps): Promise<FailureNote> {
  const { level, store, clock } = deps;
  const key = failureKeyOf(level, event.key);
  if (!work.noteRead) await countTries(key, work, deps);
  const note: FailureNote = {
    run: work.run,
    level: level.level,
    key: event.key,
    status: 'failed',
    ...reasonOf(error),
    attempts: work.attempt,
    replays: event.replays,
    at: iso(clock),
    requestId: deps.requestId,
  };
  await store.put(key, JSON.stringify(note), { attempts: String(note.attempts), code: note.code });
  return note;
}

async function countTries(key: string, work: Work, { store, settings }: ItemDeps): Promise<void> {
  const note = await store.get(key, settings.maxItemBytes);
  // A note that can't be read counts no tries: it is about to be written anew, and nothing is decided by the number.
  work.attempt = 1 + (note === undefined ? 0 : (parseFailureNote(note.body)?.attempts ?? 0));
  work.noteRead = true;
}

/**
 * The dead letter of an item error: no retry is wasted on it. It holds the event, so that a replay has what S3 sent.
 * @throws what the queue throws: then Lambda has to try again, since neither S3 nor Lambda would ever tell of this item
 */
async function sendDeadLetter(event: ItemEvent, note: FailureNote, { deadLetters }: ItemDeps): Promise<void> {
  const { level, run, key, code, message, attempts, at, requestId } = note;
  await deadLetters.send(
    JSON.stringify({
      source: 's3-cascade',
      version: '1',
      reason: { level, run, key, code, message, attempts, at, requestId },
      event: { Records: [event.record] },
    }),
  );
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

function iso(clock: Clock): string {
  return new Date(clock.now()).toISOString();
}
