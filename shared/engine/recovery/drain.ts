/** Empties a queue of failed or waiting items: several receives at once, each message looked at and removed or kept. */
import { waitForAll } from '../concurrency.ts';
import type { Clock, MessageQueue, QueueMessage } from '../ports.ts';

export type DrainOptions = {
  clock: Clock;
  /** Milliseconds since 1970 by which to have stopped. */
  deadlineMs: number;
  /** Asked before each receive. */
  isStopped: () => boolean;
  /** @returns whether the message may be deleted */
  take: (message: QueueMessage) => Promise<boolean>;
};

/** Receives, looks and deletes of one queue that go on side by side. */
const lanesPerQueue = 4;

/** A message stays invisible for the length of the drain, and this much longer. */
const invisibleMarginMs = 10_000;

/**
 * A message is removed only after `take` has said so.
 * @throws what the queue or `take` throw, after what was received and not removed is visible again
 */
export async function drainQueue(queue: MessageQueue, options: DrainOptions): Promise<void> {
  const { clock, deadlineMs, isStopped, take } = options;
  // Held until the end: released at once, a message would come back to the very next receive.
  const held: string[] = [];
  let hasFailed = false;
  const lane = async (): Promise<void> => {
    while (!hasFailed && !isStopped()) {
      const messages = await queue.receive(deadlineMs - clock.now() + invisibleMarginMs);
      if (messages.length === 0) return;
      const takes = await Promise.allSettled(messages.map(take));
      const mayGo = takes.map((result) => result.status === 'fulfilled' && result.value);
      const handles = messages.map(({ handle }) => handle);
      held.push(...handles.filter((_, index) => mayGo[index] === false));
      const done = handles.filter((_, index) => mayGo[index] === true);
      try {
        await queue.remove(done);
      } catch (error) {
        // Some of them may be removed; to release such a one does nothing.
        held.push(...done);
        throw error;
      }
      for (const result of takes) if (result.status === 'rejected') throw result.reason;
    }
  };
  // A failure in one lane stops the others too.
  const stoppingOthers = (): Promise<void> =>
    lane().catch((error: unknown) => {
      hasFailed = true;
      throw error;
    });
  try {
    await waitForAll(Array.from({ length: lanesPerQueue }, stoppingOthers));
  } finally {
    await queue.release(held);
  }
}
