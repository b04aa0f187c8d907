/**
 * Answers that are hard to keep, made by number, and what a table has to hold of each: ids of every script, null, 2^63, 1e400,
 * emoji, nested values, a field that is a number in one row and a text in another. The expectation is written down next to the
 * answer, and not derived by code of the product.
 */

const hostileIds = [
  ...['plain', 'a/b', '../../etc/passwd', '%2E%2e', 'a+b c', 'run=r1', '_SUCCESS', "quo'te", 'quo"te', 'back\\slash'],
  ...['line\nbreak\ttab', '数据组', '\u0645\u0631\u062d\u0628\u0627\u202eabc', '🏹', 'e\u0301', 'null', '00000.json'],
];

export type HostileRow = {
  id: string;
  /** The API's JSON text. */
  text: string;
  /** By column: as DuckDB's JavaScript API gives the cell. */
  cells: Readonly<Record<string, unknown>>;
};

const int64 = (value: number): bigint => BigInt(value);

/** @param padding characters of a field that makes the answer as large as is wanted */
export function hostileRow(number: number, padding = 0): HostileRow {
  const id = `${hostileIds[number % hostileIds.length] ?? ''}-${number}`;
  const kept = number % 100;
  const big = number % 5 === 0 ? '9223372036854775808' : String(number);
  const huge = number % 7 === 0 ? '1e400' : `${number}.5`;
  const long = number % 2 === 0 ? '9223372036854775807' : '-9223372036854775808';
  const mixed = ['1.50', '"one"', 'null', 'true', '[1, 2]', '{"a": "\\ud83c\\udff9"}'][number % 6] ?? '';
  const nested = `{"list":[${number},{"deep":null}],"empty":{}, "text":"a\\nb"}`;
  const note = number % 3 === 0 ? 'null' : '"caf\\u00e9 🏹 \\"quoted\\""';
  const flag = number % 4 === 0 ? 'null' : String(number % 4 === 1);
  const odd = number % 10 === 0 ? ', "Größe (m²)": 1' : '';
  const text =
    `{"seq": ${number}, "price":${kept}.25,"big":${big},"huge":${huge},"long":${long},"mixed":${mixed},` +
    `"nested":${nested},"note":${note},"flag":${flag}${odd}, "pad":"${'x'.repeat(padding)}"}`;
  const cells = {
    seq: int64(number),
    price: kept + 0.25,
    big,
    huge,
    long: number % 2 === 0 ? 2n ** 63n - 1n : -(2n ** 63n),
    mixed: mixed === 'null' ? null : mixed,
    nested,
    note: number % 3 === 0 ? null : 'café 🏹 "quoted"',
    flag: number % 4 === 0 ? null : number % 4 === 1,
    gro_e_m2: number % 10 === 0 ? 1n : null,
    pad: 'x'.repeat(padding),
    raw: text,
  };
  return { id, text, cells };
}

/** With enough rows each column has all of its kinds, and this type in DuckDB. */
export const hostileTypes: Readonly<Record<string, string>> = {
  ...{ seq: 'BIGINT', price: 'DOUBLE', big: 'VARCHAR', huge: 'VARCHAR', long: 'BIGINT', mixed: 'VARCHAR' },
  ...{ nested: 'VARCHAR', note: 'VARCHAR', flag: 'BOOLEAN', gro_e_m2: 'BIGINT', pad: 'VARCHAR', raw: 'VARCHAR' },
};

/**
 * Compares rows with what was served, each cell by `Object.is`.
 * @param idColumn whose value a row's `id` is
 * @param count the rows that there have to be: those with the numbers 0 to count - 1
 * @returns what differs, one line for each cell, at most ten; empty when all is the same
 */
export async function differences(
  rows: AsyncIterable<Readonly<Record<string, unknown>>>,
  { idColumn, count, padding = 0 }: { idColumn: string; count: number; padding?: number },
): Promise<string[]> {
  const wrong: string[] = [];
  const seen = new Uint8Array(count);
  for await (const row of rows) {
    const number = Number(row['seq']);
    const served = hostileRow(number, padding);
    if (!(number < count)) wrong.push(`There is a row ${String(row['seq'])}.`);
    else if (seen[number] === 1) wrong.push(`The row ${number} is there twice.`);
    else seen[number] = 1;
    for (const [name, expected] of Object.entries({ ...served.cells, [idColumn]: served.id }))
      if (!Object.is(row[name], expected))
        wrong.push(`Row ${number}, ${name}: ${String(row[name])} is not ${String(expected)}`);
    if (wrong.length >= 10) return wrong;
  }
  const missing = seen.indexOf(0);
  if (missing !== -1) wrong.push(`The row ${missing} is missing.`);
  return wrong;
}
