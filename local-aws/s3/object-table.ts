/**
 * The rows of stored objects, the conditions of a write, and the one place where an object comes to be, which is also
 * the one place that tells the listener of it. How a body arrived (one request, a copy, parts) is not known here.
 */
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '../database.ts';
import type { Checksum } from './checksum.ts';
import { noSuchBucket, noSuchKey, preconditionFailed, S3Error } from './errors.ts';

export type ObjectCreatedName = 'ObjectCreated:Put' | 'ObjectCreated:Copy' | 'ObjectCreated:CompleteMultipartUpload';

export interface ObjectCreated {
  bucket: string;
  key: string;
  sizeBytes: number;
  /** Without quotes. */
  eTag: string;
  eventName: ObjectCreatedName;
  eventTimeMs: number;
  /** What the writer said of it, user metadata as `x-amz-meta-…` included. */
  headers: ObjectHeaders;
  /** Hex of a fixed width: of two events for one key, the later one compares greater. */
  sequencer: string;
}

/** Header name (lower case) to value: what the writer said and every reader gets back, user metadata included. */
export type ObjectHeaders = Record<string, string>;

export interface WriteConditions {
  /** Only `*` means anything to S3 here: write if there is no such object. */
  ifNoneMatch?: string | undefined;
  /** Write only over an object with this ETag (quotes optional). */
  ifMatch?: string | undefined;
}

export interface StoredObject {
  key: string;
  sizeBytes: number;
  eTag: string;
  lastModifiedMs: number;
  headers: ObjectHeaders;
  checksum: Checksum | undefined;
  bodyId: number;
}

export interface NewObject {
  bucket: string;
  key: string;
  body: Uint8Array;
  eTag: string;
  headers: ObjectHeaders;
  checksum: Checksum | undefined;
  eventName: ObjectCreatedName;
}

export interface ObjectTableOptions {
  now: () => number;
  onObjectCreated: (created: ObjectCreated) => void;
}

/** "Creating object key names": at most 1,024 bytes of UTF-8. */
const maxKeyBytes = 1_024;

export class ObjectTable {
  readonly #db: DatabaseSync;
  readonly #options: ObjectTableOptions;
  readonly #sql;

  constructor(db: DatabaseSync, options: ObjectTableOptions) {
    this.#db = db;
    this.#options = options;
    this.#sql = {
      bucket: db.prepare('SELECT id FROM s3_buckets WHERE name = ?'),
      find: db.prepare(
        `SELECT size_bytes, e_tag, modified_ms, headers, checksum, body_id
         FROM s3_objects WHERE bucket_id = ? AND key = ?`,
      ),
      identity: db.prepare('SELECT e_tag, body_id FROM s3_objects WHERE bucket_id = ? AND key = ?'),
      insertBody: db.prepare('INSERT INTO s3_bodies (bytes) VALUES (?)'),
      deleteBody: db.prepare('DELETE FROM s3_bodies WHERE id = ?'),
      body: db.prepare('SELECT bytes FROM s3_bodies WHERE id = ?'),
      bodySlice: db.prepare('SELECT substr(bytes, ?, ?) AS bytes FROM s3_bodies WHERE id = ?'),
      write: db.prepare(
        `INSERT OR REPLACE INTO s3_objects (bucket_id, key, size_bytes, e_tag, modified_ms, headers, checksum, body_id)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
      remove: db.prepare('DELETE FROM s3_objects WHERE bucket_id = ? AND key = ?'),
      sequence: db.prepare('UPDATE s3_sequence SET value = value + 1 RETURNING value'),
    };
  }

  /** Throws NoSuchBucket. */
  bucketId(bucket: string): number {
    const row = this.#sql.bucket.get(bucket);
    if (row === undefined) throw noSuchBucket(bucket);
    return row.id as number;
  }

  find(bucketId: number, key: string): StoredObject | undefined {
    checkKey(key);
    const row = this.#sql.find.get(bucketId, key);
    if (row === undefined) return undefined;
    return {
      key,
      sizeBytes: row.size_bytes as number,
      eTag: row.e_tag as string,
      lastModifiedMs: row.modified_ms as number,
      headers: JSON.parse(row.headers as string) as ObjectHeaders,
      checksum: row.checksum === null ? undefined : (JSON.parse(row.checksum as string) as Checksum),
      bodyId: row.body_id as number,
    };
  }

  /** Stores the object, and tells the listener within the same transaction. Throws PreconditionFailed and tells nothing. */
  write(object: NewObject, conditions: WriteConditions = {}): StoredObject {
    checkKey(object.key);
    return inTransaction(this.#db, () => {
      const bucketId = this.bucketId(object.bucket);
      const existing = this.#checkConditions(bucketId, object.key, conditions);
      const eventTimeMs = this.#options.now();
      const bodyId = this.insertBody(object.body);
      const sizeBytes = object.body.byteLength;
      const { key, eTag, headers, checksum } = object;
      const headersJson = JSON.stringify(headers);
      const checksumJson = checksum === undefined ? null : JSON.stringify(checksum);
      this.#sql.write.run(bucketId, key, sizeBytes, eTag, eventTimeMs, headersJson, checksumJson, bodyId);
      if (existing !== undefined) this.#sql.deleteBody.run(existing.bodyId);
      this.#options.onObjectCreated({
        bucket: object.bucket,
        key,
        sizeBytes,
        eTag,
        eventName: object.eventName,
        eventTimeMs,
        headers,
        sequencer: this.#nextSequencer(),
      });
      return { key, sizeBytes, eTag, lastModifiedMs: eventTimeMs, headers, checksum, bodyId };
    });
  }

  /** Whether there was such an object. Throws PreconditionFailed when `ifMatch` names another version of it. */
  remove(bucketId: number, key: string, ifMatch?: string): boolean {
    checkKey(key);
    return inTransaction(this.#db, () => {
      const existing = this.#checkConditions(bucketId, key, { ifMatch });
      if (existing === undefined) return false;
      this.#sql.remove.run(bucketId, key);
      this.#sql.deleteBody.run(existing.bodyId);
      return true;
    });
  }

  insertBody(bytes: Uint8Array): number {
    return Number(this.#sql.insertBody.run(bytes).lastInsertRowid);
  }

  deleteBody(bodyId: number): void {
    this.#sql.deleteBody.run(bodyId);
  }

  readBody(bodyId: number, slice?: { firstByte: number; sizeBytes: number }): Uint8Array {
    const row =
      slice === undefined
        ? this.#sql.body.get(bodyId)
        : this.#sql.bodySlice.get(slice.firstByte + 1, slice.sizeBytes, bodyId);
    if (row === undefined) throw new S3Error('InternalError', `The database has lost body ${bodyId}`);
    return row.bytes as Uint8Array;
  }

  #checkConditions(
    bucketId: number,
    key: string,
    { ifNoneMatch, ifMatch }: WriteConditions,
  ): { eTag: string; bodyId: number } | undefined {
    if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
      throw new S3Error('NotImplemented', 'If-None-Match on a write can only be *', { Header: 'If-None-Match' });
    }
    const row = this.#sql.identity.get(bucketId, key);
    const existing = row && { eTag: row.e_tag as string, bodyId: row.body_id as number };
    if (ifNoneMatch !== undefined && existing !== undefined) throw preconditionFailed('If-None-Match');
    if (ifMatch !== undefined) {
      if (existing === undefined) throw noSuchKey(key);
      if (ifMatch !== '*' && withoutQuotes(ifMatch) !== existing.eTag) throw preconditionFailed('If-Match');
    }
    return existing;
  }

  /** Counted in the database, so that it grows across restarts, and whatever the clock does. */
  #nextSequencer(): string {
    const value = this.#sql.sequence.get()?.value as number;
    return value.toString(16).toUpperCase().padStart(16, '0');
  }
}

export function withoutQuotes(eTag: string): string {
  return eTag.replace(/^"(.*)"$/, '$1');
}

export function checkKey(key: string): void {
  const sizeBytes = Buffer.byteLength(key);
  if (sizeBytes > maxKeyBytes) {
    throw new S3Error('KeyTooLongError', 'Your key is too long', {
      Size: String(sizeBytes),
      MaxSizeAllowed: String(maxKeyBytes),
    });
  }
}
