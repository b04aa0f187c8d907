/**
 * Messages on a level's dead-letter and waiting queues: the only place that reads or builds one. What can lie there (pages
 * invocation-async-retain-records and invocation-async-error-handling): Lambda's destination record, the bare event that
 * `DeadLetterConfig` sends, our own letter for an item error or an item that waits, a plain S3 event, S3's test event.
 */
import * as v from 'valibot';
import { ItemError } from '../engine/errors.ts';
import { unknownCode, type Cause, type DeadLetter, type FailureReason, type ItemEvent } from '../engine/events.ts';
import { buildS3Event, parseS3Event } from './event-codec.ts';

/** A message as SQS gives it. */
export type RawMessage = {
  body: string;
  /** The message attributes that are texts or numbers, e.g. those of Lambda's `DeadLetterConfig`. */
  attributes: Readonly<Record<string, string>>;
  /** When it was sent to the queue, in milliseconds since 1970. */
  sentAtMs: number;
};

/** Lambda's record for a failed asynchronous invocation. For an event that never ran, the response fields are absent. */
const destinationRecord = v.looseObject({
  requestContext: v.looseObject({ condition: v.string() }),
  requestPayload: v.unknown(),
  responsePayload: v.optional(v.unknown()),
  timestamp: v.optional(v.string()),
});

/** What the runtime makes of an error that a handler throws. */
const thrown = v.looseObject({ errorType: v.optional(v.string()), errorMessage: v.string() });

/** What `buildLetter` makes. */
const ownLetter = v.looseObject({
  source: v.literal('s3-cascade'),
  reason: v.looseObject({ code: v.string(), message: v.string(), at: v.string() }),
  event: v.unknown(),
});

/** It holds the event, so that a replay has what S3 sent. */
export function buildLetter(event: ItemEvent, reason: FailureReason, bucket: string): string {
  return JSON.stringify({ source: 's3-cascade', version: '1', reason, event: buildS3Event(event, bucket) });
}

/**
 * @param bucket its name
 * @returns undefined for what is none of these, or is about another bucket
 */
export function parseLetter(message: RawMessage, bucket: string): DeadLetter | undefined {
  let body: unknown;
  try {
    body = JSON.parse(message.body);
  } catch {
    return undefined;
  }
  const items = itemsIn(eventIn(body), bucket);
  return items && { ...causeOf(body, message), items };
}

/** The event in whatever may come as a message: one that SQS moved back from a dead-letter queue is still a letter. */
export function eventIn(body: unknown): unknown {
  if (v.is(destinationRecord, body)) return body.requestPayload;
  return v.is(ownLetter, body) ? body.event : body;
}

/** A letter of which a part can't be understood is left whole: removing it would lose that part. */
function itemsIn(event: unknown, bucket: string): ItemEvent[] | undefined {
  try {
    const { items, problems } = parseS3Event(event, bucket);
    return problems.length > 0 ? undefined : items;
  } catch (error) {
    if (error instanceof ItemError) return undefined;
    throw error;
  }
}

function causeOf(body: unknown, message: RawMessage): Cause {
  if (v.is(destinationRecord, body)) return destinationCause(body, message);
  if (v.is(ownLetter, body)) {
    const { code, message: text, at } = body.reason;
    return { code, message: text, condition: 'ItemError', atMs: timeOf(at, message) };
  }
  const { ErrorCode: status, ErrorMessage: text } = message.attributes;
  if (text !== undefined || status !== undefined)
    return { ...splitCode(text ?? `Status ${status}`), condition: 'DeadLetterConfig', atMs: message.sentAtMs };
  return { code: unknownCode, message: 'A plain S3 event.', condition: 'S3Event', atMs: message.sentAtMs };
}

function destinationCause(record: v.InferOutput<typeof destinationRecord>, message: RawMessage): Cause {
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
 * and the message. Only the report reads the code; what is done with a letter does not depend on it.
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

function timeOf(at: string | undefined, message: RawMessage): number {
  const atMs = Date.parse(at ?? '');
  return Number.isNaN(atMs) ? message.sentAtMs : atMs;
}
