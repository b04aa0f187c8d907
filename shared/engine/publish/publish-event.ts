/**
 * An event of publishing: its work, and what becomes of it when that fails. As for every item: a note in the bucket, and either
 * Lambda's retries or a dead letter at once.
 */
import { itemPathOf } from '../chain/keys.ts';
import type { Level } from '../chain/chain.ts';
import { ItemError } from '../errors.ts';
import type { ItemEvent } from '../events.ts';
import { failureCauseOf, nextNote, readFailureNote, writeFailureNote, type FailureNote } from '../item/failure-note.ts';
import type { Clock, FailureSink, Log, ObjectStore } from '../ports.ts';

export type PublishEventDeps = {
  level: Level;
  store: ObjectStore;
  deadLetters: FailureSink;
  clock: Clock;
  log: Log;
  requestId: string;
};

export type Failed = { outcome: 'failed' };

/**
 * @param work @throws ItemError when no retry can help
 * @throws what the work throws, once it is noted: then Lambda has to retry
 */
export async function takePublishEvent<Outcome extends { outcome: string }>(
  event: ItemEvent,
  work: () => Promise<Outcome>,
  deps: PublishEventDeps,
): Promise<Outcome | Failed> {
  const { level, clock, log } = deps;
  const startedMs = clock.now();
  const about = { run: itemPathOf(level, event.key)?.run, level: level.name, key: event.key };
  try {
    const done = await work();
    log.info(`Publishing: ${done.outcome}.`, { ...about, ...done, durationMs: clock.now() - startedMs });
    return done;
  } catch (error) {
    const note = await noteFailure(event, error, deps).catch((noteError: unknown) => {
      log.error('The failure note could not be written; the dead letter will tell.', { ...about, error: noteError });
      throw error;
    });
    const fields = { ...about, attempt: note.attempts, code: note.code, class: note.class, error };
    if (!(error instanceof ItemError)) {
      log.warn('Publishing failed; it is retried, then it goes to the dead-letter queue.', fields);
      throw error;
    }
    const { run, key, code, message, attempts, at, requestId } = note;
    await deps.deadLetters.send(event, { level: level.name, run, key, code, message, attempts, at, requestId });
    log.error('This can not be published; it is on the dead-letter queue. Correct the cause, then replay it.', fields);
    return { outcome: 'failed' };
  }
}

async function noteFailure(
  event: ItemEvent,
  error: unknown,
  { level, store, clock, requestId }: PublishEventDeps,
): Promise<FailureNote> {
  const before = await readFailureNote(level, event.key, store);
  const note = nextNote(level, event.key, before, {
    ...failureCauseOf(error),
    status: 'failed',
    attempts: 1 + (before?.attempts ?? 0),
    replays: event.replays,
    refires: event.refires,
    at: new Date(clock.now()).toISOString(),
    requestId,
  });
  await writeFailureNote(level, note, store);
  return note;
}
