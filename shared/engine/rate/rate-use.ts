/** How much of the rate is used, and why not more: from what the environments at work say of themselves in control/shares.json. */
import type { Clock, ObjectStore } from '../ports.ts';
import { readHeldRate, type HeldRate } from './auto-rate.ts';
import { readFreeze, readRate } from './rate-control.ts';
import type { RateLimits } from './rate-setting.ts';
import { entriesOf, readShareTable, slowestOthers, type ShareEntry } from './share-table.ts';

/** Why less is used than is allowed. */
export type WhyNotMore =
  | 'paused'
  | 'frozen'
  /** No environment is at work. */
  | 'idle'
  /** Environments begin, or leave the rate to others, and their shares are not settled yet. */
  | 'beginning'
  /** Environments are at work, and have less to fetch than they might. */
  | 'few-items'
  /** All at work wait for the API's answers, and more environments may run: Lambda has not started them. */
  | 'few-environments'
  /** All that may run are at work and wait for the API's answers. */
  | 'latency';

export type LevelUse = {
  level: string;
  /** At work. */
  environments: number;
  /** Their part of the rate, 0 to 1. */
  share: number;
  /** Calls a second. */
  perSecond: number;
  /** The part of the time in which a call waited for its turn, 0 to 1: the mean of its environments. */
  waited: number;
  /** Calls that waited for the API's answer, on average. */
  inFlight: number;
};

export type RateUse = {
  /** Calls a second of all environments of the stage at work, in the last seconds. */
  perSecond: number;
  /** The part of what is allowed that is used, by all stages that share it; 0 to 1. */
  part: number;
  /** Absent: (nearly) all is used. */
  why?: WhyNotMore;
  /** How long a call takes, in milliseconds; absent when none is known. */
  callMs?: number;
  levels: LevelUse[];
  /** Stages that share the API; absent: none is at work. */
  others?: OtherStages;
};

export type OtherStages = {
  stages: number;
  /** Calls a second of all of them. */
  perSecond: number;
  /** The slowest that one is set to, when it is slower than this stage: it holds for all. */
  slowest?: number;
};

/** What holds of the rate now. */
export type RateNow = HeldRate & {
  paused: boolean;
  /** ISO 8601; absent when there is no freeze. */
  frozenUntil?: string;
  /** Absent when the rate is unlimited: then no environment says what it makes of it. */
  use?: RateUse;
};

/** A level as far as its use of the rate goes. */
export type UsingLevel = {
  name: string;
  callsInFlight: number;
  /** That may run at once; undefined: nothing bounds them. */
  environments: number | undefined;
};

/** More than this is all: a call is earned before it is made. */
const nearlyAll = 0.9;

/** Environments that wait for their turns in more of their time would make more calls if they had a larger share. */
const muchWaited = 0.5;

/** So much of what an environment may have in flight is as much as it gets. */
const busy = 0.6;

/** @throws what the store throws */
export async function readRateNow(
  deps: RateUseDeps & { store: ObjectStore; limits: RateLimits; maxFreezeMs: number },
): Promise<RateNow> {
  const { store, clock, limits, maxFreezeMs } = deps;
  const [{ setting }, freezeMs] = await Promise.all([readRate(store, limits), readFreeze(store, maxFreezeMs)]);
  const held = await readHeldRate(store, setting, limits, clock.now());
  const { paused } = setting;
  const isFrozen = freezeMs > clock.now();
  const now = { ...held, paused, ...(isFrozen && { frozenUntil: new Date(freezeMs).toISOString() }) };
  const use = await readRateUse(now, deps);
  return { ...now, ...(use && { use }) };
}

export type RateUseDeps = {
  store: Pick<ObjectStore, 'get' | 'list'>;
  clock: Clock;
  /** The stage's own: it tells its environments from those of stages that share the API. */
  bucket: string;
  levels: readonly UsingLevel[];
};

/** @throws what the store throws */
export async function readRateUse(
  now: Omit<RateNow, 'use'>,
  { store, clock, bucket, levels }: RateUseDeps,
): Promise<RateUse | undefined> {
  const { requestsPerSecond } = now;
  if (requestsPerSecond === 'unlimited') return undefined;
  const { table } = await readShareTable(store, clock.now());
  return rateUseOf({ ...now, requestsPerSecond }, table.entries, levels, bucket);
}

export function rateUseOf(
  { requestsPerSecond, paused, frozenUntil }: Omit<RateNow, 'use'> & { requestsPerSecond: number },
  all: readonly ShareEntry[],
  levels: readonly UsingLevel[],
  bucket: string,
): RateUse {
  const entries = entriesOf(all, bucket);
  const others = otherStages(all, bucket, requestsPerSecond);
  const uses = levels.flatMap(({ name }) => {
    const own = entries.filter(({ level }) => level === name);
    return own.length === 0 ? [] : [levelUseOf(name, own)];
  });
  const perSecond = sumOf(uses, 'perSecond');
  const inFlight = sumOf(uses, 'inFlight');
  const used = perSecond + (others?.perSecond ?? 0);
  const part = Math.min(1, used / (others?.slowest ?? requestsPerSecond));
  const stopped = paused ? 'paused' : frozenUntil === undefined ? undefined : 'frozen';
  const why = stopped ?? (part >= nearlyAll ? undefined : reasonOf(uses, levels));
  return {
    perSecond: rounded(perSecond),
    part: rounded(part),
    ...(why !== undefined && { why }),
    ...(perSecond > 0 && inFlight > 0 && { callMs: Math.round((1000 * inFlight) / perSecond) }),
    levels: uses,
    ...(others && { others }),
  };
}

function otherStages(all: readonly ShareEntry[], bucket: string, requestsPerSecond: number): OtherStages | undefined {
  const own = entriesOf(all, bucket);
  const entries = all.filter((entry) => !own.includes(entry));
  if (entries.length === 0) return undefined;
  const slowest = slowestOthers(all, bucket);
  return {
    stages: new Set(entries.map((entry) => entry.bucket)).size,
    perSecond: rounded(sumOf(entries, 'perSecond')),
    ...(slowest < requestsPerSecond && { slowest }),
  };
}

function reasonOf(uses: readonly LevelUse[], levels: readonly UsingLevel[]): WhyNotMore {
  if (uses.length === 0) return 'idle';
  const atWork = sumOf(uses, 'environments');
  const waited = uses.reduce((sum, use) => sum + use.waited * use.environments, 0) / atWork;
  if (sumOf(uses, 'perSecond') === 0 || waited > muchWaited) return 'beginning';
  const busyLevels = uses.filter(({ level, inFlight, environments }) => {
    const most = levels.find(({ name }) => name === level)?.callsInFlight ?? 1;
    return inFlight > busy * most * environments;
  });
  if (busyLevels.length === 0) return 'few-items';
  const canBeMore = busyLevels.some(({ level, environments }) => {
    const most = levels.find(({ name }) => name === level)?.environments;
    return most !== undefined && environments < most;
  });
  return canBeMore ? 'few-environments' : 'latency';
}

function levelUseOf(level: string, entries: readonly ShareEntry[]): LevelUse {
  return {
    level,
    environments: entries.length,
    share: rounded(sumOf(entries, 'share')),
    perSecond: rounded(sumOf(entries, 'perSecond')),
    waited: rounded(sumOf(entries, 'waited') / entries.length),
    inFlight: rounded(sumOf(entries, 'inFlight')),
  };
}

function sumOf<Field extends string>(rows: readonly Readonly<Record<Field, number>>[], field: Field): number {
  return rows.reduce((sum, row) => sum + row[field], 0);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
