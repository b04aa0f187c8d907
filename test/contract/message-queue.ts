/** What replay and the rate may rely on in any queue: one suite for every adapter of the port. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { newEvent, type FailureReason } from '../../shared/engine/events.ts';
import { buildS3Event } from '../../shared/aws/event-codec.ts';
import type { FailureSink, MessageQueue, QueueMessage } from '../../shared/engine/ports.ts';

export type QueueUnderTest = {
  /** An empty one each time. */
  newQueue: () => Promise<{
    queue: MessageQueue;
    sink: FailureSink;
    /** As another service sends, e.g. Lambda's `DeadLetterConfig`. */
    sendRaw: (body: string, attributes?: Record<string, string>) => Promise<void>;
  }>;
  stop: () => Promise<void>;
};

/** @param bucket whose items' events are on the queues */
export function messageQueueContract(name: string, bucket: string, start: () => Promise<QueueUnderTest>): void {
  describe(`the queue ${name}`, () => {
    let underTest: QueueUnderTest;
    let queue: MessageQueue;
    let sink: FailureSink;
    let sendRaw: (body: string, attributes?: Record<string, string>) => Promise<void>;
    beforeAll(async () => {
      underTest = await start();
    });
    beforeEach(async () => {
      ({ queue, sink, sendRaw } = await underTest.newQueue());
    });
    afterAll(() => underTest.stop());

    const reason: FailureReason = {
      level: 'shops',
      run: 'r',
      key: 'shops/r/a.json',
      code: 'HTTP_404',
      message: 'There is no such shop.',
      attempts: 1,
      at: '2026-11-20T10:00:00.000Z',
    };
    const sendLetter = (key: string): Promise<void> => sink.send(newEvent(key, 0), { ...reason, key });
    const keysOf = (messages: readonly QueueMessage[]): (string | undefined)[] =>
      messages.map(({ letter }) => letter?.items[0]?.key);

    /** Receives until nothing comes any more. */
    async function receiveAll(invisibleMs = 60_000): Promise<QueueMessage[]> {
      const all: QueueMessage[] = [];
      for (let some = await queue.receive(invisibleMs); some.length > 0; some = await queue.receive(invisibleMs))
        all.push(...some);
      return all;
    }

    test('gives each message once while it is invisible, up to ten at a time', async () => {
      for (let i = 0; i < 23; i += 1) await sendLetter(`item ${i}`);
      expect((await queue.receive(60_000)).length).toBeLessThanOrEqual(10);
      const rest = await receiveAll();
      expect(rest.length).toBeGreaterThanOrEqual(13);
      expect(new Set(keysOf(rest)).size).toBe(rest.length);
    });

    test('gives an event and its reason back as they were sent, and when they were sent', async () => {
      const event = newEvent('shops/r/%F0%9F%8F%B9 a+b.json', Date.parse('2026-11-20T09:00:00Z'), { replays: 2 });
      await sink.send({ ...event, waitingSinceMs: 5, frozenMs: 7, notBeforeMs: 9 }, reason);
      const [message] = await queue.receive(60_000);
      expect(message?.letter).toMatchObject({
        code: 'HTTP_404',
        message: 'There is no such shop.',
        condition: 'ItemError',
        atMs: Date.parse(reason.at),
        items: [{ ...event, waitingSinceMs: 5, frozenMs: 7, notBeforeMs: 9, record: expect.any(Object) }],
      });
      expect(message?.sentAtMs).toBeGreaterThan(0);
    });

    test("understands another service's letter by its attributes", async () => {
      const text = JSON.stringify(buildS3Event(newEvent('shops/r/a.json', 0), bucket));
      await sendRaw(text, { ErrorCode: '200', ErrorMessage: 'HTTP_503: busy' });
      const [message] = await queue.receive(60_000);
      expect(message?.letter).toMatchObject({ code: 'HTTP_503', message: 'busy', condition: 'DeadLetterConfig' });
      expect(message?.excerpt).toBe(text.slice(0, 200));
    });

    test.each([
      ['no event', '{"hello":"🏹"}'],
      ["another bucket's event", JSON.stringify(buildS3Event(newEvent('shops/r/a.json', 0), 'another'))],
    ])('gives %s as a message without a letter, with the beginning of its text', async (_what, body) => {
      await sendRaw(body);
      const [message] = await queue.receive(60_000);
      expect(message?.letter).toBeUndefined();
      expect(message?.excerpt).toBe(body.slice(0, 200));
    });

    test('forgets what was removed, however many', async () => {
      for (let i = 0; i < 23; i += 1) await sendLetter(`item ${i}`);
      const messages = await receiveAll();
      expect(messages).toHaveLength(23);
      await queue.remove(messages.map(({ handle }) => handle));
      await queue.release([]);
      expect(await queue.receive(60_000)).toEqual([]);
      expect(await queue.approximateCount()).toBe(0);
    });

    test('shows what was released at once, however many', async () => {
      for (let i = 0; i < 23; i += 1) await sendLetter(`item ${i}`);
      const messages = await receiveAll();
      expect(await queue.approximateCount()).toBe(0);
      await queue.release(messages.map(({ handle }) => handle));
      expect(await queue.approximateCount()).toBe(23);
      expect(await receiveAll()).toHaveLength(23);
    });

    test('takes no offence at a message that is released after it was removed', async () => {
      await sendLetter('item');
      const [message] = await queue.receive(60_000);
      const handles = [message?.handle ?? ''];
      await queue.remove(handles);
      await queue.release(handles);
      expect(await queue.receive(60_000)).toEqual([]);
    });
  });
}
