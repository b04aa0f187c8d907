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
import type { FailureSink, MessageQueue, QueueMessage } from '../engine/ports.ts';
import { explained } from './errors.ts';
import { buildLetter, parseLetter } from './letter-codec.ts';

/** SQS: "up to 10 messages" in one receive or batch (page quotas-messages). */
const batchSize = 10;

/**
 * A receive that waits asks all of SQS's servers; one that does not asks some, and may see an empty queue where there are
 * messages (page sqs-short-and-long-polling).
 */
const waitSeconds = 1;

/** Enough to see what a message is that can't be understood. */
const excerptLength = 200;

/** A queue, and the bucket whose items' events are on it. */
export type QueuePlace = { queueUrl: string; bucket: string };

/** @throws in `send`: TransientError for the network, throttling and 5xx; otherwise SQS's own error, with the queue's URL */
export function createFailureSink(client: SQSClient, { queueUrl, bucket }: QueuePlace): FailureSink {
  return { send: (event, reason) => sendMessage(client, queueUrl, buildLetter(event, reason, bucket)) };
}

/** @throws as `createFailureSink` in its `send` */
export async function sendMessage(client: SQSClient, queueUrl: string, body: string): Promise<void> {
  try {
    await client.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: body }));
  } catch (error) {
    throw explained(`[queue=${queueUrl}]`, error);
  }
}

/** @throws in every method: as `createFailureSink` in its `send` */
export function createMessageQueue(client: SQSClient, { queueUrl, bucket }: QueuePlace): MessageQueue {
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
      return messages.map((message) => toQueueMessage(message, bucket, where));
    },

    async remove(handles) {
      for (const batch of batches(handles)) {
        const { Failed: failed } = await ask(() =>
          client.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries(batch, {}) })),
        );
        throwIfFailed(failed, 'delete', where);
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
        throwIfFailed(
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

function toQueueMessage(message: Message, bucket: string, where: string): QueueMessage {
  const { ReceiptHandle: handle, Body: body, Attributes: system, MessageAttributes: attributes = {} } = message;
  if (handle === undefined || body === undefined)
    throw new TransientError('SQS_BAD_MESSAGE', `SQS gave a message without a handle or a body ${where}.`);
  const texts = Object.entries(attributes).flatMap(([name, { StringValue: value }]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  const raw = { body, attributes: Object.fromEntries(texts), sentAtMs: Number(system?.SentTimestamp ?? 0) };
  return {
    handle,
    sentAtMs: raw.sentAtMs,
    letter: parseLetter(raw, bucket),
    excerpt: body.slice(0, excerptLength),
  };
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

function throwIfFailed(failed: readonly BatchResultErrorEntry[] | undefined, verb: string, where: string): void {
  const [first] = failed ?? [];
  if (first === undefined) return;
  throw new TransientError(
    'SQS_BATCH_FAILED',
    `SQS could not ${verb} ${failed?.length} messages: ${first.Code}: ${first.Message ?? ''} ${where}`,
  );
}
