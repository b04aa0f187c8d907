/**
 * One environment's turns at the API: a call waits here for its turn. It owns the promise that the calls of
 * an environment, pages and retries of all its items included, are never closer together than the level's rate says, that
 * no call is made during a pause or a freeze, and that no wait is longer than its invocation has left.
 */
import { DeferredError } from '../errors.ts';
import type { Clock } from '../ports.ts';
import type { RateControl } from './rate-control.ts';
import { staleMs } from './rate-control.ts';
import { spacingMs, type LevelRate } from './rate-setting.ts';

export type Turns = {
  /**
   * Returns when the call may be made.
   * @throws DeferredError when that is not before the deadline; what reading the control objects throws
   */
  take(deadlineMs: number): Promise<void>;
  /** The API ordered all callers to wait for this long, in milliseconds. */
  freeze(forMs: number): Promise<void>;
  /**
   * Sleeps at an invocation's end until the next call may be made. With it the rate is kept by how many invocations there are at
   * once, whichever environments Lambda gives the next ones to.
   */
  settle(deadlineMs: number): Promise<void>;
};

export type TurnsDeps = {
  control: RateControl;
  rate: LevelRate;
  clock: Clock;
  random: () => number;
  /** After every sleep, with its length in milliseconds. */
  onSleep: (ms: number) => void;
};

export function createTurns({ control, rate, clock, random, onSleep }: TurnsDeps): Turns {
  let lastCallMs = -Infinity;
  /** What the next call waits beside the spacing, as a part of it: the rate may be changed meanwhile. */
  let outOfStep = 0;
  let lastInLine: Promise<unknown> = Promise.resolve();

  /** In short sleeps, since the rate may be changed meanwhile. */
  async function sleepTowards(atMs: number): Promise<void> {
    const ms = Math.min(atMs - clock.now(), staleMs);
    await clock.wait(ms);
    onSleep(ms);
  }

  async function waitForTurn(deadlineMs: number): Promise<void> {
    let notBeforeMs = 0;
    for (;;) {
      const state = await control.read();
      const nowMs = clock.now();
      const apartMs = spacingMs(rate, state);
      if (state.paused) throw new DeferredError('PAUSED', 'The calls to the API are paused by control/rate.json.');
      if (state.frozenUntilMs > nowMs) {
        // All were stopped at the same time, and must not begin again at the same time.
        notBeforeMs = state.frozenUntilMs + random() * apartMs;
        if (notBeforeMs >= deadlineMs) throw frozen(state.frozenUntilMs);
      }
      const turnMs = Math.max(lastCallMs + (1 + outOfStep) * apartMs, notBeforeMs);
      if (turnMs <= nowMs) {
        // Environments that begin at the same time, with a run or a burst of events, would call in step ever after: all of them
        // in the same tenth of a second. The first call is made at once, the second one sets them apart.
        const isFresh = nowMs > lastCallMs + 2 * apartMs;
        outOfStep = isFresh && notBeforeMs === 0 && (rate.environments ?? 1) > 1 ? random() : 0;
        lastCallMs = nowMs;
        return;
      }
      if (turnMs >= deadlineMs)
        throw new DeferredError('NO_TURN', 'The next turn at the API comes after this invocation.');
      await sleepTowards(turnMs);
    }
  }

  return {
    take(deadlineMs) {
      const turn = lastInLine.then(() => waitForTurn(deadlineMs));
      lastInLine = turn.catch(() => undefined); // The caller is told; the next in line has a turn of its own.
      return turn;
    },
    freeze: (forMs) => control.freeze(forMs),
    async settle(deadlineMs) {
      while (lastCallMs > -Infinity) {
        const apartMs = spacingMs(rate, await control.read());
        const overMs = Math.min(lastCallMs + (1 + outOfStep) * apartMs, deadlineMs);
        if (clock.now() >= overMs) return;
        await sleepTowards(overMs);
      }
    },
  };
}

function frozen(untilMs: number): DeferredError {
  return new DeferredError('FROZEN', `The API ordered its callers to wait until ${new Date(untilMs).toISOString()}.`);
}
