/** The rows that are in an object: one result or item, or the lines of several. The only place that knows both layouts. */
import { decodeSegment, itemPathOf } from '../chain/keys.ts';
import { ItemError } from '../errors.ts';
import type { Metadata } from '../ports.ts';
import { elementsIn, forEachMember, stringOf } from '../json-text.ts';
import type { Table } from './tables.ts';

export type Row = {
  /** Of the object that it is in. */
  key: string;
  /** From the top down. */
  ids: readonly string[];
  /** ISO 8601; undefined when it is not known. */
  fetchedAt: string | undefined;
  /** The API's JSON text. */
  data: string;
};

const linesSuffix = '.ndjson';
/** How an item's object, and a batch of them, say when they were fetched. */
const fetchedAtField = 'fetched-at';
/** Only a batch of items has it. */
const itemsField = 'items';

/** Whether an object under the run's prefix belongs to a table: anything else, such as the success marker, does not. */
export function isOfTable({ level, itemLevel }: Table, key: string): boolean {
  return itemLevel === undefined ? key.endsWith(level.suffix) : itemPathOf(itemLevel, key) !== undefined;
}

/** @throws ItemError `NOT_JSON`, `BAD_RESULT` for what the engine did not write, with the key in the message */
export function rowsIn(table: Table, key: string, object: { body: string; metadata: Metadata }): Row[] {
  try {
    if (table.of === 'results' && table.level.suffix === linesSuffix) return rowsOfLines(table, key, object.body);
    if (table.of === 'items' && object.metadata[itemsField] !== undefined) return rowsOfBatch(table, key, object);
    return [{ key, ids: idsInKey(table, key), fetchedAt: object.metadata[fetchedAtField], data: object.body.trim() }];
  } catch (error) {
    throw ofObject(key, error);
  }
}

/** The same error, with the object's key. */
export function ofObject(key: string, error: unknown): unknown {
  if (!(error instanceof ItemError)) return error;
  const message = `The object ${key} can not become rows of a table: ${error.message}`;
  return new ItemError(error.code, message, { cause: error });
}

function rowsOfLines(table: Table, key: string, body: string): Row[] {
  const rows: Row[] = [];
  for (let from = 0; from < body.length;) {
    const end = body.indexOf('\n', from);
    const line = body.slice(from, end === -1 ? body.length : end);
    from = end === -1 ? body.length : end + 1;
    if (line.trim() !== '') rows.push(rowOfLine(table, key, line));
  }
  return rows;
}

/** `{"<id>":…,"fetched_at":"…","data":…}` */
function rowOfLine(table: Table, key: string, line: string): Row {
  const texts = new Map<string, string>();
  forEachMember(line, (name, value) => texts.set(name, value));
  const data = texts.get('data');
  if (data === undefined) throw new ItemError('BAD_RESULT', `This line has no data: ${line.slice(0, 80)}`);
  const fetchedAt = texts.get('fetched_at');
  return {
    key,
    ids: table.ids.map((name) => stringIn(texts.get(name), `This line has no ${name}: ${line.slice(0, 80)}`)),
    fetchedAt: fetchedAt === undefined ? undefined : stringIn(fetchedAt, 'fetched_at is no text'),
    data,
  };
}

/** `[{"ids":[…],"item":…},…]` */
function rowsOfBatch(table: Table, key: string, { body, metadata }: { body: string; metadata: Metadata }): Row[] {
  return [...elementsIn(body)].map((element) => {
    const texts = new Map<string, string>();
    forEachMember(element, (name, value) => texts.set(name, value));
    const [ids, data] = [texts.get('ids'), texts.get('item')];
    if (ids === undefined || data === undefined)
      throw new ItemError('BAD_RESULT', `This is no item: ${element.slice(0, 80)}`);
    const list = [...elementsIn(ids)].map((id) => stringIn(id, `These are no ids: ${ids.slice(0, 80)}`));
    if (list.length !== table.ids.length)
      throw new ItemError('BAD_RESULT', `These are not ${table.ids.length} ids: ${ids.slice(0, 80)}`);
    return { key, ids: list, fetchedAt: metadata[fetchedAtField], data };
  });
}

function stringIn(text: string | undefined, problem: string): string {
  if (text?.startsWith('"') !== true) throw new ItemError('BAD_RESULT', problem);
  return stringOf(text);
}

/** `<prefix>/<run>/<id>/…/<id><suffix>`: the ids are between the run and the suffix. */
function idsInKey({ level, of, ids }: Table, key: string): string[] {
  const suffix = of === 'results' ? level.suffix : '.json';
  const segments = key
    .slice(level.writes.length + 1, -suffix.length)
    .split('/')
    .slice(1);
  const found = segments.map((segment) => decodeSegment(segment) ?? refuseKey(key));
  return found.length === ids.length ? found : refuseKey(key);
}

function refuseKey(key: string): never {
  throw new ItemError('BAD_RESULT', `its key ${key} does not hold the ids of a result.`);
}
