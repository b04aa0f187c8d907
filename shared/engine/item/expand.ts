/**
 * Writes an item's children as the pages of the API's list arrive. It owns the promises that a child is written only if it
 * is not there yet, that a bounded number are written at a time while the next page is fetched, and that neither bodies
 * nor pages pile up: of the children only the ids are kept, to notice one that comes twice.
 */
import type { Level } from '../chain/chain.ts';
import { childKey, type ItemPath } from '../chain/keys.ts';
import { forEachConcurrently } from '../concurrency.ts';
import { ItemError, TransientError } from '../errors.ts';
import type { Child, Clock, Metadata, ObjectStore, Page } from '../ports.ts';
import { KeyDigest, textHash } from './key-digest.ts';

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
  /** Of the children's keys. */
  digest: string;
};

/**
 * One bad child does not keep its siblings from being fetched: the good ones are written first, then the item fails. A child
 * that comes twice with the same content, as from a list that shifted between two pages, is written once.
 *
 * @throws ItemError `DUPLICATE_ID`, `EMPTY_ID`, `BAD_ID`, `KEY_TOO_LONG` after the last page; `TOO_MANY_CHILDREN` at once;
 * what fetching a page throws
 * @throws TransientError `OUT_OF_TIME` when the deadline passes; what the store throws
 */
export async function expand(options: ExpandOptions): Promise<Expansion> {
  const { store, clock, deadlineMs } = options;
  const children = new KnownChildren(options);
  let existing = 0;

  const write = async ({ key, body }: KeyedChild): Promise<void> => {
    if (clock.now() >= deadlineMs) {
      throw new TransientError(
        'OUT_OF_TIME',
        `The invocation ran out of time after ${children.count} children; what is written stays.`,
      );
    }
    if ((await store.create(key, body, options.metadata())) === 'exists') existing += 1;
  };

  const pages = options.pages[Symbol.asyncIterator]();
  let upcoming = pages.next();
  try {
    for (let page = await upcoming; page.done !== true; page = await upcoming) {
      upcoming = pages.next();
      upcoming.catch(() => undefined); // It is awaited after the writes; until then a failure must not count as unhandled.
      const writable = page.value.children.map((child) => children.take(child)).filter((child) => child !== undefined);
      await forEachConcurrently(writable, options.writeConcurrency, write);
    }
  } finally {
    // Nothing of this item runs on behind the answer: Lambda would freeze it, and wake it within the next invocation.
    await upcoming.catch(() => undefined);
    await pages.return?.().catch(() => undefined);
  }
  children.throwIfRefused();
  return { children: children.count, existing, digest: children.digest.toString() };
}

type KeyedChild = { key: string; body: string };

/** The children so far: their ids, and the first that could not be taken. */
class KnownChildren {
  readonly digest = new KeyDigest();
  readonly #options: ExpandOptions;
  /** By id, what tells its content from another. */
  readonly #hashes = new Map<string, number>();
  #firstRefusal: ItemError | undefined;
  #refusals = 0;

  constructor(options: ExpandOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#hashes.size;
  }

  /**
   * @returns undefined for a child that was there before, or can't be taken
   * @throws ItemError `TOO_MANY_CHILDREN`
   */
  take({ id, body }: Child): KeyedChild | undefined {
    const { level, path, maxChildren } = this.#options;
    const hash = textHash(body);
    const known = this.#hashes.get(id);
    if (known === hash) return undefined;
    if (known !== undefined) {
      this.#refuse(
        new ItemError('DUPLICATE_ID', `The API gives the id ${JSON.stringify(id)} twice, with different content.`),
      );
      return;
    }
    if (this.count >= maxChildren) {
      throw new ItemError(
        'TOO_MANY_CHILDREN',
        `The item has more than ${maxChildren} children; raise maxChildren if that is right.`,
      );
    }
    this.#hashes.set(id, hash);
    try {
      const key = childKey(level, path, id);
      this.digest.add(key);
      return { key, body };
    } catch (error) {
      if (!(error instanceof ItemError)) throw error;
      this.#refuse(error);
      return;
    }
  }

  throwIfRefused(): void {
    if (this.#firstRefusal === undefined) return;
    const { code, message } = this.#firstRefusal;
    const more = this.#refusals > 1 ? ` (and ${this.#refusals - 1} more bad children)` : '';
    throw new ItemError(code, `${message}${more} The others were written.`);
  }

  #refuse(error: ItemError): undefined {
    this.#firstRefusal ??= error;
    this.#refusals += 1;
    return undefined;
  }
}
