import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DeferredError, ItemError, RateLimitError, TransientError } from '../../../../shared/engine/errors.ts';
import {
  backoffMs,
  createCallGate,
  isRetryableStatus,
  parseRetryAfter,
  type CallGateOptions,
  type RetryPolicy,
} from '../../../../shared/engine/rate/call-gate.ts';
import { TestClock } from '../../../memory/clock.ts';
import { freeTurns } from '../../../memory/turns.ts';

const policy: RetryPolicy = {
  retries: 3,
  baseMs: 100,
  maxMs: 300,
  maxFreezeMs: 60_000,
  maxItemFreezeMs: 150_000,
  maxWaitMs: 3_600_000,
};

test('408, 425, 429 and 5xx may pass, other answers will not', () => {
  expect([408, 425, 429, 500, 502, 503, 504, 599].every(isRetryableStatus)).toBe(true);
  expect([200, 301, 400, 401, 403, 404, 409, 418, 422, 499, 600].some(isRetryableStatus)).toBe(false);
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
  const gateOf = (clock: TestClock, options: { forMs?: number } & Partial<CallGateOptions> = {}) =>
    createCallGate({
      policy,
      turns: freeTurns(),
      clock,
      random: () => 1,
      deadlineMs: clock.now() + (options.forMs ?? 60_000),
      signal: new AbortController().signal,
      patience: {},
      refires: 0,
      ...options,
    });
  /** Fails a number of times, then answers. */
  const failing = (times: number, error: Error) => {
    let calls = 0;
    return {
      call: () => ((calls += 1) <= times ? Promise.reject(error) : Promise.resolve('answer')),
      count: () => calls,
    };
  };

  test('a transient failure is retried after growing waits', async () => {
    const clock = new TestClock();
    const api = failing(3, new TransientError('HTTP_503', 'busy'));
    await expect(gateOf(clock)(api.call)).resolves.toBe('answer');
    expect(clock.waits).toEqual([100, 200, 300]);
  });

  test('when the attempts are used up, the last error is what is thrown', async () => {
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

  test('a busy server is not an order to wait: no other caller is stopped', async () => {
    const turns = freeTurns();
    const api = failing(2, new TransientError('HTTP_503', 'busy', { retryAfterMs: 1000 }));
    await gateOf(new TestClock(), { turns })(api.call);
    expect(turns.freezes).toEqual([]);
  });

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
    // Requeued each time after its first calls, it would never end.
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
    '%s is not retried',
    async (error) => {
      const api = failing(1, error);
      await expect(gateOf(new TestClock())(api.call)).rejects.toBe(error);
      expect(api.count()).toBe(1);
    },
  );

  test('a call takes as long as the API does: the wait for its turn is no part of it', async () => {
    const clock = new TestClock();
    const told: [string, number][] = [];
    const turns = {
      ...freeTurns(),
      take: () => clock.wait(1000),
      answered: (ms: number) => void told.push(['answered', ms]),
    };
    await gateOf(clock, { turns, onCall: (ms) => void told.push(['called', ms]) })(() => clock.wait(200));
    expect(told).toEqual([
      ['answered', 200],
      ['called', 200],
    ]);
  });

  test('every call is counted, failed ones too', async () => {
    let counted = 0;
    await gateOf(new TestClock(), { onCall: () => void (counted += 1) })(failing(2, new TransientError('X', 'x')).call);
    expect(counted).toBe(3);
  });
});

describe('an order to wait', () => {
  const minute = 60_000;
  const hour = 60 * minute;
  /** An environment whose turns keep a freeze, and what it has done. */
  const environment = ({ nowMs, ...change }: Partial<CallGateOptions> & { nowMs?: number } = {}) => {
    const clock = new TestClock();
    clock.nowMs = nowMs ?? clock.nowMs;
    const freezes: number[] = [];
    let frozenUntilMs = 0;
    const options: CallGateOptions = {
      policy,
      turns: {
        take: async (deadlineMs) => {
          if (frozenUntilMs >= deadlineMs) throw new DeferredError('FROZEN', 'frozen');
          if (frozenUntilMs > clock.now()) await clock.wait(frozenUntilMs - clock.now());
        },
        answered: () => undefined,
        freeze: (forMs) => {
          freezes.push(forMs);
          frozenUntilMs = clock.now() + forMs;
          return Promise.resolve();
        },
      },
      clock,
      random: () => 0,
      deadlineMs: clock.now() + 15 * minute,
      signal: new AbortController().signal,
      patience: {},
      refires: 0,
      ...change,
    };
    return { clock, freezes, patience: options.patience, gate: createCallGate(options) };
  };
  /** Refuses a number of calls with orders to wait this long, then answers. */
  const refusing = (times: number, waitMs: number) => {
    let calls = 0;
    const call = (): Promise<string> =>
      (calls += 1) <= times
        ? Promise.reject(new RateLimitError('HTTP_429', 'Too many requests.', { waitMs }))
        : Promise.resolve('answer');
    return { call, count: () => calls };
  };

  test('stops all callers, and is waited for as a turn', async () => {
    const { gate, freezes, clock } = environment();
    const startedMs = clock.now();
    await expect(gate(refusing(1, 7000).call)).resolves.toBe('answer');
    expect(freezes).toEqual([7000]);
    expect(clock.now() - startedMs).toBe(7000);
  });

  test('uses no attempt, however often it comes: a failure afterwards has all of its retries', async () => {
    const { gate } = environment();
    const api = refusing(50, 1000);
    let failures = 0;
    const call = (): Promise<string> =>
      api.count() >= 50 && (failures += 1) <= policy.retries
        ? Promise.reject(new TransientError('HTTP_503', 'busy'))
        : api.call();
    await expect(gate(call)).resolves.toBe('answer');
    expect(failures).toBe(policy.retries + 1);
  });

  test('of no time at all, again and again, is no loop of calls: the waits grow', async () => {
    const { gate, clock } = environment({ random: () => 1 });
    const startedMs = clock.now();
    await gate(refusing(10, 0).call);
    expect(clock.now() - startedMs).toBe(100 + 200 + 8 * 300);
  });

  test('that outlasts the invocation requeues the item, with what it has waited for so far', async () => {
    const { gate, patience, clock } = environment({ deadlineMs: new TestClock().now() + 30_000 });
    const startedMs = clock.now();
    await expect(gate(refusing(1, 5 * minute).call)).rejects.toMatchObject({ name: 'DeferredError', code: 'FROZEN' });
    expect(patience).toEqual({ waitingSinceMs: startedMs, frozenMs: minute });
  });

  test('stops all callers for the longest freeze at most, whatever the API says', async () => {
    const { gate, freezes } = environment();
    await gate(refusing(1, 24 * hour).call);
    expect(freezes).toEqual([minute]);
  });

  test('of one item stops the others for a bounded time in all; after that the item waits alone', async () => {
    const { gate, freezes, patience, clock } = environment();
    const startedMs = clock.now();
    const api = refusing(7, minute);
    await expect(gate(api.call)).resolves.toBe('answer');
    // The third one is longer than what is left: the others are stopped for that, and the item waits for all of it.
    expect(freezes).toEqual([minute, minute, minute / 2]);
    expect(patience.frozenMs).toBe(policy.maxItemFreezeMs);
    expect(api.count()).toBe(8);
    expect(clock.now() - startedMs).toBe(7 * minute);
  });

  test('of an item that was re-fired stops the others for half as long in all, and for a quarter after the next re-fire', async () => {
    for (const [refires, freezes] of [
      [1, [minute, minute / 4]],
      [2, [(5 * minute) / 8]],
      [20, []],
    ] as const) {
      const lost = environment({ refires });
      await expect(lost.gate(refusing(3, minute).call)).resolves.toBe('answer');
      expect(lost.freezes).toEqual(freezes);
    }
  });

  test('that the item has to wait for alone requeues it when it outlasts the invocation', async () => {
    const { gate, freezes } = environment({ patience: { waitingSinceMs: 0, frozenMs: policy.maxItemFreezeMs } });
    const error = gate(refusing(1, 15 * minute).call);
    await expect(error).rejects.toMatchObject({ name: 'ItemError', code: 'WAITED_TOO_LONG' });
    const fresh = environment({ patience: { frozenMs: policy.maxItemFreezeMs } });
    await expect(fresh.gate(refusing(1, 15 * minute).call)).rejects.toMatchObject({
      name: 'DeferredError',
      code: 'RATE_LIMITED',
    });
    expect([...freezes, ...fresh.freezes]).toEqual([]);
    expect(fresh.patience.notBeforeMs).toBe(fresh.clock.now() + 15 * minute);
  });

  test('that the item has to wait for alone holds no longer than it may be kept waiting: then it is given up', async () => {
    const waitingSinceMs = new TestClock().now() - policy.maxWaitMs + minute;
    const { gate, patience, clock } = environment({ patience: { waitingSinceMs, frozenMs: policy.maxItemFreezeMs } });
    await expect(gate(refusing(1, 24 * hour).call)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(patience.notBeforeMs).toBe(clock.now() + minute);
  });

  test('ends, for an item that has been kept waiting for too long, as an item error that says so', async () => {
    const waitingSinceMs = new TestClock().now() - policy.maxWaitMs;
    const { gate, freezes } = environment({ patience: { waitingSinceMs } });
    await expect(gate(refusing(1, 1000).call)).rejects.toMatchObject({
      name: 'ItemError',
      code: 'WAITED_TOO_LONG',
      message:
        'The API has ordered this item to wait for more than 1.0 hours (maxWait). Its last answer: Too many requests.',
    });
    expect(freezes).toEqual([]);
  });

  /** An event's whole life, over any number of invocations. @returns how long it has stopped all calls, in milliseconds */
  const liveThrough = async (waits: readonly number[], refires: number): Promise<number> => {
    let patience: CallGateOptions['patience'] = {};
    let frozen = 0;
    let nowMs = new TestClock().now();
    for (let invocations = 0; invocations < 1000; invocations += 1) {
      const { gate, clock, freezes } = environment({ patience, nowMs, refires });
      const waitMs = Math.max(minute, waits[invocations % waits.length] ?? 0);
      const error: unknown = await gate(refusing(Infinity, waitMs).call).catch((thrown: unknown) => thrown);
      frozen += freezes.reduce((sum, ms) => sum + ms, 0);
      nowMs = Math.max(clock.now(), nowMs + waitMs);
      patience = { ...patience };
      if (error instanceof ItemError) return frozen;
      expect(error).toBeInstanceOf(DeferredError);
    }
    throw new Error('It has no end.');
  };

  test('comes to an end whatever the API orders, over any number of invocations', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(2 * hour), { minLength: 1, maxLength: 10 }), async (waits) => {
        expect(await liveThrough(waits, 0)).toBeLessThanOrEqual(policy.maxItemFreezeMs);
      }),
      { numRuns: 30 },
    );
  });

  test('stops the others for less than twice what one item may, however often the item is re-fired', async () => {
    let frozen = 0;
    for (let refires = 0; refires < 12; refires += 1) frozen += await liveThrough([minute, hour], refires);
    expect(frozen).toBeGreaterThan(policy.maxItemFreezeMs);
    expect(frozen).toBeLessThan(2 * policy.maxItemFreezeMs);
  });

  test('does not last longer since the clock jumped back, or since an event says so', async () => {
    const { gate, patience, clock } = environment({ patience: { waitingSinceMs: 9e15 } });
    await gate(refusing(1, 1000).call);
    expect(patience.waitingSinceMs).toBeLessThanOrEqual(clock.now());
  });
});
