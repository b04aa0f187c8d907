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
  /** A larger object is no batch of ours. */
  maxItemBytes: number;
  /** The lineage that each child carries. */
  metadata: () => Metadata;
  /** Asked before each write, with the number of objects so far; it throws when there is no time left. */
  onWrite: (objects: number) => void;
  /** The item was expanded before, so that its batches may have gaps: all of them are read first. */
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
  #pending: { id: string; element: string; bytes: number }[] = [];
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
    await (this.#listed ??= this.#readExisting());
    for (const { id, body } of children)
      if (!this.#known.has(id)) this.#pending.push({ id, element: body, bytes: Buffer.byteLength(body) });
    while (this.#isFull()) await this.#writeNext();
  }

  async finish(): Promise<StoredChildren> {
    await (this.#listed ??= this.#readExisting());
    while (this.#pending.length > 0) await this.#writeNext();
    return { children: this.#taken.size, existing: this.#existing, digest: this.#digest.toString() };
  }

  /** Of an item that was expanded before, batches may have been deleted: what lies behind a gap has to be known as well. */
  async #readExisting(): Promise<void> {
    const { level, path, store, isRepeated } = this.#options;
    if (!isRepeated) return;
    const prefix = childrenPrefix(level, path);
    for await (const page of store.list(prefix))
      for (const { key } of page) {
        const number = Number(key.slice(prefix.length).replace(/\.json$/, ''));
        if (key === this.#keyOf(number)) await this.#take(number);
      }
  }

  #keyOf(number: number): string {
    return itemKey(this.#next, batchPath(this.#options.path, number));
  }

  #isFull(): boolean {
    return this.#nextBatch().isFull;
  }

  /** How many of the pending children the next batch takes. */
  #nextBatch(): { count: number; isFull: boolean } {
    let bytes = 0;
    for (const [count, child] of this.#pending.entries()) {
      bytes += child.bytes;
      if (count > 0 && bytes > this.#options.maxBatchBytes) return { count, isFull: true };
      if (count + 1 >= this.#next.batch) return { count: count + 1, isFull: true };
    }
    return { count: this.#pending.length, isFull: bytes >= this.#options.maxBatchBytes };
  }

  async #writeNext(): Promise<void> {
    const { store, metadata, onWrite } = this.#options;
    while (this.#taken.has(this.#number)) this.#number += 1;
    if (this.#number >= mostBatches)
      throw new ItemError(
        'TOO_MANY_CHILDREN',
        `The item needs more than ${mostBatches} batches; raise its level's batch.`,
      );
    onWrite(this.#taken.size);
    const { count } = this.#nextBatch();
    const children = this.#pending.slice(0, count);
    const number = this.#number;
    const body = batchBody(children.map(({ element }) => element));
    if ((await store.create(this.#keyOf(number), body, batchMetadata(count, metadata()))) === 'exists') {
      await this.#take(number);
      return;
    }
    this.#pending = this.#pending.slice(count);
    this.#add(number);
  }

  #add(number: number): void {
    this.#taken.add(number);
    this.#digest.add(this.#keyOf(number));
  }

  /** The number is taken: what is in its batch is no longer pending. */
  async #take(number: number): Promise<void> {
    const { store, path, maxItemBytes, maxBatchBytes } = this.#options;
    const key = this.#keyOf(number);
    this.#add(number);
    this.#existing += 1;
    try {
      const object = await store.get(key, maxItemBytes + 2 * maxBatchBytes);
      if (object === undefined) return; // Deleted meanwhile; the census will miss it.
      for (const { id } of parseBatch(path.ids, key, object.body)) this.#known.add(id);
    } catch (error) {
      if (!(error instanceof ItemError)) throw error; // It is no batch, and fails on its own.
    }
    this.#pending = this.#pending.filter(({ id }) => !this.#known.has(id));
  }
}
