/**
 * The rate `auto` in one environment: what the bucket says of the API's limit, and what its own answers say. The lower holds. It
 * owns the promise that no environment calls faster than the API told it, or than the object says that all of them know of.
 */
import { apiLimitKey } from '../chain/keys.ts';
import type { Clock, Log, ObjectStore } from '../ports.ts';
import {
  apiLimitText,
  autoPerSecond,
  autoStartPerSecond,
  boundedLimit,
  nextLimit,
  readApiLimit,
  type ApiLimit,
  type AutoLimits,
  type ToldLimit,
} from './api-limit.ts';
import type { DeployedRate, Rate, RateLimits, RateSetting } from './rate-setting.ts';

export type AutoRate = {
  /** Takes over what is in the bucket. @throws what the store throws */
  read(): Promise<void>;
  /** An answer told the limit. A lower one holds here at once; the bucket is written in the background, when it says otherwise. */
  told(limit: ToldLimit): void;
  /** Calls a second, now. */
  perSecond(): number;
  /** What it rises to, as far as is known: what other stages are told that share the API. */
  ceiling(): number;
  /** Nothing is written any more. */
  settled(): Promise<void>;
};

export type AutoRateDeps = {
  store: Pick<ObjectStore, 'get' | 'head' | 'replace'>;
  clock: Clock;
  log: Log;
  limits: AutoLimits;
};

/** Some dozens of environments may be told at the same time; once one has written, the others are content. */
const mostWrites = 5;

export function createAutoRate({ store, clock, log, limits }: AutoRateDeps): AutoRate {
  let known: ApiLimit | undefined;
  /** What this environment's own answers say, and when the last that says so came. */
  let heard: { perSecond: number; atMs: number } | undefined;
  let waiting: ToldLimit | undefined;
  let writing: Promise<void> | undefined;

  async function write(told: ToldLimit): Promise<void> {
    for (let writes = 0; writes < mostWrites; writes += 1) {
      const { limit, eTag } = await readApiLimit(store);
      known = limit;
      const nowMs = clock.now();
      const next = nextLimit(limit, told, nowMs, limits);
      if (next === undefined) return;
      if ((await store.replace(apiLimitKey, apiLimitText(next, nowMs), {}, eTag)) === 'changed') continue;
      known = { ...next, writtenMs: nowMs };
      log.info('The API told another limit, which is followed.', { key: apiLimitKey, ...next });
      return;
    }
  }

  async function writeAll(): Promise<void> {
    try {
      for (let told = waiting; told !== undefined; told = waiting) {
        waiting = undefined;
        await write(told);
      }
    } catch (error) {
      log.warn("The API's limit could not be written; a lower one holds in this environment.", {
        key: apiLimitKey,
        error,
      });
    }
  }

  return {
    async read() {
      const { limit } = await readApiLimit(store);
      known = limit;
    },
    told(limit) {
      const nowMs = clock.now();
      const perSecond = boundedLimit(limit.perSecond, limits);
      // Answers may come in another order than the API gave them: only a later call may raise what an earlier answer said.
      if (heard === undefined || perSecond <= heard.perSecond || limit.startedMs >= heard.atMs)
        heard = { perSecond, atMs: nowMs };
      if (nextLimit(known, limit, nowMs, limits) === undefined) return;
      waiting = limit;
      writing ??= writeAll().finally(() => (writing = undefined));
    },
    perSecond: () => Math.min(heard?.perSecond ?? Infinity, autoPerSecond(known, clock.now(), limits)),
    ceiling: () => Math.min(heard?.perSecond ?? Infinity, boundedLimit(known?.perSecond ?? autoStartPerSecond, limits)),
    async settled() {
      await writing;
    },
  };
}

/** What people have set, or else what is deployed. */
export function wishedRate(
  { requestsPerSecond }: RateSetting,
  { deployed }: Pick<RateLimits, 'deployed'>,
): DeployedRate {
  return requestsPerSecond ?? deployed;
}

/** What holds of the rate, for people: a number, and where `auto` has it from. */
export type HeldRate = {
  /** Requests a second, of all levels together. */
  requestsPerSecond: Rate;
  /** There when the API's own limit is followed. */
  auto?: {
    /** What the API says, in requests a second; absent: it has not told yet, or too long ago. */
    told?: number;
    /** ISO 8601. */
    toldAt?: string;
    /** No higher, whatever the API says. */
    mostPerSecond: number;
  };
};

/** @throws what the store throws */
export async function readHeldRate(
  store: Pick<ObjectStore, 'get' | 'head'>,
  setting: RateSetting,
  limits: RateLimits,
  nowMs: number,
): Promise<HeldRate> {
  const wished = wishedRate(setting, limits);
  if (wished !== 'auto') return { requestsPerSecond: wished };
  const { limit } = await readApiLimit(store);
  return {
    requestsPerSecond: autoPerSecond(limit, nowMs, limits),
    auto: {
      ...(limit !== undefined && { told: limit.perSecond, toldAt: new Date(limit.writtenMs).toISOString() }),
      mostPerSecond: limits.autoMostPerSecond,
    },
  };
}
