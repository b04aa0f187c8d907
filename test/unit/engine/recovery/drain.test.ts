import { beforeEach, describe, expect, test } from '@jest/globals';
import { newEvent } from '../../../../shared/engine/events.ts';
import type { QueueMessage } from '../../../../shared/engine/ports.ts';
import { drainQueue, type DrainOptions } from '../../../../shared/engine/recovery/drain.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryMessageQueue } from '../../../memory/message-queue.ts';

let clock: TestClock;
let queue: MemoryMessageQueue;
let taken: string[];

const keyOf = ({ letter }: QueueMessage): string => letter?.items[0]?.key ?? '';

beforeEach(async () => {
  clock = new TestClock();
  queue = new MemoryMessageQueue(clock);
  taken = [];
  const reason = { level: 'shops', run: 'r', code: 'X', message: 'x', at: '' };
  for (let i = 0; i < 95; i += 1) await queue.send(newEvent(String(i), 0), { ...reason, key: String(i) });
});

const drain = (take: DrainOptions['take'], isStopped = (): boolean => false): Promise<void> =>
  drainQueue(queue, {
    clock,
    deadlineMs: clock.now() + 60_000,
    isStopped,
    take: (message) => {
      taken.push(keyOf(message));
      return take(message);
    },
  });

describe('a queue that is emptied', () => {
  test('loses what may go, and shows the rest at once; each message is looked at once', async () => {
    await drain((message) => Promise.resolve(Number(keyOf(message)) % 2 === 0));
    expect(taken).toHaveLength(95);
    expect(new Set(taken).size).toBe(95);
    expect(queue.bodies).toHaveLength(47);
    expect(queue.visible).toBe(47);
  });

  test('is left when there is no time, with what was not received', async () => {
    await drain(
      () => Promise.resolve(true),
      () => taken.length >= 30,
    );
    expect(taken.length).toBeLessThan(95);
    expect(queue.bodies).toHaveLength(95 - taken.length);
    expect(queue.visible).toBe(95 - taken.length);
  });

  test('is not emptied further after a failure: what was taken is gone, all else is visible', async () => {
    const take = (message: QueueMessage): Promise<boolean> =>
      keyOf(message) === '7' ? Promise.reject(new Error('Lambda is away')) : Promise.resolve(true);
    await expect(drain(take)).rejects.toThrow('Lambda is away');
    expect(taken.length).toBeLessThan(95);
    expect(queue.bodies).toHaveLength(95 - taken.length + 1);
    expect(queue.visible).toBe(queue.bodies.length);
  });

  test('whose messages can not be removed shows them all at once, and is emptied no further', async () => {
    queue.remove = () => Promise.reject(new Error('SQS is away'));
    await expect(drain(() => Promise.resolve(true))).rejects.toThrow('SQS is away');
    expect(taken.length).toBeLessThan(95);
    expect(queue.visible).toBe(95);
  });

  test('ends when all that was under way has ended', async () => {
    let running = 0;
    const take = async (message: QueueMessage): Promise<boolean> => {
      running += 1;
      for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (keyOf(message) === '0') throw new Error('no');
      return true;
    };
    await expect(drain(take)).rejects.toThrow('no');
    expect(running).toBe(0);
  });

  test('that can not be received from is an error, and shows what other receives held', async () => {
    const receive = queue.receive.bind(queue);
    let receives = 0;
    queue.receive = (invisibleMs) =>
      (receives += 1) === 3 ? Promise.reject(new Error('SQS is away')) : receive(invisibleMs);
    await expect(drain(() => Promise.resolve(false))).rejects.toThrow('SQS is away');
    expect(queue.visible).toBe(95);
  });
});
