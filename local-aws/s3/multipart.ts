/**
 * Multipart uploads, from their creation to the object that they become. Refused are an object above SQLite's limit for
 * one value, and parts that S3 would refuse.
 */
import { hash, randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '../database.ts';
import { compositeChecksum, computeChecksum } from './checksum.ts';
import type { Checksum, ChecksumAlgorithm, ChecksumType } from './checksum.ts';
import { S3Error } from './errors.ts';
import { checkKey, withoutQuotes } from './object-table.ts';
import type { ObjectHeaders, ObjectTable, StoredObject, WriteConditions } from './object-table.ts';

/** "Amazon S3 multipart upload limits". */
const minPartBytes = 5 * 1024 * 1024;
const maxPartNumber = 10_000;
/** SQLITE_MAX_LENGTH. S3's own limit is far above; here an object is one value in memory. */
const maxObjectBytes = 1_000_000_000;

export interface Part {
  number: number;
  sizeBytes: number;
  eTag: string;
  lastModifiedMs: number;
  checksum: Checksum | undefined;
}

export interface UploadChecksum {
  algorithm: ChecksumAlgorithm;
  type: ChecksumType;
}

/** What the client says the object consists of; a checksum in it must be the one that the part has. */
export interface CompletedPart {
  number: number;
  eTag: string;
  checksum?: string | undefined;
}

export interface UploadAddress {
  bucket: string;
  key: string;
  uploadId: string;
}

export interface CompleteOptions extends WriteConditions {
  /** Throw BadDigest unless the object's checksum is this one. */
  expectedChecksum?: string | undefined;
}

interface Upload {
  headers: ObjectHeaders;
  checksum: UploadChecksum | undefined;
}

export class MultipartUploads {
  readonly #db: DatabaseSync;
  readonly #objects: ObjectTable;
  readonly #now: () => number;
  readonly #sql;

  constructor(db: DatabaseSync, objects: ObjectTable, now: () => number) {
    this.#db = db;
    this.#objects = objects;
    this.#now = now;
    this.#sql = {
      create: db.prepare('INSERT INTO s3_uploads VALUES (?, ?, ?, ?, ?, ?)'),
      find: db.prepare('SELECT * FROM s3_uploads WHERE id = ? AND bucket_id = ? AND key = ?'),
      remove: db.prepare('DELETE FROM s3_uploads WHERE id = ?'),
      putPart: db.prepare('INSERT OR REPLACE INTO s3_parts VALUES (?, ?, ?, ?, ?, ?, ?)'),
      partBody: db.prepare('SELECT body_id FROM s3_parts WHERE upload_id = ? AND number = ?'),
      parts: db.prepare('SELECT * FROM s3_parts WHERE upload_id = ? AND number > ? ORDER BY number'),
      removeParts: db.prepare('DELETE FROM s3_parts WHERE upload_id = ?'),
    };
  }

  /** The new upload's id. */
  create(bucket: string, key: string, headers: ObjectHeaders, checksum?: UploadChecksum): string {
    checkKey(key);
    const bucketId = this.#objects.bucketId(bucket);
    const uploadId = randomUUID();
    const { algorithm = null, type = null } = checksum ?? {};
    this.#sql.create.run(uploadId, bucketId, key, JSON.stringify(headers), algorithm, type);
    return uploadId;
  }

  /** A part of a number that is already there replaces it. */
  putPart(address: UploadAddress, number: number, body: Uint8Array, sent?: Checksum): Part {
    if (!Number.isInteger(number) || number < 1 || number > maxPartNumber) {
      throw new S3Error('InvalidArgument', `Part number must be an integer between 1 and ${maxPartNumber}, inclusive`);
    }
    return inTransaction(this.#db, () => {
      const upload = this.#find(address);
      const checksum = sent ?? checksumFor(upload.checksum, body);
      const eTag = hash('md5', body);
      const sizeBytes = body.byteLength;
      const lastModifiedMs = this.#now();
      const replaced = this.#sql.partBody.get(address.uploadId, number);
      if (replaced !== undefined) this.#objects.deleteBody(replaced.body_id as number);
      const checksumJson = checksum === undefined ? null : JSON.stringify(checksum);
      const bodyId = this.#objects.insertBody(body);
      this.#sql.putPart.run(address.uploadId, number, sizeBytes, eTag, lastModifiedMs, checksumJson, bodyId);
      return { number, sizeBytes, eTag, lastModifiedMs, checksum };
    });
  }

  parts(address: UploadAddress, afterNumber = 0): Part[] {
    this.#find(address);
    return this.#parts(address.uploadId, afterNumber);
  }

  /** The object out of those parts, in that order, and the end of the upload; parts left out are thrown away, as S3 does. */
  complete(address: UploadAddress, completed: readonly CompletedPart[], options: CompleteOptions = {}): StoredObject {
    const { bucket, key, uploadId } = address;
    return inTransaction(this.#db, () => {
      const upload = this.#find(address);
      const parts = chosenParts(this.#parts(uploadId, 0), completed);
      const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
      if (sizeBytes > maxObjectBytes) {
        throw new S3Error('EntityTooLarge', `The local S3 stores objects of at most ${maxObjectBytes} bytes`);
      }
      const body = Buffer.concat(parts.map((part) => this.#objects.readBody(part.bodyId)));
      const eTags = parts.map((part) => Buffer.from(part.eTag, 'hex'));
      const checksum = objectChecksum(upload.checksum, parts, body);
      const { expectedChecksum } = options;
      if (expectedChecksum !== undefined && checksum !== undefined && expectedChecksum !== checksum.value) {
        throw new S3Error(
          'BadDigest',
          `The ${checksum.algorithm} you specified did not match the calculated checksum.`,
        );
      }
      const stored = this.#objects.write(
        {
          bucket,
          key,
          body,
          eTag: `${hash('md5', Buffer.concat(eTags))}-${parts.length}`,
          headers: upload.headers,
          checksum,
          eventName: 'ObjectCreated:CompleteMultipartUpload',
        },
        options,
      );
      this.#remove(uploadId);
      return stored;
    });
  }

  abort(address: UploadAddress): void {
    inTransaction(this.#db, () => {
      this.#find(address);
      this.#remove(address.uploadId);
    });
  }

  #remove(uploadId: string): void {
    for (const part of this.#parts(uploadId, 0)) this.#objects.deleteBody(part.bodyId);
    this.#sql.removeParts.run(uploadId);
    this.#sql.remove.run(uploadId);
  }

  #find({ bucket, key, uploadId }: UploadAddress): Upload {
    const row = this.#sql.find.get(uploadId, this.#objects.bucketId(bucket), key);
    if (row === undefined) {
      throw new S3Error(
        'NoSuchUpload',
        'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
        { UploadId: uploadId },
      );
    }
    return {
      headers: JSON.parse(row.headers as string) as ObjectHeaders,
      checksum:
        row.checksum_algorithm === null
          ? undefined
          : { algorithm: row.checksum_algorithm as ChecksumAlgorithm, type: row.checksum_type as ChecksumType },
    };
  }

  #parts(uploadId: string, afterNumber: number): (Part & { bodyId: number })[] {
    return this.#sql.parts.all(uploadId, afterNumber).map((row) => ({
      number: row.number as number,
      sizeBytes: row.size_bytes as number,
      eTag: row.e_tag as string,
      lastModifiedMs: row.modified_ms as number,
      checksum: row.checksum === null ? undefined : (JSON.parse(row.checksum as string) as Checksum),
      bodyId: row.body_id as number,
    }));
  }
}

function chosenParts<P extends Part>(uploaded: readonly P[], completed: readonly CompletedPart[]): P[] {
  const byNumber = new Map(uploaded.map((part) => [part.number, part]));
  if (completed.some(({ number }, index) => number <= (completed[index - 1]?.number ?? 0))) {
    throw new S3Error('InvalidPartOrder', 'The list of parts was not in ascending order.');
  }
  return completed.map(({ number, eTag, checksum }, index) => {
    const part = byNumber.get(number);
    const agrees = part?.eTag === withoutQuotes(eTag) && (checksum === undefined || part.checksum?.value === checksum);
    if (part === undefined || !agrees) {
      throw new S3Error(
        'InvalidPart',
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        { PartNumber: String(number) },
      );
    }
    if (index < completed.length - 1 && part.sizeBytes < minPartBytes) {
      throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
        PartNumber: String(number),
        MinSizeAllowed: String(minPartBytes),
      });
    }
    return part;
  });
}

function checksumFor(wanted: UploadChecksum | undefined, body: Uint8Array): Checksum | undefined {
  if (wanted === undefined) return undefined;
  return { algorithm: wanted.algorithm, type: 'FULL_OBJECT', value: computeChecksum(wanted.algorithm, body) };
}

function objectChecksum(
  wanted: UploadChecksum | undefined,
  parts: readonly Part[],
  body: Uint8Array,
): Checksum | undefined {
  if (wanted?.type !== 'COMPOSITE') return checksumFor(wanted, body);
  const values = parts.map((part) => part.checksum?.value ?? '');
  return { ...wanted, value: compositeChecksum(wanted.algorithm, values) };
}
