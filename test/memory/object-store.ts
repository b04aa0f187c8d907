/** The bucket in memory: the same port as S3, for tests of the decisions. */
import { createHash } from 'node:crypto';
import { maxKeyBytes } from '../../shared/engine/chain/keys.ts';
import { ItemError } from '../../shared/engine/errors.ts';
import type { Body, Clock, Listed, Metadata, ObjectStore } from '../../shared/engine/ports.ts';

export type MemoryObject = {
  body: string;
  bytes: Uint8Array;
  contentType: string;
  eTag: string;
  metadata: Metadata;
  modifiedMs: number;
};

const json = 'application/json';

export class MemoryObjectStore implements ObjectStore {
  readonly objects = new Map<string, MemoryObject>();
  /** The prefix of every page that was listed. */
  readonly lists: string[] = [];
  readonly #clock: Clock | undefined;

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

  /** In the order of their bytes, as S3 lists them. */
  keys(prefix = ''): string[] {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix));
    return keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }

  async get(key: string, maxBytes: number): Promise<MemoryObject | undefined> {
    await checkKey(key);
    const object = this.objects.get(key);
    if (object !== undefined && object.bytes.length > maxBytes)
      throw new ItemError('TOO_LARGE', `The object is larger than ${maxBytes} bytes [key=${key}].`);
    return object && { ...object };
  }

  async head(key: string): Promise<MemoryObject | undefined> {
    await checkKey(key);
    return this.objects.get(key);
  }

  async create(key: string, body: Body, metadata: Metadata, contentType = json): Promise<'created' | 'exists'> {
    await checkKey(key);
    if (this.objects.has(key)) return 'exists';
    this.#write(key, body, metadata, contentType);
    return 'created';
  }

  async *list(prefix: string): AsyncGenerator<Listed[]> {
    const keys = this.keys(prefix);
    for (let start = 0; start === 0 || start < keys.length; start += 1000) {
      this.lists.push(prefix);
      yield await Promise.resolve(keys.slice(start, start + 1000).flatMap((key) => this.#listed(key)));
    }
  }

  async put(key: string, body: string, metadata: Metadata): Promise<void> {
    await checkKey(key);
    this.#write(key, body, metadata);
  }

  async replace(
    key: string,
    body: Body,
    metadata: Metadata,
    eTag: string | undefined,
    contentType = json,
  ): Promise<'replaced' | 'changed'> {
    await checkKey(key);
    if (this.objects.get(key)?.eTag !== eTag) return 'changed';
    this.#write(key, body, metadata, contentType);
    return 'replaced';
  }

  remove(key: string): Promise<void> {
    this.objects.delete(key);
    return Promise.resolve();
  }

  #write(key: string, body: Body, metadata: Metadata, contentType = json): void {
    const bytes = Buffer.from(body);
    const eTag = createHash('md5').update(bytes).digest('hex');
    const modifiedMs = this.#clock?.now() ?? 0;
    this.objects.set(key, { body: bytes.toString(), bytes, contentType, eTag, metadata, modifiedMs });
  }

  #listed(key: string): Listed[] {
    const object = this.objects.get(key);
    if (object === undefined) return [];
    return [{ key, eTag: object.eTag, sizeBytes: object.bytes.length, modifiedMs: object.modifiedMs }];
  }
}

/** S3 answers 400 to a longer one: neither an item's fault nor one that may pass. */
async function checkKey(key: string): Promise<void> {
  await Promise.resolve();
  if (Buffer.byteLength(key) > maxKeyBytes)
    throw Object.assign(new Error(`Your key is too long [key=${key.slice(0, 80)}…].`), { name: 'KeyTooLongError' });
}
