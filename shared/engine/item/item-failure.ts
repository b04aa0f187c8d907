/**
 * What becomes of an attempt that did not end well: the note in the bucket, which counts the attempts, the dead letter of an
 * item error, and the message of an item that has to wait.
 */
import { isBatched, type Level } from '../chain/chain.ts';
import type { DeferredError } from '../errors.ts';
import type { ItemEvent, Waiting } from '../events.ts';
import type { Clock, FailureSink, ObjectStore } from '../ports.ts';
import type { FailureWatch } from './failure-watch.ts';
import type { Work } from './attempt.ts';
import { failureCauseOf, nextNote, readFailureNote, writeFailureNote, type FailureNote } from './failure-note.ts';

export type FailureDeps = {
  level: Level;
  store: ObjectStore;
  deadLetters: FailureSink;
  clock: Clock;
  requestId: string;
};

/** An event that is certainly at its first attempt, or of a run without failures, spares the look at the failure note. */
export async function countEarlierAttempts(
  event: ItemEvent,
  work: Work,
  firstRetryMs: number,
  deps: FailureDeps & { hasFailures: FailureWatch },
): Promise<void> {
  const isFirstDelivery =
    event.delivery === undefined ? deps.clock.now() - event.atMs < firstRetryMs : event.delivery === 1;
  // One that waited is a new message on its queue.
  const isFirst = event.replays + event.refires === 0 && event.waited === undefined && isFirstDelivery;
  if (isFirst || (work.run !== undefined && !(await deps.hasFailures(work.run)))) return;
  await countAttempts(event, work, deps);
}

/** @returns the note as it was written */
export async function noteFailure(
  event: ItemEvent,
  work: Work,
  error: unknown,
  deps: FailureDeps,
): Promise<FailureNote> {
  const { level, store, clock, requestId } = deps;
  if (work.earlier === undefined) await countAttempts(event, work, deps);
  const cause = failureCauseOf(error);
  // An attempt of a batch that has not come to its items, as when S3 failed, knows nothing new of them.
  const isBefore = cause.class === 'transient' && work.counts === undefined;
  const note = nextNote(level, event.key, work.earlier?.note, {
    ...cause,
    status: 'failed',
    attempts: work.attempt,
    replays: event.replays,
    refires: event.refires,
    at: new Date(clock.now()).toISOString(),
    requestId,
    ...(isBefore ? stillFailed(work) : { items: work.items, ...(work.earlier?.note?.running && { running: [] }) }),
  });
  await writeFailureNote(level, note, store);
  return note;
}

/** Of the failures that the note before tells of, those whose items were done meanwhile are none any more. */
function stillFailed({ items }: Work): Partial<Pick<FailureNote, 'items'>> {
  if (items === undefined) return {};
  return { items: items.length > 0 ? items : undefined };
}

async function countAttempts({ key }: ItemEvent, work: Work, { level, store }: FailureDeps): Promise<void> {
  // A note that can't be read counts no attempts: it is about to be written anew, and nothing is decided by the number.
  const note = await readFailureNote(level, key, store);
  work.attempt = 1 + (note?.attempts ?? 0);
  work.earlier = { note };
}

/**
 * The dead letter of an item error: no retry is wasted on it.
 * @throws what the queue throws: then Lambda has to retry, since neither S3 nor Lambda would ever tell of this item
 */
export async function sendDeadLetter(event: ItemEvent, note: FailureNote, deps: FailureDeps): Promise<void> {
  const { level, run, key, code, message, attempts, at, requestId } = note;
  const sent = isBatched(deps.level) ? { ...event, isDead: true } : event;
  await deps.deadLetters.send(sent, { level, run, key, code, message, attempts, at, requestId });
}

/**
 * Requeues an item without counting an attempt: its event travels as it came.
 * @throws what the queue throws: then the event has to be retried
 */
export async function sendToWait(
  event: ItemEvent,
  { run }: Work,
  { code, message }: DeferredError,
  { level, waiting, clock }: Pick<FailureDeps, 'level' | 'clock'> & { waiting: FailureSink },
): Promise<void> {
  const at = new Date(clock.now()).toISOString();
  const sent = code === 'RUN_PAUSED' ? withoutPatience(event) : event;
  await waiting.send(
    { ...sent, waited: (event.waited ?? 0) + 1 },
    { level: level.name, run, key: event.key, code, message, at },
  );
}

/** How long a person pauses the run is not held against the item: the API's orders to wait are counted anew after it. */
function withoutPatience(event: ItemEvent): ItemEvent {
  const anew = (wait: Waiting): Waiting => ({ ...wait, waitingSinceMs: undefined });
  const { waits } = event;
  return {
    ...event,
    waitingSinceMs: undefined,
    waits: waits && Object.fromEntries(Object.entries(waits).map(([index, wait]) => [index, anew(wait)])),
  };
}
