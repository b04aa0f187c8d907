/** Cuts what a run has of a table into pieces, by a listing alone. */
import type { ObjectStore } from '../ports.ts';
import { KeyDigest } from '../item/key-digest.ts';
import { isOfTable } from './rows.ts';
import type { Table } from './tables.ts';

/** What one piece may have. */
export type PieceLimits = {
  /** Of results: Athena and Spark like files of about a hundred megabytes, and a piece is held in memory. */
  maxBytes: number;
  maxObjects: number;
};

export const pieceLimits: PieceLimits = { maxBytes: 128_000_000, maxObjects: 20_000 };

/** Its key behind `objectsPrefix`, and its size in bytes. */
export type PlannedObject = [name: string, sizeBytes: number];

export function objectsPrefix({ level }: Table, run: string): string {
  return `${level.writes}/${run}/`;
}

/**
 * The pieces of a table, in the listing's order, the same for the same listing. There is always one: a table without rows has its
 * columns.
 * @param digest is given each object's key and ETag
 */
export async function* cutPieces(
  table: Table,
  run: string,
  { maxBytes, maxObjects }: PieceLimits,
  store: Pick<ObjectStore, 'list'>,
  digest = new KeyDigest(),
): AsyncGenerator<PlannedObject[]> {
  const prefix = objectsPrefix(table, run);
  let objects: PlannedObject[] = [];
  let bytes = 0;
  let count = 0;
  for await (const page of store.list(prefix)) {
    for (const { key, eTag, sizeBytes } of page) {
      if (!isOfTable(table, key)) continue;
      digest.add(`${key} ${eTag}`);
      if (objects.length > 0 && (bytes + sizeBytes > maxBytes || objects.length >= maxObjects)) {
        yield objects;
        count += 1;
        objects = [];
        bytes = 0;
      }
      objects.push([key.slice(prefix.length), sizeBytes]);
      bytes += sizeBytes;
    }
  }
  if (objects.length > 0 || count === 0) yield objects;
}
