/**
 * The control objects: the rate that people have set, the limit that the API tells, and the freeze that it has asked for. An environment reads them
 * again every few seconds while calls are made, and at no other time.
 */
import { InputError, ItemError, TransientError } from '../errors.ts';
import { freezeKey, lastGoodRateKey, rateKey } from '../chain/keys.ts';
import type { Clock, Log, ObjectStore, StoredObject } from '../ports.ts';
import type { ToldLimit } from './api-limit.ts';
import { createAutoRate, wishedRate } from './auto-rate.ts';
import { maxSettingBytes, parseRateSetting, type Rate, type RateLimits, type RateSetting } from './rate-setting.ts';

/** As old as what is known may be when a call is made, in milliseconds. */
export const staleMs = 5_000;

/** So old it may be while it can't be read again: an environment that slept for hours knows nothing of a pause. */
const keptMs = 30_000;

export type RateState = {
  /** Calls a second, of all levels together. */
  perSecond: Rate;
  /** The same without the steps in which `auto` rises: what other stages go by that share the API. */
  ceiling: Rate;
  paused: boolean;
  /** Milliseconds since 1970 until which no call may be made; in the past when there is no freeze. */
  frozenUntilMs: number;
};

export type RateControl = {
  /**
   * What holds now, `staleMs` old at most.
   * @throws what the store throws, if nothing could be read yet; afterwards the last that was read stays for half a minute
   */
  read(): Promise<RateState>;
  /** The API ordered all callers to wait. Holds here at once, and elsewhere at the next read. */
  freeze(forMs: number): Promise<void>;
  /** An answer told how many calls the API allows. Counts when the rate is `auto`. */
  told(limit: ToldLimit): void;
  /** Nothing is under way any more that `told` began. */
  settled(): Promise<void>;
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
  const auto = createAutoRate({ store, clock, log, limits });
  const wished = (): ReturnType<typeof wishedRate> => wishedRate(rate?.setting ?? { paused: false }, limits);

  async function readAgain(): Promise<void> {
    const startedMs = clock.now();
    try {
      const [next, freezeMs] = await Promise.all([
        readRate(store, limits, rate?.setting),
        readFreeze(store, maxFreezeMs),
      ]);
      if (next.problem !== undefined && next.eTag !== rate?.eTag) logInvalidRate(next, log);
      rate = next;
      frozenUntilMs = Math.max(frozenUntilMs, freezeMs);
      if (wished() === 'auto') await auto.read();
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
      const now = wished();
      return {
        perSecond: now === 'auto' ? auto.perSecond() : now,
        ceiling: now === 'auto' ? auto.ceiling() : now,
        paused: rate?.setting.paused ?? false,
        frozenUntilMs,
      };
    },
    told(limit) {
      if (wished() === 'auto') auto.told(limit);
    },
    settled: () => auto.settled(),
    async freeze(forMs) {
      const untilMs = clock.now() + Math.min(forMs, maxFreezeMs);
      if (untilMs <= frozenUntilMs) return;
      frozenUntilMs = untilMs;
      log.warn('The API ordered its callers to wait; no call is made until then.', {
        key: freezeKey,
        until: new Date(untilMs).toISOString(),
      });
      try {
        const thereMs = await writeFreeze(untilMs, store, maxFreezeMs);
        // Another environment, or another call of this one meanwhile, may have been ordered to wait for longer.
        frozenUntilMs = Math.max(frozenUntilMs, thereMs);
      } catch (error) {
        log.error('The freeze could not be written: it holds in this environment only.', { key: freezeKey, error });
      }
    },
  };
}

/** Environments that write at the same time are some dozens at most; each round has one that wins, and most are content then. */
const freezeWrites = 10;

/**
 * The later end stays in the bucket, whichever environment writes last.
 * @returns the end that is in the bucket then
 * @throws TransientError `FREEZE_CONTESTED`; what the store throws
 */
async function writeFreeze(untilMs: number, store: ObjectStore, maxFreezeMs: number): Promise<number> {
  for (let writes = 0; writes < freezeWrites; writes += 1) {
    // Looked at before it is read: what is written after that look is not overwritten unread.
    const seen = await store.head(freezeKey);
    // A millisecond is lost on the way to a text and back only if there is a fraction of one.
    const thereMs = await readFreeze(store, maxFreezeMs);
    if (thereMs >= Math.floor(untilMs)) return thereMs;
    const body = JSON.stringify({ until: new Date(untilMs).toISOString() });
    if ((await store.replace(freezeKey, body, {}, seen?.eTag)) === 'replaced') return untilMs;
  }
  throw new TransientError('FREEZE_CONTESTED', `Others wrote ${freezeKey} ${freezeWrites} times meanwhile.`);
}

export type ReadRate = {
  setting: RateSetting;
  /** Of `control/rate.json`; undefined when there is none. */
  eTag: string | undefined;
  body: string | undefined;
  /** When it was set, in milliseconds since 1970; 0 when it was not. */
  setMs: number;
  /** Why it is not understood; then `setting` is the last good one. */
  problem?: InputError;
};

/**
 * @param last the last good setting that the caller knows; without it, the one that is kept in the bucket
 * @throws what the store throws
 */
export async function readRate(store: ObjectStore, limits: RateLimits, last?: RateSetting): Promise<ReadRate> {
  const { body, eTag, modifiedMs: setMs = 0 } = (await getSetting(store, rateKey)) ?? {};
  if (body === undefined) return { setting: { paused: false }, eTag, body, setMs };
  try {
    return { setting: parseRateSetting(body, limits), eTag, body, setMs };
  } catch (problem) {
    if (!(problem instanceof InputError)) throw problem;
    return { setting: last ?? (await readLastGood(store, limits)) ?? { paused: false }, eTag, body, setMs, problem };
  }
}

/** The rate that is set is invalid: the last valid one stays. */
export function logInvalidRate({ problem, setting }: ReadRate, log: Log): void {
  log.error('The rate that was set is invalid, so the last valid one stays. Correct it and drop it again.', {
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

/**
 * @param maxFreezeMs no freeze ends later than this after it was written, whatever is in it: S3 says when that was
 * @returns milliseconds since 1970; 0 when there is no freeze, or none that can be read
 */
export async function readFreeze(store: Pick<ObjectStore, 'get'>, maxFreezeMs: number): Promise<number> {
  const object = await getSetting(store, freezeKey);
  // Functions write it. What a person wrote by hand, and wrongly, stops no call.
  const until = /^\{"until":"([^"]+)"\}$/.exec(object?.body ?? '')?.[1] ?? '';
  // S3 tells times in whole seconds.
  return Math.min(Date.parse(until) || 0, (object?.modifiedMs ?? 0) + 1000 + maxFreezeMs);
}

/** A larger object is some other thing; it is not read, and its text is no setting. */
async function getSetting(
  store: Pick<ObjectStore, 'get'>,
  key: string,
): Promise<Pick<StoredObject, 'body' | 'eTag' | 'modifiedMs'> | undefined> {
  try {
    return await store.get(key, maxSettingBytes);
  } catch (error) {
    if (error instanceof ItemError) return { body: '', eTag: error.code, modifiedMs: 0 };
    throw error;
  }
}

/**
 * Until when calls were stopped, in milliseconds since 1970: no open item could be worked on before. Infinity in a pause. A
 * change of the rate counts like a pause that ended, since nobody remembers what it was before.
 */
export async function stoppedUntilMs(store: ObjectStore, limits: RateLimits, maxFreezeMs: number): Promise<number> {
  const [{ setting, setMs }, freezeMs] = await Promise.all([readRate(store, limits), readFreeze(store, maxFreezeMs)]);
  return setting.paused ? Infinity : Math.max(setMs, freezeMs);
}
