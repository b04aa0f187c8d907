/** A level's dead-letter or waiting queue on SQS: the side that sends, and the side that empties it. */
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type BatchResultErrorEntry,
  type Message,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { TransientError } from '../engine/errors.ts';
import type { QueueMessage, MessageQueue, MessageSink } from '../engine/ports.ts';
import { explained } from './errors.ts';

/** SQS: "up to 10 messages" in one receive or batch (page quotas-messages). */
const batchSize = 10;

/**
 * A receive that waits asks all of SQS's servers; one that does not asks some, and may see an empty queue where there are
 * messages (page sqs-short-and-long-polling).
 */
const waitSeconds = 1;

/** @throws in `send`: TransientError for the network, throttling and 5xx; otherwise SQS's own error, with the queue's URL */
export function createMessageSink(client: SQSClient, queueUrl: string): MessageSink {
  return {
    async send(body) {
      try {
        await client.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: body }));
      } catch (error) {
        throw explained(`[queue=${queueUrl}]`, error);
      }
    },
  };
}

/** @throws in every method: as `createMessageSink` */
export function createMessageQueue(client: SQSClient, queueUrl: string): MessageQueue {
  const where = `[queue=${queueUrl}]`;
  const ask = async <Answer>(request: () => Promise<Answer>): Promise<Answer> => {
    try {
      return await request();
    } catch (error) {
      throw explained(where, error);
    }
  };

  return {
    async receive(invisibleMs) {
      const { Messages: messages = [] } = await ask(() =>
        client.send(
          new ReceiveMessageCommand({
            QueueUrl: queueUrl,
            MaxNumberOfMessages: batchSize,
            VisibilityTimeout: Math.ceil(invisibleMs / 1000),
            WaitTimeSeconds: waitSeconds,
            MessageAttributeNames: ['All'],
            MessageSystemAttributeNames: ['SentTimestamp'],
          }),
        ),
      );
      return messages.map((message) => toQueueMessage(message, where));
    },

    async remove(handles) {
      for (const batch of batches(handles)) {
        const { Failed: failed } = await ask(() =>
          client.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries(batch, {}) })),
        );
        mustNotHaveFailed(failed, 'delete', where);
      }
    },

    async release(handles) {
      for (const batch of batches(handles)) {
        const { Failed: failed } = await ask(() =>
          client.send(
            new ChangeMessageVisibilityBatchCommand({
              QueueUrl: queueUrl,
              Entries: entries(batch, { VisibilityTimeout: 0 }),
            }),
          ),
        );
        // The sender's fault is a handle whose time was up: that message is visible already.
        mustNotHaveFailed(
          failed?.filter(({ SenderFault: isOurs }) => isOurs !== true),
          'release',
          where,
        );
      }
    },

    async approximateCount() {
      const { Attributes: attributes } = await ask(() =>
        client.send(
          new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['ApproximateNumberOfMessages'] }),
        ),
      );
      const count = Number(attributes?.ApproximateNumberOfMessages);
      if (!Number.isSafeInteger(count))
        throw new TransientError('SQS_BAD_COUNT', `SQS gave no number of messages ${where}.`);
      return count;
    },
  };
}

function toQueueMessage(message: Message, where: string): QueueMessage {
  const {
    MessageId: id,
    ReceiptHandle: handle,
    Body: body,
    Attributes: system,
    MessageAttributes: attributes = {},
  } = message;
  if (id === undefined || handle === undefined || body === undefined) {
    throw new TransientError('SQS_BAD_MESSAGE', `SQS gave a message without an id, a handle or a body ${where}.`);
  }
  const texts = Object.entries(attributes).flatMap(([name, { StringValue: value }]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return { id, handle, body, attributes: Object.fromEntries(texts), sentAtMs: Number(system?.SentTimestamp ?? 0) };
}

function batches(handles: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(handles.length / batchSize) }, (_, i) =>
    handles.slice(i * batchSize, (i + 1) * batchSize),
  );
}

function entries<More extends object>(
  handles: readonly string[],
  more: More,
): ({ Id: string; ReceiptHandle: string } & More)[] {
  return handles.map((handle, index) => ({ Id: String(index), ReceiptHandle: handle, ...more }));
}

function mustNotHaveFailed(failed: readonly BatchResultErrorEntry[] | undefined, verb: string, where: string): void {
  const [first] = failed ?? [];
  if (first === undefined) return;
  throw new TransientError(
    'SQS_BATCH_FAILED',
    `SQS could not ${verb} ${failed?.length} messages: ${first.Code}: ${first.Message ?? ''} ${where}`,
  );
}
