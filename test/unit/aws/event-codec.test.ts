import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  buildS3Event,
  decodeEventKey,
  encodeEventKey,
  isS3Event,
  parseS3Event,
} from '../../../shared/aws/event-codec.ts';
import { newEvent, type ItemEvent } from '../../../shared/engine/events.ts';

/** The record of AWS's own example (page notification-content-structure), with what matters here set. */
const recordOf = (key: string, change: object = {}) => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  awsRegion: 'us-east-1',
  eventTime: '2026-11-20T10:00:00.000Z',
  eventName: 'ObjectCreated:Put',
  userIdentity: { principalId: 'AIDAJDPLRKLG7UEXAMPLE' },
  requestParameters: { sourceIPAddress: '127.0.0.1' },
  responseElements: { 'x-amz-request-id': 'C3D13FE58DE4C810' },
  s3: {
    s3SchemaVersion: '1.0',
    configurationId: 'fetchShops',
    bucket: { name: 'b', ownerIdentity: { principalId: 'A3NL1KOZZKExample' }, arn: 'arn:aws:s3:::b' },
    object: { key, size: 1024, eTag: 'd41d8cd98f00b204e9800998ecf8427e', sequencer: '0055AED6DCD90281E5' },
  },
  ...change,
});

/** How S3 writes a key into an event: percent-encoded as in a form. */
const encodeAsS3 = (key: string): string =>
  new URLSearchParams([['k', key]]).toString().slice(2).replaceAll('%2F', '/');

/** The events of the bucket `b`, which have nothing wrong with them. */
function itemsOf(event: unknown): ItemEvent[] {
  const { items, problems } = parseS3Event(event, 'b');
  expect(problems).toEqual([]);
  return items;
}

describe('an S3 event', () => {
  test('gives the decoded key, the time and the record as it came', () => {
    const record = recordOf('regions/r/a%2520b+c.json');
    expect(itemsOf({ Records: [record] })).toEqual([
      { ...newEvent('regions/r/a%20b c.json', Date.parse('2026-11-20T10:00:00.000Z')), record },
    ]);
  });

  test('may hold several records, another 2.x version and unknown fields', () => {
    const event = { Records: [recordOf('a', { eventVersion: '2.9', future: { x: 1 } }), recordOf('b')], more: true };
    expect(itemsOf(event).map(({ key }) => key)).toEqual(['a', 'b']);
  });

  test('any key comes back as it was, and is encoded as S3 does it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (key) => {
        expect(decodeEventKey(encodeAsS3(key))).toBe(key);
        expect(decodeEventKey(encodeEventKey(key))).toBe(key);
        expect(encodeEventKey(key)).toBe(encodeAsS3(key));
      }),
    );
  });

  test('about a removed object is nothing to do, and so is the test event', () => {
    expect(itemsOf({ Records: [recordOf('a', { eventName: 'ObjectRemoved:Delete' })] })).toEqual([]);
    const testEvent = { Service: 'Amazon S3', Event: 's3:TestEvent', Time: '2026-11-20T10:00:00.000Z', Bucket: 'b' };
    expect(itemsOf(testEvent)).toEqual([]);
    expect(isS3Event(testEvent)).toBe(true);
  });

  test.each([
    ['nothing', undefined],
    ['a text', 'Records'],
    ['an empty object', {}],
    ['an SQS event', { Records: [{ eventSource: 'aws:sqs', body: '{}' }] }],
    ['no key', { Records: [{ ...recordOf('a'), s3: { bucket: { name: 'b' }, object: {} } }] }],
    ['an empty key', { Records: [recordOf('')] }],
    ['no time', { Records: [recordOf('a', { eventTime: 'yesterday' })] }],
    ['counts that are none', { Records: [recordOf('a', { s3Cascade: { replays: 'many' } })] }],
    ['re-fires below none', { Records: [recordOf('a', { s3Cascade: { refires: -1 } })] }],
    ['waiting without a time', { Records: [recordOf('a', { s3Cascade: { waitingSinceMs: null } })] }],
  ])('with %s is refused rather than taken for no work', (_what, event) => {
    expect(() => parseS3Event(event, 'b')).toThrow(expect.objectContaining({ name: 'ItemError', code: 'BAD_EVENT' }));
    expect(isS3Event(event)).toBe(false);
  });
});

describe('a record that can not be taken', () => {
  const foreign = recordOf('x', { s3: { bucket: { name: 'another' }, object: { key: 'x' } } });

  test.each([
    ['BAD_EVENT', recordOf('100%'), 'key 100% is not URL-encoded'],
    ['BAD_EVENT', recordOf('%ED%A0%80'), 'is not URL-encoded'],
    ['FOREIGN_BUCKET', foreign, "bucket another; this deployment's bucket is b"],
  ])('is a problem, %s, and keeps no other record from being taken', (code, bad, message) => {
    const { items, problems } = parseS3Event({ Records: [recordOf('a'), bad, recordOf('b')] }, 'b');
    expect(items.map(({ key }) => key)).toEqual(['a', 'b']);
    expect(problems).toMatchObject([{ name: 'ItemError', code, message: expect.stringContaining(message) }]);
  });

  test('alone is a problem too, never no work', () => {
    expect(parseS3Event({ Records: [foreign] }, 'b')).toMatchObject({
      items: [],
      problems: [{ code: 'FOREIGN_BUCKET' }],
    });
  });

  test('of an object that was removed is none: nothing would be done with it anyway', () => {
    expect(itemsOf({ Records: [recordOf('100%', { eventName: 'ObjectRemoved:Delete' })] })).toEqual([]);
  });
});

describe('an event that we make', () => {
  const event = fc.record(
    {
      key: fc.string({ minLength: 1, unit: 'grapheme' }),
      atMs: fc.integer({ min: 0, max: 4e12 }),
      replays: fc.nat(),
      refires: fc.nat(),
      reexpand: fc.boolean(),
      waitingSinceMs: fc.integer({ min: 0, max: 4e12 }),
      frozenMs: fc.nat(),
      notBeforeMs: fc.integer({ min: 0, max: 4e12 }),
      waits: fc.dictionary(fc.nat(1000).map(String), fc.record({ frozenMs: fc.nat() }), { minKeys: 1 }),
      waited: fc.nat(),
      isBegun: fc.constant(true),
      isDead: fc.constant(true),
    },
    { requiredKeys: ['key', 'atMs', 'replays', 'refires', 'reexpand'] },
  );

  test('reads like one that S3 sent, with all that is counted in it', () => {
    fc.assert(
      fc.property(event, (sent) => {
        const [read, ...others] = itemsOf(JSON.parse(JSON.stringify(buildS3Event(sent, 'b'))));
        expect(others).toEqual([]);
        expect(read).toEqual({ ...sent, record: expect.any(Object) });
        expect(isS3Event(buildS3Event(sent, 'b'))).toBe(true);
      }),
    );
  });

  test('keeps the record that S3 sent, however often it travels, and has the last counts only', () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 1 }), (journey) => {
        const record = recordOf('regions/r/a.json', { future: { x: 1 } });
        let [travelling] = itemsOf({ Records: [record] });
        for (const { replays, refires, reexpand, waitingSinceMs, frozenMs, notBeforeMs } of journey) {
          const waits = { waitingSinceMs, frozenMs, notBeforeMs };
          const counts = { replays, refires, reexpand, ...waits };
          if (travelling === undefined) throw new Error('It is lost.');
          const { key, atMs, record: sent } = travelling;
          [travelling] = itemsOf(buildS3Event({ ...counts, key, atMs, record: sent }, 'b'));
          expect(travelling).toMatchObject({ replays, refires, reexpand, key: 'regions/r/a.json' });
          expect(travelling).toMatchObject(JSON.parse(JSON.stringify(waits)) as object);
        }
        const { s3Cascade, ...kept } = travelling?.record as Record<string, unknown>;
        expect(kept).toEqual(record);
        expect(s3Cascade === undefined || typeof s3Cascade === 'object').toBe(true);
      }),
    );
  });

  test('without counts has none, as S3 would send it', () => {
    expect(buildS3Event(newEvent('a', 0), 'b').Records[0]).not.toHaveProperty('s3Cascade');
  });

  test('does not carry which delivery of a message it was', () => {
    const [read] = itemsOf(buildS3Event({ ...newEvent('a', 0), delivery: 3 }, 'b'));
    expect(read?.delivery).toBeUndefined();
  });
});
