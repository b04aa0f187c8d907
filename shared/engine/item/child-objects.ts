/** How an item's children become objects: each on its own, or several in a batch. Written only where nothing is yet. */
import { isBatched, type Level } from '../chain/chain.ts';
import {
  batchPath,
  childKey,
  childrenPrefix,
  encodeSegment,
  itemKey,
  mostBatches,
  type ItemPath,
} from '../chain/keys.ts';
import { forEachConcurrently } from '../concurrency.ts';
import { ItemError } from '../errors.ts';
import type { Child, Metadata, ObjectStore } from '../ports.ts';
import { batchBody, batchElement, batchMetadata, parseBatch } from './batch.ts';
import { earlierMetadata, findEarlierResults } from './earlier-results.ts';
import { KeyDigest } from './key-digest.ts';

export type ChildObjects = {
  /**
   * @returns the child, ready to be written
   * @throws ItemError `EMPTY_ID`, `BAD_ID`, `KEY_TOO_LONG` for a child that can't be stored
   */
  prepare(child: Child): PreparedChild;
  /** Writes them, or keeps some for a batch that is not full yet. @throws what `onWrite` and the store throw */
  write(children: readonly PreparedChild[]): Promise<void>;
  /** Writes what was kept. @throws as `write` */
  finish(): Promise<StoredChildren>;
};

export type PreparedChild = { id: string; key: string; body: string };

export type StoredChildren = {
  /** Objects that the item's children are in, as far as they are known. */
  children: number;
  /** Of these, how many were there already. */
  existing: number;
  /** Of their keys. */
  digest: string;
};

export type ChildObjectsOptions = {
  /** Of the parent. */
  level: Level;
  path: ItemPath;
  /** The level that reads the children; undefined: they are results. */
  next: Level | undefined;
  store: ObjectStore;
  /** Objects that are written at the same time; a parent's batches are written one after the other. */
  writeConcurrency: number;
  /** A batch is full with so many bytes of items. */
  maxBatchBytes: number;
  /** A result part is full with so many bytes of lines. */
  maxPartBytes: number;
  /** A larger object is no batch of ours. */
  maxItemBytes: number;
  /** The lineage that each child carries. */
  metadata: () => Metadata;
  /** Asked before each write, with the number of objects so far; it throws when there is no time left. */
  onWrite: (objects: number) => void;
  /** The item was begun before, so that its batches may have gaps: all of them are read first. */
  isRepeated: boolean;
};

export function createChildObjects(options: ChildObjectsOptions): ChildObjects {
  const { next } = options;
  return next !== undefined && isBatched(next) ? new Batches(options, next) : new SingleChildren(options);
}

class SingleChildren implements ChildObjects {
  readonly #options: ChildObjectsOptions;
  readonly #digest = new KeyDigest();
  #children = 0;
  #existing = 0;

  constructor(options: ChildObjectsOptions) {
    this.#options = options;
  }

  prepare({ id, body }: Child): PreparedChild {
    return { id, body, key: childKey(this.#options.level, this.#options.path, id) };
  }

  async write(children: readonly PreparedChild[]): Promise<void> {
    const { store, metadata, onWrite, writeConcurrency } = this.#options;
    for (const { key } of children) this.#digest.add(key);
    await forEachConcurrently(children, writeConcurrency, async ({ key, body }) => {
      onWrite(this.#children);
      this.#children += 1;
      if ((await store.create(key, body, metadata())) === 'exists') this.#existing += 1;
    });
  }

  finish(): Promise<StoredChildren> {
    return Promise.resolve({
      children: this.#children,
      existing: this.#existing,
      digest: this.#digest.toString(),
    });
  }
}

type Pending = { id: string; element: string; bytes: number };

/**
 * A parent's batches, in the order of their numbers. One that writes a number knows what all batches before it hold, since it
 * wrote or read them: so two invocations whose lists differ never write a child twice.
 */
class Batches implements ChildObjects {
  readonly #options: ChildObjectsOptions;
  readonly #next: Level;
  readonly #digest = new KeyDigest();
  /** Ids in batches that others have written. */
  readonly #known = new Set<string>();
  readonly #taken = new Set<number>();
  /** Children that are in no batch yet. Those that have a result, since their batch was deleted, by the number that it had. */
  readonly #pending = new Map<number | undefined, Pending[]>();
  #earlier: ReadonlyMap<string, number> = new Map();
  #listed: Promise<void> | undefined;
  #number = 0;
  #existing = 0;

  constructor(options: ChildObjectsOptions, next: Level) {
    this.#options = options;
    this.#next = next;
  }

  prepare(child: Child): PreparedChild {
    encodeSegment(child.id); // An id that a key can't hold is none elsewhere either.
    return { ...child, key: '', body: batchElement(this.#options.path.ids, child) };
  }

  async write(children: readonly PreparedChild[]): Promise<void> {
    if (this.#options.isRepeated) await (this.#listed ??= this.#readExisting());
    for (const { id, body } of children) this.#add({ id, element: body, bytes: Buffer.byteLength(body) });
    for (const earlier of this.#pending.keys()) while (this.#nextBatch(earlier).isFull) await this.#writeNext(earlier);
  }

  async finish(): Promise<StoredChildren> {
    if (this.#options.isRepeated) await (this.#listed ??= this.#readExisting());
    for (const earlier of this.#pending.keys())
      while (this.#nextBatch(earlier).children.length > 0) await this.#writeNext(earlier);
    return { children: this.#taken.size, existing: this.#existing, digest: this.#digest.toString() };
  }

  /** Of an item that was begun before, batches may have been deleted: what lies behind a gap has to be known as well. */
  async #readExisting(): Promise<void> {
    const { level, path, store } = this.#options;
    const prefix = childrenPrefix(level, path);
    const eTags = new Map<number, string>();
    for await (const page of store.list(prefix))
      for (const { key, eTag } of page) {
        const number = Number(key.slice(prefix.length).replace(/\.json$/, ''));
        if (key !== this.#keyOf(number)) continue;
        eTags.set(number, eTag);
        await this.#take(number);
      }
    const { maxPartBytes, maxItemBytes: maxBodyBytes } = this.#options;
    this.#earlier = await findEarlierResults(
      { level: this.#next, parent: path, eTags },
      { maxPartBytes, maxBodyBytes },
      store,
    );
    this.#sortPending();
  }

  #keyOf(number: number): string {
    return itemKey(this.#next, batchPath(this.#options.path, number));
  }

  /** Which of the pending children the next batch takes. */
  #nextBatch(earlier: number | undefined): { children: readonly Pending[]; isFull: boolean } {
    const pending = this.#pending.get(earlier) ?? [];
    let bytes = 0;
    for (const [count, child] of pending.entries()) {
      bytes += child.bytes;
      if (count > 0 && bytes > this.#options.maxBatchBytes) return { children: pending.slice(0, count), isFull: true };
      if (count + 1 >= this.#next.batch) return { children: pending.slice(0, count + 1), isFull: true };
    }
    return { children: pending, isFull: bytes >= this.#options.maxBatchBytes };
  }

  async #writeNext(earlier: number | undefined): Promise<void> {
    const { store, metadata, onWrite } = this.#options;
    while (this.#taken.has(this.#number)) this.#number += 1;
    if (this.#number >= mostBatches)
      throw new ItemError(
        'TOO_MANY_CHILDREN',
        `The item needs more than ${mostBatches} batches; raise its level's batch.`,
      );
    onWrite(this.#taken.size);
    const { children } = this.#nextBatch(earlier);
    const number = this.#number;
    const body = batchBody(children.map(({ element }) => element));
    const facts = { ...batchMetadata(children.length, metadata()), ...earlierMetadata(earlier) };
    if ((await store.create(this.#keyOf(number), body, facts)) === 'exists') {
      await (this.#listed ??= this.#readExisting());
      await this.#take(number); // One that was written since then is not listed.
      return;
    }
    this.#pending.set(earlier, (this.#pending.get(earlier) ?? []).slice(children.length));
    this.#count(number);
  }

  #count(number: number): void {
    this.#taken.add(number);
    this.#digest.add(this.#keyOf(number));
  }

  /** The number is taken: what is in its batch is no longer pending. */
  async #take(number: number): Promise<void> {
    const { store, path, maxItemBytes, maxBatchBytes } = this.#options;
    if (this.#taken.has(number)) return;
    const key = this.#keyOf(number);
    this.#count(number);
    this.#existing += 1;
    try {
      const object = await store.get(key, maxItemBytes + 2 * maxBatchBytes);
      if (object === undefined) return; // Deleted meanwhile; the census will miss it.
      for (const { id } of parseBatch(path.ids, key, object.body)) this.#known.add(id);
    } catch (error) {
      if (!(error instanceof ItemError)) throw error; // It is no batch, and fails on its own.
    }
    this.#sortPending();
  }

  #add(child: Pending): void {
    if (this.#known.has(child.id)) return;
    const earlier = this.#earlier.get(child.id);
    const pending = this.#pending.get(earlier) ?? [];
    pending.push(child);
    this.#pending.set(earlier, pending);
  }

  /** Once more is known than when they came. */
  #sortPending(): void {
    const pending = [...this.#pending.values()].flat();
    this.#pending.clear();
    for (const child of pending) this.#add(child);
  }
}
