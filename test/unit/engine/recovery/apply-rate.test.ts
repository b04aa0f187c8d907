import { beforeEach, describe, expect, test } from '@jest/globals';
import { readDeadLetter } from '../../../../shared/aws/dead-letter-message.ts';
import { makeS3Record } from '../../../../shared/aws/s3-event.ts';
import { levelNamed } from '../../../../shared/engine/chain/chain.ts';
import { takeUpRate, type RateReport } from '../../../../shared/engine/recovery/apply-rate.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryMessageQueue } from '../../../memory/message-queue.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

let clock: TestClock;
let store: MemoryObjectStore;
let waiting: MemoryMessageQueue;
let refired: unknown[];
let errors: string[];

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  waiting = new MemoryMessageQueue(clock);
  refired = [];
  errors = [];
});

const record = (key: string): object => makeS3Record('b', key, clock.now());
const message = (key: string): string =>
  JSON.stringify({
    source: 's3-cascade',
    version: '1',
    reason: { code: 'PAUSED', message: 'paused', at: new Date(clock.now()).toISOString() },
    event: { Records: [record(key)] },
  });

function run(send = (sent: unknown): Promise<void> => Promise.resolve(void refired.push(sent))): Promise<RateReport> {
  return takeUpRate({
    store,
    limits: { deployed: 20, minimumPerSecond: 0.5 },
    levels: [{ level: levelNamed('warriors'), waiting, refire: { send } }],
    understand: readDeadLetter,
    clock,
    log: { info: () => undefined, warn: () => undefined, error: (text) => void errors.push(text) },
    deadlineMs: clock.now() + 60_000,
  });
}

describe('items that wait', () => {
  beforeEach(async () => {
    for (let item = 0; item < 25; item += 1) await waiting.send(message(`troops/r/t${item}.json`));
  });

  test('are given back when calls may be made, each with the event that it had', async () => {
    expect(await run()).toMatchObject({ resumed: 25, waiting: { warriors: 0 }, paused: false, requestsPerSecond: 20 });
    expect(refired).toHaveLength(25);
    expect(refired).toContainEqual(record('troops/r/t7.json'));
    expect(waiting.bodies).toEqual([]);
  });

  test.each([
    ['a pause', 'control/rate.json', '{"paused": true}'],
    ['a freeze', 'control/freeze.json', '{"until":"2026-11-20T00:10:00.000Z"}'],
  ])('stay in %s', async (_why, key, body) => {
    store.drop(key, body);
    expect(await run()).toMatchObject({ resumed: 0, waiting: { warriors: 25 } });
    expect(refired).toEqual([]);
  });

  test('stay on the queue when their function does not accept them', async () => {
    await expect(run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(waiting.bodies).toHaveLength(25);
  });
});

test('a message that nobody understands stays, and is told of', async () => {
  await waiting.send('{"hello": 1}');
  expect(await run()).toMatchObject({ resumed: 0 });
  expect(waiting.bodies).toHaveLength(1);
  expect(errors).toHaveLength(1);
});

describe('a rate that was set', () => {
  test('is kept as the last good one', async () => {
    store.drop('control/rate.json', '{"requestsPerSecond": 5}');
    expect(await run()).toMatchObject({ requestsPerSecond: 5, deployed: 20 });
    expect(store.json('control/last-good-rate.json')).toEqual({ requestsPerSecond: 5 });
  });

  test('is refused loudly when it is not understood, and the last good one holds', async () => {
    store.drop('control/rate.json', '{"requestsPerSecond": 5}');
    await run();
    store.drop('control/rate.json', '{"requestsPerSecond": "ten"}');
    expect(await run()).toMatchObject({
      requestsPerSecond: 5,
      problem: 'Bad input: requestsPerSecond must be a number, 0 to pause',
    });
    expect(store.json('control/last-good-rate.json')).toEqual({ requestsPerSecond: 5 });
    expect(errors).toHaveLength(1);
  });
});
