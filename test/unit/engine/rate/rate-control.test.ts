import { beforeEach, describe, expect, test } from '@jest/globals';
import { TransientError } from '../../../../shared/engine/errors.ts';
import {
  createRateControl,
  readFreeze,
  staleMs,
  stoppedUntilMs,
  type RateControl,
} from '../../../../shared/engine/rate/rate-control.ts';
import { createShareLease } from '../../../../shared/engine/rate/share-lease.ts';
import { createTurns } from '../../../../shared/engine/rate/turns.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

const limits = { deployed: 20, minimumPerSecond: 0.5, autoMostPerSecond: 20 };
const maxFreezeMs = 60_000;
let clock: TestClock;
let store: MemoryObjectStore;
let errors: Record<string, unknown>[];

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  errors = [];
});

const open = (): RateControl =>
  createRateControl({
    store,
    clock,
    limits,
    maxFreezeMs,
    log: { info: () => undefined, warn: () => undefined, error: (_, fields = {}) => void errors.push(fields) },
  });

/** What is read once what was known is too old. */
const later = (control: RateControl): ReturnType<RateControl['read']> => {
  clock.nowMs += staleMs;
  return control.read();
};

describe('the rate that is set', () => {
  test('is as deployed without an object, and changes with it within the time that it may be stale', async () => {
    const control = open();
    expect(await control.read()).toEqual({ perSecond: 20, ceiling: 20, paused: false, frozenUntilMs: 0 });
    store.drop('control/rate.json', '{"requestsPerSecond": 5}');
    expect(await control.read()).toEqual({ perSecond: 20, ceiling: 20, paused: false, frozenUntilMs: 0 });
    expect(await later(control)).toMatchObject({ perSecond: 5 });
    store.drop('control/rate.json', '{"paused": true}');
    expect(await later(control)).toEqual({ perSecond: 20, ceiling: 20, paused: true, frozenUntilMs: 0 });
    await store.remove('control/rate.json');
    expect(await later(control)).toEqual({ perSecond: 20, ceiling: 20, paused: false, frozenUntilMs: 0 });
  });

  test('stays the last valid one when it is invalid, which is logged once', async () => {
    const control = open();
    store.drop('control/rate.json', '{"requestsPerSecond": 5}');
    await control.read();
    store.drop('control/rate.json', '{"requestsPerSecond": "fast"}');
    expect(await later(control)).toMatchObject({ perSecond: 5 });
    expect(await later(control)).toMatchObject({ perSecond: 5 });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ key: 'control/rate.json', kept: { requestsPerSecond: 5 } });
  });

  test('is the last valid one of the bucket for an environment that has just started', async () => {
    store.drop('control/last-good-rate.json', '{"requestsPerSecond": 7}');
    store.drop('control/rate.json', 'x'.repeat(20_000));
    expect(await open().read()).toMatchObject({ perSecond: 7 });
  });

  test('is as deployed when the last valid one of the bucket is none for these limits any more', async () => {
    store.drop('control/last-good-rate.json', '{"requestsPerSecond": 0.1}');
    store.drop('control/rate.json', '{"requestsPerSecond": "fast"}');
    expect(await open().read()).toMatchObject({ perSecond: 20, paused: false });
    expect(errors).toHaveLength(1);
  });

  test('stays when S3 fails; an environment that knows nothing yet tells', async () => {
    const control = open();
    store.drop('control/rate.json', '{"requestsPerSecond": 5}');
    await control.read();
    store.get = () => Promise.reject(new TransientError('S3_503', 'SlowDown'));
    expect(await later(control)).toMatchObject({ perSecond: 5 });
    await expect(open().read()).rejects.toThrow('SlowDown');
    // Awake after hours, it would not know of a pause.
    clock.nowMs += 3_600_000;
    await expect(control.read()).rejects.toThrow('SlowDown');
  });
});

describe('a freeze', () => {
  test('holds here at once and in another environment when it reads again, and is never longer than allowed', async () => {
    const [one, other] = [open(), open()];
    await other.read();
    await one.freeze(3_600_000);
    const untilMs = clock.now() + 60_000;
    expect((await one.read()).frozenUntilMs).toBe(untilMs);
    expect((await other.read()).frozenUntilMs).toBe(0);
    expect((await later(other)).frozenUntilMs).toBe(untilMs);
  });

  test('is not made shorter by a later, shorter one', async () => {
    const control = open();
    await control.freeze(50_000);
    await control.freeze(1_000);
    expect((await control.read()).frozenUntilMs).toBe(clock.now() + 50_000);
  });

  test('holds here even if it can not be written, which is said', async () => {
    store.replace = () => Promise.reject(new TransientError('S3_503', 'SlowDown'));
    const control = open();
    await control.freeze(50_000);
    expect((await control.read()).frozenUntilMs).toBe(clock.now() + 50_000);
    expect(errors).toHaveLength(1);
  });

  test('that a person wrote by hand, and wrongly, stops no call', async () => {
    store.drop('control/freeze.json', '{"until": "tomorrow"}');
    expect((await open().read()).frozenUntilMs).toBe(0);
  });
});

describe('two freezes', () => {
  const inTheBucket = (): Promise<number> => readFreeze(store, maxFreezeMs);

  test.each([
    ['first', 50_000, 1_000],
    ['last', 1_000, 50_000],
  ])('of two environments, the longer one written %s: the later end is in the bucket', async (_when, one, other) => {
    const [a, b] = [open(), open()];
    await a.freeze(one);
    await b.freeze(other);
    expect(await inTheBucket()).toBe(clock.now() + 50_000);
    expect((await later(a)).frozenUntilMs).toBe(clock.now() - staleMs + 50_000);
    expect((await b.read()).frozenUntilMs).toBe(clock.now() - staleMs + 50_000);
  });

  test('of two environments: the one that is ordered to wait for less knows of the longer one at once', async () => {
    const [longer, shorter] = [open(), open()];
    await shorter.read();
    await longer.freeze(50_000);
    expect((await shorter.read()).frozenUntilMs).toBe(0);
    await shorter.freeze(1_000);
    expect((await shorter.read()).frozenUntilMs).toBe(clock.now() + 50_000);
  });

  test('at the same time, of many environments: the latest end is in the bucket', async () => {
    const orders = [3, 41, 7, 50, 12, 2, 49, 30].map((seconds) => seconds * 1000);
    await Promise.all(orders.map((ms) => open().freeze(ms)));
    expect(await inTheBucket()).toBe(clock.now() + 50_000);
  });

  test.each([
    ['longer', 50_000, 1_000],
    ['shorter', 1_000, 50_000],
  ])(
    'of which the %s one is written while the other is about to write: the later end is in the bucket',
    async (_which, one, other) => {
      const [a, b] = [open(), open()];
      const replace = store.replace.bind(store);
      let isFirst = true;
      store.replace = async (...args) => {
        if (isFirst) {
          isFirst = false;
          await b.freeze(other);
        }
        return replace(...args);
      };
      await a.freeze(one);
      expect(isFirst).toBe(false);
      expect(await inTheBucket()).toBe(clock.now() + 50_000);
    },
  );

  test('of one environment: a longer one that comes while the other is written, and can not be written itself, holds', async () => {
    const control = open();
    await control.read();
    const replace = store.replace.bind(store);
    const longer: Promise<void>[] = [];
    store.replace = async (...args) => {
      store.head = () => Promise.reject(new Error('S3 is slow.'));
      longer.push(control.freeze(50_000));
      await longer[0];
      return replace(...args);
    };
    await control.freeze(1_000);
    expect(longer).toHaveLength(1);
    expect((await control.read()).frozenUntilMs).toBe(clock.now() + 50_000);
  });

  test('after one another: a freeze that is over does not keep the next from being written', async () => {
    await open().freeze(50_000);
    clock.nowMs += 100_000;
    await open().freeze(1_000);
    expect(await inTheBucket()).toBe(clock.now() + 1_000);
  });
});

describe('a freeze that is forged', () => {
  test.each(['9999-12-31T23:59:59.999Z', '+275760-09-13T00:00:00.000Z'])(
    'until %s ends when the longest would that was written at that time, however often it is read',
    async (until) => {
      store.drop('control/freeze.json', JSON.stringify({ until }));
      const writtenMs = clock.now();
      const control = open();
      for (let reads = 0; reads < 20; reads += 1)
        expect((await later(control)).frozenUntilMs).toBeLessThanOrEqual(writtenMs + maxFreezeMs + 1000);
      expect((await open().read()).frozenUntilMs).toBeLessThan(clock.now());
      expect(await stoppedUntilMs(store, limits, maxFreezeMs)).toBeLessThan(clock.now());
    },
  );

  test('does not keep a true one from being written', async () => {
    store.drop('control/freeze.json', '{"until":"9999-12-31T23:59:59.999Z"}');
    clock.nowMs += 100_000;
    await open().freeze(50_000);
    expect(await readFreeze(store, maxFreezeMs)).toBe(clock.now() + 50_000);
  });

  test.each(['', 'hello', '[]', '{}', '{"until":5}', '{"until":null}', `{"until":"${'9'.repeat(20_000)}"}`])(
    'as %j stops no call',
    async (body) => {
      store.drop('control/freeze.json', body);
      expect((await open().read()).frozenUntilMs).toBe(0);
    },
  );
});

test('a pause with a byte order mark, as an editor on Windows saves it, pauses', async () => {
  store.drop('control/rate.json', '\uFEFF{"paused": true}');
  expect(await open().read()).toMatchObject({ paused: true });
  expect(errors).toEqual([]);
  expect(await stoppedUntilMs(store, limits, maxFreezeMs)).toBe(Infinity);
  const openLease = () =>
    createShareLease({
      ...{
        store,
        clock,
        random: () => 0,
        log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      },
      ...{ bucket: 'own', level: 'leaf', environments: 1, onChange: () => undefined },
    });
  const turns = createTurns({
    ...{ control: open(), openLease, limits, clock, random: () => 0, onSleep: () => undefined },
  });
  await expect(turns.take(clock.now() + 60_000)).rejects.toMatchObject({ name: 'DeferredError', code: 'PAUSED' });
});

describe('what the sweep knows of a standstill', () => {
  test.each([
    ['nothing was ever set', undefined, undefined, () => 0],
    ['a pause', '{"paused": true}', undefined, () => Infinity],
    ['a rate that was set just now', '{"requestsPerSecond": 5}', undefined, () => clock.now()],
    ['a freeze', undefined, '{"until":"2026-11-20T01:00:00.000Z"}', () => Date.parse('2026-11-20T01:00:00.000Z')],
  ])('%s', async (_what, rate, freeze, expected) => {
    if (rate !== undefined) store.drop('control/rate.json', rate);
    if (freeze !== undefined) store.drop('control/freeze.json', freeze);
    expect(await stoppedUntilMs(store, limits, 24 * 3_600_000)).toBe(expected());
  });

  test('is not changed by what lies next to the setting', async () => {
    store.drop('control/rate.json', '{}');
    clock.nowMs += 1000;
    store.drop('control/rate.json.bak', '{"paused": true}');
    expect(await stoppedUntilMs(store, limits, maxFreezeMs)).toBe(clock.now() - 1000);
  });
});
