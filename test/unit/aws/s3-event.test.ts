import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeEventKey, makeS3Record, parseS3Event, withReplays } from '../../../shared/aws/s3-event.ts';

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
    configurationId: 'fetchWarriors',
    bucket: { name: 'b', ownerIdentity: { principalId: 'A3NL1KOZZKExample' }, arn: 'arn:aws:s3:::b' },
    object: { key, size: 1024, eTag: 'd41d8cd98f00b204e9800998ecf8427e', sequencer: '0055AED6DCD90281E5' },
  },
  ...change,
});

/** How S3 writes a key into an event: percent-encoded as in a form. */
const encodeAsS3 = (key: string): string =>
  new URLSearchParams([['k', key]]).toString().slice(2).replaceAll('%2F', '/');

describe('an S3 event', () => {
  test('gives the decoded key, the time and the record as it came', () => {
    const record = recordOf('troops/r/a%2520b+c.json');
    expect(parseS3Event({ Records: [record] })).toEqual([
      {
        key: 'troops/r/a%20b c.json',
        atMs: Date.parse('2026-11-20T10:00:00.000Z'),
        replays: 0,
        refires: 0,
        again: false,
        record,
      },
    ]);
  });

  test('may hold several records, another 2.x version and fields that nobody knows yet', () => {
    const event = { Records: [recordOf('a', { eventVersion: '2.9', future: { x: 1 } }), recordOf('b')], more: true };
    expect(parseS3Event(event).map(({ key }) => key)).toEqual(['a', 'b']);
  });

  test('any key comes back as it was', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (key) => {
        expect(decodeEventKey(encodeAsS3(key))).toBe(key);
      }),
    );
  });

  test('that we make for an item reads like one that S3 sent, and counts its replays', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), fc.nat(), (key, replays) => {
        const record = withReplays(makeS3Record('b', key, 0), replays);
        expect(parseS3Event({ Records: [record] })).toEqual([
          { key, atMs: 0, replays, refires: 0, again: false, record },
        ]);
      }),
    );
  });

  test('about a removed object is nothing to do, and so is the test event', () => {
    expect(parseS3Event({ Records: [recordOf('a', { eventName: 'ObjectRemoved:Delete' })] })).toEqual([]);
    expect(
      parseS3Event({ Service: 'Amazon S3', Event: 's3:TestEvent', Time: '2026-11-20T10:00:00.000Z', Bucket: 'b' }),
    ).toEqual([]);
  });

  test.each([
    ['nothing', undefined],
    ['a text', 'Records'],
    ['an empty object', {}],
    ['an SQS event', { Records: [{ eventSource: 'aws:sqs', body: '{}' }] }],
    ['no key', { Records: [{ ...recordOf('a'), s3: { bucket: { name: 'b' }, object: {} } }] }],
    ['an empty key', { Records: [recordOf('')] }],
    ['no time', { Records: [recordOf('a', { eventTime: 'yesterday' })] }],
    ['a key that is not URL-encoded', { Records: [recordOf('100%')] }],
  ])('%s is refused rather than taken for no work', (_what, event) => {
    expect(() => parseS3Event(event)).toThrow(expect.objectContaining({ name: 'ItemError', code: 'BAD_EVENT' }));
  });
});
