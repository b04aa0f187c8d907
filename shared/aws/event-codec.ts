/**
 * Events as S3 writes them, and items as the engine knows them: the only place that reads or builds an S3 record. It takes any
 * 2.x version and unknown fields, as S3 asks of its readers, and refuses what is no S3 event rather than doing nothing with it.
 */
import * as v from 'valibot';
import { ItemError } from '../engine/errors.ts';
import type { ItemEvent } from '../engine/events.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const waiting = {
  waitingSinceMs: v.optional(v.pipe(v.number(), v.finite())),
  frozenMs: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0))),
  notBeforeMs: v.optional(v.pipe(v.number(), v.finite())),
};

const s3Record = v.looseObject({
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
      replays: v.optional(count, 0),
      refires: v.optional(count, 0),
      again: v.optional(v.boolean(), false),
      ...waiting,
      waited: v.optional(count),
      begun: v.optional(v.boolean()),
      dead: v.optional(v.boolean()),
      waits: v.optional(v.record(v.string(), v.object(waiting))),
    }),
  ),
});
const s3Event = v.looseObject({ Records: v.array(s3Record) });
const testEvent = v.looseObject({ Event: v.literal('s3:TestEvent') });

export type ParsedEvent = {
  /** One for each object that appeared in the bucket. */
  items: ItemEvent[];
  /** What is wrong with the other records: `BAD_EVENT` for a key that is not URL-encoded, `FOREIGN_BUCKET`. */
  problems: ItemError[];
};

/**
 * @param bucket its name; records of another are problems, never items
 * @returns neither for `s3:TestEvent`, which S3 sends when a notification is first set, and for events that are not about a new
 * object
 * @throws ItemError `BAD_EVENT` for anything else, saying where it differs from an S3 event
 */
export function parseS3Event(event: unknown, bucket: string): ParsedEvent {
  const parsed: ParsedEvent = { items: [], problems: [] };
  if (v.is(testEvent, event)) return parsed;
  const checked = v.safeParse(s3Event, event);
  if (!checked.success) {
    const [issue] = checked.issues;
    throw new ItemError('BAD_EVENT', `This is no S3 event: ${v.getDotPath(issue) ?? 'the event'}: ${issue.message}`);
  }
  for (const record of checked.output.Records) {
    if (!record.eventName.startsWith('ObjectCreated:')) continue;
    try {
      parsed.items.push(itemOf(record, bucket));
    } catch (error) {
      if (!(error instanceof ItemError)) throw error;
      parsed.problems.push(error);
    }
  }
  return parsed;
}

function itemOf(record: v.InferOutput<typeof s3Record>, bucket: string): ItemEvent {
  const { name } = record.s3.bucket;
  if (name !== bucket)
    throw new ItemError('FOREIGN_BUCKET', `The event is of the bucket ${name}; this deployment's bucket is ${bucket}.`);
  const counts = record.s3Cascade;
  const { replays = 0, refires = 0, again: reexpand = false } = counts ?? {};
  const key = decodeEventKey(record.s3.object.key);
  const { waitingSinceMs, frozenMs, notBeforeMs, waits, waited, begun: isBegun, dead: isDead } = counts ?? {};
  return {
    ...{ key, atMs: Date.parse(record.eventTime), replays, refires, reexpand },
    ...withoutAbsent({ waitingSinceMs, frozenMs, notBeforeMs, waits, waited, isBegun, isDead }),
    record,
  };
}

/** Whether this is an event that S3 sends, and no input of a person's. */
export function isS3Event(event: unknown): boolean {
  return v.is(testEvent, event) || v.is(s3Event, event);
}

/**
 * An item's event, as S3 would send it. Its record is kept as it came; what the engine counts stands beside it.
 * @param bucket its name
 */
export function buildS3Event(event: ItemEvent, bucket: string): { Records: object[] } {
  const { replays, refires, reexpand, waits = {}, isBegun, isDead } = event;
  const { waitingSinceMs, frozenMs, notBeforeMs, waited } = event;
  const record = withoutCounts(event.record ?? newRecord(event, bucket));
  const counts = {
    ...(replays > 0 && { replays }),
    ...(refires > 0 && { refires }),
    ...(reexpand && { again: true }),
    ...withoutAbsent({ waitingSinceMs, frozenMs, notBeforeMs, waited, begun: isBegun, dead: isDead }),
    ...(Object.keys(waits).length > 0 && { waits }),
  };
  return { Records: [Object.keys(counts).length === 0 ? record : { ...record, s3Cascade: counts }] };
}

function withoutAbsent<Fields extends object>(fields: Fields): Partial<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Fields>;
}

function withoutCounts(record: object): object {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== 's3Cascade'));
}

function newRecord({ key, atMs }: ItemEvent, bucket: string): object {
  return {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    eventTime: new Date(atMs).toISOString(),
    eventName: 'ObjectCreated:Put',
    s3: { s3SchemaVersion: '1.0', bucket: { name: bucket }, object: { key: encodeEventKey(key) } },
  };
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

/** The inverse of `decodeEventKey`, as S3 does it: as an HTML form, a space being `+`; the slashes stay. */
export function encodeEventKey(key: string): string {
  return encodeURIComponent(key)
    .replace(/[!'()~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/');
}
