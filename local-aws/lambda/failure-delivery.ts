/**
 * What Lambda sends to a queue about an event that it gives up: the record for a failure destination, and the message
 * for a `DeadLetterConfig` (page invocation-async-retain-records). The bytes of the event and of the function's answer
 * go in as they are.
 */
import { latestVersion } from './definition.ts';
import type { FunctionDefinition } from './definition.ts';
import type { QueuedEvent } from './event-queue.ts';

/**
 * Why an event is given up. The first two are documented; the third is what a function that is switched off is known to
 * send.
 */
export type Condition = 'RetriesExhausted' | 'EventAgeExceeded' | 'ZeroReservedConcurrency';

export type MessageAttributes = Record<string, { DataType: string; StringValue: string }>;
export type FailureMessage = { queueArn: string; body: string; attributes?: MessageAttributes };

/** `ErrorMessage` holds the first 1 KB (same page). */
const errorMessageBytes = 1_024;

/** The messages that this event's end calls for: none, one or two. */
export function failureMessages(
  definition: FunctionDefinition,
  event: QueuedEvent,
  condition: Condition,
  timestampMs: number,
): FailureMessage[] {
  const { onFailureQueueArn, deadLetterQueueArn } = definition.async;
  const messages: FailureMessage[] = [];
  if (onFailureQueueArn !== undefined) {
    const body = destinationRecord(definition, event, condition, timestampMs);
    messages.push({ queueArn: onFailureQueueArn, body });
  }
  if (deadLetterQueueArn !== undefined) {
    const attributes = deadLetterAttributes(event, condition);
    messages.push({ queueArn: deadLetterQueueArn, body: event.payload, attributes });
  }
  return messages;
}

function destinationRecord(
  definition: FunctionDefinition,
  event: QueuedEvent,
  condition: Condition,
  timestampMs: number,
): string {
  const about = JSON.stringify({
    version: '1.0',
    timestamp: new Date(timestampMs).toISOString(),
    requestContext: {
      requestId: event.requestId,
      functionArn: `${definition.arn}:${latestVersion}`,
      condition,
      approximateInvokeCount: event.failedRuns,
    },
  });
  const fields = [about.slice(1, -1), `"requestPayload":${event.payload}`];
  // An event that never ran has no answer, and none of its fields.
  if (event.lastResponse !== undefined) {
    const context = JSON.stringify({ statusCode: 200, executedVersion: latestVersion, functionError: 'Unhandled' });
    fields.push(`"responseContext":${context}`, `"responsePayload":${event.lastResponse}`);
  }
  return `{${fields.join(',')}}`;
}

function deadLetterAttributes(event: QueuedEvent, condition: Condition): MessageAttributes {
  const [code, message] = deadLetterError(event, condition);
  return {
    RequestID: { DataType: 'String', StringValue: event.requestId },
    ErrorCode: { DataType: 'Number', StringValue: String(code) },
    // SQS refuses an attribute that is empty.
    ErrorMessage: { DataType: 'String', StringValue: firstBytes(message, errorMessageBytes) || 'Unknown error' },
  };
}

/** `ErrorCode` is an HTTP status: 200 for a function that ran and failed, 429 for one that was never let run. */
function deadLetterError({ lastResponse }: QueuedEvent, condition: Condition): [code: number, message: string] {
  if (lastResponse !== undefined) {
    const { errorMessage } = JSON.parse(lastResponse) as { errorMessage?: string };
    return [200, errorMessage ?? ''];
  }
  return condition === 'ZeroReservedConcurrency'
    ? [429, 'The function has zero reserved concurrency']
    : [429, 'Rate Exceeded.'];
}

function firstBytes(text: string, limit: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= limit) return text;
  let to = limit;
  // Back to where a character begins: continuation bytes are 10xxxxxx.
  while (((bytes[to] ?? 0) & 0xc0) === 0x80) to--;
  return bytes.subarray(0, to).toString();
}
