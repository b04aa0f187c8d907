/**
 * The grammar of the bucket's keys: the only place that builds or parses one. It is public: people's scripts read it.
 *
 *     seeds/<run>.json                                   the seed of a run
 *     <prefix>/<run>/<id>/…/<id>.json                    an item, or a result (whose level may have another suffix)
 *     <prefix>/<run>/<id>/…/<00000>.json                 a batch of the last level's items, all of one parent
 *     <prefix>/<run>/<id>/…/<00000>.ndjson               their results; then .1.ndjson, .2.ndjson for what was late
 *     receipts/<level>/<run>/<id>/…/<id>.json            an item is done (for a seed: receipts/<first level>/<run>.json)
 *     failures/<level>/<run>/<id>/…/<id>.json            an item's last error
 *     failures/<level>/_stray/<whole key>.json           an object under a level's prefix whose key is no item's
 *     params/<run>.json                                  what the run's seed asked for, fixed when it was first taken
 *     runs/<run>.json                                    the run's last report
 *     <last prefix>/<run>/_SUCCESS                       the run is complete: all of it is there, nothing failed
 *     finished/<run>/<the seed's ETag>.json              so it is for this seed; with the above the sweep need not look again
 *     publications/, pieces/, tables/                    what is published; see publish/table-keys.ts
 *     control/runs/<run>.json                            a run that people have paused or cancelled; see runs/run-control.ts
 *     control/rate.json                                  what people set the rate of calls to; see rate-setting.ts
 *     control/last-good-rate.json                        its last content that could be understood
 *     control/freeze.json                                until when the API asked everyone to stay away
 *     control/api-limit.json                             how many calls a second the API says that it allows; see api-limit.ts
 *     control/shares.json                                which part of the rate each environment at work may use
 *
 * An id from the API is one segment, percent-encoded except `[A-Za-z0-9_-]`:
 *
 *     checkout-eu-1  → checkout-eu-1        ../etc → %2E%2E%2Fetc        a b+c → a%20b%2Bc        日 → %E6%97%A5
 *
 * The dot is encoded too: then `.json` and `/` are the only bytes that can follow a segment and both sort after `-`, so a
 * level's items and their children list in one order.
 */
import { ItemError } from '../errors.ts';
import { isBatched, lastLevel, seedPrefix, type Chain, type Level } from './chain.ts';

/** Where an item stands: its run, and the API's own ids from the top down. For a batch, the last one is its number. */
export type ItemPath = { run: string; ids: readonly string[] };

/** S3: "the maximum length of a key name is 1,024 bytes" (page object-keys). All keys here are ASCII. */
export const maxKeyBytes = 1024;

/** Of items and of every record. Results may have another. */
const jsonSuffix = '.json';
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

function join(prefix: string, { run, ids }: ItemPath, suffix = jsonSuffix): string {
  return `${[prefix, run, ...ids.map(encodeSegment)].join('/')}${suffix}`;
}

export function seedKey(run: string): string {
  return join(seedPrefix, { run, ids: [] });
}

/** The key of a level's item. */
export function itemKey(level: Level, path: ItemPath): string {
  return join(level.reads, path, level.itemSuffix);
}

export function receiptKey(level: Level, path: ItemPath): string {
  return join(receiptPrefix(level), path);
}

export function failureKey(level: Level, path: ItemPath): string {
  return join(failurePrefix(level), path);
}

/** The key of what an item of the last level becomes: the same path under the prefix that the level writes. */
export function resultKey(level: Level, path: ItemPath): string {
  return join(level.writes, path, level.suffix);
}

/**
 * The key of a batch's result part: the first as if it were a result of its own, the later ones numbered.
 * @param part from 0
 */
export function partKey(level: Level, path: ItemPath, part: number): string {
  return part === 0 ? resultKey(level, path) : join(level.writes, path, `.${part}${level.suffix}`);
}

/** What the keys of all parts of a batch begin with. */
export function partsPrefix(level: Level, path: ItemPath): string {
  return join(level.writes, path, '.');
}

/** The number behind `partsPrefix` in the key of a part; undefined when it is no part's. */
export function partNumberOf(level: Level, path: ItemPath, key: string): number | undefined {
  const prefix = partsPrefix(level, path);
  if (!key.startsWith(prefix)) return undefined;
  const tail = key.slice(prefix.length - 1);
  if (tail === level.suffix) return 0;
  const number = tail.endsWith(level.suffix) ? partTail.exec(tail.slice(0, -level.suffix.length))?.[1] : undefined;
  return number === undefined ? undefined : Number(number);
}

const partTail = /^\.([1-9]\d{0,5})$/;

/** The key of a parent's batch, and the path of it. @param number from 0 to `mostBatches` less one */
export function batchPath(parent: ItemPath, number: number): ItemPath {
  return { run: parent.run, ids: [...parent.ids, String(number).padStart(batchDigits, '0')] };
}

const batchDigits = 5;
/** Batches that one parent can have. */
export const mostBatches = 10 ** batchDigits;
const batchNumber = /^\d{5}$/;

/** What the keys of an item's children begin with. */
export function childrenPrefix(level: Level, { run, ids }: ItemPath): string {
  return `${[level.writes, run, ...ids.map(encodeSegment)].join('/')}/`;
}

/** The object that says that an item is done: its receipt, or at the last level its result. */
export function doneKey(level: Level, path: ItemPath): string {
  return level.children === 'one' ? resultKey(level, path) : receiptKey(level, path);
}

/** What the run's seed asked for. */
export function paramsKey(run: string): string {
  return `${recordPrefixes.params}/${run}${jsonSuffix}`;
}

export function reportKey(run: string): string {
  return `${recordPrefixes.reports}/${run}${jsonSuffix}`;
}

export function successKey(chain: Pick<Chain, 'levels'>, run: string): string {
  return `${lastLevel(chain).writes}/${run}/${successName}`;
}

/** @param seedETag the seed for which the run is finished; one that is dropped later with another content has another */
export function finishedKey(run: string, seedETag: string): string {
  return `${finishedPrefix(run)}${encodeSegment(seedETag)}${jsonSuffix}`;
}

export function finishedPrefix(run: string): string {
  return `${recordPrefixes.finished}/${run}/`;
}

/** The last part of a success marker's key. */
export const successName = '_SUCCESS';

/** Where the engine keeps what it knows of runs. A level must not write there. */
export const recordPrefixes = {
  receipts: 'receipts',
  failures: 'failures',
  params: 'params',
  reports: 'runs',
  finished: 'finished',
  control: 'control',
  publications: 'publications',
  pieces: 'pieces',
  tables: 'tables',
} as const;

/** Without the slash at its end. */
export function receiptPrefix({ name }: Pick<Level, 'name'>): string {
  return `${recordPrefixes.receipts}/${name}`;
}

/** Without the slash at its end. */
export function failurePrefix({ name }: Pick<Level, 'name'>): string {
  return `${recordPrefixes.failures}/${name}`;
}

/** Where the object that says that an item is done lies. Without the slash at its end. */
export function donePrefix(level: Level): string {
  return level.children === 'one' ? level.writes : receiptPrefix(level);
}

/** The keys of one kind that a run has at one level: what they begin and end with. For the seed it is the whole key. */
export type Listing = {
  prefix: string;
  suffix: string;
  /** Several keys may have one path: result parts of one batch, numbered between their path and the suffix. */
  hasParts?: boolean;
};

/** A run's items of a level, what says that they are done, and their failure notes. */
export function listingsOf(level: Level, run: string): { items: Listing; done: Listing; failures: Listing } {
  const listing = (prefix: string, suffix = jsonSuffix): Listing =>
    level.ids.length === 0
      ? { prefix: `${prefix}/${run}${suffix}`, suffix: '' }
      : { prefix: `${prefix}/${run}/`, suffix };
  return {
    items: listing(level.reads),
    done: {
      ...listing(donePrefix(level), level.children === 'one' ? level.suffix : jsonSuffix),
      ...(isBatched(level) && { hasParts: true }),
    },
    failures: listing(failurePrefix(level)),
  };
}

/** Dropped by people, and read by every environment while it makes calls. */
export const rateKey = `${recordPrefixes.control}/rate.json`;
export const lastGoodRateKey = `${recordPrefixes.control}/last-good-rate.json`;
export const freezeKey = `${recordPrefixes.control}/freeze.json`;
/** Written by the environments that make calls, when the API tells another limit. */
export const apiLimitKey = `${recordPrefixes.control}/api-limit.json`;
/** Written by the environments that make calls, every few seconds. */
export const sharesKey = `${recordPrefixes.control}/shares.json`;

/** Dropped by people, for one run. */
export function runControlKey(run: string): string {
  return `${runControlPrefix}/${run}${jsonSuffix}`;
}

/** Without the slash at its end. */
export const runControlPrefix = `${recordPrefixes.control}/runs`;

/** The run of a key like `<prefix>/<run>.json`; undefined when it is no such key. */
export function runOfKey(prefix: string, key: string): string | undefined {
  const run = key.slice(prefix.length + 1, -jsonSuffix.length);
  return key === `${prefix}/${run}${jsonSuffix}` && isRunName(run) ? run : undefined;
}

/**
 * The key of an item's child.
 * @throws ItemError `EMPTY_ID`, `BAD_ID`; `KEY_TOO_LONG` when the child's key, or that of its failure note, the longest
 * that will be made for it, has more bytes than S3 takes
 */
export function childKey(level: Level, path: ItemPath, id: string): string {
  const child = { run: path.run, ids: [...path.ids, id] };
  const key = join(level.writes, child);
  const { next } = level;
  const longest = Math.max(key.length, next === undefined ? 0 : join(failurePrefix({ name: next }), child).length);
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
  const { itemSuffix = jsonSuffix } = level;
  if (!key.endsWith(itemSuffix)) return refuse(`does not end with ${itemSuffix}`);
  const [run = '', ...segments] = key.slice(level.reads.length + 1, -itemSuffix.length).split('/');
  if (!isRunName(run)) return refuse(`has the bad run name ${JSON.stringify(run)}`);
  const depth = level.ids.length;
  if (segments.length !== depth) {
    return refuse(`has ${segments.length} id${segments.length === 1 ? '' : 's'} after the run, not ${depth}`);
  }
  const ids = segments.map((segment) => {
    const id = decodeSegment(segment);
    return id ?? refuse(`has the segment ${JSON.stringify(segment)}, which is not an encoded id`);
  });
  if (isBatched(level) && !batchNumber.test(ids.at(-1) ?? ''))
    return refuse(`does not end with the number of a batch, five digits`);
  return { run, ids };
}

function keyShape(level: Level): string {
  const depth = level.ids.length;
  const names = level.ids.map((name, index) => (isBatched(level) && index === depth - 1 ? '<00000>' : `<${name}>`));
  const shape = ['<run>', ...names].join('/');
  return `${level.reads}/${shape}${level.itemSuffix ?? jsonSuffix}. A run is 1 to 64 of A-Z a-z 0-9 _ - and begins with a letter or a digit; in an id, all but A-Z a-z 0-9 _ - is percent-encoded.`;
}

/**
 * Where the failure of any object under a level's prefix is noted. A key that is no item's has its note under `_stray`: a
 * run never starts with `_`. Such a key is cut if it is too long once it is encoded; its note holds the whole key.
 */
export function failureKeyOf(level: Level, key: string): string {
  const path = itemPathOf(level, key);
  if (path !== undefined) return failureKey(level, path);
  const prefix = `${failurePrefix(level)}/${strayName}/`;
  const room = maxKeyBytes - prefix.length - jsonSuffix.length;
  return `${prefix}${encodeSegment(key.toWellFormed()).slice(0, room)}${jsonSuffix}`;
}

/** Where the failure of an item is noted, for those who know its level's name and not the chain. */
export function failureKeyOfItem(level: Pick<Level, 'name'>, itemKey: string): string {
  return `${failurePrefix(level)}${itemKey.slice(itemKey.indexOf('/'))}`;
}

/** A run's name never begins with `_`. */
const strayName = '_stray';

/** As `parseItemKey`, with undefined for a key that is no item's. */
export function itemPathOf(level: Level, key: string): ItemPath | undefined {
  try {
    return parseItemKey(level, key);
  } catch (error) {
    if (error instanceof ItemError) return undefined;
    throw error;
  }
}
