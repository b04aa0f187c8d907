/** What a level's own `fetch` function gets and gives: types alone, for `sources/`. */
import type { Params } from '../engine/item/fetch.ts';
import type { JsonValue, Paginator, Query, RequestHeaders } from './request-declaration.ts';
import type { JsonPath } from './json-path.ts';

export type FetchItem = {
  run: string;
  /** By their names in the chain, from the levels above. */
  ids: Readonly<Record<string, string>>;
  params: Params;
};

/** At a list level. For the first level, the body is the seed. */
export type ListItem = FetchItem & { body: string };

/** At a result level, where an item's own JSON is only read when it is needed. */
export type ResultItem = FetchItem & { read: () => Promise<string> };

/** A piece of an answer as the API wrote it. */
export interface JsonText {
  readonly text: string;
  readonly value: unknown;
  /**
   * The id at a path: a text, or a number's own digits.
   * @param path default: the `idPath` that the list was asked with
   * @throws ItemError `BAD_SHAPE`, `EMPTY_ID`
   */
  id(path?: JsonPath): string;
}

/** A child: its id, and its item as a JavaScript value or as a piece of an answer, which is stored as the API wrote it. */
export type ListEntry = { id: string | number; item: unknown };

export type CallOptions = { query?: Query; headers?: RequestHeaders };

/** Paths are not templates here: encode values with `encodeURIComponent`, or put them into the query. */
export type Call = CallOptions & { path: string; method?: 'GET' | 'POST'; body?: JsonValue };

export type PagesCall = Call & {
  /** Default `$`. */
  items?: JsonPath;
  /** Tells elements apart, so that a list without end is noticed. Default `id`. */
  idPath?: JsonPath;
  next?: Paginator;
};

/** An answer that is one: waiting, refusals and half answers have ended as errors before. */
export type Answer = {
  status: number;
  /** Lower-case names. */
  headers: Readonly<Record<string, string>>;
  bytes: Uint8Array;
  /** @throws ItemError `NOT_TEXT` when the bytes are not UTF-8 */
  readonly text: string;
  /** @throws ItemError `NOT_JSON`; TransientError `CUT_SHORT` when it ends too early */
  json(): unknown;
  /** The elements of the list at a path, each as the API wrote it. Default `$`. */
  elements(path?: JsonPath): JsonText[];
};

/** The API with the source's auth, rate, retries, answer rules, bounds and masking. */
export type Api = {
  get(path: string, options?: CallOptions): Promise<Answer>;
  post(path: string, body: JsonValue, options?: CallOptions): Promise<Answer>;
  request(call: Call): Promise<Answer>;
  /** The pages of a list, with the protections of a declared one. */
  pages(call: PagesCall): AsyncIterable<JsonText[]>;
};

export type ListFetch = (item: ListItem, api: Api) => AsyncIterable<readonly ListEntry[]>;

/** A body with its content type; or a JSON text, a piece of an answer, or a JavaScript value, stored as JSON. */
export type ResultFetch = (item: ResultItem, api: Api) => Promise<unknown>;
