/**
 * A queue as one who polls it in-process sees it: what can be received now, when there will be more, and a call when
 * anything changed. Owns no rule of SQS; receiving, visibility and dead-lettering are the queue's.
 */
import type { Message, Queue, SqsStore } from './fauxqs.ts';

/** SQS's own limit for a receive, and for a batch of deletes. */
export const MESSAGES_A_REQUEST = 10;

export type ReceivedMessage = {
  readonly message: Message;
  readonly receiptHandle: string;
};

export type PolledQueue = {
  /** How many could be received now. */
  visible: () => number;
  /** No message at all: none visible, in flight or delayed. */
  isEmpty: () => boolean;
  /** When the next of those in flight or delayed becomes visible; undefined when there are none. */
  nextVisibleAtMs: () => number | undefined;
  visibilityTimeoutMs: () => number;
  /** One ReceiveMessage, which may move messages to the dead-letter queue instead: 10 at most. */
  receive: (maxMessages: number) => ReceivedMessage[];
  /** One DeleteMessageBatch. A handle that is no longer valid is no error, as in SQS. */
  remove: (receiptHandles: readonly string[]) => void;
  /** The listener must not throw, and must not touch the queue before the next turn: a transaction may be open. */
  onChange: (listener: () => void) => void;
};

/** @param onChange registers a listener for this queue */
export function polledQueue(
  store: SqsStore,
  queueArn: string,
  atomically: <T>(work: () => T) => T,
  onChange: (listener: () => void) => void,
): PolledQueue {
  // Looked up each time: a person may delete the queue and make it again.
  const find = (): Queue | undefined => store.getQueueByArn(queueArn);
  const current = (): Queue | undefined => {
    const queue = find();
    queue?.processTimers();
    return queue;
  };
  return {
    visible: () => current()?.messages.length ?? 0,
    isEmpty() {
      const queue = current();
      return (
        queue === undefined || queue.messages.length + queue.inflightMessages.size + queue.delayedMessages.length === 0
      );
    },
    nextVisibleAtMs() {
      let nextMs = Infinity;
      const queue = find();
      for (const { visibilityDeadline } of queue?.inflightMessages.values() ?? []) {
        nextMs = Math.min(nextMs, visibilityDeadline);
      }
      for (const { delayUntil } of queue?.delayedMessages ?? []) nextMs = Math.min(nextMs, delayUntil ?? 0);
      return nextMs === Infinity ? undefined : nextMs;
    },
    visibilityTimeoutMs: () => Number(find()?.attributes['VisibilityTimeout'] ?? 0) * 1000,
    receive(maxMessages) {
      const queue = find();
      const received = queue?.dequeue(maxMessages, undefined, (arn) => store.getQueueByArn(arn)) ?? [];
      return received.map(({ ReceiptHandle: receiptHandle }) => {
        const entry = queue?.inflightMessages.get(receiptHandle);
        if (entry === undefined) throw new Error(`${queueArn} does not know what it just handed out`);
        return { message: entry.message, receiptHandle };
      });
    },
    remove(receiptHandles) {
      atomically(() => {
        for (const receiptHandle of receiptHandles) find()?.deleteMessage(receiptHandle);
      });
    },
    onChange,
  };
}
