/**
 * Counts a run: one streaming merge of all its listings, in constant memory, each prefix listed once although it holds one
 * level's children and the next one's items. It only looks; what is done about what it finds is the sweep's.
 *
 * In byte order an item's path comes right before all that lies beneath it (keys.ts says why), so that merging the listings
 * by path walks the tree from the top down, and an item's children are counted when the walk leaves it.
 */
import { chain, nextLevel, type Level } from '../chain/chain.ts';
import { maxNoteBytes, parseFailureNote, type FailureNote } from '../item/failure-note.ts';
import { failureKey, itemPathOf, receiptKey } from '../chain/keys.ts';
import { mergeListings } from './merged-listing.ts';
import type { Listed, ObjectStore } from '../ports.ts';
import { readReceiptMetadata } from '../item/receipt.ts';

/**
 * Something that keeps a run from being complete.
 * - `open`: an item that is neither done nor failed; a note of the sweep may say when it was re-fired.
 * - `failed`: an item whose last try is noted.
 * - `short`: a parent that is done, but has fewer children than its receipt counts.
 * - `stray`: an object under the run's prefix that is no item.
 */
export type Finding = {
  kind: 'open' | 'failed' | 'short' | 'stray';
  level: Level;
  /** The item's own. */
  key: string;
  /** When the item was written. For `short`: when its receipt was. In milliseconds since 1970. */
  modifiedMs: number;
  note: FailureNote | undefined;
};

export type LevelCensus = {
  level: string;
  items: number;
  done: number;
  failed: number;
  open: number;
  short: number;
  stray: number;
};

export type CensusStore = Pick<ObjectStore, 'list' | 'head' | 'get'>;

/** Reads of receipts and notes that go on side by side. */
const readsAtOnce = 32;

/**
 * @param onFinding told of everything that is in the way of completeness, in no particular order; awaited
 * @returns the counts by level, in the level table's order; and the calls to the API behind what is done, by the receipts,
 * a result counting as one
 * @throws what listing or reading throws: a census is whole or it is none
 */
export async function takeCensus(
  run: string,
  store: CensusStore,
  onFinding: (finding: Finding) => Promise<void> | void,
): Promise<{ levels: LevelCensus[]; apiCalls: number }> {
  let apiCalls = 0;
  const counts = new Map<Level, LevelCensus>(
    chain.map((level) => [level, { level: level.level, items: 0, done: 0, failed: 0, open: 0, short: 0, stray: 0 }]),
  );
  const reads = new BoundedTasks(readsAtOnce);

  const judge = async ({ level, key, listed, hasReceipt, hasFailure, children }: Walked): Promise<void> => {
    const count = countOf(counts, level);
    const find = (kind: Finding['kind'], modifiedMs: number, note?: FailureNote): Promise<void> | void =>
      onFinding({ kind, level, key, modifiedMs, note });
    const path = itemPathOf(level, key);
    if (path === undefined) return; // Strays never come here.
    if (hasReceipt !== undefined) {
      const receipt = level.children === 'one' ? 'result' : await readReceipt(receiptKey(level, path), store);
      // A receipt for what the item was before it was dropped again is none.
      if (receipt === 'result' || receipt?.inputETag === listed.eTag) {
        count.done += 1;
        apiCalls += receipt === 'result' ? 1 : receipt.apiCalls;
        if (receipt !== 'result' && children < receipt.children) {
          count.short += 1;
          await find('short', hasReceipt.modifiedMs);
        }
        return;
      }
    }
    const note = hasFailure ? await readFailure(failureKey(level, path), store) : undefined;
    // A note that the sweep left when it gave the item out again is no failure yet.
    const kind = note === undefined || note.status === 'refired' ? 'open' : 'failed';
    count[kind] += 1;
    await find(kind, listed.modifiedMs, note);
  };

  /** The item that the walk is in at each depth, until it is left. */
  const within: (Walked | undefined)[] = [];
  const leave = async (depth: number): Promise<void> => {
    for (let deepest = within.length - 1; deepest >= depth; deepest -= 1) {
      const walked = within[deepest];
      within[deepest] = undefined;
      if (walked !== undefined) await reads.add(() => judge(walked));
    }
  };

  try {
    for await (const { path, objects } of walk(run, store)) {
      for (const [depth, level] of chain.entries()) {
        const listed = objects.get(`items ${level.level}`);
        if (listed === undefined) continue;
        const count = countOf(counts, level);
        count.items += 1;
        if (itemPathOf(level, listed.key) === undefined) {
          count.stray += 1;
          await onFinding({ kind: 'stray', level, key: listed.key, modifiedMs: listed.modifiedMs, note: undefined });
          continue;
        }
        await leave(depth);
        const parent = within[depth - 1];
        if (parent !== undefined && isBeneath(path, parent.path)) parent.children += 1;
        within[depth] = {
          level,
          path,
          key: listed.key,
          listed,
          hasReceipt: objects.get(`done ${level.level}`),
          hasFailure: objects.has(`failures ${level.level}`),
          children: 0,
        };
      }
    }
    await leave(0);
    await reads.all();
  } finally {
    // Nothing runs on behind the answer, nor behind an error: Lambda would wake it within the next invocation.
    await reads.ended();
  }
  return { levels: [...counts.values()], apiCalls };
}

/** @returns undefined when it is gone since it was listed, or is no receipt */
async function readReceipt(key: string, store: CensusStore) {
  const head = await store.head(key);
  return head && readReceiptMetadata(head.metadata);
}

/** @returns undefined when it is gone since it was listed, or is no failure note */
async function readFailure(key: string, store: CensusStore): Promise<FailureNote | undefined> {
  const object = await store.get(key, maxNoteBytes);
  return object && parseFailureNote(object.body);
}

type Walked = {
  level: Level;
  path: string;
  key: string;
  listed: Listed;
  hasReceipt: Listed | undefined;
  hasFailure: boolean;
  children: number;
};

type ListingName = `${'items' | 'done' | 'failures'} ${string}`;

/** All that a run has, top down: the seed, then the tree beneath it. */
async function* walk(
  run: string,
  store: CensusStore,
): AsyncGenerator<{ path: string; objects: ReadonlyMap<string, Listed> }> {
  const top = new Map<ListingName, string>();
  const tree = new Map<ListingName, string>();
  for (const level of chain) {
    const listings = level.ids.length === 0 ? top : tree;
    const end = level.ids.length === 0 ? '.json' : '/';
    const isLeaf = nextLevel(level) === undefined;
    listings.set(`items ${level.level}`, `${level.reads}/${run}${end}`);
    listings.set(`done ${level.level}`, `${isLeaf ? level.writes : `receipts/${level.level}`}/${run}${end}`);
    listings.set(`failures ${level.level}`, `failures/${level.level}/${run}${end}`);
  }
  yield* mergeListings(top, store);
  yield* mergeListings(tree, store);
}

/** Whether a path is a child's of a path, e.g. `a/b.json` of `a.json`, and any path that of the seed. */
function isBeneath(path: string, parent: string): boolean {
  return parent === '' || path.startsWith(`${parent.slice(0, -'.json'.length)}/`);
}

function countOf(counts: ReadonlyMap<Level, LevelCensus>, level: Level): LevelCensus {
  const count = counts.get(level);
  if (count === undefined) throw new Error(`There is no level ${level.level}.`);
  return count;
}

/** At most so many at a time; the first failure is thrown by the next call. */
class BoundedTasks {
  readonly #limit: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  async add(work: () => Promise<void>): Promise<void> {
    if (this.#running.size >= this.#limit) await Promise.race(this.#running);
    this.#mustBeWell();
    const task: Promise<void> = work()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  async all(): Promise<void> {
    await this.ended();
    this.#mustBeWell();
  }

  /** Nothing runs any more, whatever came of it. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  #mustBeWell(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
