/**
 * A batch of a trigger queue's messages: each is worked on for itself, side by side, and those that fail are named to SQS,
 * which brings them again after a wait. How often it does so before a message is a dead letter is the queue's to say.
 */
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { parseQueueRecord, type Postpone } from '../aws/trigger-queue.ts';
import type { ItemEvent } from '../engine/events.ts';
import type { Log } from '../engine/ports.ts';

export type MessageBatchDeps = {
  /** Whose items the messages are about. */
  bucket: string;
  /** @throws what went wrong, when the message has to be received again */
  takeItem: (item: ItemEvent) => Promise<unknown>;
  postpone: Postpone;
  /** How long a message stays away after its `delivery`th delivery failed, in milliseconds. */
  waitMs: (delivery: number) => number;
  log: Log;
};

/** @returns the messages that failed; none: all of them are done */
export function takeMessages(
  event: SQSEvent,
  context: Context,
  { bucket, takeItem, postpone, waitMs, log }: MessageBatchDeps,
): Promise<SQSBatchResponse> {
  const takeMessage = async (record: SQSRecord): Promise<void> => {
    try {
      const { items, problems } = parseQueueRecord(record, bucket);
      for (const item of items) await takeItem(item);
      const [problem] = problems;
      if (problem !== undefined) throw problem;
    } catch (error) {
      const delivery = Number(record.attributes.ApproximateReceiveCount);
      // Without it the message comes back after the queue's visibility timeout: late, but it comes back.
      await postpone(record.receiptHandle, waitMs(delivery)).catch((problem: unknown) =>
        log.warn('The wait before the next delivery could not be set; that of the queue holds.', { error: problem }),
      );
      log.warn('The message failed; SQS delivers it again, or moves it to the dead-letter queue.', {
        messageId: record.messageId,
        delivery,
        error,
      });
      throw error;
    }
  };
  const processor = new BatchProcessor(EventType.SQS);
  return processPartialResponse(event, takeMessage, processor, { context, throwOnFullBatchFailure: false });
}
