/** An answer as a table for people, as CSV, or as JSON. Pure. */
import { table } from '../terminal/format.ts';
import type { Answer } from './duckdb.ts';

const shownRows = 200;
const widestCell = 60;

/** A value as text; lists and structs as DuckDB writes them. */
function textOf(value: Answer['rows'][number][number]): string {
  return value === null ? '' : String(value);
}

export function asTable({ columns, rows }: Answer): string {
  const cells = rows.slice(0, shownRows).map((row) =>
    row.map((value) => {
      const line = value === null ? 'null' : textOf(value).replaceAll(/[\r\n\t]+/g, ' ');
      return line.length > widestCell ? `${line.slice(0, widestCell - 1)}…` : line;
    }),
  );
  const isNumber = columns.map((_, index) =>
    rows.every((row) => row[index] === null || ['number', 'bigint'].includes(typeof row[index])),
  );
  const head = columns.map((name, index) => (isNumber[index] === true ? `>${name}` : name));
  const more = rows.length > shownRows ? [`… of ${rows.length} rows; --csv and --json give all.`] : [];
  return `${[...table(head, cells), ...more].join('\n')}\n`;
}

/** RFC 4180, with a mark that Excel takes for UTF-8. A null and an empty text differ by quotes. */
export function asCsv({ columns, rows }: Answer): string {
  const line = (cells: readonly string[]): string => `${cells.join(',')}\r\n`;
  const quoted = (text: string): string =>
    text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return `\uFEFF${line(columns.map(quoted))}${rows
    .map((row) => line(row.map((value) => (value === null ? '' : quoted(textOf(value))))))
    .join('')}`;
}

/** One object a line. Whole numbers keep their digits. */
export function asJson({ columns, rows }: Answer): string {
  return rows
    .map((row) => {
      const members = row.map((value, index) => `${JSON.stringify(columns[index])}:${jsonOf(value)}`);
      return `{${members.join(',')}}\n`;
    })
    .join('');
}

function jsonOf(value: Answer['rows'][number][number]): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : JSON.stringify(String(value));
  return value === null || typeof value === 'boolean' ? String(value) : JSON.stringify(textOf(value));
}
