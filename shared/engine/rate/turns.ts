/**
 * One environment's turns at the API: a call waits here for its turn. It owns the promise that an environment makes no more
 * calls, pages and retries of all its items included, than its share of the rate earns, that no call is made during a pause or
 * a freeze, and that no wait is longer than its invocation has left.
 */
import { DeferredError } from '../errors.ts';
import type { Clock } from '../ports.ts';
import { createDemandMeter, firstWish } from './demand.ts';
import { createEarnings } from './earnings.ts';
import type { RateControl, RateState } from './rate-control.ts';
import { staleMs } from './rate-control.ts';
import type { ToldLimit } from './api-limit.ts';
import type { Rate } from './rate-setting.ts';
import type { ShareChange, ShareLease } from './share-lease.ts';

export type Turns = {
  /**
   * Returns when the call may be made.
   * @param check asked again and again while the turn is waited for
   * @throws DeferredError when that is not before the deadline; what reading the control objects throws, and the check
   */
  take(deadlineMs: number, check?: () => Promise<void>): Promise<void>;
  /** A call has ended, after this many milliseconds. */
  answered(ms: number): void;
  /** The API ordered all callers to wait for this long, in milliseconds. */
  freeze(forMs: number): Promise<void>;
  /** An answer told how many calls the API allows. */
  told(limit: ToldLimit): void;
  /**
   * Sleeps at an invocation's end until the next call may be made. With it the rate is kept by how many invocations there are at
   * once, whichever environments Lambda gives the next ones to. Nothing is under way afterwards.
   */
  settle(deadlineMs: number): Promise<void>;
};

export type TurnsDeps = {
  control: RateControl;
  /** @param onChange to be called before the share changes; see ShareLeaseDeps */
  openLease: (onChange: (change: ShareChange) => void) => ShareLease;
  clock: Clock;
  random: () => number;
  /** After every sleep, with its length in milliseconds. */
  onSleep: (ms: number) => void;
};

/** How often the shares are looked at while calls are made, in milliseconds. */
const lookMs = 2_500;

/** How often in the first seconds of an environment's work, and while its next turn is further away than `farMs`. */
const soonMs = 700;
const firstMs = 4_000;
const farMs = 1_000;

/**
 * What another leaves free is looked for so long after the last look, in milliseconds, and as much later for each environment at work:
 * they all see the same, and one of them gets it.
 */
const freeMs = 50;

/** After such a rest an environment begins anew, in milliseconds. */
const restMs = 10_000;

/** An environment whose share is too small waits this long for the others to make room, before its items are requeued. */
const patienceMs = 8_000;

export function createTurns({ control, openLease, clock, random, onSleep }: TurnsDeps): Turns {
  const earnings = createEarnings(clock.now());
  const meter = createDemandMeter();
  const lease = openLease(({ isNewPlace, fewerSaves }) => {
    earn();
    if (isNewPlace) earnings.forfeit();
    earnings.giveUp(fewerSaves);
  });
  /** Nothing is earned before the rate is known. */
  let perSecond: Rate = 0;
  let ceiling: Rate = 0;
  let lastCallMs = -Infinity;
  let lookedMs = -Infinity;
  let beganMs = -Infinity;
  let looking: Promise<void> | undefined;
  let failure: { error: unknown } | undefined;
  /** Since when no turn comes before its caller's deadline. */
  let farSinceMs: number | undefined;
  /** When its last invocation ended; undefined while there is one. */
  let settledMs: number | undefined;
  /** It has had no invocation before this one, or a rest in between. */
  let isNew = true;
  let lastInLine: Promise<unknown> = Promise.resolve();

  const earn = (lateMs?: number): void => earnings.earn(clock.now(), perSecond, lease.held, lateMs);
  const waitMs = (): number => earnings.waitMs(clock.now(), perSecond, lease.held);

  async function readControl(): Promise<RateState> {
    const state = await control.read();
    earn();
    perSecond = state.perSecond === 'unlimited' ? 'unlimited' : Math.min(state.perSecond, lease.slowest);
    ceiling = state.ceiling;
    return state;
  }

  /** Looks at the shares when it is time to, and waits for the answer only when there is no share to go on with. */
  async function keepShare(deadlineMs: number): Promise<void> {
    if (perSecond === 'unlimited' || ceiling === 'unlimited') return;
    const nowMs = clock.now();
    if (nowMs - lookedMs > restMs) beganMs = nowMs;
    const isSoon = waitMs() > farMs || nowMs - beganMs < firstMs;
    // In the middle of the lease, so that it is renewed before its end.
    const everyMs = isSoon ? soonMs : Math.min(lookMs, (lease.held.untilMs - lookedMs) / 2);
    const isFree = nowMs >= lease.freeFromMs && nowMs - lookedMs >= freeMs * (lease.others + 3);
    if (looking === undefined && (isFree || nowMs - lookedMs >= everyMs)) {
      lookedMs = nowMs;
      looking = lease
        .refresh(meter.read(nowMs, perSecond), deadlineMs, ceiling)
        .catch((error: unknown) => void (failure = { error }))
        .finally(() => (looking = undefined));
    }
    if (waitMs() === Infinity) await looking;
    earn();
    if (failure === undefined) return;
    const { error } = failure;
    failure = undefined;
    throw error;
  }

  async function sleep(ms: number): Promise<void> {
    await clock.wait(ms);
    onSleep(ms);
  }

  /** Until the next call is earned, but no longer than until the shares are looked at again. */
  async function sleepForTurn(deadlineMs: number): Promise<void> {
    const fromMs = clock.now();
    const turnMs = fromMs + waitMs();
    const untilMs = Math.min(turnMs, deadlineMs, fromMs + soonMs);
    await sleep(untilMs - fromMs);
    const nowMs = clock.now();
    meter.waited(nowMs - fromMs);
    earn(untilMs === turnMs ? nowMs - turnMs : 0);
  }

  async function waitForTurn(deadlineMs: number, check?: () => Promise<void>): Promise<void> {
    if (settledMs !== undefined) isNew = clock.now() - settledMs > restMs;
    settledMs = undefined;
    let notBeforeMs = 0;
    for (;;) {
      // Before the freeze is looked at: no call may begin later than that.
      await check?.();
      const state = await readControl();
      if (state.paused) throw new DeferredError('PAUSED', 'The calls to the API are paused by control/rate.json.');
      if (state.frozenUntilMs > clock.now()) {
        // All were stopped at the same time, and must not begin again at the same time.
        notBeforeMs = state.frozenUntilMs + random() * spacingMs(perSecond, lease);
        if (notBeforeMs >= deadlineMs) throw frozen(state.frozenUntilMs);
      }
      if (notBeforeMs > clock.now()) {
        await sleep(Math.min(notBeforeMs - clock.now(), staleMs));
        continue;
      }
      await keepShare(deadlineMs);
      // The answer to another call may have ordered a wait while this one waited for its share.
      const { paused, frozenUntilMs } = await control.read();
      if (paused || frozenUntilMs > clock.now()) continue;
      if (waitMs() === 0 && clock.now() < deadlineMs) {
        spend();
        return;
      }
      throwIfTooFar(deadlineMs);
      await sleepForTurn(deadlineMs);
    }
  }

  function spend(): void {
    earnings.spend();
    meter.called();
    lastCallMs = clock.now();
    farSinceMs = undefined;
  }

  /** With the share as it is: renewed now, it would be held for longer by one that may have nothing more to do. */
  function isEarnedSoon(): boolean {
    const ms = waitMs();
    return ms < lookMs && clock.now() + ms < lease.held.untilMs;
  }

  /**
   * Nothing tells an environment after its first invocation whether another one comes. In a narrow tree none does, and what it has
   * taken meanwhile would be of no use until its end.
   */
  async function giveBack(deadlineMs: number): Promise<void> {
    const hasTaken = settledMs === undefined && lastCallMs > -Infinity;
    // One that begins has as much: that is not worth a write.
    if (!hasTaken || !isNew || lease.held.share <= firstWish) return;
    // The others may save up instead what it might: what it has spent of that is to be earned first.
    for (let ms = Infinity; ms > 0;) {
      earn();
      ms = earnings.waitMs(clock.now(), perSecond, lease.held, lease.held.saves);
      if (clock.now() + ms >= Math.min(lease.held.untilMs, deadlineMs)) return;
      if (ms > 0) await sleep(ms);
    }
    await lease.giveBack(deadlineMs);
    // It is asked for again as soon as there is a call.
    lookedMs = -Infinity;
  }

  /** A share that is too small may be about to grow: the others make room within some seconds. */
  function throwIfTooFar(deadlineMs: number): void {
    const nowMs = clock.now();
    if (nowMs + waitMs() < deadlineMs) return;
    farSinceMs ??= nowMs;
    if (nowMs < Math.min(deadlineMs, farSinceMs + patienceMs)) return;
    throw new DeferredError('NO_TURN', 'The next turn at the API comes after this invocation.');
  }

  return {
    take(deadlineMs, check) {
      const turn = lastInLine.then(() => waitForTurn(deadlineMs, check));
      lastInLine = turn.catch(() => undefined); // The caller is told; the next in line has a turn of its own.
      return turn;
    },
    answered: (ms) => meter.answered(ms),
    freeze: (forMs) => control.freeze(forMs),
    told: (limit) => control.told(limit),
    async settle(deadlineMs) {
      try {
        while (lastCallMs > -Infinity) {
          await readControl();
          if (earnings.isEarned || waitMs() === 0 || clock.now() >= deadlineMs) break;
          if (!isEarnedSoon()) await keepShare(deadlineMs);
          await sleepForTurn(deadlineMs);
        }
        await looking;
        await giveBack(deadlineMs);
      } finally {
        farSinceMs = undefined;
        await looking;
        settledMs ??= clock.now();
        await control.settled();
      }
    },
  };
}

/** How far apart an environment's calls are when all at work have equal shares, in milliseconds. */
function spacingMs(perSecond: Rate, { others }: Pick<ShareLease, 'others'>): number {
  return perSecond === 'unlimited' ? 0 : (1000 * (others + 1)) / perSecond;
}

function frozen(untilMs: number): DeferredError {
  return new DeferredError('FROZEN', `The API ordered its callers to wait until ${new Date(untilMs).toISOString()}.`);
}
