/**
 * Writes an item's children as the pages of the API's list arrive. It owns the promises that a child is written only if it
 * is not there yet, that a bounded number are written at a time while the next page is fetched, and that neither bodies
 * nor pages pile up: of the children only the ids are kept, to notice one that comes twice.
 */
import { ItemError, TransientError } from '../errors.ts';
import type { Child, Clock, Page } from '../ports.ts';
import {
  createChildObjects,
  type ChildObjectsOptions,
  type PreparedChild,
  type StoredChildren,
} from './child-objects.ts';
import { textHash } from './key-digest.ts';

export type ExpandOptions = Omit<ChildObjectsOptions, 'onWrite'> & {
  pages: AsyncIterable<Page>;
  clock: Clock;
  /** Milliseconds since 1970 after which no further child is written. */
  deadlineMs: number;
  /** More children than this are an item error. */
  maxChildren: number;
};

export type Expansion = StoredChildren & {
  /** How many children the API gave. */
  items: number;
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
  const { clock, deadlineMs } = options;
  const objects = createChildObjects({
    ...options,
    onWrite: (written) => {
      if (clock.now() < deadlineMs) return;
      throw new TransientError(
        'OUT_OF_TIME',
        `The invocation ran out of time after ${written} children; what is written stays.`,
      );
    },
  });
  const children = new KnownChildren(options.maxChildren, (child) => objects.prepare(child));
  const pages = options.pages[Symbol.asyncIterator]();
  let upcoming = pages.next();
  try {
    for (let page = await upcoming; page.done !== true; page = await upcoming) {
      upcoming = pages.next();
      upcoming.catch(() => undefined); // It is awaited after the writes; until then a failure must not count as unhandled.
      await objects.write(
        page.value.children.map((child) => children.take(child)).filter((child) => child !== undefined),
      );
    }
  } finally {
    // Nothing of this item runs on behind the answer: Lambda would freeze it, and wake it within the next invocation.
    await upcoming.catch(() => undefined);
    await pages.return?.().catch(() => undefined);
  }
  const stored = await objects.finish();
  children.throwIfRefused();
  return { ...stored, items: children.count };
}

/** The children so far: their ids, and the first that could not be taken. */
class KnownChildren {
  readonly #maxChildren: number;
  readonly #prepare: (child: Child) => PreparedChild;
  /** By id, what tells its content from another. */
  readonly #hashes = new Map<string, number>();
  #firstRefusal: ItemError | undefined;
  #refusals = 0;

  constructor(maxChildren: number, prepare: (child: Child) => PreparedChild) {
    this.#maxChildren = maxChildren;
    this.#prepare = prepare;
  }

  get count(): number {
    return this.#hashes.size;
  }

  /**
   * @returns undefined for a child that was there before, or can't be taken
   * @throws ItemError `TOO_MANY_CHILDREN`
   */
  take(child: Child): PreparedChild | undefined {
    const { id, body } = child;
    const hash = textHash(body);
    const known = this.#hashes.get(id);
    if (known === hash) return undefined;
    if (known !== undefined) {
      this.#refuse(
        new ItemError('DUPLICATE_ID', `The API gives the id ${JSON.stringify(id)} twice, with different content.`),
      );
      return;
    }
    if (this.count >= this.#maxChildren) {
      throw new ItemError(
        'TOO_MANY_CHILDREN',
        `The item has more than ${this.#maxChildren} children; raise maxChildren if that is right.`,
      );
    }
    this.#hashes.set(id, hash);
    try {
      return this.#prepare(child);
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
