/**
 * Counts a run: one streaming merge of all its listings, in constant memory, each prefix listed once although it holds one
 * level's children and the next one's items. It only looks; what is done about its findings is the sweep's.
 *
 * In byte order an item's path comes right before all that lies beneath it (keys.ts says why), so that merging the listings
 * by path walks the tree from the top down, and an item's children are counted when the walk leaves it.
 */
import { isBatched, type Chain, type Level } from '../chain/chain.ts';
import { failureKey, itemPathOf, listingsOf, successName, type ItemPath, type Listing } from '../chain/keys.ts';
import { mapConcurrently } from '../concurrency.ts';
import { readNoteAt, type FailureNote } from '../item/failure-note.ts';
import { KeyDigest } from '../item/key-digest.ts';
import { readReceipt } from '../item/receipt.ts';
import { countHeld } from '../item/result-parts.ts';
import { batchStanding, failuresIn, type FailedItem, type Standing } from '../item/standing.ts';
import type { Listed, ObjectStore } from '../ports.ts';
import { mergeListings } from './merged-listing.ts';

/**
 * An object that keeps a run from being complete: an item, or a batch of them.
 * - `open`: some of its items are neither done nor failed; a note of the sweep may say when it was re-fired.
 * - `failed`: what is not done of it is noted as failed.
 * - `short`: a parent that is done, but whose children are not those that its receipt counts.
 * - `stray`: an object in the run's tree that is no item, or a result without one: the tree is not exactly the API's.
 */
export type Finding = {
  kind: 'open' | 'failed' | 'short' | 'stray';
  level: Level;
  /** The item's own. */
  key: string;
  /** When the item was written. For `short`: when its receipt was. In milliseconds since 1970. */
  modifiedMs: number;
  note: FailureNote | undefined;
  /** How many items the object holds that are neither done nor failed. */
  open: number;
  /** Those that failed. */
  failures: readonly FailedItem[];
  /** There is something in the place of its note that is no note. */
  isNoteUnreadable?: boolean;
};

export type LevelCensus = {
  level: string;
  items: number;
  done: number;
  failed: number;
  open: number;
  short: number;
  stray: number;
  /** Of the keys and ETags of its items, as `KeyDigest` makes it: another one means that something changed. */
  contents: string;
};

/** Whole once its findings have been read to their end. */
export type Census = {
  /** In no particular order. @throws what listing or reading throws: a census is whole or it is none */
  findings: AsyncIterable<Finding>;
  /** By level, in the chain's order. */
  levels: () => LevelCensus[];
  /** Calls to the API behind what is done, by the receipts; a result, and each line of a part, counts as one. */
  apiCalls: () => number;
  /** Of the keys and ETags of the results, as `KeyDigest` makes it. */
  results: () => string;
};

export type CensusStore = Pick<ObjectStore, 'list' | 'head' | 'get'>;

/** Reads of receipts and notes at the same time. */
const readsAtOnce = 32;

export function takeCensus(chain: Chain, run: string, store: CensusStore): Census {
  const tally = new Tally(chain);
  return {
    findings: findingsOf(chain, run, store, tally),
    levels: () => tally.levels(),
    apiCalls: () => tally.apiCalls,
    results: () => tally.results.toString(),
  };
}

async function* findingsOf(chain: Chain, run: string, store: CensusStore, tally: Tally): AsyncGenerator<Finding> {
  const strays: Finding[] = [];
  const walked = walkTree(chain, run, store, tally, (stray) => strays.push(stray));
  const onStray = (stray: Finding): void => void strays.push(stray);
  for await (const finding of mapConcurrently(walked, readsAtOnce, (item) => judge(item, store, tally, onStray))) {
    yield* strays.splice(0);
    if (finding !== undefined) yield finding;
  }
  yield* strays;
}

/** An item that the walk has left, with what the listings tell of it. */
type Walked = {
  level: Level;
  path: string;
  listed: Listed;
  /** Its receipt, its result, or the parts of a batch. */
  done: readonly Listed[];
  hasFailure: boolean;
  children: number;
  digest: KeyDigest;
};

/** Results whose item was not listed. */
type Orphan = { level: Level; results: readonly Listed[]; itemKey: string };

async function judge(
  walked: Walked | Orphan,
  store: CensusStore,
  tally: Tally,
  onStray: (stray: Finding) => void,
): Promise<Finding | undefined> {
  if ('results' in walked) return judgeOrphan(walked, store, tally);
  const { level, listed, children, digest } = walked;
  const path = itemPathOf(level, listed.key);
  if (path === undefined) return undefined; // Strays never come here.
  const count = tally.of(level);
  const [done] = walked.done;
  if (level.children === 'one') for (const part of walked.done) tally.results.add(contentOf(part));
  if (isBatched(level)) {
    const standing = await batchStanding(
      listed,
      walked.done.map((part) => part.key),
      store,
    );
    const { items, held, foreign } = standing;
    for (const stray of walked.done.filter((part) => foreign.includes(part.key))) {
      count.stray += 1;
      onStray(findingOf('stray', level, stray));
    }
    count.items += items;
    count.done += held.size;
    tally.apiCalls += held.size;
    return held.size === items ? undefined : judgeOpen(walked, path, standing, store, tally);
  }
  count.items += 1;
  if (done !== undefined && level.children === 'one') {
    count.done += 1;
    tally.apiCalls += 1;
    return undefined;
  }
  const receipt = done === undefined ? undefined : await readReceipt(level, path, store);
  // A receipt for what the item was before it was dropped again is none.
  if (done === undefined || receipt?.inputETag !== listed.eTag)
    return judgeOpen(walked, path, { items: 1, held: new Set() }, store, tally);
  count.done += 1;
  tally.apiCalls += receipt.apiCalls;
  // Version 0.1 counted only; there, children that an earlier list had brought are no fault.
  const isWhole = receipt.digest === undefined ? children >= receipt.children : digest.toString() === receipt.digest;
  if (isWhole) return undefined;
  count.short += 1;
  return findingOf('short', level, { key: listed.key, modifiedMs: done.modifiedMs });
}

/** An object that is not done, or not all of it. */
async function judgeOpen(
  { level, listed, hasFailure }: Walked,
  path: ItemPath,
  standing: Standing,
  store: CensusStore,
  tally: Tally,
): Promise<Finding> {
  const note = hasFailure ? await readNoteAt(failureKey(level, path), store) : undefined;
  const failures = failuresIn(note, standing);
  const failed = failures.reduce((sum, failure) => sum + failure.count, 0);
  const open = standing.items - standing.held.size - failed;
  const count = tally.of(level);
  count.failed += failed;
  count.open += open;
  const found = { ...findingOf(open > 0 ? 'open' : 'failed', level, listed), note, open, failures };
  return hasFailure && note === undefined ? { ...found, isNoteUnreadable: true } : found;
}

async function judgeOrphan(
  { level, results, itemKey }: Orphan,
  store: CensusStore,
  tally: Tally,
): Promise<Finding | undefined> {
  // Item and result may both have been written after the items were listed. Listed again: no right to read items is needed.
  for await (const page of store.list(itemKey)) if (page.some(({ key: there }) => there === itemKey)) return undefined;
  // Of a batch that was deleted the items are in another one, which tells that their results are here.
  const foreign = isBatched(level)
    ? (
        await countHeld(
          results.map(({ key }) => key),
          '',
          store,
        )
      ).foreign
    : undefined;
  const strays = results.filter(({ key }) => foreign?.includes(key) ?? true);
  tally.of(level).stray += strays.length;
  const [first] = strays;
  return first && findingOf('stray', level, first);
}

function findingOf(
  kind: Finding['kind'],
  level: Level,
  { key, modifiedMs }: Pick<Listed, 'key' | 'modifiedMs'>,
): Finding {
  return { kind, level, key, modifiedMs, note: undefined, open: 0, failures: [] };
}

type ListingName = `${'items' | 'done' | 'failures'} ${string}`;

/** The items of a run, each when the walk leaves it: after everything beneath it. */
async function* walkTree(
  chain: Chain,
  run: string,
  store: CensusStore,
  tally: Tally,
  onStray: (stray: Finding) => void,
): AsyncGenerator<Walked | Orphan> {
  const strayAt = (level: Level, { key, modifiedMs }: Listed): void => {
    tally.of(level).stray += 1;
    onStray(findingOf('stray', level, { key, modifiedMs }));
  };
  /** The item that the walk is in at each depth, until it is left. */
  const within: (Walked | undefined)[] = [];
  function* leave(depth: number): Generator<Walked> {
    for (let deepest = within.length - 1; deepest >= depth; deepest -= 1) {
      const walked = within[deepest];
      within[deepest] = undefined;
      if (walked !== undefined) yield walked;
    }
  }
  for await (const { path, objects } of mergedTree(chain, run, store, strayAt)) {
    for (const [depth, level] of chain.levels.entries()) {
      const [listed] = objects.get(`items ${level.name}`) ?? [];
      if (listed === undefined) {
        const results = level.children === 'one' ? (objects.get(`done ${level.name}`) ?? []) : [];
        if (results.length > 0) yield { level, results, itemKey: `${listingsOf(level, run).items.prefix}${path}` };
        continue;
      }
      if (itemPathOf(level, listed.key) === undefined) {
        strayAt(level, listed);
        continue;
      }
      tally.add(level, listed);
      yield* leave(depth);
      const parent = within[depth - 1];
      if (parent !== undefined && isBeneath(path, parent.path)) {
        parent.children += 1;
        parent.digest.add(listed.key);
      }
      within[depth] = {
        level,
        path,
        listed,
        done: objects.get(`done ${level.name}`) ?? [],
        hasFailure: objects.has(`failures ${level.name}`),
        children: 0,
        digest: new KeyDigest(),
      };
    }
  }
  yield* leave(0);
}

/** All that a run has, top down: the seed, then the tree beneath it. */
async function* mergedTree(
  { levels }: Chain,
  run: string,
  store: CensusStore,
  onStray: (level: Level, object: Listed) => void,
): AsyncGenerator<{ path: string; objects: ReadonlyMap<string, readonly Listed[]> }> {
  const top = new Map<ListingName, Listing>();
  const tree = new Map<ListingName, Listing>();
  const levelOf = new Map<ListingName, Level>();
  for (const level of levels) {
    const listings = level.ids.length === 0 ? top : tree;
    const { items, done, failures } = listingsOf(level, run);
    listings.set(`items ${level.name}`, items);
    listings.set(`done ${level.name}`, done);
    listings.set(`failures ${level.name}`, failures);
    levelOf.set(`items ${level.name}`, level);
  }
  const onForeign = (object: Listed, name: ListingName): void => {
    // `seeds/r1.json.bak` is in no run's tree, and the success marker lies next to the results.
    const level = levelOf.get(name);
    if (level !== undefined && level.ids.length > 0 && !object.key.endsWith(`/${successName}`)) onStray(level, object);
  };
  yield* mergeListings(top, store, onForeign);
  yield* mergeListings(tree, store, onForeign);
}

/** Whether a path is a child's of a path, e.g. `a/b.json` of `a.json`, and any path that of the seed. */
function isBeneath(path: string, parent: string): boolean {
  return parent === '' || path.startsWith(`${parent.slice(0, -'.json'.length)}/`);
}

/** What changes when an object is overwritten. */
function contentOf({ key, eTag }: Listed): string {
  return `${key} ${eTag}`;
}

class Tally {
  apiCalls = 0;
  readonly results = new KeyDigest();
  readonly #levels: Map<string, { count: Omit<LevelCensus, 'contents'>; contents: KeyDigest }>;

  constructor({ levels }: Chain) {
    this.#levels = new Map(
      levels.map(({ name }) => [
        name,
        {
          count: { level: name, items: 0, done: 0, failed: 0, open: 0, short: 0, stray: 0 },
          contents: new KeyDigest(),
        },
      ]),
    );
  }

  of({ name }: Level): Omit<LevelCensus, 'contents'> {
    return this.#entry(name).count;
  }

  /** Notes what an object is; its items are counted when it is judged. */
  add({ name }: Level, item: Listed): void {
    this.#entry(name).contents.add(contentOf(item));
  }

  levels(): LevelCensus[] {
    return [...this.#levels.values()].map(({ count, contents }) => ({ ...count, contents: contents.toString() }));
  }

  #entry(name: string) {
    const entry = this.#levels.get(name);
    if (entry === undefined) throw new Error(`There is no level ${name}.`);
    return entry;
  }
}
