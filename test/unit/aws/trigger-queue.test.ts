import { describe, expect, test } from '@jest/globals';
import type { SQSRecord } from 'aws-lambda';
import { buildS3Event } from '../../../shared/aws/event-codec.ts';
import { buildLetter } from '../../../shared/aws/letter-codec.ts';
import { isQueueEvent, parseQueueRecord } from '../../../shared/aws/trigger-queue.ts';
import { newEvent } from '../../../shared/engine/events.ts';

const key = 'shops/r/a.json';
const event = buildS3Event(newEvent(key, 5, { replays: 1 }), 'b');

const recordOf = (body: string, deliveries = 3): SQSRecord => ({
  messageId: 'message-1',
  receiptHandle: 'handle',
  body,
  attributes: {
    ApproximateReceiveCount: String(deliveries),
    SentTimestamp: '0',
    SenderId: 'x',
    ApproximateFirstReceiveTimestamp: '0',
  },
  messageAttributes: {},
  md5OfBody: '',
  eventSource: 'aws:sqs',
  eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:q',
  awsRegion: 'us-east-1',
});

describe('a message of a trigger queue', () => {
  const letter = buildLetter(
    newEvent(key, 5, { replays: 1 }),
    { level: 'shops', run: 'r', key, code: 'X', message: 'x', at: '2026-11-20' },
    'b',
  );
  test.each([
    ['that S3 sent', JSON.stringify(event)],
    ['that came back from the dead-letter queue as our letter', letter],
    [
      "that came back as Lambda's record",
      JSON.stringify({ requestContext: { condition: 'RetriesExhausted' }, requestPayload: event }),
    ],
  ])('%s gives its item, with the delivery that it is', (_what, body) => {
    expect(parseQueueRecord(recordOf(body), 'b')).toMatchObject({
      items: [{ key, atMs: 5, replays: 1, delivery: 3 }],
      problems: [],
    });
  });

  test('with a part that can not be taken gives the others, and what is wrong', () => {
    const foreign = buildS3Event(newEvent(key, 5), 'another').Records;
    const body = JSON.stringify({ Records: [...foreign, ...event.Records] });
    expect(parseQueueRecord(recordOf(body), 'b')).toMatchObject({
      items: [{ key, delivery: 3 }],
      problems: [{ code: 'FOREIGN_BUCKET' }],
    });
  });

  test.each(['', 'hello', '{}', '{"Records":7}'])('that holds no event, %j, is an item error', (body) => {
    expect(() => parseQueueRecord(recordOf(body), 'b')).toThrow(
      expect.objectContaining({ name: 'ItemError', code: 'BAD_EVENT' }),
    );
  });
});

test.each([
  [{ Records: [recordOf('{}')] }, true],
  [event, false],
  [{ Records: [] }, false],
  [{}, false],
  [null, false],
  [undefined, false],
  ['text', false],
])('whether %j comes from a trigger queue: %s', (input, expected) => expect(isQueueEvent(input)).toBe(expected));
