import { describe, expect, test } from '@jest/globals';
import { buildS3Event } from '../../../shared/aws/event-codec.ts';
import { buildLetter, eventIn, parseLetter, withCode } from '../../../shared/aws/letter-codec.ts';
import { ItemError, TransientError } from '../../../shared/engine/errors.ts';
import { newEvent, type DeadLetter, type FailureReason } from '../../../shared/engine/events.ts';

const key = 'shops/r/a.json';
const event = buildS3Event(newEvent(key, 5, { replays: 1 }), 'b');
const sentAtMs = Date.parse('2026-11-20T12:00:00Z');
const parse = (body: unknown, attributes: Record<string, string> = {}): DeadLetter | undefined =>
  parseLetter({ body: typeof body === 'string' ? body : JSON.stringify(body), attributes, sentAtMs }, 'b');

/** Lambda's record for an event that failed. */
const destination = (change: object = {}) => ({
  version: '1.0',
  timestamp: '2026-11-20T10:00:00.000Z',
  requestContext: { condition: 'RetriesExhausted', approximateInvokeCount: 3 },
  requestPayload: event,
  responsePayload: { errorType: 'TransientError', errorMessage: 'HTTP_503: busy' },
  ...change,
});

describe('our own letter', () => {
  const reason: FailureReason = {
    level: 'shops',
    run: 'r',
    key,
    code: 'HTTP_404',
    message: 'There is none.',
    attempts: 2,
    at: '2026-11-20T11:00:00.000Z',
    requestId: 'request-1',
  };

  test('comes back as it was sent, with all that is counted in its event', () => {
    const sent = { ...newEvent(key, 5, { replays: 2, refires: 1, reexpand: true }), waitingSinceMs: 7, frozenMs: 9 };
    expect(parse(buildLetter(sent, reason, 'b'))).toEqual({
      code: 'HTTP_404',
      message: 'There is none.',
      condition: 'ItemError',
      atMs: Date.parse(reason.at),
      items: [{ ...sent, record: expect.any(Object) }],
    });
  });

  test('holds the event as S3 would send it, for people and for a queue that takes it back', () => {
    const body = JSON.parse(buildLetter(newEvent(key, 5, { replays: 1 }), reason, 'b')) as object;
    expect(body).toMatchObject({ source: 's3-cascade', version: '1', reason, event });
    expect(eventIn(body)).toEqual(event);
  });

  test('with a date that is none was written when it was sent', () => {
    expect(parse(buildLetter(newEvent(key, 5), { ...reason, at: 'yesterday' }, 'b'))).toMatchObject({ atMs: sentAtMs });
  });

  test.each([
    ['a code that is a number', { ...reason, code: 404 }],
    ['no message', { ...reason, message: undefined }],
    ['no reason', undefined],
  ])('with %s is none', (_what, bad) => {
    expect(parse({ source: 's3-cascade', version: '1', reason: bad, event })).toBeUndefined();
  });
});

describe("Lambda's record", () => {
  test.each([
    ['of an error with a code', destination(), { code: 'HTTP_503', message: 'busy', condition: 'RetriesExhausted' }],
    [
      'of an error without one',
      destination({ responsePayload: { errorType: 'TypeError', errorMessage: 'x is not a function' } }),
      { code: 'TypeError', message: 'x is not a function' },
    ],
    [
      'of an event that never ran',
      destination({ requestContext: { condition: 'EventAgeExceeded' }, responsePayload: undefined }),
      { code: 'EventAgeExceeded', condition: 'EventAgeExceeded' },
    ],
    [
      'with an answer that is none',
      destination({ responsePayload: { errorMessage: 7 } }),
      { code: 'RetriesExhausted' },
    ],
    ['with a date that is none', destination({ timestamp: 'yesterday' }), { atMs: sentAtMs }],
    ['with a date', destination(), { atMs: Date.parse('2026-11-20T10:00:00.000Z') }],
  ])('%s is understood', (_what, body, cause) => {
    expect(parse(body)).toMatchObject({ ...cause, items: [{ key, replays: 1 }] });
    expect(eventIn(body)).toEqual(event);
  });
});

describe('a bare event', () => {
  test.each([
    [
      { ErrorCode: '200', ErrorMessage: 'HTTP_500: broken' },
      { code: 'HTTP_500', condition: 'DeadLetterConfig' },
    ],
    [{ ErrorCode: '413' }, { code: 'UNKNOWN', message: 'Status 413', condition: 'DeadLetterConfig' }],
    [{}, { code: 'UNKNOWN', condition: 'S3Event' }],
  ])('with the attributes %j is understood', (attributes, cause) => {
    expect(parse(event, attributes)).toMatchObject({ ...cause, atMs: sentAtMs, items: [{ key }] });
  });

  test('of no new object is a letter with nothing in it', () => {
    expect(parse({ Event: 's3:TestEvent' })).toMatchObject({ items: [] });
  });
});

describe('a letter that is left whole', () => {
  const foreign = buildS3Event(newEvent(key, 5), 'another').Records;
  const undecodable = event.Records.map((record) => ({
    ...record,
    s3: { bucket: { name: 'b' }, object: { key: '100%' } },
  }));
  test.each<[string, { Records: object[] }]>([
    ["is another bucket's", { Records: foreign }],
    ["is another bucket's in part", { Records: [...event.Records, ...foreign] }],
    ['has a key that can not be decoded', { Records: undecodable }],
    ['has such a key among good ones', { Records: [...event.Records, ...undecodable] }],
  ])('%s, whichever service sent it', (_what, payload) => {
    expect(parse(payload)).toBeUndefined();
    expect(parse(destination({ requestPayload: payload }))).toBeUndefined();
    const reason = { code: 'X', message: 'x', at: '2026-11-20' };
    expect(parse({ source: 's3-cascade', version: '1', reason, event: payload })).toBeUndefined();
  });

  test.each(['', 'hello', '{}', '[1]', 'null', '7', '{"requestContext":{"condition":"X"},"requestPayload":7}'])(
    'is no letter at all: %j',
    (body) => expect(parse(body)).toBeUndefined(),
  );
});

describe('an error that a function throws', () => {
  test('has its code before its message, once, for Lambda keeps nothing else of it', () => {
    const error = new TransientError('HTTP_503', 'busy');
    expect(withCode(withCode(error))).toBe(error);
    expect(error.message).toBe('HTTP_503: busy');
    expect(parse(destination({ responsePayload: { errorMessage: error.message } }))).toMatchObject({
      code: 'HTTP_503',
      message: 'busy',
    });
  });

  test.each([new Error('plain'), Object.assign(new Error('numbered'), { code: 7 }), 'a text', undefined])(
    'without a code, %s, stays as it is',
    (error) => {
      const before = String(error);
      expect(withCode(error)).toBe(error);
      expect(String(error)).toBe(before);
    },
  );

  test('keeps messages of several lines', () => {
    const error = new ItemError('BAD_SEED', 'one\ntwo: three');
    const { message } = withCode(error) as Error;
    expect(parse(destination({ responsePayload: { errorMessage: message } }))).toMatchObject({
      code: 'BAD_SEED',
      message: 'one\ntwo: three',
    });
  });
});
