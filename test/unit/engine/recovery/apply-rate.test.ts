import { beforeEach, describe, expect, test } from '@jest/globals';
import { buildS3Event } from '../../../../shared/aws/event-codec.ts';
import { levelNamed } from '../../../../shared/engine/chain/chain.ts';
import { TransientError } from '../../../../shared/engine/errors.ts';
import { newEvent, type ItemEvent } from '../../../../shared/engine/events.ts';
import { applyRate, type RateReport } from '../../../../shared/engine/recovery/apply-rate.ts';
import { fourLevels } from '../../../chains.ts';
import { TestClock } from '../../../memory/clock.ts';
import { memoryBucket, MemoryMessageQueue } from '../../../memory/message-queue.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

let clock: TestClock;
let store: MemoryObjectStore;
let waiting: MemoryMessageQueue;
let refired: ItemEvent[];
let errors: string[];

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  waiting = new MemoryMessageQueue(clock);
  refired = [];
  errors = [];
});

const wait = (event: ItemEvent): Promise<void> =>
  waiting.send(event, {
    level: 'shops',
    run: 'r',
    key: event.key,
    code: 'PAUSED',
    message: 'paused',
    at: new Date(clock.now()).toISOString(),
  });

function run(
  send = (event: ItemEvent): Promise<void> => Promise.resolve(void refired.push(event)),
): Promise<RateReport> {
  return applyRate({
    store,
    bucket: 'own',
    limits: { deployed: 20, minimumPerSecond: 0.5, autoMostPerSecond: 20 },
    maxFreezeMs: 3_600_000,
    levels: [{ level: levelNamed(fourLevels, 'shops'), environments: 4, waiting, refire: { send } }],
    clock,
    log: { info: () => undefined, warn: () => undefined, error: (text) => void errors.push(text) },
    deadlineMs: clock.now() + 60_000,
  });
}

describe('items that wait', () => {
  beforeEach(async () => {
    for (let item = 0; item < 25; item += 1)
      await wait({ ...newEvent(`regions/r/t${item}.json`, 5, { replays: 1 }), waitingSinceMs: 7, frozenMs: 9 });
  });

  test('are given back when calls may be made, each with the event that it had', async () => {
    expect(await run()).toMatchObject({ resumed: 25, waiting: { shops: 0 }, paused: false, requestsPerSecond: 20 });
    expect(refired).toHaveLength(25);
    expect(refired).toContainEqual({
      ...newEvent('regions/r/t7.json', 5, { replays: 1 }),
      waitingSinceMs: 7,
      frozenMs: 9,
      record: expect.any(Object),
    });
    expect(waiting.bodies).toEqual([]);
  });

  test('stay while the API has ordered them alone to wait, and keep no other from being given back', async () => {
    const alone = { ...newEvent('regions/r/alone.json', 5), waitingSinceMs: 7, notBeforeMs: clock.now() + 600_000 };
    await wait(alone);
    expect(await run()).toMatchObject({ resumed: 25, waiting: { shops: 1 } });
    clock.nowMs += 599_000;
    expect(await run()).toMatchObject({ resumed: 0, waiting: { shops: 1 } });
    clock.nowMs += 1_000;
    expect(await run()).toMatchObject({ resumed: 1, waiting: { shops: 0 } });
    expect(refired.at(-1)).toMatchObject(alone);
  });

  test.each([
    ['a pause', 'control/rate.json', '{"paused": true}'],
    ['a pause with a byte order mark', 'control/rate.json', '\uFEFF{"paused": true}'],
    ['a freeze', 'control/freeze.json', '{"until":"2026-11-20T00:10:00.000Z"}'],
  ])('stay in %s', async (_why, key, body) => {
    store.drop(key, body);
    expect(await run()).toMatchObject({ resumed: 0, waiting: { shops: 25 } });
    expect(refired).toEqual([]);
  });

  test('stay when Lambda or SQS fails for all of them, and are visible at once', async () => {
    const failure = new TransientError('TooManyRequestsException', 'busy');
    await expect(run(() => Promise.reject(failure))).rejects.toThrow('busy');
    expect(waiting.bodies).toHaveLength(25);
    expect(waiting.visible).toBe(25);
  });

  test('stay when they are refused one by one, and keep no other from being given back', async () => {
    const send = (event: ItemEvent): Promise<void> => {
      if (event.key === 'regions/r/t7.json') return Promise.reject(new Error('InvalidRequestContentException'));
      refired.push(event);
      return Promise.resolve();
    };
    expect(await run(send)).toMatchObject({ resumed: 24, waiting: { shops: 1 } });
    expect(refired).toHaveLength(24);
    expect(waiting.bodies).toHaveLength(1);
    expect(errors).toHaveLength(1);
  });
});

test.each([
  ['holds no event', '{"hello": 1}'],
  ['is no JSON', 'hello'],
  ["holds another bucket's event", JSON.stringify(buildS3Event(newEvent('regions/r/a.json', 0), 'another'))],
  [
    'holds an event of which a part is of another bucket',
    JSON.stringify({
      Records: [memoryBucket, 'another'].flatMap((name) => buildS3Event(newEvent('regions/r/a.json', 0), name).Records),
    }),
  ],
])('a message that %s stays, is told of, and keeps no other from being given back', async (_what, body) => {
  await waiting.sendRaw(body);
  await wait(newEvent('regions/r/b.json', 0));
  expect(await run()).toMatchObject({ resumed: 1, waiting: { shops: 1 } });
  expect(waiting.bodies).toEqual([body]);
  expect(errors).toHaveLength(1);
});

describe('a rate that was set', () => {
  test('is kept as the last valid one', async () => {
    store.drop('control/rate.json', '{"requestsPerSecond": 5}');
    expect(await run()).toMatchObject({ requestsPerSecond: 5, deployed: 20 });
    expect(store.json('control/last-good-rate.json')).toEqual({ requestsPerSecond: 5 });
  });

  test('is rejected and logged when it is invalid, and the last valid one holds', async () => {
    store.drop('control/rate.json', '{"requestsPerSecond": 5}');
    await run();
    store.drop('control/rate.json', '{"requestsPerSecond": "ten"}');
    expect(await run()).toMatchObject({
      requestsPerSecond: 5,
      problem: 'Bad input: requestsPerSecond must be a number, 0 to pause, or "auto"',
    });
    expect(store.json('control/last-good-rate.json')).toEqual({ requestsPerSecond: 5 });
    expect(errors).toHaveLength(1);
  });
});
