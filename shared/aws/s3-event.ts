/**
 * Reads the event that S3 sends. It takes any 2.x version and unknown fields, as S3 asks of its readers, and refuses what
 * is no S3 event rather than doing nothing with it.
 */
import * as v from 'valibot';
import { ItemError } from '../engine/errors.ts';
import type { ItemEvent } from '../engine/item/item.ts';

const record = v.looseObject({
  eventSource: v.literal('aws:s3'),
  eventName: v.string(),
  eventTime: v.pipe(v.string(), v.isoTimestamp()),
  s3: v.looseObject({
    bucket: v.looseObject({ name: v.string() }),
    object: v.looseObject({ key: v.pipe(v.string(), v.minLength(1)) }),
  }),
  /** Ours, in a record that was given to the function again. */
  s3Cascade: v.optional(
    v.looseObject({
      replays: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
      refires: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
      again: v.optional(v.boolean()),
    }),
  ),
});
const s3Event = v.looseObject({ Records: v.array(record) });
const testEvent = v.looseObject({ Event: v.literal('s3:TestEvent') });

/**
 * @returns one entry for each object that appeared. None for `s3:TestEvent`, which S3 sends when a notification is first
 * set, and for events that are not about a new object
 * @throws ItemError `BAD_EVENT` for anything else, saying where it differs from an S3 event
 */
export function parseS3Event(event: unknown): ItemEvent[] {
  if (v.is(testEvent, event)) return [];
  const parsed = v.safeParse(s3Event, event);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new ItemError('BAD_EVENT', `This is no S3 event: ${v.getDotPath(issue) ?? 'the event'}: ${issue.message}`);
  }
  return parsed.output.Records.filter(({ eventName }) => eventName.startsWith('ObjectCreated:')).map((record) => ({
    key: decodeEventKey(record.s3.object.key),
    atMs: Date.parse(record.eventTime),
    replays: record.s3Cascade?.replays ?? 0,
    refires: record.s3Cascade?.refires ?? 0,
    again: record.s3Cascade?.again ?? false,
    record,
  }));
}

/** Whether this is an event that S3 sends, and no input of a person's. */
export function isS3Event(event: unknown): boolean {
  return v.is(testEvent, event) || v.is(s3Event, event);
}

/**
 * S3 encodes keys in events as a form does: a space is `+`, other bytes are percent-encoded
 * (page notification-content-structure: "The object key name value is URL encoded").
 * @throws ItemError `BAD_EVENT` when the text is not such an encoding
 */
export function decodeEventKey(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch (error) {
    throw new ItemError('BAD_EVENT', `The event's key ${encoded} is not URL-encoded.`, { cause: error });
  }
}

/**
 * The record of an event that nobody has any more, for an item that is to be given to its function again.
 * @param bucket its name
 * @param key of the item, not encoded
 */
export function makeS3Record(bucket: string, key: string, atMs: number): object {
  return {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    eventTime: new Date(atMs).toISOString(),
    eventName: 'ObjectCreated:Put',
    s3: { s3SchemaVersion: '1.0', bucket: { name: bucket }, object: { key: encodeEventKey(key) } },
  };
}

/**
 * The same record, saying how often people replayed the item and the sweep re-fired it; and, with `again`, that it is to be
 * worked on even if it is done.
 */
export function withReplays(record: object, replays: number, again = false, refires = 0): object {
  return { ...record, s3Cascade: { replays, ...(refires > 0 && { refires }), ...(again && { again }) } };
}

/** The inverse of `decodeEventKey`, as S3 does it: as an HTML form, a space being `+`; the slashes stay. */
export function encodeEventKey(key: string): string {
  return encodeURIComponent(key)
    .replace(/[!'()~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/');
}
