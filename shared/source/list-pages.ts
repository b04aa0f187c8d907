/**
 * Reads a list to its end, page by page: notices one that has no end, and starts again once when it broke in the middle. What
 * was given out already is not given out again.
 */
import { ItemError } from '../engine/errors.ts';
import type { Paginator } from './request-declaration.ts';
import type { JsonElement } from './elements.ts';
import { startPaging, type PageChange, type ReceivedPage } from './paginators.ts';
import { SeenIds } from './seen-ids.ts';

/** An element without an id of its own is told apart by its whole text. */
export type ListPage = Omit<ReceivedPage, 'count'> & { elements: readonly { id: string; element: JsonElement }[] };

export type Listing = {
  next: Paginator;
  /** Pages of one list. */
  maxPages: number;
  /** @returns undefined when the API says that there are no children */
  ask: (change: PageChange) => Promise<ListPage | undefined>;
};

/** Pages in a row that bring elements, but none that is new. */
const mostStalePages = 3;
/** Empty pages in a row that each lead on to another: some APIs filter after they have cut the pages. */
const mostEmptyPages = 100;
/** What an API answers to a cursor that it no longer knows. */
const codesOfExpiry = ['HTTP_400', 'HTTP_404', 'HTTP_410'];

/** The list changed while it was read, or what led to its next page expired. */
class BrokenListError extends Error {
  override readonly name = 'BrokenListError';
}

/**
 * Each page is asked for when the one before it has been taken and the next is wanted. An element that repeats exactly is left
 * out; one with the id of another is given out, since only its owner can tell which is right.
 * @throws ItemError `PAGE_LOOP`, `LIST_LOOP`, `TOO_MANY_PAGES`; what asking and the paginator throw
 */
export async function* listPages(listing: Listing): AsyncGenerator<JsonElement[], void, undefined> {
  const given = new SeenIds();
  try {
    yield* readList(listing, given, undefined);
  } catch (error) {
    if (!(error instanceof BrokenListError)) throw error;
    yield* readList(listing, new SeenIds(), given);
  }
}

/**
 * @param seen the ids of this reading
 * @param given those that an earlier reading gave out; with it, the list is not started again
 */
async function* readList(
  listing: Listing,
  seen: SeenIds,
  given: SeenIds | undefined,
): AsyncGenerator<JsonElement[], void, undefined> {
  const paging = startPaging(listing.next);
  const progress = createProgress();
  const followed = new Set<string>();
  let change: PageChange | undefined = paging.first;
  for (let number = 1; number <= listing.maxPages; number += 1) {
    const page = await askOrRestart(listing, change, paging.mayExpire && number > 1, given !== undefined);
    if (page === undefined) return;
    change = paging.next({ ...page, count: page.elements.length });
    // Before this page is given out: it was there already, and its elements look like duplicates.
    if (change !== undefined) throwIfFollowed(followed, change, page.call);
    const sorted = sortOut(page, seen, given);
    if (sorted.elements.length > 0) yield sorted.elements;
    if (sorted.isShifted && given === undefined) throw new BrokenListError('An id came with two texts.');
    if (change === undefined) return;
    progress.check(page, sorted.hasNew);
  }
  const message = `The list does not end after ${listing.maxPages} pages.`;
  throw new ItemError('TOO_MANY_PAGES', message);
}

async function askOrRestart(
  listing: Listing,
  change: PageChange,
  mayHaveExpired: boolean,
  isSecond: boolean,
): Promise<ListPage | undefined> {
  try {
    return await listing.ask(change);
  } catch (error) {
    if (!mayHaveExpired || !(error instanceof ItemError) || !codesOfExpiry.includes(error.code)) throw error;
    if (!isSecond) throw new BrokenListError(error.message, { cause: error });
    const message = `${error.message} The list was read anew from its first page before, which ended the same way.`;
    throw new ItemError(error.code, message, { cause: error });
  }
}

function throwIfFollowed(followed: Set<string>, change: PageChange, call: string): void {
  const { url, query, body } = change;
  const mark = JSON.stringify([url?.href, query, body]);
  if (followed.has(mark))
    throw new ItemError('PAGE_LOOP', `The answer to ${call} leads to a page that was followed before.`);
  followed.add(mark);
}

type Sorted = { elements: JsonElement[]; hasNew: boolean; isShifted: boolean };

function sortOut({ elements }: ListPage, seen: SeenIds, given: SeenIds | undefined): Sorted {
  const sorted: Sorted = { elements: [], hasNew: false, isShifted: false };
  const onThisPage = new Set<string>();
  for (const { id, element } of elements) {
    const kind = seen.add(id, element.text);
    if (kind === 'new') {
      sorted.hasNew = true;
      onThisPage.add(id);
      if (given === undefined || given.add(id, element.text) === 'new') sorted.elements.push(element);
    } else if (kind === 'different') {
      // Two on one page, or in a second reading, are the API's own doing.
      if (onThisPage.has(id) || given !== undefined) sorted.elements.push(element);
      else sorted.isShifted = true;
    }
  }
  return sorted;
}

function createProgress(): { check: (page: ListPage, hasNew: boolean) => void } {
  let stalePages = 0;
  let emptyPages = 0;
  return {
    check({ call, elements }, hasNew) {
      if (elements.length === 0) emptyPages += 1;
      else {
        emptyPages = 0;
        stalePages = hasNew ? 0 : stalePages + 1;
      }
      if (stalePages < mostStalePages && emptyPages < mostEmptyPages) return;
      const what = emptyPages > 0 ? `${emptyPages} empty pages` : `${stalePages} pages without a new id`;
      const message = `The list has no end: ${what} in a row, each of which leads to another, up to ${call}.`;
      throw new ItemError('LIST_LOOP', `${message} Check the paginator: does the API take its parameter?`);
    },
  };
}
