/**
 * What becomes of an item's try that did not end well: the note in the bucket, which counts the tries, the dead letter of an
 * item error, and the message of an item that has to wait.
 */
import type { Level } from '../chain/chain.ts';
import type { FailureWatch } from './failure-watch.ts';
import { maxNoteBytes, parseFailureNote, reasonOf, type FailureNote } from './failure-note.ts';
import type { ItemEvent } from './item.ts';
import { failureKeyOf } from '../chain/keys.ts';
import type { DeferredError } from '../errors.ts';
import type { Clock, MessageSink, ObjectStore } from '../ports.ts';

/** What is known so far of the try, for the log and the failure note. */
export type Work = { run: string | undefined; attempt: number; noteRead: boolean; apiCalls: number };

export type FailureDeps = {
  level: Level;
  store: ObjectStore;
  deadLetters: MessageSink;
  clock: Clock;
  requestId: string;
};

/** An event that is certainly at its first try, or of a run without failures, spares the look at the failure note. */
export async function countEarlierTries(
  event: ItemEvent,
  work: Work,
  firstRetryMs: number,
  deps: FailureDeps & { hasFailures: FailureWatch },
): Promise<void> {
  const isFirstDelivery =
    event.delivery === undefined ? deps.clock.now() - event.atMs < firstRetryMs : event.delivery === 1;
  const isFirst = event.replays + event.refires === 0 && isFirstDelivery;
  if (isFirst || (work.run !== undefined && !(await deps.hasFailures(work.run)))) return;
  await countTries(failureKeyOf(deps.level, event.key), work, deps);
}

/** @returns the note as it was written */
export async function noteFailure(
  event: ItemEvent,
  work: Work,
  error: unknown,
  deps: FailureDeps,
): Promise<FailureNote> {
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
    refires: event.refires,
    at: new Date(clock.now()).toISOString(),
    requestId: deps.requestId,
  };
  await store.put(key, JSON.stringify(note), { attempts: String(note.attempts), code: note.code });
  return note;
}

async function countTries(key: string, work: Work, { store }: FailureDeps): Promise<void> {
  const note = await store.get(key, maxNoteBytes);
  // A note that can't be read counts no tries: it is about to be written anew, and nothing is decided by the number.
  work.attempt = 1 + (note === undefined ? 0 : (parseFailureNote(note.body)?.attempts ?? 0));
  work.noteRead = true;
}

/**
 * The dead letter of an item error: no retry is wasted on it. It holds the event, so that a replay has what S3 sent.
 * @throws what the queue throws: then Lambda has to try again, since neither S3 nor Lambda would ever tell of this item
 */
export async function sendDeadLetter(event: ItemEvent, note: FailureNote, { deadLetters }: FailureDeps): Promise<void> {
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

/**
 * Hands an item back. Its message holds the event as it came, so that the tries that it had stay counted as they were.
 * @throws what the queue throws: then the event has to be tried again
 */
export async function sendToWait(
  event: ItemEvent,
  { run }: Work,
  { code, message }: DeferredError,
  { level, waiting, clock }: Pick<FailureDeps, 'level' | 'clock'> & { waiting: MessageSink },
): Promise<void> {
  const reason = { level: level.level, run, key: event.key, code, message, at: new Date(clock.now()).toISOString() };
  await waiting.send(
    JSON.stringify({ source: 's3-cascade', version: '1', reason, event: { Records: [event.record] } }),
  );
}
