/**
 * Gives items that had to wait for their turn at the API to their level's function again. A message is removed only after its
 * item was accepted.
 */
import type { Level } from '../chain/chain.ts';
import { itemPathOf } from '../chain/keys.ts';
import { waitForAll } from '../concurrency.ts';
import { TransientError } from '../errors.ts';
import type { ItemEvent } from '../events.ts';
import type { Clock, EventSink, Log, MessageQueue, QueueMessage } from '../ports.ts';
import type { RunControlState, RunControls } from '../runs/run-control.ts';
import { drainQueue } from './drain.ts';

export type WaitingLevel = { level: Level; waiting: MessageQueue; refire: EventSink };

export type ResumeDeps = {
  /** Whether people have paused or cancelled a run. */
  runControls: RunControls;
  clock: Clock;
  log: Log;
  /** Milliseconds since 1970 by which to have stopped. */
  deadlineMs: number;
};

/**
 * Each item is given back once, since it may be back at once. A message that can't be resumed, or whose item has to wait longer,
 * or is of a paused run, is left on its queue, and keeps no other from being resumed. Those of a cancelled run are deleted.
 * @returns how many items were given back
 * @throws what SQS or Lambda throw for all items alike; what was not removed is visible again
 */
export async function resume(levels: readonly WaitingLevel[], deps: ResumeDeps): Promise<number> {
  const counts = await waitForAll(levels.map((level) => resumeLevel(level, deps)));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function resumeLevel(
  { level, waiting, refire }: WaitingLevel,
  { clock, log, deadlineMs, runControls }: ResumeDeps,
): Promise<number> {
  let resumed = 0;
  let cancelled = 0;
  const stateOf = async (event: ItemEvent | undefined): Promise<RunControlState> => {
    const run = event === undefined ? undefined : itemPathOf(level, event.key)?.run;
    return run === undefined ? 'running' : (await runControls(run)).state;
  };
  const startedMs = clock.now();
  const take = async ({ letter, excerpt, sentAtMs }: QueueMessage): Promise<boolean> => {
    // An item that the API orders to wait again is back at once: taken again, it would be called without end.
    if (sentAtMs > startedMs) return false;
    if (letter === undefined) {
      log.error('A message on the waiting queue holds no event; it stays there. What sent it?', {
        level: level.name,
        body: excerpt,
      });
      return false;
    }
    // The API ordered it to wait, and not the others: called now, it would be refused again.
    if (letter.items.some(({ notBeforeMs = 0 }) => notBeforeMs > startedMs)) return false;
    // The events of one message are of one object.
    const state = await stateOf(letter.items[0]);
    if (state === 'paused') return false;
    if (state === 'cancelled') {
      cancelled += letter.items.length;
      return true;
    }
    try {
      for (const event of letter.items) await refire.send(event);
    } catch (error) {
      if (error instanceof TransientError) throw error;
      log.error('A waiting item was refused by its function or queue; it stays where it is.', {
        level: level.name,
        key: letter.items[0]?.key,
        error,
      });
      return false;
    }
    resumed += letter.items.length;
    return true;
  };
  await drainQueue(waiting, { clock, deadlineMs, isStopped: () => clock.now() >= deadlineMs, take });
  if (cancelled > 0)
    log.info('Items of cancelled runs that waited have ended.', { level: level.name, messages: cancelled });
  return resumed;
}
