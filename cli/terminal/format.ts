/** Numbers and tables as the commands print them. */

/** `12,345` in every locale. */
export function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

export function seconds(value: number): string {
  return value < 100 ? `${value.toFixed(1)} s` : `${count(value)} s`;
}

/** Small sums need their digits: `$0.0312`, `$1.27`. */
export function dollars(value: number): string {
  return `$${value.toFixed(value < 1 ? 4 : 2)}`;
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/**
 * Rows with aligned columns, two spaces between. Columns whose name begins with `>` are aligned to the right.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const isRight = head.map((name) => name.startsWith('>'));
  const all = [head.map((name) => name.replace(/^>/, '')), ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, column) =>
        isRight[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}

/** A text on one line, cut at this many characters. */
export function oneLine(value: string, most: number): string {
  const line = value.replaceAll(/\s+/g, ' ').trim();
  const characters = Array.from(line);
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : line;
}

/** A time to wait, as roughly as it is known: `45 s`, `12 min`, `3.4 h`. */
export function duration(value: number): string {
  if (value < 100) return `${Math.round(value)} s`;
  return value < 6000 ? `${Math.round(value / 60)} min` : `${(value / 3600).toFixed(1)} h`;
}

/** `12.3 MB`; powers of ten, as S3's prices count. */
export function bytes(value: number): string {
  const [size, unit] = [
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
  ].find(([least]) => value >= Number(least)) ?? [1, 'bytes'];
  return unit === 'bytes' ? plural(value, 'byte') : `${(value / Number(size)).toFixed(1)} ${unit}`;
}
