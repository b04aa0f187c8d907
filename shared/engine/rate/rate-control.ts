/**
 * The control objects: the rate that people have set, and the freeze that the API has asked for. An environment reads them
 * again every few seconds while calls are made, and at no other time.
 */
import { InputError, ItemError } from '../errors.ts';
import { freezeKey, lastGoodRateKey, rateKey } from '../chain/keys.ts';
import type { Clock, Log, ObjectStore } from '../ports.ts';
import { maxSettingBytes, parseRateSetting, type RateLimits, type RateSetting } from './rate-setting.ts';

/** As old as what is known may be when a call is made, in milliseconds. */
export const staleMs = 5_000;

/** So old it may be while it can't be read again: an environment that slept for hours knows nothing of a pause. */
const keptMs = 30_000;

export type RateState = RateSetting & {
  /** Milliseconds since 1970 until which no call may be made; in the past when there is no freeze. */
  frozenUntilMs: number;
};

export type RateControl = {
  /**
   * What holds now, `staleMs` old at most.
   * @throws what the store throws, if nothing could be read yet; afterwards the last that was read stays for half a minute
   */
  read(): Promise<RateState>;
  /** The API asked everyone to stay away for so long. Holds here at once, and everywhere when they read it next. */
  freeze(forMs: number): Promise<void>;
};

export type RateControlDeps = {
  store: ObjectStore;
  clock: Clock;
  log: Log;
  limits: RateLimits;
  /** No freeze is longer, whatever the API says. */
  maxFreezeMs: number;
};

export function createRateControl({ store, clock, log, limits, maxFreezeMs }: RateControlDeps): RateControl {
  let rate: ReadRate | undefined;
  let frozenUntilMs = 0;
  let triedAtMs = -Infinity;
  let readAtMs = -Infinity;
  let reading: Promise<void> | undefined;

  async function readAgain(): Promise<void> {
    const startedMs = clock.now();
    try {
      const [next, freezeMs] = await Promise.all([readRate(store, limits, rate?.setting), readFreeze(store)]);
      if (next.problem !== undefined && next.eTag !== rate?.eTag) warnOf(next, log);
      rate = next;
      frozenUntilMs = Math.max(frozenUntilMs, Math.min(freezeMs, startedMs + maxFreezeMs));
      readAtMs = startedMs;
    } catch (error) {
      if (startedMs - readAtMs > keptMs) throw error;
      log.warn('The rate could not be read again; the last one stays.', { key: rateKey, error });
    }
    triedAtMs = startedMs;
  }

  return {
    async read() {
      if (clock.now() - triedAtMs >= staleMs) await (reading ??= readAgain().finally(() => (reading = undefined)));
      return { ...(rate?.setting ?? { paused: false }), frozenUntilMs };
    },
    async freeze(forMs) {
      const untilMs = clock.now() + Math.min(forMs, maxFreezeMs);
      if (untilMs <= frozenUntilMs) return;
      frozenUntilMs = untilMs;
      const until = new Date(untilMs).toISOString();
      log.warn('The API asked to be left alone; nobody calls it until then.', { key: freezeKey, until });
      try {
        await store.put(freezeKey, JSON.stringify({ until }), {});
      } catch (error) {
        log.error('The freeze could not be written: it holds in this environment only.', { key: freezeKey, error });
      }
    },
  };
}

export type ReadRate = {
  setting: RateSetting;
  /** Of `control/rate.json`; undefined when there is none. */
  eTag: string | undefined;
  body: string | undefined;
  /** Why it is not understood; then `setting` is the last good one. */
  problem?: InputError;
};

/**
 * @param last the last good setting that the caller knows; without it, the one that is kept in the bucket
 * @throws what the store throws
 */
export async function readRate(store: ObjectStore, limits: RateLimits, last?: RateSetting): Promise<ReadRate> {
  const { body, eTag } = (await getSetting(store, rateKey)) ?? {};
  if (body === undefined) return { setting: { paused: false }, eTag, body };
  try {
    return { setting: parseRateSetting(body, limits), eTag, body };
  } catch (problem) {
    if (!(problem instanceof InputError)) throw problem;
    return { setting: last ?? (await readLastGood(store, limits)) ?? { paused: false }, eTag, body, problem };
  }
}

/** Says loudly that what people have set is not understood. */
export function warnOf({ problem, setting }: ReadRate, log: Log): void {
  log.error('The rate that was set is not understood, so the last good one stays. Mend it and drop it again.', {
    key: rateKey,
    error: problem,
    kept: setting,
  });
}

async function readLastGood(store: ObjectStore, limits: RateLimits): Promise<RateSetting | undefined> {
  const object = await getSetting(store, lastGoodRateKey);
  try {
    return object && parseRateSetting(object.body, limits);
  } catch (error) {
    // It was good for another deployment's limits: then the deployment's own rate is the last good one.
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

/** @returns milliseconds since 1970; 0 when there is no freeze, or none that can be read */
export async function readFreeze(store: ObjectStore): Promise<number> {
  const object = await getSetting(store, freezeKey);
  // Functions write it. What a person wrote by hand, and wrongly, stops nobody.
  const until = /^\{"until":"([^"]+)"\}$/.exec(object?.body ?? '')?.[1] ?? '';
  return Date.parse(until) || 0;
}

/** A larger object is some other thing; it is not read, and its text is no setting. */
async function getSetting(store: ObjectStore, key: string): Promise<{ body: string; eTag: string } | undefined> {
  try {
    return await store.get(key, maxSettingBytes);
  } catch (error) {
    if (error instanceof ItemError) return { body: '', eTag: error.code };
    throw error;
  }
}

/**
 * Until when calls were stopped, in milliseconds since 1970: no open item could be brought on before. Infinity in a pause. A
 * change of the rate counts like a pause that ended, since nobody remembers what it was before.
 */
export async function stoppedUntilMs(store: ObjectStore, limits: RateLimits): Promise<number> {
  const [{ setting }, freezeMs] = await Promise.all([readRate(store, limits), readFreeze(store)]);
  if (setting.paused) return Infinity;
  let changedMs = 0;
  for await (const page of store.list(rateKey)) for (const { modifiedMs } of page) changedMs = modifiedMs;
  return Math.max(changedMs, freezeMs);
}
