/** How an API is asked, and how the next page of a list is: the part of a declaration that a level's own function has too. */
import type { JsonPath } from './json-path.ts';

export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };

export type QueryValue = string | number | boolean | readonly (string | number | boolean)[];
export type Query = Readonly<Record<string, QueryValue>>;
export type RequestHeaders = Readonly<Record<string, string>>;

/** How an API is asked. Texts may hold placeholders: `{shop}`, `{params.from}`, `{item.some.field}`. */
export type RequestDeclaration = {
  /** Below the deployment's `apiUrl`, such as `shops/{shop}/orders`. */
  path: string;
  /** Default GET. */
  method?: 'GET' | 'POST';
  query?: Query;
  headers?: RequestHeaders;
  /** Sent as JSON, for POST. A text that is exactly one `{params.x}` keeps the type of the parameter. */
  body?: JsonValue;
};

/** How the next page of a list is asked for, by the name of the function that makes it. */
export type Paginator =
  | { type: 'singlePage' }
  | { type: 'jsonLink'; path: JsonPath }
  | { type: 'headerLink'; rel: string }
  | { type: 'cursor'; path: JsonPath; param?: string; body?: JsonPath }
  | { type: 'headerCursor'; header: string; param?: string; body?: JsonPath }
  | ({ type: 'offset'; limit: number; param?: string; limitParam?: string } & CountedPages & { total?: JsonPath })
  | ({ type: 'pageNumber'; first: number; param?: string; size?: number; sizeParam?: string } & CountedPages & {
        totalPages?: JsonPath;
      });

type CountedPages = {
  /** Where the offset or the page's number is put into the body of a POST, instead of the query. */
  body?: JsonPath;
  /** Where the page's size is put into the body of a POST, instead of the query. */
  sizeBody?: JsonPath;
  /** A page with fewer elements than were asked for is the last. Default: only an empty page is. */
  stopAtShortPage?: boolean;
};
