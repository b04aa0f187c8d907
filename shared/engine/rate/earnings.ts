/**
 * The calls that an environment has earned: its share of the rate earns them while time passes. It saves up one at
 * most, and as many more as its share says. So in t seconds it makes that many calls more than its share earns in them at most,
 * however its share changes meanwhile. Pure.
 */
import type { Rate } from './rate-setting.ts';
import type { HeldShare } from './share-lease.ts';

export type Earnings = {
  /**
   * Time has passed with this rate and this share.
   * @param lateMs how late a timer was that fired when the call was earned; a little of it is not lost
   */
  earn(nowMs: number, perSecond: Rate, held: HeldShare, lateMs?: number): void;
  /** The next call can be made, as far as the past calls go. */
  readonly isEarned: boolean;
  /**
   * How long until the next call is earned, in milliseconds; Infinity without a share.
   * @param more calls that are to be saved up beside it
   */
  waitMs(nowMs: number, perSecond: Rate, held: HeldShare, more?: number): number;
  /** What is saved up is lost. */
  forfeit(): void;
  /** So many fewer calls may be saved up, since another environment may call instead: what was spent of them is still to be earned. */
  giveUp(calls: number): void;
  /** A call is made. */
  spend(): void;
};

/** A timer is late by some milliseconds, which would be lost with each call: this much of it is made up for. */
const timerLateMs = 20;

/** Less is no time to sleep: a clock of milliseconds since 1970 can't tell it. What is missing then is still owed. */
const momentMs = 0.01;

const slack = 1e-6;

export function createEarnings(startMs: number): Earnings {
  let earned = 1;
  let toMs = startMs;
  let late = 0;
  return {
    get isEarned() {
      return earned >= 1 - slack;
    },
    earn(nowMs, perSecond, { share, saves, untilMs }, lateMs = 0) {
      if (perSecond === 'unlimited') earned = 1;
      else {
        const perMs = (share * perSecond) / 1000;
        late = Math.max(late, Math.min(lateMs, timerLateMs) * perMs);
        // What others may have taken over is not used any more.
        const most = 1 + late + (nowMs < untilMs ? saves : 0);
        const gained = Math.max(0, Math.min(nowMs, untilMs) - toMs) * perMs;
        earned = Math.min(most, earned + gained);
      }
      toMs = Math.max(toMs, nowMs);
    },
    waitMs(nowMs, perSecond, { share, untilMs }, more = 0) {
      if (perSecond === 'unlimited') return 0;
      if (share === 0 || untilMs <= nowMs) return Infinity;
      const ms = (1000 * (1 + more - earned)) / (share * perSecond);
      return earned >= 1 + more - slack || ms < momentMs ? 0 : ms;
    },
    forfeit() {
      earned = Math.min(earned, 0);
    },
    giveUp(calls) {
      earned -= calls;
    },
    spend() {
      earned -= 1;
      late = 0;
    },
  };
}
