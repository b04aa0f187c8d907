/** What a function is told of a batch of messages, and what its answer says about them. */
import { md5OfAttributes, type MessageAttribute } from '../sqs/message-attributes.ts';
import { md5Of, type ReceivedMessage } from '../sqs/message-store.ts';
import { senderId } from '../sqs/receive.ts';
import { syncPayloadLimitBytes } from './async-rules.ts';
import { regionOf } from './definition.ts';

/** One record of the event (page with-sqs, "Example standard queue message event"). */
function recordOf(message: ReceivedMessage, queueArn: string): string {
  const { messageId, receiptHandle, body, attributes } = message;
  const md5OfMessageAttributes = md5OfAttributes(attributes);
  return JSON.stringify({
    messageId,
    receiptHandle,
    body,
    attributes: {
      ApproximateReceiveCount: String(message.receives),
      SentTimestamp: String(message.sentAtMs),
      SenderId: senderId,
      ApproximateFirstReceiveTimestamp: String(message.firstReceivedAtMs),
      ...(message.groupId !== undefined && { MessageGroupId: message.groupId }),
    },
    messageAttributes: Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [name, attributeOf(value)]),
    ),
    ...(md5OfMessageAttributes !== undefined && { md5OfMessageAttributes }),
    md5OfBody: md5Of(body),
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
    if (sizeBytes > syncPayloadLimitBytes) {
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
