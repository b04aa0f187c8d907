/**
 * The columns of a table: the ids, when a row was fetched, what the chain asks for, a column for each field at the top of the
 * answer, and the whole answer. They follow from the kinds of values that were seen, whatever the order of the rows.
 */
import { cellOf, kind, kindOf, microsecondsOf, typeOf, type Cell, type ColumnType } from './cell-kinds.ts';
import { forEachMember, isObjectText, stringOf, textAt } from '../json-text.ts';
import { ofObject, type Row } from './rows.ts';
import type { Table } from './tables.ts';

export type Column = {
  /** Lower-case letters, digits and `_`, as Athena wants it. */
  name: string;
  type: ColumnType;
  /** `id`, `fetched_at`, `declared`, `field`, `value` (an answer that is no object) or `raw`. */
  from: 'id' | 'fetched_at' | 'declared' | 'field' | 'value' | 'raw';
  /** The name of the id or field, or of the column that the chain asks for. */
  source: string;
};

/** What a set of rows has shown: plain data, so that it can be stored and put together with others. */
export type Seen = {
  /** Fields of the answers, in the order in which they came: kinds as bits. */
  fields: [name: string, kinds: number][];
  declared: [name: string, kinds: number][];
  /** Kinds of answers that are no objects. */
  value: number;
  /** An answer was no object, be it null. */
  hasValue: boolean;
  /** Fields beyond the most that are columns. */
  leftOut: number;
};

/** An answer that is a map from ids to values would make a column of each. */
export const mostFields = 1000;

/** Of the run before: a column that could have been a wider type keeps it, so that a table's type does not follow each run's luck. */
export type EarlierTypes = ReadonlyMap<string, ColumnType>;

/** Looks at rows one by one. */
export class SeenRows {
  readonly #table: Table;
  readonly #fields = new Map<string, number>();
  readonly #declared: Map<string, number>;
  #value = 0;
  #hasValue = false;
  readonly #leftOut = new Set<string>();

  constructor(table: Table) {
    this.#table = table;
    this.#declared = new Map(table.columns.map(({ name }) => [name, 0]));
  }

  /** @throws ItemError `NOT_JSON` */
  add(row: Row): void {
    try {
      this.#add(row);
    } catch (error) {
      throw ofObject(row.key, error);
    }
  }

  #add({ data }: Row): void {
    for (const { name, path, type } of this.#table.columns) {
      const text = textAt(data, path);
      if (text === undefined) continue;
      const isUntimely = type === 'timestamp' && text.startsWith('"') && microsecondsOf(stringOf(text)) === undefined;
      const kinds = kindOf(text) | (isUntimely ? kind.untimely : 0);
      this.#declared.set(name, (this.#declared.get(name) ?? 0) | kinds);
    }
    if (isObjectText(data)) forEachMember(data, (name, text) => this.#addField(name, text));
    else {
      this.#hasValue = true;
      this.#value |= kindOf(data.trim());
    }
  }

  #addField(name: string, text: string): void {
    const before = this.#fields.get(name);
    if (before === undefined && this.#fields.size >= mostFields) {
      if (this.#leftOut.size < mostFields) this.#leftOut.add(name);
      return;
    }
    const kinds = (before ?? 0) | kindOf(text);
    if (kinds !== before) this.#fields.set(name, kinds);
  }

  seen(): Seen {
    return {
      fields: [...this.#fields],
      declared: [...this.#declared],
      value: this.#value,
      hasValue: this.#hasValue,
      leftOut: this.#leftOut.size,
    };
  }
}

export function mergeSeen(all: readonly Seen[]): Seen {
  const fields = new Map<string, number>();
  const declared = new Map<string, number>();
  let leftOut = all.reduce((most, seen) => Math.max(most, seen.leftOut), 0);
  for (const seen of all) {
    for (const [name, kinds] of seen.declared) declared.set(name, (declared.get(name) ?? 0) | kinds);
    for (const [name, kinds] of seen.fields) {
      if (fields.has(name) || fields.size < mostFields) fields.set(name, (fields.get(name) ?? 0) | kinds);
      else leftOut += 1;
    }
  }
  const value = all.reduce((bits, seen) => bits | seen.value, 0);
  return { fields: [...fields], declared: [...declared], value, hasValue: all.some((seen) => seen.hasValue), leftOut };
}

/** @param earlier of the same table in the run before */
export function columnsOf(table: Table, seen: Seen, earlier: EarlierTypes = new Map()): Column[] {
  const hasRaw = table.raw || seen.leftOut > 0;
  const names = new Names(['run', 'fetched_at', ...(hasRaw ? ['raw'] : [])]);
  const ids = table.ids.map((source): Column => ({ name: names.take(source), type: 'text', from: 'id', source }));
  const typeOfColumn = (name: string, kinds: number, isTimestamp = false): ColumnType => {
    const before = earlier.get(name);
    const type = typeOf(kinds, isTimestamp);
    if (type === undefined) return before ?? 'text';
    const isOnlyIntegers = (kinds & ~kind.integer) === 0;
    return type === 'int64' && before === 'double' && isOnlyIntegers ? 'double' : type;
  };
  const kindsOf = new Map(seen.declared);
  const declared = table.columns.map(({ name: source, type }): Column => {
    const name = names.take(source);
    return { name, type: typeOfColumn(name, kindsOf.get(source) ?? 0, type === 'timestamp'), from: 'declared', source };
  });
  // A field that the chain asks for under a name of its own, or as a timestamp, is that column.
  const covered = new Set(table.columns.flatMap(({ path }) => (path.length === 1 ? [path[0]] : [])));
  const fields = seen.fields.filter(([source]) => !covered.has(source));
  // Of two fields that come to one name, the same one has it in each run.
  const named = new Map(
    fields
      .map(([source]) => source)
      .sort()
      .map((source) => [source, names.take(source)]),
  );
  const value: Column[] = seen.hasValue
    ? [{ name: names.take('value'), type: 'json', from: 'value', source: 'value' }]
    : [];
  return [
    ...ids,
    { name: 'fetched_at', type: 'timestamp', from: 'fetched_at', source: 'fetched_at' },
    ...declared,
    ...fields.map(([source, kinds]): Column => {
      const name = named.get(source) ?? source;
      return { name, type: typeOfColumn(name, kinds), from: 'field', source };
    }),
    ...value,
    ...(hasRaw ? [{ name: 'raw', type: 'json', from: 'raw', source: 'raw' } as const] : []),
  ];
}

/** Page glue table names: long ones are refused by some readers. */
const longestName = 128;

class Names {
  readonly #taken: Set<string>;

  constructor(reserved: readonly string[]) {
    this.#taken = new Set(reserved);
  }

  take(source: string): string {
    const safe = safeName(source);
    let name = safe;
    for (let number = 2; this.#taken.has(name); number += 1) name = `${safe}_${number}`;
    this.#taken.add(name);
    return name;
  }
}

/** Lower-case letters, digits and `_`, beginning with a letter. */
export function safeName(source: string): string {
  const letters = source
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/\p{M}+/gu, '')
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
    .slice(0, longestName);
  if (letters === '') return 'field';
  return /^[a-z]/.test(letters) ? letters : `f_${letters}`;
}

/** The columns whose name is not that of the field, by that. */
export function renamedIn(columns: readonly Column[]): Record<string, string> {
  return Object.fromEntries(
    columns.filter(({ name, source }) => name !== source).map(({ name, source }) => [source, name]),
  );
}

/**
 * The cells of rows, column by column.
 * @param columns that hold every value of the rows
 */
export function cellsOf(table: Table, columns: readonly Column[], rows: readonly Row[]): Cell[][] {
  const cells = columns.map(() => new Array<Cell>(rows.length).fill(null));
  const at = new Map(columns.flatMap(({ from, source }, index) => (from === 'field' ? [[source, index]] : [])));
  const typeAt = columns.map(({ type }) => type);
  for (const [rowIndex, row] of rows.entries()) {
    for (const [index, column] of columns.entries()) {
      const cell = cellOfColumn(table, column, row);
      if (cell !== undefined && cells[index] !== undefined) cells[index][rowIndex] = cell;
    }
    if (!isObjectText(row.data)) continue;
    forEachMember(row.data, (name, text) => {
      const index = at.get(name);
      const column = index === undefined ? undefined : cells[index];
      if (index !== undefined && column !== undefined) column[rowIndex] = cellOf(text, typeAt[index] ?? 'json');
    });
  }
  return cells;
}

/** @returns undefined for a field's, which all come at once */
function cellOfColumn(table: Table, { from, source, type }: Column, { ids, fetchedAt, data }: Row): Cell | undefined {
  switch (from) {
    case 'id':
      return ids[table.ids.indexOf(source)] ?? null;
    case 'fetched_at':
      return microsecondsOf(fetchedAt ?? '') ?? null;
    case 'raw':
      return data;
    case 'value':
      return isObjectText(data) ? null : cellOf(data.trim(), 'json');
    case 'declared': {
      const path = table.columns.find(({ name }) => name === source)?.path;
      const text = path && textAt(data, path);
      return text === undefined ? null : cellOf(text, type);
    }
    case 'field':
      return undefined;
  }
}
