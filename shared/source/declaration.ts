/** What a source declares: plain data, and the functions of those levels that a declaration does not reach. */
import type { Chain } from '../engine/chain/chain.ts';
import type { ParamDeclaration } from '../engine/chain/params.ts';
import type { ListFetch, ResultFetch } from './api.ts';
import type { JsonPath } from './json-path.ts';
import type { TableFields } from './table-declaration.ts';
import type { Query, RequestHeaders, RequestDeclaration, Paginator } from './request-declaration.ts';

/** What proves to the API who asks. The secret itself is the deployment's. */
export type Auth =
  | { type: 'none' }
  | { type: 'bearer' }
  | { type: 'apiKey'; header: string }
  | { type: 'apiKey'; query: string }
  | { type: 'httpBasic' }
  | OAuth2Auth;

export type OAuth2Auth = {
  type: 'oauth2ClientCredentials';
  scope?: string;
  /** Where the client's id and secret are sent: in the form (default), or as HTTP Basic. */
  credentials?: 'form' | 'basic';
  /** More fields of the form, such as `audience`. */
  fields?: Readonly<Record<string, string>>;
} & (
  | { /** Below `apiUrl`. */ tokenPath: string; tokenUrl?: never }
  | { /** A whole URL, also of another host. */ tokenUrl: string; tokenPath?: never }
);

export type StatusMatch = number | '2xx' | '3xx' | '4xx' | '5xx';

/** An answer for which all given conditions hold means what `then` says. The first rule that fits counts. */
export type AnswerRule = {
  status?: StatusMatch | readonly StatusMatch[];
  /** The header is there, and holds a text that the pattern finds. */
  header?: { name: string; matches?: string };
  /** The body is JSON with something at the path: with this value, or anything (`exists`, or neither), or nothing (`exists: false`). */
  body?: { path: JsonPath; equals?: string | number | boolean | null; exists?: boolean };
  then: 'retry' | 'ignore' | 'fail' | 'accept' | { rateLimit: string };
  /** Where the API says in its answer what is wrong. */
  message?: JsonPath;
};

/** How the API tells how many calls it allows, where its headers do not say all of it. Used when the rate is `auto`. */
export type LimitDeclaration = {
  /** The time in which the API allows as many calls as its header says. Only for headers that do not say it. */
  windowSeconds: number;
  /** A header of another name that holds the number of calls. */
  header?: string;
};

export type ApiDeclaration = {
  auth: Auth;
  /** Of every call. `{params.x}` may stand in them. */
  headers: RequestHeaders;
  query: Query;
  answers: readonly AnswerRule[];
  limit?: LimitDeclaration;
};

type LevelFields = TableFields & {
  /** Where the children go in the bucket. Default: the level's name. */
  prefix?: string;
  /** How many of its environments run at once. Default: as many as the whole rate takes. */
  environments?: number;
  /** Calls that one environment makes side by side. Default 10 for batches, otherwise 1. */
  callsInFlight?: number;
  /** They come before those of the API. */
  answers?: readonly AnswerRule[];
};

type NoRequest = { [Field in keyof RequestDeclaration | 'items' | 'idPath' | 'next' | 'as']?: never };

export type ListFields = LevelFields & {
  /** The name of the children's id, for placeholders below, keys and seeds. */
  id: string;
} & (
    | (RequestDeclaration & {
        /** Where the list is in the answer. Default `$`: the answer is the list. */
        items?: JsonPath;
        /** Where a child's id is in its element. Default `id`; `$` when the elements are the ids. */
        idPath?: JsonPath;
        /** Default `singlePage()`. */
        next?: Paginator;
        fetch?: never;
      })
    | (NoRequest & { fetch: ListFetch })
  );

export type ResultFields = LevelFields & {
  /** Of the results' keys. Default: one that fits `contentType` or `as`. */
  suffix?: string;
  /** Default: that of the answer, or `application/json`. */
  contentType?: string;
  /**
   * How many results are in one object, as newline-delimited JSON. Default 50, or 1 with `as`, `suffix` or `contentType`: only
   * JSON results can be together. 1: an object a result, stored untouched.
   */
  batch?: number;
} & (
    | (RequestDeclaration & {
        /** Default `json`: must be JSON. `text` and `bytes` are stored untouched. */
        as?: 'json' | 'text' | 'bytes';
        fetch?: never;
      })
    | (NoRequest & { fetch: ResultFetch })
  );

export type ListDeclaration = { kind: 'list'; name: string } & ListFields;
export type ResultDeclaration = { kind: 'result'; name: string } & ResultFields;
export type LevelDeclaration = ListDeclaration | ResultDeclaration;

export type ChainDeclaration = {
  api?: Partial<ApiDeclaration>;
  params?: Readonly<Record<string, ParamDeclaration>>;
  levels: readonly LevelDeclaration[];
};

/** The level table, and how each level asks the API: `declarations[n]` is for `levels[n]`. */
export type SourceChain = Chain & { api: ApiDeclaration; declarations: readonly LevelDeclaration[] };
