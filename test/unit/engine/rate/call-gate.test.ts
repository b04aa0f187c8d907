import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DeferredError, ItemError, TransientError } from '../../../../shared/engine/errors.ts';
import {
  backoffMs,
  createCallGate,
  isRetryableStatus,
  parseRetryAfter,
} from '../../../../shared/engine/rate/call-gate.ts';
import { TestClock } from '../../../memory/clock.ts';
import { freeTurns } from '../../../memory/turns.ts';

const policy = { retries: 3, baseMs: 100, maxMs: 300 };

test('408, 425, 429 and 5xx may pass, other answers will not', () => {
  expect([408, 425, 429, 500, 502, 503, 504, 599].every(isRetryableStatus)).toBe(true);
  expect([200, 301, 400, 401, 403, 404, 409, 418, 422, 600].some(isRetryableStatus)).toBe(false);
});

describe('Retry-After', () => {
  const nowMs = Date.parse('2026-11-20T00:00:00Z');
  test.each([
    ['5', 5000],
    ['0', 0],
    ['1.5', 1500],
    [' 7 ', 7000],
    ['Fri, 20 Nov 2026 00:00:10 GMT', 10_000],
    ['Thu, 19 Nov 2026 00:00:00 GMT', 0],
    ['', undefined],
    ['soon', undefined],
    ['-5', undefined],
    [null, undefined],
  ])('%j means %p ms', (value, expected) => expect(parseRetryAfter(value, nowMs)).toBe(expected));
});

test('a backoff is never longer than its exponential bound, nor than the most', () => {
  fc.assert(
    fc.property(fc.nat(30), fc.double({ min: 0, max: 1, noNaN: true }), (retry, random) => {
      const ms = backoffMs(retry, policy, () => random);
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThanOrEqual(Math.min(300, 100 * 2 ** retry));
    }),
  );
});

describe('the call gate', () => {
  const gateOf = (
    clock: TestClock,
    options: { forMs?: number; onCall?: () => void; turns?: ReturnType<typeof freeTurns> } = {},
  ) =>
    createCallGate({
      policy,
      turns: options.turns ?? freeTurns(),
      clock,
      random: () => 1,
      deadlineMs: clock.now() + (options.forMs ?? 60_000),
      signal: new AbortController().signal,
      ...(options.onCall && { onCall: options.onCall }),
    });
  /** Fails so many times, then answers. */
  const failing = (times: number, error: Error) => {
    let calls = 0;
    return {
      call: () => ((calls += 1) <= times ? Promise.reject(error) : Promise.resolve('answer')),
      count: () => calls,
    };
  };

  test('a transient failure is tried again after growing waits', async () => {
    const clock = new TestClock();
    const api = failing(3, new TransientError('HTTP_503', 'busy'));
    await expect(gateOf(clock)(api.call)).resolves.toBe('answer');
    expect(clock.waits).toEqual([100, 200, 300]);
  });

  test('when the tries are used up, the last error is what is thrown', async () => {
    const api = failing(9, new TransientError('HTTP_503', 'busy'));
    await expect(gateOf(new TestClock())(api.call)).rejects.toMatchObject({ code: 'HTTP_503' });
    expect(api.count()).toBe(4);
  });

  test('a server that says when to come back is obeyed', async () => {
    const clock = new TestClock();
    const api = failing(1, new TransientError('HTTP_500', 'restarting', { retryAfterMs: 7000 }));
    await gateOf(clock)(api.call);
    expect(clock.waits).toEqual([7000]);
  });

  test.each(['HTTP_429', 'HTTP_503'])(
    '%s with a Retry-After stops everybody, and is waited for as a turn',
    async (code) => {
      const clock = new TestClock();
      const turns = freeTurns();
      const api = failing(1, new TransientError(code, 'slow down', { retryAfterMs: 7000 }));
      await gateOf(clock, { turns })(api.call);
      expect(turns.freezes).toEqual([7000]);
      expect(clock.waits).toEqual([100]);
    },
  );

  test('every call, a retry too, has a turn of its own', async () => {
    let taken = 0;
    const turns = { ...freeTurns(), take: () => Promise.resolve(void (taken += 1)) };
    await gateOf(new TestClock(), { turns })(failing(2, new TransientError('X', 'x')).call);
    expect(taken).toBe(3);
  });

  test.each([
    ['PAUSED', 0, 'DeferredError'],
    ['FROZEN', 0, 'DeferredError'],
    ['NO_TURN', 0, 'DeferredError'],
    ['PAUSED', 1, 'DeferredError'],
    ['FROZEN', 1, 'DeferredError'],
    // Handed back each time after its first calls, it would never end.
    ['NO_TURN', 1, 'TransientError'],
  ] as const)('no turn because of %s after %i calls is a %s', async (code, callsBefore, name) => {
    let turnsLeft = callsBefore;
    const turns = {
      ...freeTurns(),
      take: () => ((turnsLeft -= 1) >= 0 ? Promise.resolve() : Promise.reject(new DeferredError(code, 'not now'))),
    };
    const gate = gateOf(new TestClock(), { turns });
    for (let call = 0; call < callsBefore; call += 1) await gate(failing(0, new Error()).call);
    await expect(gate(failing(0, new Error()).call)).rejects.toMatchObject({ name });
  });

  test('a wait that would end after the deadline is not begun', async () => {
    const clock = new TestClock();
    const api = failing(1, new TransientError('HTTP_500', 'restarting', { retryAfterMs: 7000 }));
    await expect(gateOf(clock, { forMs: 6000 })(api.call)).rejects.toMatchObject({ code: 'HTTP_500' });
    expect(clock.waits).toEqual([]);
  });

  test('nothing is called after the deadline', async () => {
    const clock = new TestClock();
    const gate = gateOf(clock, { forMs: 1000 });
    clock.nowMs += 1000;
    const api = failing(0, new Error());
    await expect(gate(api.call)).rejects.toMatchObject({ name: 'TransientError', code: 'OUT_OF_TIME' });
    expect(api.count()).toBe(0);
  });

  test.each([new ItemError('HTTP_404', 'gone'), new TypeError('a mistake of ours')])(
    '%s is not tried again',
    async (error) => {
      const api = failing(1, error);
      await expect(gateOf(new TestClock())(api.call)).rejects.toBe(error);
      expect(api.count()).toBe(1);
    },
  );

  test('every call is counted, failed ones too', async () => {
    let counted = 0;
    await gateOf(new TestClock(), { onCall: () => (counted += 1) })(failing(2, new TransientError('X', 'x')).call);
    expect(counted).toBe(3);
  });
});
