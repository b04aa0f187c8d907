/** A queue as one who polls it in-process sees it: what can be received now, when there will be more, and every change. */
import type { ReceivedMessage } from './message-store.ts';
import type { Queue, Queues } from './queues.ts';

/** SQS's own limit for a receive, and for a batch of deletes. */
export const messagesARequest = 10;

export type PolledQueue = {
  /** Whether anything could be received now. */
  hasVisible: () => boolean;
  /** No message at all: none visible, in flight or delayed. */
  isEmpty: () => boolean;
  /** How long until the next of those in flight or delayed becomes visible; undefined when there are none. */
  nextVisibleInMs: () => number | undefined;
  visibilityTimeoutMs: () => number;
  /** One ReceiveMessage, which may move messages to the dead-letter queue instead: 10 at most. */
  receive: (maxMessages: number) => ReceivedMessage[];
  /** One DeleteMessageBatch. A handle that is no longer valid is no error, as in SQS. */
  remove: (receiptHandles: readonly string[]) => void;
  /** The listener must not throw, and must not touch the queue before the next turn: a transaction may be open. */
  onChange: (listener: () => void) => void;
};

export function polledQueue(queues: Queues, queueArn: string): PolledQueue {
  const { messages } = queues;
  const name = queueArn.slice(queueArn.lastIndexOf(':') + 1);
  // Looked up each time: a person may delete the queue and make it again.
  const find = (): Queue | undefined => queues.byArn(queueArn);
  return {
    hasVisible: () => messages.hasVisible(name),
    isEmpty: () => messages.isEmpty(name),
    nextVisibleInMs: () => messages.nextVisibleInMs(name),
    visibilityTimeoutMs: () => Number(find()?.attributes['VisibilityTimeout'] ?? 0) * 1000,
    receive(maxMessages) {
      const queue = find();
      return queue === undefined ? [] : queues.receive(queue, maxMessages);
    },
    remove(receiptHandles) {
      const queue = find();
      if (queue === undefined) return;
      queues.atomically(() => {
        for (const handle of receiptHandles) queues.deleteMessage(queue, handle);
      });
    },
    onChange: (listener) => void queues.onChange(name, listener),
  };
}
