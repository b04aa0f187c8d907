import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ToldLimit } from '../../../../shared/engine/rate/api-limit.ts';
import type { RateState } from '../../../../shared/engine/rate/rate-control.ts';
import type { Rate } from '../../../../shared/engine/rate/rate-setting.ts';
import type { HeldShare } from '../../../../shared/engine/rate/share-lease.ts';
import { createTurns, type Turns, type TurnsDeps } from '../../../../shared/engine/rate/turns.ts';
import { TestClock } from '../../../memory/clock.ts';

let clock: TestClock;
let state: RateState;
let slept: number;
let held: HeldShare;
/** The slowest rate of another stage. */
let slowest: number;
/** Each time that the shares were looked at. */
let looks: number[];
/** When the share was given back. */
let givenBack: number[];
/** When another's share is free. */
let freeFromMs: number;
/** What a look at the shares changes. */
let onLook: () => void;
/** So many calls fewer may be saved up from the next look on. */
let fewerSaves: number;
const freezes: number[] = [];
let told: ToldLimit[];
/** How often it was asked whether anything is still written. */
let settled: number;

beforeEach(() => {
  clock = new TestClock();
  state = { perSecond: 1, ceiling: 1, paused: false, frozenUntilMs: 0 };
  slept = 0;
  looks = [];
  givenBack = [];
  freeFromMs = Infinity;
  told = [];
  slowest = Infinity;
  settled = 0;
  held = { share: 1, saves: 0, untilMs: Infinity };
  onLook = () => undefined;
  fewerSaves = 0;
});

/** With a share that earns a call each second, unless another rate or share is given. */
const open = (random = () => 0, others = 1, more: Partial<TurnsDeps> = {}): Turns =>
  createTurns({
    control: {
      read: () => Promise.resolve(state),
      freeze: (ms) => Promise.resolve(void freezes.push(ms)),
      told: (limit) => void told.push(limit),
      settled: () => Promise.resolve(void (settled += 1)),
    },
    openLease: (onChange) => ({
      get held() {
        return held;
      },
      others,
      get slowest() {
        return slowest;
      },
      get freeFromMs() {
        return freeFromMs;
      },
      giveBack() {
        givenBack.push(clock.now());
        held = { ...held, share: 0 };
        return Promise.resolve();
      },
      refresh() {
        looks.push(clock.now());
        onChange({ isNewPlace: false, fewerSaves });
        onLook();
        return Promise.resolve();
      },
    }),
    clock,
    random,
    onSleep: (ms) => (slept += ms),
    ...more,
  });
const at = (perSecond: Rate): Partial<TurnsDeps> => {
  state = { ...state, perSecond, ceiling: perSecond };
  return {};
};
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

  test('come sooner when the rate is raised meanwhile, and what was earned before counts', async () => {
    const turns = open(() => 0, 1, { onSleep: () => (state = { ...state, perSecond: 20 }) });
    const times = await take(turns, 2);
    // Seven tenths of a call at the old rate, and the rest at the new one.
    expect(times[1]).toBeCloseTo(715, 0);
  });

  test('come as often as the share of the rate says, however it changes, and never more often', async () => {
    held = { share: 0.25, saves: 0, untilMs: Infinity };
    const turns = open(() => 0, 0, at(4));
    expect(await take(turns, 2)).toEqual([0, 1000]);
    onLook = () => (held = { ...held, share: 0.5 });
    clock.nowMs += 5000;
    expect(await take(turns, 3)).toEqual([0, 500, 1000]);
  });

  test('do not come without a share: it is asked for until there is one, or until the invocation ends', async () => {
    held = { share: 0, saves: 0, untilMs: -Infinity };
    onLook = () => {
      if (looks.length === 4) held = { share: 1, saves: 0, untilMs: Infinity };
    };
    expect(await take(open(), 1)).toEqual([2100]);
    held = { share: 0, saves: 0, untilMs: -Infinity };
    onLook = () => undefined;
    const startMs = clock.now();
    await expect(open().take(inAMinute())).rejects.toMatchObject({ code: 'NO_TURN' });
    expect(clock.now() - startMs).toBeGreaterThanOrEqual(8_000);
    expect(clock.now() - startMs).toBeLessThan(10_000);
  });

  test('are waited for anew after a call, and in the next invocation, however long ago there was no share before', async () => {
    const withoutShare = (): void => {
      held = { share: 0, saves: 0, untilMs: -Infinity };
    };
    /** The share comes with the fourth look from now on. */
    const shareComesLater = (): void => {
      const looked = looks.length;
      onLook = () => {
        if (looks.length === looked + 4) held = { share: 1, saves: 0, untilMs: Infinity };
      };
    };
    const turns = open();
    withoutShare();
    shareComesLater();
    expect(await take(turns, 1)).toEqual([2100]);

    clock.nowMs += 20_000;
    withoutShare();
    shareComesLater();
    // A call is earned in a second with the share.
    expect(await take(turns, 1)).toEqual([3100]);

    withoutShare();
    onLook = () => undefined;
    await expect(turns.take(inAMinute())).rejects.toMatchObject({ code: 'NO_TURN' });
    await turns.settle(clock.now());
    clock.nowMs += 1_000;
    shareComesLater();
    expect(await take(turns, 1)).toEqual([3100]);
  });

  test('end with the share, and what was earned until then is kept', async () => {
    const turns = open(() => 0, 0);
    await take(turns, 1);
    held = { share: 1, saves: 0, untilMs: clock.now() + 600 };
    clock.nowMs += 5_000;
    onLook = () => (held = { share: 1, saves: 0, untilMs: Infinity });
    expect(await take(turns, 1)).toEqual([400]);
  });

  test('are saved up while no call is wanted, as many as the share says', async () => {
    held = { share: 1, saves: 2, untilMs: Infinity };
    const turns = open(() => 0, 0);
    await take(turns, 1);
    clock.nowMs += 10_000;
    expect(await take(turns, 4)).toEqual([0, 0, 0, 1000]);
  });

  test('are later by those that may no longer be saved up and are spent: another environment calls instead', async () => {
    held = { share: 1, saves: 2, untilMs: Infinity };
    const turns = open(() => 0, 0);
    await take(turns, 1);
    clock.nowMs += 11_000;
    expect(await take(turns, 3)).toEqual([0, 0, 0]);
    fewerSaves = 2;
    onLook = () => {
      fewerSaves = 0;
      held = { ...held, saves: 0 };
    };
    expect(await take(turns, 1)).toEqual([3000]);
  });

  test('are as many as are wanted when nothing limits them, and no share is looked at', async () => {
    held = { share: 0, saves: 0, untilMs: -Infinity };
    expect(
      await take(
        open(() => 0.5, 1, at('unlimited')),
        3,
      ),
    ).toEqual([0, 0, 0]);
    expect(looks).toEqual([]);
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

  test('are no later than the deadline: then the item is requeued, and has used no turn', async () => {
    const turns = open();
    await take(turns, 1);
    await expect(turns.take(clock.now() + 500)).rejects.toMatchObject({ name: 'DeferredError', code: 'NO_TURN' });
    expect(await take(turns, 1)).toEqual([500]);
  });

  test('do not come at the deadline itself, although they are earned', async () => {
    await expect(open().take(clock.now())).rejects.toMatchObject({ code: 'NO_TURN' });
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
    ).toEqual([21_000, 22_000]);
  });

  test('that outlasts the invocation requeues the item at once', async () => {
    state = { ...state, frozenUntilMs: clock.now() + 70_000 };
    await expect(open().take(inAMinute())).rejects.toMatchObject({ code: 'FROZEN' });
    expect(slept).toBe(0);
  });

  test('that is ordered while a caller waits for its share stops this caller too', async () => {
    held = { share: 0, saves: 0, untilMs: -Infinity };
    onLook = () => {
      held = { share: 1, saves: 0, untilMs: Infinity };
      state = { ...state, frozenUntilMs: clock.now() + 20_000 };
      onLook = () => undefined;
    };
    expect(await take(open(), 1)).toEqual([20_000]);
  });

  test('becomes a pause while a caller sleeps', async () => {
    state = { ...state, frozenUntilMs: clock.now() + 20_000 };
    const turns = open(() => 0, 0, { ...at('unlimited'), onSleep: () => (state = { ...state, paused: true }) });
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

describe('a share', () => {
  /** An invocation with one call. */
  const invoke = async (turns: Turns): Promise<void> => {
    await turns.take(inAMinute());
    await turns.settle(inAMinute());
  };

  test('is given back after the first invocation, and after the first one that follows a rest', async () => {
    const turns = open();
    onLook = () => (held = { share: 1, saves: 0, untilMs: Infinity });
    await invoke(turns);
    expect(givenBack).toEqual([clock.now()]);
    // There is no share now: it is asked for at once.
    const looked = looks.length;
    await invoke(turns);
    expect(looks.length).toBe(looked + 1);
    await invoke(turns);
    expect(givenBack).toHaveLength(1);
    clock.nowMs += 11_000;
    await invoke(turns);
    expect(givenBack).toHaveLength(2);
  });

  test('is given back when all is earned that may be saved up, since others may save it up then; or not at all', async () => {
    held = { share: 1, saves: 0.5, untilMs: Infinity };
    const startedMs = clock.now();
    await invoke(open());
    expect(givenBack).toEqual([startedMs + 1500]);
    held = { share: 1, saves: 0.5, untilMs: clock.now() + 1400 };
    await invoke(open());
    expect(givenBack).toHaveLength(1);
  });

  test('is not given back by an invocation that has taken no turn', async () => {
    held = { share: 1, saves: 0, untilMs: clock.now() + 900 };
    const turns = open();
    await turns.take(inAMinute());
    onLook = () => (held = { share: 1 / 8, saves: 0, untilMs: Infinity });
    await turns.settle(inAMinute());
    held = { share: 1, saves: 0, untilMs: Infinity };
    await turns.settle(inAMinute());
    expect(givenBack).toEqual([]);
  });

  test('that is no larger than that of one that begins is not given back, and neither is one without a call', async () => {
    held = { share: 1 / 8, saves: 0, untilMs: Infinity };
    await invoke(open());
    held = { share: 1, saves: 0, untilMs: Infinity };
    await open().settle(inAMinute());
    expect(givenBack).toEqual([]);
  });

  test('is looked at as soon as another may have left one, and not again at once', async () => {
    const turns = open(() => 0, 2, at(10));
    await take(turns, 60);
    const looked = looks.length;
    while (looks.length === looked) await take(turns, 1);
    const startedMs = clock.now();
    looks = [];
    freeFromMs = startedMs + 400;
    await take(turns, 8);
    // A little later for each other environment: all of them see the same.
    expect(looks.map((ms) => ms - startedMs)).toEqual([400, 700]);
  });

  test('is not looked at, nor renewed, when the last call of an invocation is paid for soon', async () => {
    held = { share: 1, saves: 0, untilMs: Infinity };
    const turns = open();
    await turns.take(inAMinute());
    const looked = looks.length;
    await turns.settle(inAMinute());
    expect(looks.length).toBe(looked);
    held = { share: 1, saves: 0, untilMs: Infinity };
    await turns.take(inAMinute());
    // One that ends before is renewed.
    held = { share: 1, saves: 0, untilMs: clock.now() + 900 };
    onLook = () => (held = { share: 1, saves: 0, untilMs: Infinity });
    await turns.settle(inAMinute());
    expect(looks.length).toBeGreaterThan(looked);
  });
});

describe('what an environment learns of the API and of other stages', () => {
  test('a slower rate of a stage that shares the API holds here, too', async () => {
    const turns = open(() => 0, 0, at(4));
    slowest = 2;
    expect(await take(turns, 3)).toEqual([0, 500, 1000]);
    slowest = 100;
    clock.nowMs += 5_000;
    expect(await take(turns, 3)).toEqual([0, 250, 500]);
  });

  test("the API's limit is told to the rate's control, and nothing of it is under way once an invocation has ended", async () => {
    const turns = open();
    turns.told({ perSecond: 5, startedMs: 1 });
    expect(told).toEqual([{ perSecond: 5, startedMs: 1 }]);
    await turns.settle(inAMinute());
    expect(settled).toBe(1);
  });
});
