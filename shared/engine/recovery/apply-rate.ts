/**
 * What is done about the rate beside the calls themselves: a good setting is kept as the last good one, a bad one is refused
 * loudly, and items that waited go on as soon as calls may be made.
 */
import { freezeKey, lastGoodRateKey } from '../chain/keys.ts';
import type { ObjectStore } from '../ports.ts';
import { readFreeze, readRate, warnOf } from '../rate/rate-control.ts';
import type { Rate, RateLimits } from '../rate/rate-setting.ts';
import { resume, type ResumeDeps, type WaitingLevel } from './resume.ts';

export type RateReport = {
  /** What holds now, of all levels together. */
  requestsPerSecond: Rate;
  paused: boolean;
  /** ISO 8601; absent when there is no freeze. */
  frozenUntil?: string;
  /** Why `control/rate.json` is not understood, so that the last good one holds. */
  problem?: string;
  deployed: Rate;
  /** The slowest that can be set. */
  minimumPerSecond: number;
  /** Items that wait for calls to be allowed again, by level. SQS calls its counts approximate. */
  waiting: Record<string, number>;
  /** Items that were given back to their function now. */
  resumed: number;
};

export type TakeUpRateDeps = ResumeDeps & {
  store: ObjectStore;
  limits: RateLimits;
  levels: readonly WaitingLevel[];
};

/** @throws what the store, SQS and Lambda throw */
export async function takeUpRate(deps: TakeUpRateDeps): Promise<RateReport> {
  const { store, limits, levels, clock, log } = deps;
  const [rate, freezeMs] = await Promise.all([readRate(store, limits), readFreeze(store)]);
  if (rate.problem !== undefined) warnOf(rate, log);
  else if (rate.body !== undefined) await store.put(lastGoodRateKey, rate.body, {});
  const isFrozen = freezeMs > clock.now();
  const { requestsPerSecond = limits.deployed, paused } = rate.setting;
  const resumed = paused || isFrozen ? 0 : await resume(levels, deps);
  const counts = await Promise.all(
    levels.map(async ({ level, waiting }) => [level.level, await waiting.approximateCount()] as const),
  );
  const report: RateReport = {
    requestsPerSecond,
    paused,
    ...(isFrozen && { frozenUntil: new Date(freezeMs).toISOString() }),
    ...(rate.problem && { problem: rate.problem.message }),
    deployed: limits.deployed,
    minimumPerSecond: limits.minimumPerSecond,
    waiting: Object.fromEntries(counts),
    resumed,
  };
  log.info('The rate was taken up.', { ...report, key: isFrozen ? freezeKey : undefined });
  return report;
}
