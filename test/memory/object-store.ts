/** The bucket in memory: the same port as S3, for tests of the decisions. */
import { ItemError } from '../../shared/engine/errors.ts';
import type { Clock, Listed, Metadata, ObjectStore } from '../../shared/engine/ports.ts';

export type MemoryObject = { body: string; eTag: string; metadata: Metadata; modifiedMs: number };

export class MemoryObjectStore implements ObjectStore {
  readonly objects = new Map<string, MemoryObject>();
  /** The prefix of every page that was listed. */
  readonly lists: string[] = [];
  readonly #clock: Clock | undefined;
  #writes = 0;

  constructor(clock?: Clock) {
    this.#clock = clock;
  }

  /** Puts an object as a person would, outside the port. */
  drop(key: string, body: string): void {
    this.#write(key, body, {});
  }

  json(key: string): unknown {
    const object = this.objects.get(key);
    return object === undefined ? undefined : JSON.parse(object.body);
  }

  keys(prefix = ''): string[] {
    return [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  get(key: string, maxBytes: number): Promise<MemoryObject | undefined> {
    const object = this.objects.get(key);
    if (object !== undefined && Buffer.byteLength(object.body) > maxBytes) {
      return Promise.reject(new ItemError('TOO_LARGE', `The object is larger than ${maxBytes} bytes [key=${key}].`));
    }
    return Promise.resolve(object && { ...object });
  }

  head(key: string): Promise<MemoryObject | undefined> {
    return Promise.resolve(this.objects.get(key));
  }

  create(key: string, body: string, metadata: Metadata): Promise<'created' | 'exists'> {
    if (this.objects.has(key)) return Promise.resolve('exists');
    this.#write(key, body, metadata);
    return Promise.resolve('created');
  }

  async *list(prefix: string): AsyncGenerator<Listed[]> {
    const keys = this.keys(prefix);
    for (let start = 0; start === 0 || start < keys.length; start += 1000) {
      this.lists.push(prefix);
      yield await Promise.resolve(keys.slice(start, start + 1000).flatMap((key) => this.#listed(key)));
    }
  }

  put(key: string, body: string, metadata: Metadata): Promise<void> {
    this.#write(key, body, metadata);
    return Promise.resolve();
  }

  remove(key: string): Promise<void> {
    this.objects.delete(key);
    return Promise.resolve();
  }

  #write(key: string, body: string, metadata: Metadata): void {
    this.#writes += 1;
    this.objects.set(key, { body, metadata, eTag: `etag-${this.#writes}`, modifiedMs: this.#clock?.now() ?? 0 });
  }

  #listed(key: string): Listed[] {
    const object = this.objects.get(key);
    return object === undefined ? [] : [{ key, eTag: object.eTag, modifiedMs: object.modifiedMs }];
  }
}
