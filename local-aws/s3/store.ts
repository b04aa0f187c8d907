/**
 * The local S3 as a library: buckets and objects in the engine's database, each call atomic, each answer consistent.
 * HTTP and XML are in request.ts. There are no versions and no ACLs.
 */
import { hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '../database.ts';
import { computeChecksum } from './checksum.ts';
import type { Checksum } from './checksum.ts';
import { noSuchKey, S3Error } from './errors.ts';
import { Listing } from './listing.ts';
import type { ListPage, ListQuery } from './listing.ts';
import { MultipartUploads } from './multipart.ts';
import { ObjectTable } from './object-table.ts';
import type { ObjectCreated, ObjectHeaders, StoredObject, WriteConditions } from './object-table.ts';
import { createS3Tables } from './schema.ts';

export type { ObjectCreated } from './object-table.ts';

export interface S3StoreOptions {
  /** Milliseconds since 1970. */
  now?: () => number;
  /** Called inside the transaction that stores the object: what it writes to the same database is kept with it or not at all. */
  onObjectCreated?: (created: ObjectCreated) => void;
}

export interface Bucket {
  name: string;
  region: string;
  createdMs: number;
}

export interface PutOptions extends WriteConditions {
  headers?: ObjectHeaders;
  checksum?: Checksum | undefined;
}

export interface ObjectAddress {
  bucket: string;
  key: string;
}

export interface CopyOptions extends WriteConditions {
  /** In place of the source's headers; without it they are copied. */
  headers?: ObjectHeaders | undefined;
  checksumAlgorithm?: Checksum['algorithm'] | undefined;
}

export interface ByteRange {
  firstByte: number;
  lastByte: number;
}

/** "Bucket naming rules". */
const bucketName = /^(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
export const defaultRegion = 'us-east-1';

export class S3Store {
  readonly uploads: MultipartUploads;
  readonly #db: DatabaseSync;
  readonly #objects: ObjectTable;
  readonly #listing: Listing;
  readonly #now: () => number;
  readonly #sql;

  constructor(db: DatabaseSync, { now = Date.now, onObjectCreated = () => undefined }: S3StoreOptions = {}) {
    createS3Tables(db);
    this.#db = db;
    this.#now = now;
    this.#objects = new ObjectTable(db, { now, onObjectCreated });
    this.#listing = new Listing(db);
    this.uploads = new MultipartUploads(db, this.#objects, now);
    this.#sql = {
      createBucket: db.prepare('INSERT OR IGNORE INTO s3_buckets (name, region, created_ms) VALUES (?, ?, ?)'),
      bucket: db.prepare('SELECT name, region, created_ms FROM s3_buckets WHERE name = ?'),
      buckets: db.prepare('SELECT name, region, created_ms FROM s3_buckets ORDER BY name'),
      anyObject: db.prepare('SELECT 1 FROM s3_objects WHERE bucket_id = ? LIMIT 1'),
      bucketUploads: db.prepare('SELECT id, key FROM s3_uploads WHERE bucket_id = ?'),
      deleteBucket: db.prepare('DELETE FROM s3_buckets WHERE id = ?'),
    };
  }

  /** Throws InvalidBucketName, and BucketAlreadyOwnedByYou when there is one already. */
  createBucket(name: string, region: string = defaultRegion): void {
    if (!bucketName.test(name)) {
      throw new S3Error('InvalidBucketName', 'The specified bucket is not valid.', { BucketName: name });
    }
    if (this.#sql.createBucket.run(name, region, this.#now()).changes === 0) {
      throw new S3Error(
        'BucketAlreadyOwnedByYou',
        'Your previous request to create the named bucket succeeded and you already own it.',
        { BucketName: name },
      );
    }
  }

  hasBucket(name: string): boolean {
    return this.#sql.bucket.get(name) !== undefined;
  }

  /** Throws NoSuchBucket. */
  bucket(name: string): Bucket {
    this.#objects.bucketId(name);
    const row = this.#sql.bucket.get(name);
    return bucketOf(row ?? {});
  }

  listBuckets(): Bucket[] {
    return this.#sql.buckets.all().map(bucketOf);
  }

  /** Throws BucketNotEmpty. Uploads that were never completed go with it. */
  deleteBucket(name: string): void {
    inTransaction(this.#db, () => {
      const id = this.#objects.bucketId(name);
      if (this.#sql.anyObject.get(id) !== undefined) {
        throw new S3Error('BucketNotEmpty', 'The bucket you tried to delete is not empty', { BucketName: name });
      }
      for (const upload of this.#sql.bucketUploads.all(id)) {
        this.uploads.abort({ bucket: name, key: upload.key as string, uploadId: upload.id as string });
      }
      this.#sql.deleteBucket.run(id);
    });
  }

  /** Throws PreconditionFailed when a condition does not hold; then nothing was written or told. */
  put(bucket: string, key: string, body: Uint8Array, options: PutOptions = {}): StoredObject {
    const { headers = {}, checksum } = options;
    const eTag = hash('md5', body);
    return this.#objects.write({ bucket, key, body, eTag, headers, checksum, eventName: 'ObjectCreated:Put' }, options);
  }

  /** All but the body. Throws NoSuchBucket and NoSuchKey. */
  head(bucket: string, key: string): StoredObject {
    const object = this.#objects.find(this.#objects.bucketId(bucket), key);
    if (object === undefined) throw noSuchKey(key);
    return object;
  }

  /** The bytes of an object that `head` just told of, or those of the range (both ends included, within its size). */
  body(object: StoredObject, range?: ByteRange): Uint8Array {
    if (range === undefined) return this.#objects.readBody(object.bodyId);
    const { firstByte, lastByte } = range;
    return this.#objects.readBody(object.bodyId, { firstByte, sizeBytes: lastByte - firstByte + 1 });
  }

  get(bucket: string, key: string, range?: ByteRange): StoredObject & { body: Uint8Array } {
    const object = this.head(bucket, key);
    return { ...object, body: this.body(object, range) };
  }

  copy(from: ObjectAddress, to: ObjectAddress, options: CopyOptions = {}): StoredObject {
    return inTransaction(this.#db, () => {
      const source = this.get(from.bucket, from.key);
      const algorithm = options.checksumAlgorithm ?? source.checksum?.algorithm;
      return this.#objects.write(
        {
          ...to,
          body: source.body,
          eTag: hash('md5', source.body),
          headers: options.headers ?? source.headers,
          checksum: algorithm && { algorithm, type: 'FULL_OBJECT', value: computeChecksum(algorithm, source.body) },
          eventName: 'ObjectCreated:Copy',
        },
        options,
      );
    });
  }

  /** Deleting what is not there is no error; with `ifMatch` it is. */
  delete(bucket: string, key: string, ifMatch?: string): void {
    this.#objects.remove(this.#objects.bucketId(bucket), key, ifMatch);
  }

  /** Each key by itself, as S3 does: the refusal of one, in its place in the answer, leaves the others deleted. */
  deleteMany(
    bucket: string,
    entries: readonly { key: string; ifMatch?: string | undefined }[],
  ): { key: string; error: S3Error | undefined }[] {
    return inTransaction(this.#db, () => {
      const bucketId = this.#objects.bucketId(bucket);
      return entries.map(({ key, ifMatch }) => {
        try {
          this.#objects.remove(bucketId, key, ifMatch);
          return { key, error: undefined };
        } catch (error) {
          if (error instanceof S3Error) return { key, error };
          throw error;
        }
      });
    });
  }

  list(bucket: string, query: ListQuery = {}): ListPage {
    return this.#listing.page(this.#objects.bucketId(bucket), query);
  }
}

function bucketOf(row: Record<string, unknown>): Bucket {
  return { name: row.name as string, region: row.region as string, createdMs: row.created_ms as number };
}
