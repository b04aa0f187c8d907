/**
 * The queue that triggers a level's function, as the function sees it: an event source mapping brings its messages in
 * batches, each message with an event of S3's in it.
 */
import { ChangeMessageVisibilityCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { SQSEvent, SQSRecord } from 'aws-lambda';
import { ItemError } from '../engine/errors.ts';

import { explained } from './errors.ts';
import { parseS3Event, type ParsedEvent } from './event-codec.ts';
import { eventIn } from './letter-codec.ts';

export function isQueueEvent(event: unknown): event is SQSEvent {
  const { Records: records } = (event ?? {}) as { Records?: unknown };
  return Array.isArray(records) && (records[0] as Partial<SQSRecord> | undefined)?.eventSource === 'aws:sqs';
}

/**
 * @returns as `parseS3Event`; a message that came back from the dead-letter queue is taken as well
 * @throws ItemError `BAD_EVENT` for a message that holds no event of S3's
 */
export function parseQueueRecord({ messageId, body, attributes }: SQSRecord, bucket: string): ParsedEvent {
  let event: unknown;
  try {
    event = JSON.parse(body);
  } catch (error) {
    throw new ItemError('BAD_EVENT', `The message ${messageId} is not JSON.`, { cause: error });
  }
  const delivery = Number(attributes.ApproximateReceiveCount);
  const { items, problems } = parseS3Event(eventIn(event), bucket);
  return { items: items.map((item) => ({ ...item, delivery })), problems };
}

/** Keeps a message away from its function for a while. */
export type Postpone = (receiptHandle: string, forMs: number) => Promise<void>;

/** @throws TransientError for the network, throttling and 5xx; otherwise SQS's own error, with the queue's URL */
export function createPostpone(client: SQSClient, queueUrl: string): Postpone {
  return async (receiptHandle, forMs) => {
    try {
      await client.send(
        new ChangeMessageVisibilityCommand({
          QueueUrl: queueUrl,
          ReceiptHandle: receiptHandle,
          VisibilityTimeout: Math.ceil(forMs / 1000),
        }),
      );
    } catch (error) {
      throw explained(`[queue=${queueUrl}]`, error);
    }
  };
}
