import { beforeEach, describe, expect, test } from '@jest/globals';
import { TransientError } from '../../../../shared/engine/errors.ts';
import {
  autoHoldMs,
  autoPerSecond,
  autoStartPerSecond,
  autoStepMs,
  autoValidMs,
  nextLimit,
  readApiLimit,
  type ApiLimit,
} from '../../../../shared/engine/rate/api-limit.ts';
import { readHeldRate } from '../../../../shared/engine/rate/auto-rate.ts';
import { createRateControl, staleMs, type RateControl } from '../../../../shared/engine/rate/rate-control.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

const limits = { deployed: 'auto', minimumPerSecond: 0.1, autoMostPerSecond: 20 } as const;
const key = 'control/api-limit.json';
let clock: TestClock;
let store: MemoryObjectStore;
let warnings: unknown[];

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  warnings = [];
});

const open = (): RateControl =>
  createRateControl({
    store,
    clock,
    limits,
    maxFreezeMs: 60_000,
    log: { info: () => undefined, warn: (_, fields) => void warnings.push(fields), error: () => undefined },
  });

const rateOf = async (control: RateControl): Promise<unknown> => (await control.read()).perSecond;

/** An answer to a call that began just now. */
async function tell(control: RateControl, perSecond: number, startedMs = clock.now()): Promise<void> {
  await control.read();
  control.told({ perSecond, startedMs });
  await control.settled();
}

describe('the rate that follows from the limit in the bucket', () => {
  const at = (ageMs: number, perSecond = 20, from = 1): number =>
    autoPerSecond({ perSecond, from, writtenMs: 0 }, ageMs, limits);

  test('begins low, doubles at each step, and ends at what the API says', () => {
    expect([0, 1, 2, 3, 4, 5, 6].map((steps) => at(steps * autoStepMs))).toEqual([1, 2, 4, 8, 16, 20, 20]);
    expect(at(autoStepMs - 1)).toBe(1);
  });

  test('is low again when the limit was written too long ago, and a low limit stays low', () => {
    expect(at(autoValidMs - 1)).toBe(20);
    expect(at(autoValidMs)).toBe(autoStartPerSecond);
    expect(at(autoValidMs, 0.5)).toBe(0.5);
  });

  test.each([
    ['more than may be', 1e9, 1e9, 20],
    ['less than can be kept', 1e-9, 1e-9, 0.1],
    ['a beginning above the limit', 5, 19, 5],
  ])('is bounded, whatever an object says: %s', (_, perSecond, from, expected) => {
    expect(at(autoStepMs, perSecond, from)).toBe(expected);
  });

  test('is the beginning when the object was written in the future', () => {
    expect(at(-3_600_000, 20, 2)).toBe(2);
  });
});

describe('what is written when an answer tells a limit', () => {
  const there: ApiLimit = { perSecond: 10, from: 1, writtenMs: 1_000_000 };
  const next = (perSecond: number, nowMs: number, startedMs = nowMs) =>
    nextLimit(there, { perSecond, startedMs }, nowMs, limits);

  test('a lower one, at once', () => {
    expect(next(4, 1_000_001, 0)).toEqual({ perSecond: 4, from: 1 });
    expect(next(4, 1_000_000 + 10 * autoStepMs)).toEqual({ perSecond: 4, from: 4 });
  });

  test('a higher one, only when its call began after all knew of the lower one', () => {
    const laterMs = 1_000_000 + 2 * autoHoldMs;
    expect(next(15, laterMs, 1_000_000 + autoHoldMs)).toBeUndefined();
    expect(next(15, laterMs, 1_000_001 + autoHoldMs)).toEqual({ perSecond: 15, from: 10 });
  });

  test('nothing for the same one, until it is about to count as old', () => {
    expect(next(10, 1_000_000 + autoValidMs / 2)).toBeUndefined();
    expect(next(10.2, 1_000_001 + autoValidMs / 2)).toEqual({ perSecond: 10.2, from: 10 });
  });

  test('nothing for one that is higher or lower by a twentieth, unlike one that differs by more', () => {
    const laterMs = 1_000_000 + 2 * autoHoldMs;
    expect(next(10.5, laterMs)).toBeUndefined();
    expect(next(9.5, laterMs)).toBeUndefined();
    expect(next(10.51, laterMs)).toEqual({ perSecond: 10.51, from: 10 });
    expect(next(9.49, laterMs)).toEqual({ perSecond: 9.49, from: 9.49 });
  });

  test('nothing when the difference is beyond what may be used of it', () => {
    const full: ApiLimit = { perSecond: 50, from: 1, writtenMs: 0 };
    expect(nextLimit(full, { perSecond: 400, startedMs: 100_000 }, 100_000, limits)).toBeUndefined();
  });
});

describe('the rate auto', () => {
  test('is low until an answer tells the limit, and rises in every environment alike', async () => {
    const [one, other] = [open(), open()];
    expect(await rateOf(one)).toBe(1);
    await tell(one, 8);
    expect(await rateOf(one)).toBe(1);
    expect(store.json(key)).toMatchObject({ perSecond: 8, from: 1 });
    clock.nowMs += 2 * autoStepMs;
    expect([await rateOf(one), await rateOf(other)]).toEqual([4, 4]);
    clock.nowMs += autoStepMs;
    expect([await rateOf(one), await rateOf(other)]).toEqual([8, 8]);
  });

  test('falls at once where an answer says less, and elsewhere when the bucket is read again', async () => {
    const [one, other] = [open(), open()];
    await tell(one, 16);
    clock.nowMs += 60_000;
    expect([await rateOf(one), await rateOf(other)]).toEqual([16, 16]);
    await tell(one, 2);
    expect([await rateOf(one), await rateOf(other)]).toEqual([2, 16]);
    clock.nowMs += staleMs;
    expect([await rateOf(one), await rateOf(other)]).toEqual([2, 2]);
  });

  test('falls where an answer says less, also when it can not be written, which is logged', async () => {
    const control = open();
    await tell(control, 16);
    clock.nowMs += 60_000;
    await control.read();
    store.replace = () => Promise.reject(new TransientError('S3_503', 'SlowDown'));
    await tell(control, 2);
    expect(await rateOf(control)).toBe(2);
    expect(warnings).toEqual([expect.objectContaining({ key })]);
  });

  test('is not raised by an answer that comes late, to a call that began before the limit was lowered', async () => {
    const control = open();
    await tell(control, 2);
    const beforeMs = clock.now() - 1;
    clock.nowMs += 3 * autoHoldMs;
    await tell(control, 16, beforeMs);
    clock.nowMs += 60_000;
    expect(await rateOf(control)).toBe(2);
    await tell(control, 16);
    clock.nowMs += 60_000;
    expect(await rateOf(control)).toBe(16);
  });

  test('is not raised by a call that began before the last answer that said the lower one, though another said it earlier', async () => {
    const control = open();
    const firstMs = clock.now();
    await tell(control, 2);
    clock.nowMs += 2 * autoHoldMs;
    const betweenMs = clock.now();
    clock.nowMs += autoHoldMs;
    await tell(control, 2, firstMs - 1);
    await tell(control, 16, betweenMs);
    clock.nowMs += 60_000;
    expect(await rateOf(control)).toBe(2);
    await tell(control, 16);
    expect(await rateOf(control)).toBe(16);
  });

  test('is written in the fifth attempt, when others have written something else before each of the first four', async () => {
    const control = open();
    await control.read();
    const replace = store.replace.bind(store);
    let writes = 0;
    store.replace = (...args) => {
      writes += 1;
      if (writes <= 4) store.drop(key, `{"perSecond":${15 + writes},"from":1}`);
      return replace(...args);
    };
    await tell(control, 8);
    expect(writes).toBe(5);
    expect(store.json(key)).toMatchObject({ perSecond: 8 });
    expect(warnings).toEqual([]);
  });

  test('costs one read and one write when nothing else writes it', async () => {
    const control = open();
    await control.read();
    const asked: string[] = [];
    const [get, replace] = [store.get.bind(store), store.replace.bind(store)];
    store.get = (name, bytes) => {
      asked.push(`read ${name}`);
      return get(name, bytes);
    };
    store.replace = (...args) => {
      asked.push(`write ${args[0]}`);
      return replace(...args);
    };
    await tell(control, 8);
    expect(asked).toEqual([`read ${key}`, `write ${key}`]);
  });

  test('is written once by many environments that are told the same at the same time', async () => {
    const many = Array.from({ length: 20 }, open);
    await Promise.all(many.map((control) => control.read()));
    let writes = 0;
    const replace = store.replace.bind(store);
    store.replace = async (...args) => {
      const outcome = await replace(...args);
      if (outcome === 'replaced') writes += 1;
      return outcome;
    };
    for (const control of many) control.told({ perSecond: 8, startedMs: clock.now() });
    await Promise.all(many.map((control) => control.settled()));
    expect(writes).toBe(1);
  });

  test.each([
    ['no JSON', 'fast'],
    ['no object', '[]'],
    ['null', 'null'],
    ['no numbers', '{"perSecond":"8","from":1}'],
    ['zero', '{"perSecond":0,"from":1}'],
    ['negative', '{"perSecond":-5,"from":1}'],
    ['infinite', '{"perSecond":1e999,"from":1}'],
    ['too large', 'x'.repeat(20_000)],
  ])('takes an object that is %s for none, and writes over it', async (_, body) => {
    store.drop(key, body);
    const control = open();
    expect(await rateOf(control)).toBe(1);
    await tell(control, 8);
    expect(await readApiLimit(store)).toMatchObject({ limit: { perSecond: 8, from: 1 } });
  });

  test('may be set by a person on a deployment with a number, and a number on one with auto', async () => {
    const deployed = { ...limits, deployed: 7 };
    const control = createRateControl({
      ...{ store, clock, limits: deployed, maxFreezeMs: 60_000 },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    await tell(control, 8);
    expect(store.json(key)).toBeUndefined();
    expect(await rateOf(control)).toBe(7);
    store.drop('control/rate.json', '{"requestsPerSecond":"auto"}');
    clock.nowMs += staleMs;
    expect(await rateOf(control)).toBe(1);
    await tell(control, 8);
    clock.nowMs += 60_000;
    expect(await rateOf(control)).toBe(8);
    store.drop('control/rate.json', '{"requestsPerSecond":3}');
    expect(await rateOf(open())).toBe(3);
  });

  test('is told to people with what the API says', async () => {
    const setting = { paused: false };
    expect(await readHeldRate(store, setting, limits, clock.now())).toEqual({
      requestsPerSecond: 1,
      auto: { mostPerSecond: 20 },
    });
    await tell(open(), 50);
    expect(await readHeldRate(store, setting, limits, clock.now() + 60_000)).toMatchObject({
      requestsPerSecond: 20,
      auto: { told: 50, mostPerSecond: 20, toldAt: expect.stringMatching(/^\d{4}-/) },
    });
    expect(await readHeldRate(store, { ...setting, requestsPerSecond: 5 }, limits, 0)).toEqual({
      requestsPerSecond: 5,
    });
  });
});
