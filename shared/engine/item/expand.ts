/**
 * Writes an item's children as the pages of the API's list arrive. It owns the promises that a child is written only if it
 * is not there yet, that a bounded number are written at a time while the next page is fetched, and that neither bodies
 * nor pages pile up: of the children only the ids are kept, to notice one that comes twice.
 */
import type { Level } from '../chain/chain.ts';
import { ItemError, TransientError } from '../errors.ts';
import { childKey, type ItemPath } from '../chain/keys.ts';
import type { Child, Clock, Metadata, ObjectStore, Page } from '../ports.ts';

export type ExpandOptions = {
  level: Level;
  path: ItemPath;
  pages: AsyncIterable<Page>;
  store: ObjectStore;
  clock: Clock;
  /** Milliseconds since 1970 after which no further child is written. */
  deadlineMs: number;
  /** Children that are written at the same time. */
  writeConcurrency: number;
  /** More children than this are an item error. */
  maxChildren: number;
  /** The lineage that each child carries. */
  metadata: () => Metadata;
};

export type Expansion = {
  /** How many children the API gave. */
  children: number;
  /** Of these, how many were there already. */
  existing: number;
};

/**
 * One bad child does not keep its siblings from being fetched: the good ones are written first, then the item fails.
 *
 * @throws ItemError `DUPLICATE_ID`, `EMPTY_ID`, `BAD_ID`, `KEY_TOO_LONG` after the last page; `TOO_MANY_CHILDREN` at once;
 * what fetching a page throws
 * @throws TransientError `OUT_OF_TIME` when the deadline passes; what the store throws
 */
export async function expand(options: ExpandOptions): Promise<Expansion> {
  const { level, path, store, clock, deadlineMs } = options;
  const seen = new Set<string>();
  const refusals: Refusals = { count: 0 };
  let existing = 0;

  const write = async ({ key, body }: { key: string; body: string }): Promise<void> => {
    if (clock.now() >= deadlineMs) {
      throw new TransientError(
        'OUT_OF_TIME',
        `The invocation ran out of time after ${seen.size} children; what is written stays.`,
      );
    }
    if ((await store.create(key, body, options.metadata())) === 'exists') existing += 1;
  };

  const keyed = (child: Child): { key: string; body: string } | undefined => {
    if (seen.has(child.id)) {
      refuse(refusals, new ItemError('DUPLICATE_ID', `The API gives the id ${JSON.stringify(child.id)} twice.`));
      return undefined;
    }
    if (seen.size >= options.maxChildren) {
      throw new ItemError(
        'TOO_MANY_CHILDREN',
        `The item has more than ${options.maxChildren} children; raise MAX_CHILDREN if that is right.`,
      );
    }
    seen.add(child.id);
    try {
      return { key: childKey(level, path, child.id), body: child.body };
    } catch (error) {
      if (!(error instanceof ItemError)) throw error;
      refuse(refusals, error);
      return undefined;
    }
  };

  const pages = options.pages[Symbol.asyncIterator]();
  let upcoming = pages.next();
  try {
    for (let page = await upcoming; page.done !== true; page = await upcoming) {
      upcoming = pages.next();
      upcoming.catch(() => undefined); // It is awaited after the writes; until then a failure must not count as unhandled.
      const writable = page.value.children.map(keyed).filter((child) => child !== undefined);
      await forEachBounded(writable, options.writeConcurrency, write);
    }
  } finally {
    // Nothing of this item runs on behind the answer: Lambda would freeze it, and wake it within the next invocation.
    await upcoming.catch(() => undefined);
    await pages.return?.().catch(() => undefined);
  }

  if (refusals.first !== undefined) {
    const more = refusals.count > 1 ? ` (and ${refusals.count - 1} more bad children)` : '';
    throw new ItemError(refusals.first.code, `${refusals.first.message}${more} The others were written.`);
  }
  return { children: seen.size, existing };
}

type Refusals = { first?: ItemError; count: number };

function refuse(refusals: Refusals, error: ItemError): void {
  refusals.first ??= error;
  refusals.count += 1;
}

/**
 * At most `limit` at a time. After a failure nothing new is begun; what is under way is waited for, and the first failure
 * is thrown.
 */
async function forEachBounded<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    for (let item = items[next]; item !== undefined && !failed; item = items[next]) {
      next += 1;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = Array.from({ length: Math.min(limit, items.length) }, lane);
  const results = await Promise.allSettled(lanes);
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason;
  }
}
