/** What replay and the rate may rely on in any queue: one suite for every adapter of the port. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { QueueMessage, MessageQueue, MessageSink } from '../../shared/engine/ports.ts';

export type QueueUnderTest = {
  /** An empty one each time. */
  newQueue: () => Promise<{
    queue: MessageQueue;
    sink: MessageSink;
    /** As Lambda's `DeadLetterConfig` sends. */
    sendWith: (body: string, attributes: Record<string, string>) => Promise<void>;
  }>;
  stop: () => Promise<void>;
};

export function deadLetterQueueContract(name: string, start: () => Promise<QueueUnderTest>): void {
  describe(`the queue ${name}`, () => {
    let underTest: QueueUnderTest;
    let queue: MessageQueue;
    let sink: MessageSink;
    let sendWith: (body: string, attributes: Record<string, string>) => Promise<void>;
    beforeAll(async () => {
      underTest = await start();
    });
    beforeEach(async () => {
      ({ queue, sink, sendWith } = await underTest.newQueue());
    });
    afterAll(() => underTest.stop());

    /** Receives until nothing comes any more. */
    async function receiveAll(invisibleMs = 60_000): Promise<QueueMessage[]> {
      const all: QueueMessage[] = [];
      for (let some = await queue.receive(invisibleMs); some.length > 0; some = await queue.receive(invisibleMs))
        all.push(...some);
      return all;
    }

    test('gives each message once while it is invisible, up to ten at a time', async () => {
      for (let i = 0; i < 23; i += 1) await sink.send(`letter ${i}`);
      expect((await queue.receive(60_000)).length).toBeLessThanOrEqual(10);
      const rest = await receiveAll();
      expect(rest.length).toBeGreaterThanOrEqual(13);
      expect(new Set(rest.map(({ body }) => body)).size).toBe(rest.length);
    });

    test('gives a body as it was sent, its attributes, and when it was sent', async () => {
      await sendWith('{"Records":[{"s3":"🏹"}]}', { ErrorCode: '200', ErrorMessage: 'HTTP_503: busy' });
      const [message] = await queue.receive(60_000);
      expect(message).toMatchObject({
        body: '{"Records":[{"s3":"🏹"}]}',
        attributes: { ErrorCode: '200', ErrorMessage: 'HTTP_503: busy' },
      });
      expect(message?.sentAtMs).toBeGreaterThan(0);
    });

    test('forgets what was removed, however many', async () => {
      for (let i = 0; i < 23; i += 1) await sink.send(`letter ${i}`);
      const messages = await receiveAll();
      expect(messages).toHaveLength(23);
      await queue.remove(messages.map(({ handle }) => handle));
      await queue.release([]);
      expect(await queue.receive(60_000)).toEqual([]);
      expect(await queue.approximateCount()).toBe(0);
    });

    test('shows what was released at once, however many', async () => {
      for (let i = 0; i < 23; i += 1) await sink.send(`letter ${i}`);
      const messages = await receiveAll();
      expect(await queue.approximateCount()).toBe(0);
      await queue.release(messages.map(({ handle }) => handle));
      expect(await queue.approximateCount()).toBe(23);
      expect(await receiveAll()).toHaveLength(23);
    });

    test('takes no offence at a message that is released after it was removed', async () => {
      await sink.send('letter');
      const [message] = await queue.receive(60_000);
      const handles = [message?.handle ?? ''];
      await queue.remove(handles);
      await queue.release(handles);
      expect(await queue.receive(60_000)).toEqual([]);
    });
  });
}
