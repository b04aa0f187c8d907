/**
 * Reads several listings of a run side by side, merged by path, holding a page of each and no more. It owns the promise that
 * a listing which is out of order is an error: the merge would silently pass over what comes too late.
 */
import type { Listing } from '../chain/keys.ts';
import { TransientError } from '../errors.ts';
import type { Listed, ObjectStore } from '../ports.ts';

/** What one path has in the listings that know it: by the name that the listing was given. */
export type PathGroup<Name extends string> = { path: string; objects: ReadonlyMap<Name, readonly Listed[]> };

/**
 * @param listings by name. An object's path is its key less the listing's prefix, with `.json` for the listing's suffix: what
 * an item and its result, or all parts of it, have in common
 * @param onForeign told of every key that the engine can't have written: such a key is not merged
 * @returns the paths in byte order, each once
 * @throws TransientError `S3_BAD_LIST` when a listing is out of order or leaves its prefix; what the store throws
 */
export async function* mergeListings<Name extends string>(
  listings: ReadonlyMap<Name, Listing>,
  store: Pick<ObjectStore, 'list'>,
  onForeign: (object: Listed, name: Name) => void,
): AsyncGenerator<PathGroup<Name>> {
  const cursors = [...listings].map(([name, listing]) => ({
    name,
    cursor: new Cursor(listing, store.list(listing.prefix), (object) => onForeign(object, name)),
  }));
  try {
    await Promise.all(cursors.map(({ cursor }) => cursor.turnPage()));
    for (;;) {
      let first: string | undefined;
      for (const { cursor } of cursors) {
        if (cursor.path !== undefined && (first === undefined || cursor.path < first)) first = cursor.path;
      }
      if (first === undefined) return;
      const objects = new Map<Name, Listed[]>();
      for (const { name, cursor } of cursors) {
        // Several only for result parts.
        const found: Listed[] = [];
        while (cursor.path === first && cursor.object !== undefined) {
          found.push(cursor.object);
          if (!cursor.advance()) await cursor.turnPage();
        }
        if (found.length > 0) objects.set(name, found);
      }
      yield { path: first, objects };
    }
  } finally {
    await Promise.all(cursors.map(({ cursor }) => cursor.close()));
  }
}

/**
 * All keys of the engine are printable ASCII (see keys.ts). Among these, comparing texts compares bytes, as S3 orders them; of
 * other texts it would not be true.
 */
const ownKey = /^[!-~]*$/;

/** Of a result part that is not the first. */
const partNumber = /\.[1-9]\d{0,5}$/;

/** Stands on one object of a listing. */
class Cursor {
  path: string | undefined;
  object: Listed | undefined;
  readonly #listing: Listing;
  readonly #pages: AsyncIterator<readonly Listed[]>;
  readonly #onForeign: (object: Listed) => void;
  #page: readonly Listed[] = [];
  #index = 0;
  #upcoming: Promise<IteratorResult<readonly Listed[]>> | undefined;

  constructor(listing: Listing, pages: AsyncIterable<readonly Listed[]>, onForeign: (object: Listed) => void) {
    this.#listing = listing;
    this.#pages = pages[Symbol.asyncIterator]();
    this.#onForeign = onForeign;
  }

  /** @returns false at the end of the page */
  advance(): boolean {
    const { prefix } = this.#listing;
    for (let object = this.#page[this.#index]; object !== undefined; object = this.#page[this.#index]) {
      this.#index += 1;
      if (!object.key.startsWith(prefix)) throw badList(`gave ${object.key}, which is not under it`, prefix);
      const path = this.#pathOf(object.key);
      if (path === undefined) {
        this.#onForeign(object);
        continue;
      }
      const isPart = this.#listing.hasParts === true && path === this.path;
      if (this.path !== undefined && path <= this.path && !isPart)
        throw badList(`is out of order at ${object.key}`, prefix);
      this.path = path;
      this.object = object;
      return true;
    }
    return false;
  }

  /** @returns undefined for a key that the engine can't have written */
  #pathOf(key: string): string | undefined {
    const { prefix, suffix } = this.#listing;
    if (!ownKey.test(key)) return undefined;
    const path = key.slice(prefix.length);
    // The seed's listing is one whole key; `seeds/r1.json.bak` is no part of the run r1.
    if (suffix === '') return path === '' ? path : undefined;
    // A dot is never in an encoded id, so that the order of paths is that of their keys, whatever the suffix.
    if (!path.endsWith(suffix)) return undefined;
    const stem = path.slice(0, -suffix.length);
    return `${this.#listing.hasParts === true ? stem.replace(partNumber, '') : stem}.json`;
  }

  /** Moves to the next page, and begins to fetch the one after it. */
  async turnPage(): Promise<void> {
    for (;;) {
      const page = await (this.#upcoming ?? this.#pages.next());
      if (page.done === true) {
        this.#upcoming = undefined;
        this.path = undefined;
        this.object = undefined;
        return;
      }
      this.#upcoming = this.#pages.next();
      this.#upcoming.catch(() => undefined); // It is awaited at the end of this page.
      this.#page = page.value;
      this.#index = 0;
      if (this.advance()) return;
    }
  }

  async close(): Promise<void> {
    await this.#upcoming?.catch(() => undefined);
    await this.#pages.return?.().catch(() => undefined);
  }
}

function badList(why: string, prefix: string): TransientError {
  return new TransientError('S3_BAD_LIST', `The listing of ${prefix} ${why}.`);
}
