import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { RateState } from '../../../../shared/engine/rate/rate-control.ts';
import { createTurns, type Turns } from '../../../../shared/engine/rate/turns.ts';
import { TestClock } from '../../../memory/clock.ts';

let clock: TestClock;
let state: RateState;
let slept: number;
const freezes: number[] = [];

beforeEach(() => {
  clock = new TestClock();
  state = { paused: false, frozenUntilMs: 0 };
  slept = 0;
});

/** Of a level whose calls are a second apart in each of its environments. */
const open = (random = () => 0, environments = 2): Turns =>
  createTurns({
    control: { read: () => Promise.resolve(state), freeze: (ms) => Promise.resolve(void freezes.push(ms)) },
    rate: { deployed: environments, minimumPerSecond: 0.01, share: 1, environments },
    clock,
    random,
    onSleep: (ms) => (slept += ms),
  });
const inAMinute = (): number => clock.now() + 60_000;

/** When each of `count` calls, all wanted at once, was let through; in milliseconds from now. */
async function take(turns: Turns, count: number, deadlineMs = inAMinute()): Promise<number[]> {
  const startMs = clock.now();
  const taken = Array.from({ length: count }, async () => {
    await turns.take(deadlineMs);
    return clock.now() - startMs;
  });
  return Promise.all(taken);
}

describe('turns', () => {
  test('come at once for the first, then one after the other', async () => {
    expect(await take(open(), 4)).toEqual([0, 1000, 2000, 3000]);
    expect(slept).toBe(3000);
  });

  test('are kept from one invocation to the next, and are not saved up', async () => {
    const turns = open();
    await take(turns, 1);
    clock.nowMs += 400;
    expect(await take(turns, 1)).toEqual([600]);
    clock.nowMs += 10_000;
    expect(await take(turns, 2)).toEqual([0, 1000]);
  });

  test('are set apart from those of environments that began at the same time, once and after each rest', async () => {
    const turns = open(() => 0.25);
    expect(await take(turns, 4)).toEqual([0, 1250, 2250, 3250]);
    // A little late is no rest.
    clock.nowMs += 1500;
    expect(await take(turns, 2)).toEqual([0, 1000]);
    clock.nowMs += 2500;
    expect(await take(turns, 3)).toEqual([0, 1250, 2250]);
  });

  test('that are set apart come sooner too when the rate is raised meanwhile', async () => {
    const turns = open(() => 0.5);
    await take(turns, 1);
    state.requestsPerSecond = 20;
    expect(await take(turns, 2)).toEqual([150, 250]);
  });

  test('of an environment that is the only one need not be set apart', async () => {
    expect(
      await take(
        open(() => 0.25, 1),
        3,
      ),
    ).toEqual([0, 1000, 2000]);
  });

  test('are never closer together than the rate says, whenever they are wanted', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3000), { minLength: 2, maxLength: 20 }), async (gaps) => {
        const turns = open(Math.random);
        const times: number[] = [];
        for (const gap of gaps) {
          clock.nowMs += gap;
          await turns.take(clock.now() + 600_000);
          times.push(clock.now());
        }
        const apart = times.slice(1).map((time, index) => time - (times[index] ?? 0));
        expect(Math.min(...apart)).toBeGreaterThanOrEqual(1000);
      }),
    );
  });

  test('are no sooner than the deadline: then the item is requeued, and no caller slept', async () => {
    const turns = open();
    await take(turns, 1);
    await expect(turns.take(clock.now() + 500)).rejects.toMatchObject({ name: 'DeferredError', code: 'NO_TURN' });
    expect(slept).toBe(0);
    // A caller that gave up has used no turn.
    expect(await take(turns, 1)).toEqual([1000]);
  });

  test('come sooner when the rate is raised while a caller sleeps', async () => {
    const turns = createTurns({
      control: { read: () => Promise.resolve(state), freeze: () => Promise.resolve() },
      rate: { deployed: 0.02, minimumPerSecond: 0.01, share: 1, environments: 1 },
      clock,
      random: () => 0,
      onSleep: () => (state = { ...state, requestsPerSecond: 1 }),
    });
    expect(await take(turns, 2)).toEqual([0, 5000]);
  });

  test('do not come in a pause', async () => {
    state = { ...state, paused: true };
    await expect(open().take(inAMinute())).rejects.toMatchObject({ code: 'PAUSED' });
  });
});

describe('a freeze', () => {
  test('is slept through when the invocation has time for it, and not ended by all at once', async () => {
    state = { ...state, frozenUntilMs: clock.now() + 20_000 };
    expect(
      await take(
        open(() => 0.5),
        2,
      ),
    ).toEqual([20_500, 21_500]);
  });

  test('that outlasts the invocation requeues the item at once', async () => {
    state = { ...state, frozenUntilMs: clock.now() + 70_000 };
    await expect(open().take(inAMinute())).rejects.toMatchObject({ code: 'FROZEN' });
    expect(slept).toBe(0);
  });

  test('becomes a pause while a caller sleeps', async () => {
    state = { ...state, frozenUntilMs: clock.now() + 20_000 };
    const turns = createTurns({
      control: { read: () => Promise.resolve(state), freeze: () => Promise.resolve() },
      rate: { deployed: 'unlimited', minimumPerSecond: 0, share: 1, environments: undefined },
      clock,
      random: () => 0,
      onSleep: () => (state = { ...state, paused: true }),
    });
    await expect(turns.take(inAMinute())).rejects.toMatchObject({ code: 'PAUSED' });
  });
});

describe("an invocation's end", () => {
  test('comes when the next call may be made, whichever environment makes it', async () => {
    const turns = open();
    await take(turns, 3);
    const lastCallMs = clock.now();
    await turns.settle(inAMinute());
    expect(clock.now() - lastCallMs).toBe(1000);
  });

  test('is not put off when no call was made, when the last call was long ago, nor beyond its deadline', async () => {
    const turns = open();
    const startedMs = clock.now();
    await turns.settle(inAMinute());
    expect(clock.now()).toBe(startedMs);
    await take(turns, 1);
    await turns.settle(startedMs + 500);
    expect(clock.now() - startedMs).toBe(500);
    clock.nowMs += 5000;
    await turns.settle(inAMinute());
    expect(clock.now() - startedMs).toBe(5500);
  });
});
