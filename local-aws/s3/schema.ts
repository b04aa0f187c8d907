/** The tables of the local S3. Only this folder reads or writes them. */
import type { DatabaseSync } from 'node:sqlite';

/**
 * SQLite compares TEXT by the bytes of its UTF-8, which is S3's listing order, so the primary key is the listing.
 * Bodies are kept apart from the rest: a listing then reads rows of a hundred bytes, not whole objects.
 */
const tables = `
  CREATE TABLE IF NOT EXISTS s3_buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    region TEXT NOT NULL,
    created_ms INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS s3_bodies (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS s3_objects (
    bucket_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    e_tag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    headers TEXT NOT NULL,
    checksum TEXT,
    body_id INTEGER NOT NULL,
    PRIMARY KEY (bucket_id, key)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS s3_uploads (
    id TEXT PRIMARY KEY,
    bucket_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    headers TEXT NOT NULL,
    checksum_algorithm TEXT,
    checksum_type TEXT
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS s3_parts (
    upload_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    e_tag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    checksum TEXT,
    body_id INTEGER NOT NULL,
    PRIMARY KEY (upload_id, number)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS s3_sequence (only INTEGER PRIMARY KEY CHECK (only = 1), value INTEGER NOT NULL);
  INSERT OR IGNORE INTO s3_sequence VALUES (1, 0);
`;

export function createS3Tables(db: DatabaseSync): void {
  db.exec(tables);
}
