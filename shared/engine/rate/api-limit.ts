/**
 * `control/api-limit.json`: how many calls a second the API says that it allows, for the rate `auto`. The one owner of its text,
 * and of the rate that follows from it (docs/decisions/0021-auto-rate.md): low at first, in steps up to what the API says and no
 * further, and down at once. Pure, but for the read.
 */
import { apiLimitKey } from '../chain/keys.ts';
import { ItemError } from '../errors.ts';
import type { ObjectStore } from '../ports.ts';
import { maxSettingBytes, type RateLimits } from './rate-setting.ts';

/** What an answer told of the API's limit. */
export type ToldLimit = {
  /** Calls a second; a positive number. */
  perSecond: number;
  /** When the call began that was answered so, in milliseconds since 1970: what the API said is no older. */
  startedMs: number;
};

export type ApiLimit = {
  /** As the API says it, in calls a second. */
  perSecond: number;
  /** The rate that held when it was written: from there it rises. */
  from: number;
  /** When S3 says that it was written, in milliseconds since 1970. */
  writtenMs: number;
};

export type AutoLimits = Pick<RateLimits, 'minimumPerSecond' | 'autoMostPerSecond'>;

/** Calls a second until the API has told its limit, and after a rest. */
export const autoStartPerSecond = 1;

/** The rate doubles so often, until it is what the API says: each environment has read the object again before. */
export const autoStepMs = 5_000;

/** What was written so long ago says nothing more: an API's limit may have changed while no call was made. */
export const autoValidMs = 600_000;

/** A limit that was just written is not raised for so long: two endpoints with limits of their own must not take turns. */
export const autoHoldMs = 30_000;

/** A difference below this is not worth a write. */
const smallChange = 0.05;

/** What may be made of what the API says: a deployment can keep no slower rate, and has no environments for a faster one. */
export function boundedLimit(perSecond: number, { minimumPerSecond, autoMostPerSecond }: AutoLimits): number {
  return Math.max(minimumPerSecond, Math.min(perSecond, autoMostPerSecond));
}

/** The rate of calls a second that follows from what is in the bucket. */
export function autoPerSecond(limit: ApiLimit | undefined, nowMs: number, limits: AutoLimits): number {
  const start = boundedLimit(autoStartPerSecond, limits);
  if (limit === undefined) return start;
  const most = boundedLimit(limit.perSecond, limits);
  const ageMs = nowMs - limit.writtenMs;
  if (ageMs >= autoValidMs) return Math.min(start, most);
  const steps = Math.max(0, Math.floor(ageMs / autoStepMs));
  return Math.min(most, boundedLimit(limit.from, limits) * 2 ** steps);
}

/** @returns what is to be written, given what is there; undefined: it may stay */
export function nextLimit(
  there: ApiLimit | undefined,
  told: ToldLimit,
  nowMs: number,
  limits: AutoLimits,
): Omit<ApiLimit, 'writtenMs'> | undefined {
  const from = autoPerSecond(there, nowMs, limits);
  const { perSecond } = told;
  if (there === undefined) return { perSecond, from };
  const [now, next] = [there.perSecond, perSecond].map((each) => boundedLimit(each, limits)) as [number, number];
  if (next < now * (1 - smallChange)) return { perSecond, from: Math.min(from, next) };
  // Only by a call that began after all knew of the lower limit: an answer may come late, and say what held before.
  if (next > now * (1 + smallChange))
    return told.startedMs > there.writtenMs + autoHoldMs ? { perSecond, from } : undefined;
  return nowMs - there.writtenMs > autoValidMs / 2 ? { perSecond, from } : undefined;
}

/** @param nowMs makes each text another, so that no version is taken for an earlier one */
export function apiLimitText({ perSecond, from }: Omit<ApiLimit, 'writtenMs'>, nowMs: number): string {
  return JSON.stringify({ perSecond, from, at: new Date(nowMs).toISOString() });
}

export type ReadLimit = {
  /** undefined: none, or none that can be read. */
  limit: ApiLimit | undefined;
  /** undefined: there is no object. */
  eTag: string | undefined;
};

/** @throws what the store throws */
export async function readApiLimit(store: Pick<ObjectStore, 'get' | 'head'>): Promise<ReadLimit> {
  try {
    const object = await store.get(apiLimitKey, maxSettingBytes);
    if (object === undefined) return { limit: undefined, eTag: undefined };
    return { limit: parseApiLimit(object.body, object.modifiedMs), eTag: object.eTag };
  } catch (error) {
    // A larger object is some other thing, which may be written over.
    if (error instanceof ItemError) return { limit: undefined, eTag: (await store.head(apiLimitKey))?.eTag };
    throw error;
  }
}

function parseApiLimit(body: string, writtenMs: number): ApiLimit | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const { perSecond, from } = (value ?? {}) as { perSecond?: unknown; from?: unknown };
  return isRate(perSecond) && isRate(from) ? { perSecond, from, writtenMs } : undefined;
}

function isRate(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value);
}
