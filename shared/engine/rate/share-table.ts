/**
 * `control/shares.json`: which environments are at work, and which part of the rate each may use. The one owner of its text and
 * of its one rule: the shares of all environments never add up to more than 1. Pure, but for the read.
 */
import { sharesKey } from '../chain/keys.ts';
import { ItemError } from '../errors.ts';
import type { ObjectStore } from '../ports.ts';

/** What one environment may use, until when, and what it could use. */
export type ShareEntry = {
  /** Drawn by the environment when it starts. */
  id: string;
  /** Its stage's bucket: it tells the stages apart that share the table. Empty in what a version before wrote. */
  bucket: string;
  /** The level that it works for. */
  level: string;
  /** The whole rate that its stage is set to, in calls a second. Infinity in what a version before wrote. */
  rate: number;
  /** Its part of the rate, 0 to 1. */
  share: number;
  /** Calls that it may save up beyond one, for the time between two invocations. */
  saves: number;
  /** The part that it could use, 0 to 1: what the others leave it by. */
  wants: number;
  /** Calls a second that it has made of late. */
  perSecond: number;
  /** The part of the time in which a call of it waited for its turn, 0 to 1. */
  waited: number;
  /** Calls of it that waited for the API's answer, on average. */
  inFlight: number;
  /** It uses its share until then, by its own clock; in milliseconds since 1970. */
  untilMs: number;
};

export type ShareTable = {
  /** Goes up with every write, so that no two versions have the same text. */
  version: number;
  entries: readonly ShareEntry[];
};

/** Clocks of environments differ by less than this: a share is free again so long after its end. */
export const clockMarginMs = 1_000;

/** No share is given for longer, in milliseconds. */
export const longestLeaseMs = 30_000;

/** A share counts as its exact value: less than this is nothing. */
export const leastShare = 1e-4;

/** Some 200 bytes an environment: as many as an account may have. */
const maxTableBytes = 500_000;

export type ReadTable = {
  /** Without the environments whose time is over. */
  table: ShareTable;
  /** undefined: there is no object. */
  eTag: string | undefined;
};

/**
 * An object that is no table was written by something else, over a table that may have given all of the rate away: no share is
 * given before every share that it may have held is over.
 * @throws what the store throws
 */
export async function readShareTable(store: Pick<ObjectStore, 'get' | 'list'>, nowMs: number): Promise<ReadTable> {
  const object = await getTable(store);
  if (object === undefined) return { table: { version: 0, entries: [] }, eTag: undefined };
  const table = parseShareTable(object.body);
  if (table === undefined) {
    // S3 tells times in whole seconds.
    const untilMs = object.modifiedMs + 1_000 + longestLeaseMs;
    const unknown = {
      id: '',
      bucket: '',
      level: '',
      rate: Infinity,
      share: 1,
      saves: 0,
      wants: 1,
      perSecond: 0,
      waited: 0,
      inFlight: 0,
      untilMs,
    };
    return { table: { version: 0, entries: liveEntries([unknown], nowMs) }, eTag: object.eTag };
  }
  return { table: { ...table, entries: liveEntries(table.entries, nowMs) }, eTag: object.eTag };
}

async function getTable(
  store: Pick<ObjectStore, 'get' | 'list'>,
): Promise<{ body: string; eTag: string; modifiedMs: number } | undefined> {
  try {
    return await store.get(sharesKey, maxTableBytes);
  } catch (error) {
    if (!(error instanceof ItemError)) throw error;
    // Too large to be read, and so no table.
    for await (const page of store.list(sharesKey))
      for (const listed of page) if (listed.key === sharesKey) return { ...listed, body: '' };
    return undefined;
  }
}

/** A share may still be used, or have been used within the difference of the clocks. */
export function liveEntries(entries: readonly ShareEntry[], nowMs: number): ShareEntry[] {
  return entries.filter(({ untilMs }) => untilMs + clockMarginMs > nowMs);
}

export function shareTableText({ version, entries }: ShareTable): string {
  const environments = entries.map(({ untilMs, ...entry }) => ({ ...entry, until: new Date(untilMs).toISOString() }));
  return JSON.stringify({ version, environments });
}

/** @returns undefined for a text that `shareTableText` never gives, and for shares that add up to more than all */
export function parseShareTable(body: string): ShareTable | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const { version, environments } = (value ?? {}) as { version?: unknown; environments?: unknown };
  if (typeof version !== 'number' || !Array.isArray(environments)) return undefined;
  const entries = environments.map(entryOf);
  if (!entries.every((entry) => entry !== undefined)) return undefined;
  return sharesOf(entries) > 1 + leastShare ? undefined : { version, entries };
}

function entryOf(value: unknown): ShareEntry | undefined {
  const {
    id,
    bucket = '',
    level,
    rate: said,
    share,
    saves,
    wants,
    perSecond,
    waited,
    inFlight,
    until,
  } = (value ?? {}) as Record<string, unknown>;
  // JSON has no Infinity.
  const rate = said ?? Infinity;
  const untilMs = typeof until === 'string' ? Date.parse(until) : Number.NaN;
  if (typeof id !== 'string' || typeof bucket !== 'string' || typeof level !== 'string') return undefined;
  if (Number.isNaN(untilMs) || typeof rate !== 'number' || !(rate > 0)) return undefined;
  if (!isPart(share) || !isPart(wants) || !isPart(waited)) return undefined;
  if (!isAmount(perSecond) || !isAmount(saves) || !isAmount(inFlight)) return undefined;
  return { id, bucket, level, rate, share, saves, wants, perSecond, waited, inFlight, untilMs };
}

function isPart(value: unknown): value is number {
  return isAmount(value) && value <= 1;
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value);
}

/** Of one stage: a table of a version before had one stage only. */
export function entriesOf(entries: readonly ShareEntry[], bucket: string): ShareEntry[] {
  return entries.filter((entry) => entry.bucket === bucket || entry.bucket === '');
}

/** The slowest rate that other stages are set to; Infinity: there are none at work. */
export function slowestOthers(entries: readonly ShareEntry[], bucket: string): number {
  const own = entriesOf(entries, bucket);
  return Math.min(Infinity, ...entries.filter((entry) => !own.includes(entry)).map(({ rate }) => rate));
}

/** When the first of these shares is free unless it is renewed; Infinity: there is none. */
export function soonestFreeMs(entries: readonly ShareEntry[]): number {
  return Math.min(Infinity, ...entries.filter(({ share }) => share > 0).map(({ untilMs }) => untilMs + clockMarginMs));
}

export function sharesOf(entries: readonly Pick<ShareEntry, 'share'>[]): number {
  return entries.reduce((sum, { share }) => sum + share, 0);
}
