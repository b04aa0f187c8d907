import { describe, expect, test } from '@jest/globals';
import { rateLines } from '../../../../cli/terminal/rate-lines.ts';
import { createDemandMeter } from '../../../../shared/engine/rate/demand.ts';
import { readRateNow, rateUseOf } from '../../../../shared/engine/rate/rate-use.ts';
import { shareTableText, type ShareEntry } from '../../../../shared/engine/rate/share-table.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

const clock = new TestClock();
const levels = [
  { name: 'lists', callsInFlight: 1, environments: 4 },
  { name: 'leaf', callsInFlight: 10, environments: 1 },
];
const entry = (more: Partial<ShareEntry> = {}): ShareEntry => ({
  ...{
    id: 'a',
    bucket: 'own',
    level: 'lists',
    rate: 20,
    share: 0.25,
    saves: 0,
    wants: 0.25,
    untilMs: clock.nowMs + 5_000,
  },
  ...{ perSecond: 4, waited: 0, inFlight: 0.2 },
  ...more,
});
const now = { requestsPerSecond: 20, paused: false };

describe('what is used of the rate', () => {
  test('is what the environments at work say, by level', () => {
    const entries = [entry(), entry({ id: 'b', waited: 0.5 }), entry({ id: 'c', level: 'leaf', perSecond: 11.5 })];
    expect(rateUseOf(now, entries, levels, 'own')).toEqual({
      perSecond: 19.5,
      part: 0.975,
      callMs: 31,
      levels: [
        { level: 'lists', environments: 2, share: 0.5, perSecond: 8, waited: 0.25, inFlight: 0.4 },
        { level: 'leaf', environments: 1, share: 0.25, perSecond: 11.5, waited: 0, inFlight: 0.2 },
      ],
    });
  });

  test('has no time for each call when none was made or none waits for its answer', () => {
    expect(rateUseOf(now, [entry({ inFlight: 0 })], levels, 'own').callMs).toBeUndefined();
    expect(rateUseOf(now, [entry({ perSecond: 0 })], levels, 'own').callMs).toBeUndefined();
  });

  test.each<[string, { paused?: boolean; frozenUntil?: string }, ShareEntry[], string]>([
    ['nothing in a pause', { paused: true }, [], 'the calls are paused'],
    ['nothing in a freeze', { frozenUntil: '2026-01-01T00:00:00.000Z' }, [], 'the API ordered a wait'],
    ['nothing without work', {}, [], 'no function is at work'],
    ['little at the start', {}, [entry({ perSecond: 0 })], 'functions have just begun, and divide the rate'],
    ['little while shares are small', {}, [entry({ waited: 0.8 })], 'functions have just begun, and divide the rate'],
    ['what there is to fetch', {}, [entry()], 'there is less to fetch than might be fetched'],
    [
      'what there is to fetch, with six tenths of the calls in flight that might be',
      {},
      [entry({ inFlight: 0.6 })],
      'there is less to fetch than might be fetched',
    ],
    [
      'what few environments can',
      {},
      [entry({ inFlight: 0.9 })],
      "too few environments are at work (lists 1), and all wait for the API's answers, 225 ms for each; Lambda has not started more",
    ],
    [
      'what a slow API lets all environments',
      {},
      [entry({ level: 'leaf', inFlight: 9, perSecond: 9 })],
      "all environments wait for the API's answers, 1,000 ms for each; raise expectedCallMs to have more of them",
    ],
  ])('is %s, and the reason is told', (_, state, entries, reason) => {
    const rate = { ...now, ...state };
    const use = rateUseOf(rate, entries, levels, 'own');
    expect(rateLines({ ...rate, use })).toEqual([
      `Used: ${use.perSecond.toFixed(1)} of 20 requests a second (${Math.round(use.part * 100)}%): ${reason}.`,
    ]);
  });

  test('is read with what people have set, and without the environments whose time is over', async () => {
    const store = new MemoryObjectStore(clock);
    store.drop('control/rate.json', '{"requestsPerSecond": 10}');
    const entries = [entry({ perSecond: 9.5 }), entry({ id: 'old', untilMs: clock.nowMs - 60_000 })];
    store.drop('control/shares.json', shareTableText({ version: 1, entries }));
    const limits = { deployed: 20, minimumPerSecond: 0, autoMostPerSecond: 20 };
    const read = await readRateNow({ store, clock, bucket: 'own', limits, maxFreezeMs: 900_000, levels });
    expect(read).toMatchObject({ requestsPerSecond: 10, paused: false, use: { perSecond: 9.5, part: 0.95 } });
    expect(rateLines(read)).toEqual(['Used: 9.5 of 10 requests a second (95%).']);
  });

  test('is not known of a rate without a limit', async () => {
    const store = new MemoryObjectStore(clock);
    const limits = { deployed: 'unlimited', minimumPerSecond: 0, autoMostPerSecond: 20 } as const;
    const read = await readRateNow({ store, clock, bucket: 'own', limits, maxFreezeMs: 900_000, levels });
    expect([read, rateLines(read)]).toEqual([{ requestsPerSecond: 'unlimited', paused: false }, []]);
  });
});

test('an environment measures how many of its calls wait for answers', () => {
  const meter = createDemandMeter();
  meter.read(0, 20);
  for (let call = 0; call < 10; call += 1) {
    meter.called();
    meter.answered(400);
  }
  meter.waited(500);
  expect(meter.read(2_000, 20)).toMatchObject({ perSecond: 5, waited: 0.25, inFlight: 2 });
});

test('an environment that works at a steady pace measures the same each time', () => {
  const meter = createDemandMeter();
  meter.read(0, 20);
  for (let look = 1; look <= 5; look += 1) {
    for (let call = 0; call < 10; call += 1) {
      meter.called();
      meter.answered(400);
    }
    meter.waited(500);
    expect(meter.read(look * 2_000, 20)).toMatchObject({ perSecond: 5, waited: 0.25, inFlight: 2 });
  }
});
