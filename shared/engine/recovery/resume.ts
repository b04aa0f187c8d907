/**
 * Gives items that had to wait for their turn at the API to their level's function again. A message is removed only after its
 * item was accepted.
 */
import type { Level } from '../chain/chain.ts';
import type { DeadLetter } from './replay.ts';
import type { Clock, Log, MessageQueue, QueueMessage, Refire } from '../ports.ts';

export type WaitingLevel = { level: Level; waiting: MessageQueue; refire: Refire };

export type ResumeDeps = {
  /** undefined: it can't be understood. */
  understand: (message: QueueMessage) => Pick<DeadLetter, 'items'> | undefined;
  clock: Clock;
  log: Log;
  /** Milliseconds since 1970 by which to have stopped. */
  deadlineMs: number;
};

/** Receives, sends and deletes of one queue that go on side by side. */
const lanesPerQueue = 4;

/** A message stays invisible for the length of the resumption, and this much longer. */
const invisibleMarginMs = 10_000;

/**
 * @returns how many items were given back
 * @throws what SQS or Lambda throw; what was not removed is there again after a while
 */
export async function resume(levels: readonly WaitingLevel[], deps: ResumeDeps): Promise<number> {
  const lanes = levels.flatMap((level) => Array.from({ length: lanesPerQueue }, () => drain(level, deps)));
  let resumed = 0;
  // All are waited for before a failure is told: nothing runs on behind the answer.
  for (const lane of await Promise.allSettled(lanes)) {
    if (lane.status === 'rejected') throw lane.reason;
    resumed += lane.value;
  }
  return resumed;
}

async function drain({ level, waiting, refire }: WaitingLevel, deps: ResumeDeps): Promise<number> {
  const { understand, clock, log, deadlineMs } = deps;
  let resumed = 0;
  while (clock.now() < deadlineMs) {
    const messages = await waiting.receive(deadlineMs - clock.now() + invisibleMarginMs);
    if (messages.length === 0) break;
    const accepted = await Promise.allSettled(
      messages.map(async (message) => {
        const { items } = understand(message) ?? {};
        if (items === undefined) {
          log.error('A message on the waiting queue is not understood; it stays there. Who sent it?', {
            level: level.level,
            body: message.body.slice(0, 200),
          });
          return undefined;
        }
        for (const { record } of items) await refire.send(record);
        resumed += items.length;
        return message.handle;
      }),
    );
    const handles = accepted.map((result) => (result.status === 'fulfilled' ? result.value : undefined));
    await waiting.remove(handles.filter((handle) => handle !== undefined));
    for (const result of accepted) if (result.status === 'rejected') throw result.reason;
  }
  return resumed;
}
