/**
 * Owns: what a function is told of a batch of messages, and what its answer says about them.
 * Refuses: to touch the queue.
 */
import type { ReceivedMessage } from '../sqs/polled-queue.ts';
import { SYNC_PAYLOAD_LIMIT_BYTES } from './async-rules.ts';
import { regionOf } from './definition.ts';

type MessageAttribute = { DataType: string; StringValue?: string; BinaryValue?: string };

/** fauxqs tells everybody who receives the same sender. */
const senderId = '000000000000';

/** One record of the event (page with-sqs, "Example standard queue message event"). */
function recordOf({ message, receiptHandle }: ReceivedMessage, queueArn: string): string {
  const { messageAttributes, md5OfMessageAttributes } = message;
  return JSON.stringify({
    messageId: message.messageId,
    receiptHandle,
    body: message.body,
    attributes: {
      ApproximateReceiveCount: String(message.approximateReceiveCount),
      SentTimestamp: String(message.sentTimestamp),
      SenderId: senderId,
      ApproximateFirstReceiveTimestamp: String(message.approximateFirstReceiveTimestamp),
    },
    messageAttributes: Object.fromEntries(
      Object.entries(messageAttributes).map(([name, value]) => [name, attributeOf(value)]),
    ),
    ...(md5OfMessageAttributes !== '' && { md5OfMessageAttributes }),
    md5OfBody: message.md5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: regionOf(queueArn),
  });
}

function attributeOf({ DataType: dataType, StringValue: stringValue, BinaryValue: binaryValue }: MessageAttribute) {
  return {
    ...(stringValue !== undefined && { stringValue }),
    ...(binaryValue !== undefined && { binaryValue }),
    stringListValues: [],
    binaryListValues: [],
    dataType,
  };
}

export type Batch = { messages: readonly ReceivedMessage[]; payload: string };

/** The messages in the batches that an invocation's 6 MB hold; one, unless the messages are large. */
export function batchesOf(messages: readonly ReceivedMessage[], queueArn: string): Batch[] {
  const batches: { messages: ReceivedMessage[]; records: string[] }[] = [];
  let sizeBytes = Infinity;
  for (const message of messages) {
    const record = recordOf(message, queueArn);
    const recordBytes = Buffer.byteLength(record) + 1;
    sizeBytes += recordBytes;
    if (sizeBytes > SYNC_PAYLOAD_LIMIT_BYTES) {
      sizeBytes = '{"Records":[]}'.length + recordBytes;
      batches.push({ messages: [], records: [] });
    }
    batches.at(-1)?.messages.push(message);
    batches.at(-1)?.records.push(record);
  }
  return batches.map(({ messages: inBatch, records }) => ({
    messages: inBatch,
    payload: `{"Records":[${records.join(',')}]}`,
  }));
}

/**
 * What a function with ReportBatchItemFailures says of its batch (page services-sqs-errorhandling, "Success and failure
 * conditions").
 * @returns the ids of the messages that are not done; undefined: the whole batch has failed
 */
export function reportedFailures(answer: string, messageIds: ReadonlySet<string>): Set<string> | undefined {
  const response = JSON.parse(answer) as unknown;
  if (response === null) return new Set();
  if (typeof response !== 'object' || Array.isArray(response)) return undefined;
  const { batchItemFailures = null } = response as { batchItemFailures?: unknown };
  if (batchItemFailures === null) return new Set();
  if (!Array.isArray(batchItemFailures)) return undefined;
  const failed = new Set<string>();
  for (const item of batchItemFailures as unknown[]) {
    const id = (item as { itemIdentifier?: unknown } | null)?.itemIdentifier;
    if (typeof id !== 'string' || !messageIds.has(id)) return undefined;
    failed.add(id);
  }
  return failed;
}
