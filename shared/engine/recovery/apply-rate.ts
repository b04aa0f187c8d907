/**
 * Applies what people have set: a valid rate is kept as the last valid one, an invalid one is rejected and logged, and items
 * that waited are given back to their functions as soon as calls may be made.
 */
import { freezeKey, lastGoodRateKey } from '../chain/keys.ts';
import type { ObjectStore } from '../ports.ts';
import { readHeldRate } from '../rate/auto-rate.ts';
import { readFreeze, readRate, logInvalidRate } from '../rate/rate-control.ts';
import type { DeployedRate, RateLimits } from '../rate/rate-setting.ts';
import { readRateUse, type RateNow, type UsingLevel } from '../rate/rate-use.ts';
import { createRunControls } from '../runs/run-control.ts';
import { resume, type ResumeDeps, type WaitingLevel } from './resume.ts';

export type RateReport = RateNow & {
  /** Why `control/rate.json` is invalid, so that the last valid one holds. */
  problem?: string;
  deployed: DeployedRate;
  /** The slowest that can be set. */
  minimumPerSecond: number;
  /** Items that wait for calls to be allowed again, by level. SQS calls its counts approximate. */
  waiting: Record<string, number>;
  /** Items that were given back to their function now. */
  resumed: number;
};

export type ApplyRateDeps = Omit<ResumeDeps, 'runControls'> & {
  store: ObjectStore;
  limits: RateLimits;
  /** The stage's own. */
  bucket: string;
  /** No freeze is longer, in milliseconds. */
  maxFreezeMs: number;
  levels: readonly (WaitingLevel & { environments: number | undefined })[];
};

/** @throws what the store, SQS and Lambda throw */
export async function applyRate(deps: ApplyRateDeps): Promise<RateReport> {
  const { store, limits, maxFreezeMs, levels, clock, log, bucket } = deps;
  const [rate, freezeMs] = await Promise.all([readRate(store, limits), readFreeze(store, maxFreezeMs)]);
  if (rate.problem !== undefined) logInvalidRate(rate, log);
  else if (rate.body !== undefined) await store.put(lastGoodRateKey, rate.body, {});
  const isFrozen = freezeMs > clock.now();
  const { paused } = rate.setting;
  const held = await readHeldRate(store, rate.setting, limits, clock.now());
  const resumed = paused || isFrozen ? 0 : await resume(levels, { ...deps, runControls: createRunControls(deps) });
  const counts = await Promise.all(
    levels.map(async ({ level, waiting }) => [level.name, await waiting.approximateCount()] as const),
  );
  const now = { ...held, paused, ...(isFrozen && { frozenUntil: new Date(freezeMs).toISOString() }) };
  const using = levels.map(({ level, environments }): UsingLevel => ({ ...level, environments }));
  const use = await readRateUse(now, { store, clock, bucket, levels: using });
  const report: RateReport = {
    ...now,
    ...(use && { use }),
    ...(rate.problem && { problem: rate.problem.message }),
    deployed: limits.deployed,
    minimumPerSecond: limits.minimumPerSecond,
    waiting: Object.fromEntries(counts),
    resumed,
  };
  log.info('The rate was applied.', { ...report, key: isFrozen ? freezeKey : undefined });
  return report;
}
