/** What the sweep does about an item that no event will bring on: it is re-fired a few times, then noted as failed. */
import type { Level } from '../chain/chain.ts';
import { itemPathOf } from '../chain/keys.ts';
import { newEvent } from '../events.ts';
import { lostCode, nextNote, readFailureNote, shortCode, writeFailureNote } from '../item/failure-note.ts';
import type { Clock, EventSink, Log, ObjectStore } from '../ports.ts';
import type { Finding } from '../report/census.ts';

export type RefireDeps = {
  store: ObjectStore;
  /** By level: where its events go. */
  refires: ReadonlyMap<string, EventSink>;
  clock: Clock;
  log: Log;
  /** An item is re-fired this often before it is noted as failed. */
  maxRefires: number;
};

export type RefireTerms = {
  /** What a cancelled run has lost by it, and that comes back now that the run is resumed: it is never given up for that. */
  isReturned?: boolean;
  /** Look and count, change nothing. */
  isDry: boolean;
  lostAfterMs: (level: Level) => number;
  /** Until when calls to the API were stopped, in milliseconds since 1970. */
  stoppedUntilMs: number;
};

/**
 * Notes the re-fire, then re-fires: a crash between the two costs one of the few times, and never makes it endless.
 */
export async function refireOrGiveUp(
  { level, key, kind, modifiedMs, note: seen }: Finding,
  { isDry, lostAfterMs, stoppedUntilMs, isReturned = false }: RefireTerms,
  deps: RefireDeps,
): Promise<'refired' | 'givenUp' | 'waits'> {
  const { store, clock, log, maxRefires } = deps;
  const isShort = kind === 'short';
  const before = isShort ? await readFailureNote(level, key, store) : seen;
  const code = isShort ? shortCode : lostCode;
  // Given up, and expanded after that, as by a replay: what is wrong now is something new. S3 tells times in whole seconds.
  const isOver =
    isShort && before?.status === 'failed' && before.code === code && Date.parse(before.at) < modifiedMs + 1000;
  const { replays = 0 } = before ?? {};
  // The note of an attempt that failed since then keeps the count.
  const refires = isOver ? 0 : (before?.refires ?? 0);
  // The census reads no notes of items that are done, so it can't know that a short parent's last event may still be alive.
  const sinceMs = Math.max(Date.parse(before?.at ?? ''), stoppedUntilMs);
  if (isShort && refires > 0 && clock.now() - sinceMs <= lostAfterMs(level)) return 'waits';
  const wasGivenUp = !isOver && before?.status === 'failed' && before.code === code;
  const isGivenUp = !isReturned && (wasGivenUp || refires >= maxRefires);
  if (isDry || wasGivenUp) return isGivenUp ? 'givenUp' : 'refired';
  const note = nextNote(level, key, before, {
    status: isGivenUp ? 'failed' : 'refired',
    class: 'item',
    code,
    message: isShort
      ? "The item's children are not those that its receipt counts."
      : isReturned
        ? "The item's event ended when its run was cancelled; the run was resumed."
        : `The item's event was lost: it was neither done nor failed after ${refires + 1} event${refires === 0 ? '' : 's'}.`,
    refires: isGivenUp ? refires : refires + 1,
    // No event of it was lost.
    ...(isReturned && { refires: Math.max(1, refires) }),
    at: new Date(clock.now()).toISOString(),
  });
  await writeFailureNote(level, note, store);
  const fields = { run: itemPathOf(level, key)?.run, level: level.name, key, code, refires };
  if (isGivenUp) {
    log.error(
      'The item was re-fired as often as is allowed and is still not done; it is noted as failed. Replay it from the failures.',
      fields,
    );
    return 'givenUp';
  }
  const refire = deps.refires.get(level.name);
  if (refire === undefined) throw new Error(`Nothing is known to re-fire items of the level ${level.name}.`);
  await refire.send(newEvent(key, clock.now(), { replays, refires: note.refires, reexpand: isShort }));
  log.warn(
    isShort
      ? "The item's children differ from its receipt; it is expanded again."
      : isReturned
        ? 'The run was cancelled and resumed; the item was re-fired.'
        : 'The item was lost; it was re-fired.',
    fields,
  );
  return 'refired';
}
