/** A level's dead-letter queue on SQS. */
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { DeadLetterQueue } from '../core/ports.ts';
import { explained } from './errors.ts';

/** @throws in `send`: TransientError for the network, throttling and 5xx; otherwise SQS's own error, with the queue's URL */
export function createDeadLetterQueue(client: SQSClient, queueUrl: string): DeadLetterQueue {
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
