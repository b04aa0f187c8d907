/** How the next page of a list is asked for. Each paginator reads a page, and says how the next request differs. */
import { ItemError } from '../engine/errors.ts';
import type { JsonValue, Paginator } from './request-declaration.ts';
import type { ReplyHeaders } from './exchange.ts';
import { textAt } from '../engine/json-text.ts';
import { nameOfType, type Asked } from './json-answer.ts';
import { showPath, stepsOf, valueAt, type JsonPath } from './json-path.ts';
import { linkWithRel } from './link-header.ts';

/** What a page's request has that the declared one has not. */
export type PageChange = {
  query?: Readonly<Record<string, string>>;
  body?: readonly { place: JsonPath; value: JsonValue }[];
  /** Instead of path and query. */
  url?: URL;
};

export type ReceivedPage = Asked & {
  /** Its own URL, for relative links. */
  url: URL;
  headers: ReplyHeaders;
  text: string;
  value: unknown;
  /** How many elements it has. */
  count: number;
};

export type Paging = {
  first: PageChange;
  /** @returns undefined after the last page @throws ItemError `BAD_SHAPE`, `FOREIGN_LINK` */
  next: (page: ReceivedPage) => PageChange | undefined;
  /** What the API hands out to lead on may expire while the list is read. */
  mayExpire: boolean;
};

/** For one reading of a list. */
export function startPaging(paginator: Paginator): Paging {
  switch (paginator.type) {
    case 'singlePage':
      return { first: {}, next: () => undefined, mayExpire: false };
    case 'jsonLink':
      return links((page) => textOrNothing(page, paginator.path, 'a link'));
    case 'headerLink':
      return links(({ headers }) => linkWithRel(headers['link'], paginator.rel));
    case 'cursor':
      return cursors(paginator, (page) => cursorIn(page, paginator.path));
    case 'headerCursor':
      return cursors(paginator, ({ headers }) => {
        const cursor = headers[paginator.header.toLowerCase()];
        return cursor === undefined || cursor === '' ? undefined : cursor;
      });
    case 'offset':
      return offsets(paginator);
    case 'pageNumber':
      return pageNumbers(paginator);
  }
}

function links(linkOf: (page: ReceivedPage) => string | undefined): Paging {
  return {
    first: {},
    next(page) {
      const link = linkOf(page);
      return link === undefined ? undefined : { url: nextUrl(link, page) };
    },
    mayExpire: true,
  };
}

/** The secret goes with every call: it must not go to where an answer says. */
function nextUrl(link: string, { url, call, mask }: ReceivedPage): URL {
  const next = URL.parse(link, url.href);
  const shown = JSON.stringify(mask(link).slice(0, 200));
  if (next === null) throw new ItemError('BAD_SHAPE', `The answer to ${call} names ${shown} as its next page: no URL.`);
  if (next.origin !== url.origin || next.username !== '' || next.password !== '') {
    const advice = `Only links on ${url.origin} are followed, so that the secret stays there.`;
    throw new ItemError('FOREIGN_LINK', `The answer to ${call} names ${shown} as its next page. ${advice}`);
  }
  next.hash = '';
  return next;
}

function cursors(
  { param = 'cursor', body }: { param?: string; body?: JsonPath },
  cursorOf: (page: ReceivedPage) => string | number | undefined,
): Paging {
  return {
    first: {},
    next(page) {
      const cursor = cursorOf(page);
      if (cursor === undefined) return undefined;
      return body === undefined ? { query: { [param]: String(cursor) } } : { body: [{ place: body, value: cursor }] };
    },
    mayExpire: true,
  };
}

/** null, '' and nothing at all end a list; anything else that is not a cursor is an error, since the rest would be lost. */
function cursorIn(page: ReceivedPage, path: JsonPath): string | number | undefined {
  const steps = stepsOf(path);
  const value = valueAt(page.value, steps);
  if (typeof value !== 'number') return textOrNothing(page, path, 'a cursor');
  const digits = textAt(page.text, steps);
  return digits === String(value) ? value : digits;
}

function textOrNothing({ value, call }: ReceivedPage, path: JsonPath, what: string): string | undefined {
  const steps = stepsOf(path);
  const found = valueAt(value, steps);
  if (found === undefined || found === null || found === '') return undefined;
  if (typeof found === 'string') return found;
  const message = `The answer to ${call} has the wrong shape: ${showPath(steps)}: expected ${what} or null, got ${nameOfType(found)}.`;
  throw new ItemError('BAD_SHAPE', message);
}

function offsets(paginator: Extract<Paginator, { type: 'offset' }>): Paging {
  const { limit, param = 'offset', limitParam = 'limit', body, sizeBody, total, stopAtShortPage = false } = paginator;
  const changeFor = (offset: number): PageChange =>
    placed([
      { param, place: body, value: offset },
      { param: limitParam, place: sizeBody, value: limit },
    ]);
  let offset = 0;
  return {
    first: changeFor(0),
    next(page) {
      // By what came, and not by the limit: an API may give fewer than were asked for, and the rest would be left out.
      offset += page.count;
      if (page.count === 0 || (stopAtShortPage && page.count < limit)) return undefined;
      if (total !== undefined && offset >= countAt(page, total)) return undefined;
      return changeFor(offset);
    },
    mayExpire: false,
  };
}

function pageNumbers(paginator: Extract<Paginator, { type: 'pageNumber' }>): Paging {
  const {
    first,
    param = 'page',
    size,
    sizeParam = 'per_page',
    body,
    sizeBody,
    totalPages,
    stopAtShortPage,
  } = paginator;
  const changeFor = (page: number): PageChange =>
    placed([
      { param, place: body, value: page },
      ...(size === undefined ? [] : [{ param: sizeParam, place: sizeBody, value: size }]),
    ]);
  let number = first;
  return {
    first: changeFor(first),
    next(page) {
      number += 1;
      if (page.count === 0) return undefined;
      if (stopAtShortPage === true && size !== undefined && page.count < size) return undefined;
      if (totalPages !== undefined && number - first >= countAt(page, totalPages)) return undefined;
      return changeFor(number);
    },
    mayExpire: false,
  };
}

function placed(values: readonly { param: string; place: JsonPath | undefined; value: number }[]): PageChange {
  const query: Record<string, string> = {};
  const body: { place: JsonPath; value: JsonValue }[] = [];
  for (const { param, place, value } of values) {
    if (place === undefined) query[param] = String(value);
    else body.push({ place, value });
  }
  return { query, body };
}

function countAt({ value, call }: ReceivedPage, path: JsonPath): number {
  const steps = stepsOf(path);
  const found = valueAt(value, steps);
  const count = typeof found === 'string' && /^\d+$/.test(found) ? Number(found) : found;
  if (typeof count === 'number' && Number.isFinite(count)) return count;
  const message = `The answer to ${call} has the wrong shape: ${showPath(steps)}: expected a number, got ${nameOfType(found)}.`;
  throw new ItemError('BAD_SHAPE', message);
}
