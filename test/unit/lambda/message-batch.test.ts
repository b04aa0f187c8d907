import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Context, SQSEvent, SQSRecord } from 'aws-lambda';
import { buildS3Event } from '../../../shared/aws/event-codec.ts';
import { TransientError } from '../../../shared/engine/errors.ts';
import { newEvent, type ItemEvent } from '../../../shared/engine/events.ts';
import { takeMessages, type MessageBatchDeps } from '../../../shared/lambda/message-batch.ts';

const bucket = 'b';
let taken: ItemEvent[];
let postponed: [handle: string, forMs: number][];
let warnings: string[];

beforeEach(() => {
  taken = [];
  postponed = [];
  warnings = [];
});

const eventOf = (key: string, name = bucket): { Records: object[] } => buildS3Event(newEvent(key, 0), name);

const messageOf = (id: string, event: object | string, deliveries = 1): SQSRecord => ({
  messageId: id,
  receiptHandle: `handle of ${id}`,
  body: typeof event === 'string' ? event : JSON.stringify(event),
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

/** @returns the messages that failed */
async function take(messages: SQSRecord[], change: Partial<MessageBatchDeps> = {}): Promise<string[]> {
  const event: SQSEvent = { Records: messages };
  const { batchItemFailures } = await takeMessages(event, {} as Context, {
    bucket,
    takeItem: (item) => Promise.resolve(void taken.push(item)),
    postpone: (handle, forMs) => Promise.resolve(void postponed.push([handle, forMs])),
    waitMs: (delivery) => delivery * 1000,
    log: { info: () => undefined, warn: (text) => void warnings.push(text), error: () => undefined },
    ...change,
  });
  return batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
}

const keys = (): string[] => taken.map(({ key }) => key).sort();

describe('a batch of messages', () => {
  test('is done when all are; each item knows which delivery it is', async () => {
    expect(await take([messageOf('1', eventOf('a')), messageOf('2', eventOf('b'), 3)])).toEqual([]);
    expect(taken).toMatchObject([
      { key: 'a', delivery: 1 },
      { key: 'b', delivery: 3 },
    ]);
    expect(postponed).toEqual([]);
  });

  test('names those that failed, and only those, and keeps them away longer with each delivery', async () => {
    const takeItem = (item: ItemEvent): Promise<void> =>
      item.key === 'b' || item.key === 'd'
        ? Promise.reject(new TransientError('HTTP_503', 'busy'))
        : Promise.resolve(void taken.push(item));
    const messages = ['a', 'b', 'c', 'd'].map((key, index) => messageOf(key, eventOf(key), index + 1));
    expect((await take(messages, { takeItem })).sort()).toEqual(['b', 'd']);
    expect(keys()).toEqual(['a', 'c']);
    expect([...postponed].sort()).toEqual([
      ['handle of b', 2000],
      ['handle of d', 4000],
    ]);
  });

  test('that fails as a whole names all of it, and is no error of the function', async () => {
    const takeItem = (): Promise<void> => Promise.reject(new TransientError('HTTP_503', 'busy'));
    expect(await take([messageOf('1', eventOf('a')), messageOf('2', eventOf('b'))], { takeItem })).toEqual(['1', '2']);
  });

  test.each<[string, object | string]>([
    ['no event', 'hello'],
    ["another bucket's event", eventOf('x', 'another')],
    [
      'a key that can not be decoded',
      {
        Records: eventOf('x').Records.map((record) => ({
          ...record,
          s3: { bucket: { name: bucket }, object: { key: '%' } },
        })),
      },
    ],
  ])('with %s in a message names that message; the others are done', async (_what, body) => {
    expect(await take([messageOf('1', eventOf('a')), messageOf('2', body), messageOf('3', eventOf('b'))])).toEqual([
      '2',
    ]);
    expect(keys()).toEqual(['a', 'b']);
  });

  test('with a message of which a part can not be taken does the rest of it, and names it', async () => {
    const mixed = { Records: [...eventOf('x', 'another').Records, ...eventOf('a').Records] };
    expect(await take([messageOf('1', mixed)])).toEqual(['1']);
    expect(keys()).toEqual(['a']);
  });

  test('names a message that failed although its wait could not be set', async () => {
    const takeItem = (): Promise<void> => Promise.reject(new TransientError('HTTP_503', 'busy'));
    const postpone = (): Promise<void> => Promise.reject(new Error('SQS is away'));
    expect(await take([messageOf('1', eventOf('a'))], { takeItem, postpone })).toEqual(['1']);
    expect(warnings).toHaveLength(2);
  });
});
