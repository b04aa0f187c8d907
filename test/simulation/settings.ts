/** What a schedule's deployment is set to: drawn, so that no promise hangs on one number. */
import type { Rate, RateLimits } from '../../shared/engine/rate/rate-setting.ts';
import type { lostAfterMs } from '../../shared/lambda/event-life.ts';
import type { Faults } from './faults.ts';
import type { ChainPlan } from './chain-plan.ts';

/** Between two attempts of a call. */
export const backoff = { baseMs: 200, maxMs: 5_000 };

export type Settings = {
  deployment: Parameters<typeof lostAfterMs>[0];
  plainLetters: boolean;
  batchSize: number;
  /** Of an object of several items, and of a result part. */
  maxBatchBytes: number;
  maxPartBytes: number;
  callRetries: number;
  callTimeoutMs: number;
  writeConcurrency: number;
  listPageSize: number;
  apiPageSize: number;
  maxReplays: number;
  maxRefires: number;
  maxFreezeMs: number;
  /** So long one item may stop all calls. */
  maxItemFreezeMs: number;
  /** So long the API may keep an item waiting. */
  maxWaitMs: number;
  hasRate: boolean;
  limits: RateLimits & { deployed: Rate };
  environments: Map<string, number>;
};

export function drawSettings(faults: Faults, { rows }: ChainPlan): Settings {
  const levelNames = rows.map(({ level }) => level);
  const site = faults.site('settings');
  const pick = <T>(what: string, from: readonly T[]): T => faults.pick(site, what, from);
  const hasRate = pick('has rate', [true, false]);
  const limits: Settings['limits'] = {
    deployed: hasRate ? pick('rate', [1, 4, 20, 200]) : 'unlimited',
    minimumPerSecond: 0.2,
    autoMostPerSecond: 20,
  };
  const environments = new Map(levelNames.map((level) => [level, faults.between(site, `environments ${level}`, 1, 5)]));
  return {
    deployment: {
      trigger: pick('trigger', ['direct', 'direct', 'queue']),
      fetchTimeoutMs: 300_000,
      fetchRetryAttempts: 2,
      fetchMaxEventAgeMs: pick('event age', [120_000, 3_600_000, 21_600_000]),
      queueMaxReceives: pick('receives', [2, 3, 5]),
      queueRetentionMs: pick('retention', [6, 24]) * 3_600_000,
      lambdaTimeScale: 1,
    },
    plainLetters: pick('plain letters', [false, false, true]),
    batchSize: pick('batch', [1, 3, 10]),
    maxBatchBytes: pick('batch bytes', [150, 400, 1_000_000]),
    maxPartBytes: pick('part bytes', [200, 600, 8_000_000]),
    callRetries: pick('retries', [0, 1, 3]),
    callTimeoutMs: 20_000,
    writeConcurrency: pick('writes', [1, 2, 32]),
    listPageSize: pick('list page', [3, 20, 1000]),
    apiPageSize: pick('api page', [1, 2, 100]),
    maxReplays: 3,
    maxRefires: 3,
    maxFreezeMs: 3_600_000,
    maxItemFreezeMs: pick('item freeze', [60_000, 900_000, 3_600_000]),
    maxWaitMs: pick('max wait', [2, 6]) * 3_600_000,
    hasRate,
    limits,
    environments,
  };
}
