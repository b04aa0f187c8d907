import { beforeEach, describe, expect, test } from '@jest/globals';
import { TransientError } from '../../../../shared/engine/errors.ts';
import {
  createRateControl,
  staleMs,
  stoppedUntilMs,
  type RateControl,
} from '../../../../shared/engine/rate/rate-control.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

const limits = { deployed: 20, minimumPerSecond: 0.5 };
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
    maxFreezeMs: 60_000,
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
    expect(await control.read()).toEqual({ paused: false, frozenUntilMs: 0 });
    store.drop('control/rate.json', '{"requestsPerSecond": 5}');
    expect(await control.read()).toEqual({ paused: false, frozenUntilMs: 0 });
    expect(await later(control)).toMatchObject({ requestsPerSecond: 5 });
    store.drop('control/rate.json', '{"paused": true}');
    expect(await later(control)).toEqual({ paused: true, frozenUntilMs: 0 });
    await store.remove('control/rate.json');
    expect(await later(control)).toEqual({ paused: false, frozenUntilMs: 0 });
  });

  test('stays the last good one when it is not understood, which is said once', async () => {
    const control = open();
    store.drop('control/rate.json', '{"requestsPerSecond": 5}');
    await control.read();
    store.drop('control/rate.json', '{"requestsPerSecond": "fast"}');
    expect(await later(control)).toMatchObject({ requestsPerSecond: 5 });
    expect(await later(control)).toMatchObject({ requestsPerSecond: 5 });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ key: 'control/rate.json', kept: { requestsPerSecond: 5 } });
  });

  test('is the last good one of the bucket for an environment that has just started', async () => {
    store.drop('control/last-good-rate.json', '{"requestsPerSecond": 7}');
    store.drop('control/rate.json', 'x'.repeat(20_000));
    expect(await open().read()).toMatchObject({ requestsPerSecond: 7 });
  });

  test('stays when S3 fails; an environment that knows nothing yet tells', async () => {
    const control = open();
    store.drop('control/rate.json', '{"requestsPerSecond": 5}');
    await control.read();
    store.get = () => Promise.reject(new TransientError('S3_503', 'SlowDown'));
    expect(await later(control)).toMatchObject({ requestsPerSecond: 5 });
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
    store.put = () => Promise.reject(new TransientError('S3_503', 'SlowDown'));
    const control = open();
    await control.freeze(50_000);
    expect((await control.read()).frozenUntilMs).toBe(clock.now() + 50_000);
    expect(errors).toHaveLength(1);
  });

  test('that somebody wrote by hand, and wrongly, stops nobody', async () => {
    store.drop('control/freeze.json', '{"until": "tomorrow"}');
    expect((await open().read()).frozenUntilMs).toBe(0);
  });
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
    expect(await stoppedUntilMs(store, limits)).toBe(expected());
  });
});
