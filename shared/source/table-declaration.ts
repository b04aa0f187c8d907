/** The table of a level, as a source declares it. */
import type { TableSpec } from '../engine/chain/table-spec.ts';
import { isRecord } from './field-checks.ts';
import { parseJsonPath, type JsonPath } from './json-path.ts';

/** A place in the answer; as an object where it holds ISO 8601 times that become timestamps. */
export type ColumnDeclaration = JsonPath | { path: JsonPath; type: 'timestamp' };

export type TableFields = {
  /** Whether it is published as a table. Default: results are, if they are JSON; the items of a list are not. */
  publish?: boolean;
  /** The table's name. Default: the level's. */
  table?: string;
  /** Columns by name, besides those of the fields at the top of the answer. */
  columns?: Readonly<Record<string, ColumnDeclaration>>;
  /** Whether there is a column with the whole answer as JSON text. Default true. */
  raw?: boolean;
};

/** @param isDefault whether it is a table when nothing is said. Fields of a wrong type are left out: they have a line of their own */
export function tableSpec(
  level: string,
  { publish, table, columns, raw }: TableFields,
  isDefault: boolean,
): TableSpec | undefined {
  if (!(typeof publish === 'boolean' ? publish : isDefault)) return undefined;
  const declared = isRecord(columns) ? Object.entries(columns as Record<string, ColumnDeclaration>) : [];
  return {
    name: typeof table === 'string' ? table : level,
    columns: declared.flatMap(([name, column]) => {
      const isObject = isRecord(column);
      const path = isObject ? column['path'] : column;
      const steps = typeof path === 'string' || Array.isArray(path) ? parseJsonPath(path) : undefined;
      return steps === undefined ? [] : [{ name, path: steps, ...(isObject && { type: 'timestamp' as const }) }];
    }),
    raw: typeof raw === 'boolean' ? raw : true,
  };
}
