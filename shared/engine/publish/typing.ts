/**
 * The columns of a table that has several parts: all rows are looked at before the first part is written, so that no part can
 * change a column's type. What each piece has shown is kept, so that a second attempt goes on where the first one stopped.
 */
import type { ObjectStore } from '../ports.ts';
import { columnsOf, mergeSeen, SeenRows, type Column, type EarlierTypes, type Seen } from './columns.ts';
import { readInOrder, type Reading } from './ordered-reads.ts';
import { objectsPrefix, type PlannedObject } from './plan.ts';
import { rowsIn } from './rows.ts';
import { seenKey } from './table-keys.ts';
import type { Table } from './tables.ts';

const maxSeenBytes = 5_000_000;

type Typing = {
  table: Table;
  run: string;
  publication: string;
  pieces: AsyncIterable<readonly PlannedObject[]>;
  earlier: EarlierTypes;
};

/** @throws ItemError for a result that is none; TransientError `OUT_OF_TIME`; what the store throws */
export async function typeTable(
  { table, run, publication, pieces, earlier }: Typing,
  deps: Reading & { store: ObjectStore },
): Promise<Column[]> {
  const all: Seen[] = [];
  for await (const objects of pieces) {
    const key = seenKey(run, publication, table.name, all.length);
    let seen = await readSeen(key, deps.store);
    if (seen === undefined) {
      seen = await lookAt(table, run, objects, deps);
      await deps.store.put(key, JSON.stringify(seen), {});
    }
    all.push(seen);
  }
  return columnsOf(table, mergeSeen(all), earlier);
}

async function lookAt(table: Table, run: string, objects: readonly PlannedObject[], deps: Reading): Promise<Seen> {
  const rows = new SeenRows(table);
  for await (const { key, object } of readInOrder(objectsPrefix(table, run), objects, deps))
    for (const row of rowsIn(table, key, object)) rows.add(row);
  return rows.seen();
}

async function readSeen(key: string, store: Pick<ObjectStore, 'get'>): Promise<Seen | undefined> {
  const object = await store.get(key, maxSeenBytes);
  if (object === undefined) return undefined;
  try {
    const seen = JSON.parse(object.body) as Partial<Seen> | null;
    const isSeen = Array.isArray(seen?.fields) && Array.isArray(seen.declared) && Number.isInteger(seen.value);
    return isSeen ? (seen as Seen) : undefined;
  } catch {
    return undefined;
  }
}
