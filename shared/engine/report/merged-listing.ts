/**
 * Reads several listings of a run side by side, merged by path, holding a page of each and no more. It owns the promise that
 * a listing which is out of order is an error: the merge would silently pass over what comes too late.
 */
import { TransientError } from '../errors.ts';
import type { Listed, ObjectStore } from '../ports.ts';

/** What one path has in the listings that know it: by the name that the listing was given. */
export type PathGroup<Name extends string> = { path: string; objects: ReadonlyMap<Name, Listed> };

/**
 * @param listings the prefix of each, by name; an object's path is its key less that prefix
 * @returns the paths in byte order, each once
 * @throws TransientError `S3_BAD_LIST` when a listing is out of order or leaves its prefix; what the store throws
 */
export async function* mergeListings<Name extends string>(
  listings: ReadonlyMap<Name, string>,
  store: Pick<ObjectStore, 'list'>,
): AsyncGenerator<PathGroup<Name>> {
  const cursors = [...listings].map(([name, prefix]) => ({ name, cursor: new Cursor(prefix, store.list(prefix)) }));
  try {
    await Promise.all(cursors.map(({ cursor }) => cursor.turnPage()));
    for (;;) {
      let first: string | undefined;
      for (const { cursor } of cursors) {
        if (cursor.path !== undefined && (first === undefined || cursor.path < first)) first = cursor.path;
      }
      if (first === undefined) return;
      const objects = new Map<Name, Listed>();
      for (const { name, cursor } of cursors) {
        if (cursor.path !== first || cursor.object === undefined) continue;
        objects.set(name, cursor.object);
        if (!cursor.advance()) await cursor.turnPage();
      }
      yield { path: first, objects };
    }
  } finally {
    await Promise.all(cursors.map(({ cursor }) => cursor.close()));
  }
}

/** Stands on one object of a listing. All keys are ASCII (see keys.ts), so that comparing texts compares bytes. */
class Cursor {
  path: string | undefined;
  object: Listed | undefined;
  readonly #prefix: string;
  readonly #pages: AsyncIterator<readonly Listed[]>;
  #page: readonly Listed[] = [];
  #index = 0;
  #upcoming: Promise<IteratorResult<readonly Listed[]>> | undefined;

  constructor(prefix: string, pages: AsyncIterable<readonly Listed[]>) {
    this.#prefix = prefix;
    this.#pages = pages[Symbol.asyncIterator]();
  }

  /** @returns false at the end of the page */
  advance(): boolean {
    const object = this.#page[this.#index];
    if (object === undefined) return false;
    this.#index += 1;
    if (!object.key.startsWith(this.#prefix)) throw badList(`gave ${object.key}, which is not under it`, this.#prefix);
    const path = object.key.slice(this.#prefix.length);
    if (this.path !== undefined && path <= this.path) throw badList(`is out of order at ${object.key}`, this.#prefix);
    this.path = path;
    this.object = object;
    return true;
  }

  /** Goes on to the next page, and begins to fetch the one after it. */
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
