/** How a level asks the API: what it is given, and what it has to give. `shared/source` makes it from a declaration. */
import type { ItemPath } from '../chain/keys.ts';
import type { Params } from '../chain/params.ts';
import type { Body, CallGate, Page } from '../ports.ts';

export type { Params } from '../chain/params.ts';

/** What a level's fetch is given: the run, the ids that its key holds, and the run's parameters. */
export type Item = ItemPath & { key: string; params: Params };

/** An item that has been read, since its receipt has to name what it was written for. */
export type ReadItem = Item & {
  /** The API's own JSON, or the seed. */
  body: string;
};

/** An item of the last level: it is read only if the fetch asks for it, since its key says all that most APIs need. */
export type UnreadItem = Item & {
  /**
   * The API's own JSON.
   * @throws ItemError `MISSING` when it was deleted, `NOT_JSON`, `TOO_LARGE`; what the store throws
   */
  read: () => Promise<string>;
};

/** What the last level stores, untouched. */
export type Result = { body: Body; contentType: string };

export type FetchMany = (item: ReadItem, gate: CallGate) => AsyncIterable<Page>;
export type FetchOne = (item: UnreadItem, gate: CallGate) => Promise<Result>;
export type Fetch = { many: FetchMany } | { one: FetchOne };
