/**
 * The result parts of a batch: newline-delimited JSON, one line an item. The only place that writes or reads one. A part is
 * written only under a number that is free, by one who knows what all parts before it hold: so no item is in two of them.
 */
import type { Level } from '../chain/chain.ts';
import { batchPath, partKey, partNumberOf, partsPrefix, type ItemPath } from '../chain/keys.ts';
import { ItemError, TransientError } from '../errors.ts';
import type { Metadata, ObjectStore } from '../ports.ts';
import { oneLine, type BatchItem } from './batch.ts';
import { fromBitmap, toBitmap } from './item-set.ts';

/** A batch as its parts see it: which object it is, and its items in their order. */
export type PartsOf = {
  level: Level;
  path: ItemPath;
  /** Of the batch's object: a part that names another one was made for another batch. */
  eTag: string;
  items: readonly BatchItem[];
};

export type PartFacts = {
  /** The ETag of the batch's object that it is for. */
  batchETag: string;
  /** How many items that has. */
  items: number;
  /** The indexes of the items whose results it tells of. */
  has: ReadonlySet<number>;
  /** Where their lines are, if not in it: parts of earlier batches, as `nameOf` names them. */
  sources: readonly string[];
};

const fields = { eTag: 'batch-etag', items: 'items', has: 'has', sources: 'lines-in' } as const;

/** A part as another one names it: if it was deleted or overwritten, the other one tells of nothing any more. */
function nameOf(key: string, eTag: string): string {
  return `${key.slice(key.lastIndexOf('/') + 1)}@${eTag.slice(0, 8)}`;
}

/** As many as have room in an object's metadata, of which S3 takes 2 kB. */
const mostSources = 20;

function partMetadata(
  { eTag, items }: PartsOf,
  { has, sources, lineage }: { has: Iterable<number>; sources: readonly string[]; lineage: Metadata },
): Metadata {
  return {
    ...lineage,
    [fields.eTag]: eTag,
    [fields.items]: String(items.length),
    [fields.has]: toBitmap(has, items.length),
    ...(sources.length > 0 && { [fields.sources]: sources.join(' ') }),
  };
}

/** @returns undefined for an object that is none of the engine's */
export function partFacts(metadata: Metadata): PartFacts | undefined {
  const { [fields.eTag]: batchETag, [fields.items]: count = '', [fields.has]: bitmap = '' } = metadata;
  const sources = metadata[fields.sources]?.split(' ') ?? [];
  if (batchETag === undefined || !/^[1-9]\d{0,5}$/.test(count)) return undefined;
  const items = Number(count);
  const has = fromBitmap(bitmap, items);
  return has && { batchETag, items, has, sources };
}

/** A line of the results: the ids from the top down, when it was fetched, and the API's own JSON. */
export function resultLine(
  level: Level,
  ids: readonly string[],
  { fetchedAt, json }: { fetchedAt: string; json: string },
): string {
  const named = level.ids.map((name, index) => `${JSON.stringify(name)}:${JSON.stringify(ids[index] ?? '')},`);
  return `{${named.join('')}"fetched_at":${JSON.stringify(fetchedAt)},"data":${oneLine(json)}}\n`;
}

/** What a batch has in the bucket. */
export type StoredParts = {
  /** The items whose results are there, by index. */
  held: Set<number>;
  /** The numbers that are taken. */
  taken: ReadonlySet<number>;
  /** Of what is held, what was found in a part of another batch, by that part's name: no part of this one tells of it yet. */
  unrecorded: Map<number, string>;
};

const none: () => StoredParts = () => ({ held: new Set(), taken: new Set(), unrecorded: new Map() });

/** A part is some lines of at most this size together, and one more. Larger is none of ours. */
export type PartLimits = { maxPartBytes: number; maxBodyBytes: number };

/**
 * @param isFirst nothing can have been stored before: then one HEAD tells so, and only if it does not are the parts listed
 * @param earlier the number under which other parts have results of these items, from when they were in another batch
 * @throws what the store throws
 */
export async function readParts(
  batch: PartsOf,
  { isFirst, earlier, ...limits }: PartLimits & { isFirst: boolean; earlier?: number | undefined },
  store: Pick<ObjectStore, 'get' | 'head' | 'list'>,
): Promise<StoredParts> {
  const { level, path } = batch;
  const isAlone = earlier === undefined;
  if (isFirst && isAlone && (await store.head(partKey(level, path, 0))) === undefined) return none();
  const parts = none();
  const taken = new Set<number>();
  for (const key of await partKeysOf(level, path, store)) {
    taken.add(partNumberOf(level, path, key) ?? 0);
    await takeIn(batch, key, parts, limits, store);
  }
  if (!isAlone) {
    const other = batchPath({ run: path.run, ids: path.ids.slice(0, -1) }, earlier);
    // The batch that was deleted there may have been the same as this one, to its ETag.
    const known = { ...batch, eTag: '' };
    for (const key of await partKeysOf(level, other, store)) await takeIn(known, key, parts, limits, store);
  }
  return { ...parts, taken };
}

/** Adds to what is known what one part holds. */
async function takeIn(
  batch: PartsOf,
  key: string,
  parts: StoredParts,
  limits: PartLimits,
  store: Pick<ObjectStore, 'get' | 'head'>,
): Promise<void> {
  const head = await store.head(key);
  if (head === undefined) return; // Deleted meanwhile.
  const facts = partFacts(head.metadata);
  if (facts?.batchETag === batch.eTag && facts.items === batch.items.length) {
    if (!(await areThere(facts.sources, key, store))) return;
    for (const index of facts.has) {
      parts.held.add(index);
      parts.unrecorded.delete(index);
    }
    return;
  }
  if (facts === undefined) return; // A person put it there, and will have to delete it: nothing may rely on it.
  // The batch was another one when the part was written: its lines say themselves what they are.
  const index = new Map(batch.items.map(({ id }, at) => [id, at]));
  for (const id of await idsInPart(batch.level, batch.path, key, limits, store)) {
    const at = index.get(id);
    if (at === undefined || parts.held.has(at)) continue;
    parts.held.add(at);
    parts.unrecorded.set(at, nameOf(key, head.eTag));
  }
}

/** @param key of the part that names them, next to which they are */
async function areThere(sources: readonly string[], key: string, store: Pick<ObjectStore, 'head'>): Promise<boolean> {
  for (const name of sources) {
    const source = `${key.slice(0, key.lastIndexOf('/') + 1)}${name.slice(0, name.lastIndexOf('@'))}`;
    const head = await store.head(source);
    if (head === undefined || nameOf(source, head.eTag) !== name) return false;
  }
  return true;
}

/** @returns the ids of the items whose results an object holds; none for an object that is no part */
export async function idsInPart(
  level: Level,
  { ids }: ItemPath,
  key: string,
  { maxPartBytes, maxBodyBytes }: PartLimits,
  store: Pick<ObjectStore, 'get'>,
): Promise<string[]> {
  const parents = ids.slice(0, -1);
  let body: string;
  try {
    body = (await store.get(key, 2 * (maxPartBytes + maxBodyBytes)))?.body ?? '';
  } catch (error) {
    if (error instanceof ItemError) return []; // Too large: no part of ours.
    throw error;
  }
  return body.split('\n').flatMap((line) => {
    const id = idInLine(level, parents, line);
    return id === undefined ? [] : [id];
  });
}

/** @returns undefined when a part's body has no result of the item @param path of the batch */
export function findResultLine(
  level: Level,
  { ids }: ItemPath,
  id: string,
  body: string,
): { line: number; fetchedAt: string | undefined } | undefined {
  const lines = body.split('\n');
  const at = lines.findIndex((line) => idInLine(level, ids.slice(0, -1), line) === id);
  if (at === -1) return undefined;
  const { fetched_at: fetchedAt } = JSON.parse(lines[at] ?? '') as { fetched_at?: unknown };
  return { line: at + 1, fetchedAt: typeof fetchedAt === 'string' ? fetchedAt : undefined };
}

function idInLine(level: Level, parents: readonly string[], line: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const record = (typeof value === 'object' ? (value ?? {}) : {}) as Readonly<Record<string, unknown>>;
  const [own, ...above] = [...level.ids].reverse().map((name) => record[name]);
  const isOfParent = above.every((id, index) => id === parents[parents.length - 1 - index]);
  return typeof own === 'string' && isOfParent && 'data' in record ? own : undefined;
}

/** Gathers lines, and writes them as a part when there are enough of them. */
export class PartWriter {
  readonly #batch: PartsOf;
  readonly #parts: StoredParts;
  readonly #limits: PartLimits;
  readonly #store: ObjectStore;
  readonly #lineage: () => Metadata;
  readonly #taken: Set<number>;
  #lines = new Map<number, string>();
  #bytes = 0;

  /** @param parts what is there already; what is written is added to it */
  constructor(batch: PartsOf, parts: StoredParts, limits: PartLimits, store: ObjectStore, lineage: () => Metadata) {
    this.#batch = batch;
    this.#parts = parts;
    this.#limits = limits;
    this.#store = store;
    this.#lineage = lineage;
    this.#taken = new Set(parts.taken);
  }

  /** @returns how many results this wrote @throws as `flush` */
  async add(index: number, line: string): Promise<number> {
    if (this.#parts.held.has(index)) return 0; // By a part that another invocation wrote meanwhile.
    this.#lines.set(index, line);
    this.#bytes += Buffer.byteLength(line);
    return this.#bytes >= this.#limits.maxPartBytes ? this.flush() : 0;
  }

  /**
   * Writes what was gathered. A number that another invocation took meanwhile is passed over, and what its part holds is left
   * out of this one.
   * @returns how many results this wrote
   * @throws what the store throws; TransientError `PARTS_CONTESTED`
   */
  async flush(): Promise<number> {
    const written = await this.#write(() => ({ lines: this.#lines, sources: [] }));
    for (const index of this.#lines.keys()) this.#parts.held.add(index);
    this.#lines = new Map();
    this.#bytes = 0;
    await this.record();
    return written;
  }

  /** Writes parts without lines that tell of what is held in parts of earlier batches. @throws as `flush` */
  async record(): Promise<void> {
    const { unrecorded } = this.#parts;
    while (unrecorded.size > 0) {
      let told: number[] = [];
      await this.#write(() => {
        const sources = [...new Set(unrecorded.values())].slice(0, mostSources);
        told = [...unrecorded].filter(([, name]) => sources.includes(name)).map(([index]) => index);
        return { lines: new Map(told.map((index) => [index, ''])), sources };
      });
      for (const index of told) unrecorded.delete(index);
    }
  }

  /** @param content asked anew for each number that is taken @returns how many items the part tells of; 0: none was needed */
  async #write(content: () => { lines: ReadonlyMap<number, string>; sources: readonly string[] }): Promise<number> {
    const { level, path } = this.#batch;
    for (let writes = 0; writes < mostContests; writes += 1) {
      const { lines, sources } = content();
      if (lines.size === 0) return 0;
      const number = this.#nextFree();
      const key = partKey(level, path, number);
      const body = [...lines.values()].join('');
      const metadata = partMetadata(this.#batch, { has: lines.keys(), sources, lineage: this.#lineage() });
      const outcome = await this.#store.create(key, body, metadata, 'application/x-ndjson');
      this.#taken.add(number);
      if (outcome === 'created') return lines.size;
      await takeIn(this.#batch, key, this.#parts, this.#limits, this.#store);
      for (const index of this.#parts.held) this.#lines.delete(index);
    }
    throw new TransientError('PARTS_CONTESTED', `Others wrote ${mostContests} parts of this batch meanwhile.`);
  }

  #nextFree(): number {
    for (let number = 0; ; number += 1) if (!this.#taken.has(number)) return number;
  }
}

/** Two or three invocations of one batch at the same time are rare, and each writes a few parts. */
const mostContests = 100;

/** What the parts of a batch hold together. */
export type HeldItems = {
  /** How many items the batch has; undefined: no part of it tells. */
  items: number | undefined;
  held: ReadonlySet<number>;
  /** Keys of parts that the engine did not write. */
  foreign: readonly string[];
  /** How many results each part tells of. */
  parts: readonly { key: string; items: number }[];
};

/**
 * Goes by the metadata of the parts that a listing tells of. Parts of another batch hold nothing, and one that tells of lines in
 * other parts holds nothing either when one of these is gone.
 */
export async function countHeld(
  keys: readonly string[],
  batchETag: string,
  store: Pick<ObjectStore, 'head'>,
): Promise<HeldItems> {
  const held = new Set<number>();
  const foreign: string[] = [];
  const parts: { key: string; items: number }[] = [];
  let items: number | undefined;
  for (const key of keys) {
    const head = await store.head(key);
    if (head === undefined) continue; // Deleted meanwhile.
    const facts = partFacts(head.metadata);
    parts.push({ key, items: facts?.has.size ?? 0 });
    if (facts === undefined) foreign.push(key);
    if (facts?.batchETag !== batchETag) continue;
    items = facts.items;
    if (await areThere(facts.sources, key, store)) for (const index of facts.has) held.add(index);
  }
  return { items, held, foreign, parts };
}

/** The keys of a batch's parts, by a listing. */
export async function partKeysOf(level: Level, path: ItemPath, store: Pick<ObjectStore, 'list'>): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of store.list(partsPrefix(level, path)))
    keys.push(...page.map(({ key }) => key).filter((key) => partNumberOf(level, path, key) !== undefined));
  return keys;
}
