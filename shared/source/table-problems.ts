/** What is wrong with a level's table as it is declared: found when the chain is packaged. */
import { safeName } from '../engine/publish/columns.ts';
import { isRecord, jsonPath, show, type FieldCheck, type Say } from './field-checks.ts';

const tableName = /^[a-z][a-z0-9_]{0,63}$/;

export const tableFields = {
  publish: { allowed: 'true or false', fits: (value) => typeof value === 'boolean' },
  table: {
    allowed: '1 to 64 of a-z 0-9 _, beginning with a letter',
    fits: (value) => typeof value === 'string' && tableName.test(value),
  },
  columns: { allowed: 'an object such as { price: "quote.price" }', fits: isRecord },
  raw: { allowed: 'true or false', fits: (value) => typeof value === 'boolean' },
} satisfies Record<string, FieldCheck>;

export function tableProblems({ columns }: Readonly<Record<string, unknown>>, say: Say): void {
  if (!isRecord(columns)) return;
  for (const [name, column] of Object.entries(columns)) {
    if (safeName(name) !== name)
      say(`columns.${name}`, `must have a name of a-z 0-9 _, beginning with a letter, e.g. ${safeName(name)}`);
    const isObject = isRecord(column);
    const path = isObject ? column['path'] : column;
    if (!jsonPath.fits(path)) say(`columns.${name}`, `must be ${jsonPath.allowed}, not ${show(path)}`);
    if (
      isObject &&
      (column['type'] !== 'timestamp' || Object.keys(column).some((key) => key !== 'path' && key !== 'type'))
    )
      say(`columns.${name}`, "must be a path, or { path, type: 'timestamp' }");
  }
}
