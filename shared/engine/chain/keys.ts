/**
 * The grammar of the bucket's keys: the only place that builds or parses one. It is public: people's scripts read it.
 *
 *     seeds/<run>.json                                   the seed of a run
 *     <prefix>/<run>/<id>/…/<id>.json                    an item, or a result
 *     receipts/<level>/<run>/<id>/…/<id>.json            an item is done (for a seed: receipts/troops/<run>.json)
 *     failures/<level>/<run>/<id>/…/<id>.json            an item's last error
 *     failures/<level>/_stray/<whole key>.json           an object under a level's prefix whose key is no item's
 *     runs/<run>.json                                    the run's last report
 *     data/<run>/_SUCCESS                                the run is complete: all of it is there, nothing failed
 *     finished/<run>/<the seed's ETag>.json              so it is for this seed, and the sweep need not look again
 *     control/rate.json                                  what people set the rate of calls to; see rate-setting.ts
 *     control/last-good-rate.json                        its last content that could be understood
 *     control/freeze.json                                until when the API asked everyone to stay away
 *
 * An id from the API is one segment, percent-encoded except `[A-Za-z0-9_-]`:
 *
 *     checkout-eu-1  → checkout-eu-1        ../etc → %2E%2E%2Fetc        a b+c → a%20b%2Bc        日 → %E6%97%A5
 *
 * The dot is encoded too: then `.json` and `/` are the only bytes that can follow a segment and both sort after `-`, so a
 * level's items and their children list in one order.
 */
import { chain, nextLevel, type Level } from './chain.ts';
import { ItemError } from '../errors.ts';

/** Where an item stands: its run, and the API's own ids from the top down. */
export type ItemPath = { run: string; ids: readonly string[] };

/** S3: "the maximum length of a key name is 1,024 bytes" (page object-keys). All keys here are ASCII. */
export const maxKeyBytes = 1024;

const suffix = '.json';
const runName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

export function isRunName(run: string): boolean {
  return runName.test(run);
}

/** @throws ItemError `EMPTY_ID`; `BAD_ID` for half a surrogate pair, which no byte string stands for */
export function encodeSegment(id: string): string {
  if (id === '') throw new ItemError('EMPTY_ID', 'An id is empty, so it can not be a part of a key.');
  if (!id.isWellFormed()) {
    throw new ItemError('BAD_ID', `The id ${JSON.stringify(id)} holds half a surrogate pair, so it can not be a key.`);
  }
  return encodeURIComponent(id).replace(
    /[.!~*'()]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The inverse of `encodeSegment`; undefined for a text that it never gives. */
export function decodeSegment(segment: string): string | undefined {
  try {
    const id = decodeURIComponent(segment);
    return encodeSegment(id) === segment ? id : undefined;
  } catch {
    return undefined; // Not UTF-8 behind the percent signs, or empty.
  }
}

function join(prefix: string, { run, ids }: ItemPath): string {
  return `${[prefix, run, ...ids.map(encodeSegment)].join('/')}${suffix}`;
}

/** The key of a level's item. */
export function itemKey(level: Level, path: ItemPath): string {
  return join(level.reads, path);
}

export function receiptKey(level: Level, path: ItemPath): string {
  return join(`receipts/${level.level}`, path);
}

export function failureKey(level: Level, path: ItemPath): string {
  return join(`failures/${level.level}`, path);
}

/** What all failure notes of a run's items of a level begin with. */
export function failuresPrefix({ level, ids }: Level, run: string): string {
  return `failures/${level}/${run}${ids.length === 0 ? suffix : '/'}`;
}

/** The key of what a leaf's item becomes: the same path under the prefix that the level writes. */
export function resultKey(level: Level, path: ItemPath): string {
  return join(level.writes, path);
}

export function reportKey(run: string): string {
  return `runs/${run}${suffix}`;
}

export function successKey(run: string): string {
  return `${chain[chain.length - 1]?.writes}/${run}/_SUCCESS`;
}

/** @param seedETag the seed for which the run is finished; one that is dropped later with another content has another */
export function finishedKey(run: string, seedETag: string): string {
  return `${finishedPrefix(run)}${encodeSegment(seedETag)}${suffix}`;
}

export function finishedPrefix(run: string): string {
  return `finished/${run}/`;
}

/** Dropped by people, and read by every environment while it makes calls. */
export const rateKey = 'control/rate.json';
export const lastGoodRateKey = 'control/last-good-rate.json';
export const freezeKey = 'control/freeze.json';

/** The run of a key like `<prefix>/<run>.json`; undefined when it is no such key. */
export function runOfKey(prefix: string, key: string): string | undefined {
  const run = key.slice(prefix.length + 1, -suffix.length);
  return key === `${prefix}/${run}${suffix}` && isRunName(run) ? run : undefined;
}

/** The object that says that an item is done: its receipt, or at the leaf its result. */
export function doneKey(level: Level, path: ItemPath): string {
  return level.children === 'one' ? resultKey(level, path) : receiptKey(level, path);
}

/**
 * The key of an item's child.
 * @throws ItemError `EMPTY_ID`, `BAD_ID`; `KEY_TOO_LONG` when the child's key, or that of its failure note, the longest
 * that will be made for it, has more bytes than S3 takes
 */
export function childKey(level: Level, path: ItemPath, id: string): string {
  const child = { run: path.run, ids: [...path.ids, id] };
  const key = join(level.writes, child);
  const next = nextLevel(level);
  const longest = Math.max(key.length, next === undefined ? 0 : failureKey(next, child).length);
  if (longest > maxKeyBytes) {
    const shown = id.length > 80 ? `${id.slice(0, 80)}…` : id;
    throw new ItemError(
      'KEY_TOO_LONG',
      `The id ${JSON.stringify(shown)} makes a key of ${longest} bytes; S3 takes ${maxKeyBytes}.`,
    );
  }
  return key;
}

/**
 * Reads the key of a level's item.
 * @throws ItemError `BAD_KEY`, saying what is wrong and what a key of this level looks like
 */
export function parseItemKey(level: Level, key: string): ItemPath {
  const refuse = (why: string): never => {
    throw new ItemError('BAD_KEY', `The key ${key} ${why}. Expected: ${keyShape(level)}`);
  };
  if (!key.startsWith(`${level.reads}/`)) return refuse(`is not under ${level.reads}/`);
  if (!key.endsWith(suffix)) return refuse(`does not end with ${suffix}`);
  const [run = '', ...segments] = key.slice(level.reads.length + 1, -suffix.length).split('/');
  if (!isRunName(run)) return refuse(`has the bad run name ${JSON.stringify(run)}`);
  const depth = level.ids.length;
  if (segments.length !== depth) {
    return refuse(`has ${segments.length} id${segments.length === 1 ? '' : 's'} after the run, not ${depth}`);
  }
  const ids = segments.map((segment) => {
    const id = decodeSegment(segment);
    return id ?? refuse(`has the segment ${JSON.stringify(segment)}, which is not an encoded id`);
  });
  return { run, ids };
}

function keyShape(level: Level): string {
  const shape = ['<run>', ...level.ids.map((name) => `<${name}>`)].join('/');
  return `${level.reads}/${shape}${suffix}. A run is 1 to 64 of A-Z a-z 0-9 _ - and begins with a letter or a digit; in an id, all but A-Z a-z 0-9 _ - is percent-encoded.`;
}

/**
 * Where the failure of any object under a level's prefix is noted. A key that is no item's has its note under `_stray`: a
 * run never starts with `_`. Such a key is cut if it is too long once it is encoded; its note holds the whole key.
 */
export function failureKeyOf(level: Level, key: string): string {
  const path = itemPathOf(level, key);
  if (path !== undefined) return failureKey(level, path);
  const room = maxKeyBytes - `failures/${level.level}/_stray/${suffix}`.length;
  return `failures/${level.level}/_stray/${encodeSegment(key.toWellFormed()).slice(0, room)}${suffix}`;
}

/** As `parseItemKey`, with undefined for a key that is no item's. */
export function itemPathOf(level: Level, key: string): ItemPath | undefined {
  try {
    return parseItemKey(level, key);
  } catch (error) {
    if (error instanceof ItemError) return undefined;
    throw error;
  }
}
