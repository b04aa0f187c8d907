/**
 * Understands what can lie on a level's dead-letter queue (pages invocation-async-retain-records and
 * invocation-async-error-handling): Lambda's destination record, the bare event that `DeadLetterConfig` sends, our own
 * letter for an item error, a plain S3 event, S3's test event.
 */
import * as v from 'valibot';
import { ItemError } from '../engine/errors.ts';
import type { QueueMessage } from '../engine/ports.ts';
import type { Cause } from '../engine/recovery/replay-report.ts';
import { unknownCode, type DeadLetter } from '../engine/recovery/replay.ts';
import { parseS3Event } from './s3-event.ts';

/** Lambda's record for a failed asynchronous invocation. For an event that never ran, the response fields are absent. */
const destinationRecord = v.looseObject({
  requestContext: v.looseObject({ condition: v.string() }),
  requestPayload: v.unknown(),
  responsePayload: v.optional(v.unknown()),
  timestamp: v.optional(v.string()),
});

/** What the runtime makes of an error that a handler throws. */
const thrown = v.looseObject({ errorType: v.optional(v.string()), errorMessage: v.string() });

/** What `sendDeadLetter` in the core sends. */
const ownLetter = v.looseObject({
  source: v.literal('s3-cascade'),
  reason: v.looseObject({ code: v.string(), message: v.string(), at: v.string() }),
  event: v.unknown(),
});

/** @returns undefined for what is none of these */
export function readDeadLetter(message: QueueMessage): DeadLetter | undefined {
  let body: unknown;
  try {
    body = JSON.parse(message.body);
  } catch {
    return undefined;
  }
  if (v.is(destinationRecord, body)) return letter(body.requestPayload, causeOf(body, message));
  if (v.is(ownLetter, body)) {
    const { code, message: text, at } = body.reason;
    return letter(body.event, { code, message: text, condition: 'ItemError', atMs: timeOf(at, message) });
  }
  const { ErrorCode: status, ErrorMessage: text } = message.attributes;
  if (text !== undefined || status !== undefined) {
    return letter(body, {
      ...splitCode(text ?? `Status ${status}`),
      condition: 'DeadLetterConfig',
      atMs: message.sentAtMs,
    });
  }
  return letter(body, {
    code: unknownCode,
    message: 'A plain S3 event.',
    condition: 'S3Event',
    atMs: message.sentAtMs,
  });
}

/** The event in whatever may come as a message: one that SQS moved back from a dead-letter queue is still a letter. */
export function eventIn(body: unknown): unknown {
  if (v.is(destinationRecord, body)) return body.requestPayload;
  return v.is(ownLetter, body) ? body.event : body;
}

function letter(event: unknown, cause: Cause): DeadLetter | undefined {
  try {
    return { ...cause, items: parseS3Event(event) };
  } catch (error) {
    if (error instanceof ItemError) return undefined;
    throw error;
  }
}

function causeOf(record: v.InferOutput<typeof destinationRecord>, message: QueueMessage): Cause {
  const { condition } = record.requestContext;
  const atMs = timeOf(record.timestamp, message);
  if (!v.is(thrown, record.responsePayload))
    return { code: condition, message: 'The event never ran to an answer.', condition, atMs };
  const { errorType, errorMessage } = record.responsePayload;
  const cause = splitCode(errorMessage);
  return { ...cause, code: cause.code === unknownCode ? (errorType ?? unknownCode) : cause.code, condition, atMs };
}

/**
 * An error is thrown out of a function as `CODE: message` (see `withCode`), since of an error's fields Lambda keeps the name
 * and the message. Only the report reads the code; what is done with a letter does not hang on it.
 */
function splitCode(text: string): Pick<Cause, 'code' | 'message'> {
  const [, code = unknownCode, message = text] = /^([A-Z][A-Za-z0-9_]+): (.*)$/s.exec(text) ?? [];
  return { code, message };
}

/** The same error, with its code at the beginning of its message, for Lambda to put into the dead letter. */
export function withCode(error: unknown): unknown {
  if (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    !error.message.startsWith(`${error.code}: `)
  ) {
    error.message = `${error.code}: ${error.message}`;
  }
  return error;
}

function timeOf(at: string | undefined, message: QueueMessage): number {
  const atMs = Date.parse(at ?? '');
  return Number.isNaN(atMs) ? message.sentAtMs : atMs;
}
