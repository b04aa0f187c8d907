/** What DuckDB reads from a published table is what the API served, value by value. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { checkedChain } from '../../../../shared/engine/chain/chain-problems.ts';
import type { TableSpec } from '../../../../shared/engine/chain/table-spec.ts';
import { openJudge, type Judge } from '../../../tables/duckdb.ts';
import { PublishWorld } from '../../../tables/publish-world.ts';

const chainWith = (table: Partial<TableSpec> = {}) =>
  checkedChain({
    levels: [
      { name: 'shops', children: 'many', id: 'shop' },
      { name: 'sales', children: 'one', table: { name: 'sales', columns: [], raw: true, ...table } },
    ],
  });

const judges: Judge[] = [];
afterEach(() => {
  for (const judge of judges.splice(0)) judge.close();
});

/** @param answers by shop @returns the table's rows, in the order of the shops */
async function published(
  answers: Readonly<Record<string, string>>,
  table: Partial<TableSpec> = {},
  limits: { maxObjects?: number } = {},
): Promise<{ rows: Record<string, unknown>[]; types: Record<string, unknown>; world: PublishWorld; judge: Judge }> {
  const world = new PublishWorld(chainWith(table), limits);
  for (const [shop, json] of Object.entries(answers)) await world.result('r1', [shop], json);
  world.complete('r1');
  await world.publish('r1');
  expect(world.letters).toEqual([]);
  const judge = await openJudge(world.tables());
  judges.push(judge);
  const from = `from read_parquet('$DIR/tables/sales/run=r1/part-*.parquet', hive_partitioning=true)`;
  const rows = await judge.query(`select * ${from} order by shop`);
  const described = await judge.query(`describe select * ${from}`);
  const types: Record<string, unknown> = Object.fromEntries(
    described.map((row) => [String(row['column_name']), row['column_type']]),
  );
  return { rows, types, world, judge };
}

describe('the type of a column', () => {
  test.each([
    ['booleans and nulls', ['true', 'false', 'null'], 'BOOLEAN', [true, false, null]],
    [
      'whole numbers',
      ['1', '-9223372036854775808', '9223372036854775807'],
      'BIGINT',
      [1n, -(2n ** 63n), 2n ** 63n - 1n],
    ],
    ['numbers that a double holds', ['1.5', '1e3', '-0.1'], 'DOUBLE', [1.5, 1000, -0.1]],
    ['whole numbers and others', ['1', '2.50', 'null'], 'DOUBLE', [1, 2.5, null]],
    ['texts', ['"a"', '"😀 \\u00e9\\n\\"/\\\\"', '""'], 'VARCHAR', ['a', '😀 é\n"/\\', '']],
    [
      '2^63, which int64 does not hold',
      ['1', '9223372036854775808', '2'],
      'VARCHAR',
      ['1', '9223372036854775808', '2'],
    ],
    ['1e400, which no double holds', ['1.5', '1e400', 'null'], 'VARCHAR', ['1.5', '1e400', null]],
    [
      'more digits than a double has',
      ['0.1', '0.12345678901234567890', '1'],
      'VARCHAR',
      ['0.1', '0.12345678901234567890', '1'],
    ],
    [
      'whole numbers beyond 2^53 next to fractions',
      ['0.5', '9007199254740993', '1'],
      'VARCHAR',
      ['0.5', '9007199254740993', '1'],
    ],
    ['numbers and texts', ['1', '"1"', '1.0'], 'VARCHAR', ['1', '"1"', '1.0']],
    ['lists and objects', ['[1, 2.0]', '{"a": 1e400}', 'null'], 'VARCHAR', ['[1, 2.0]', '{"a": 1e400}', null]],
    [
      'half a surrogate pair, which UTF-8 does not hold',
      ['"\\ud800"', '"a"', 'null'],
      'VARCHAR',
      ['"\\ud800"', '"a"', null],
    ],
    ['nulls alone', ['null', 'null', 'null'], 'VARCHAR', [null, null, null]],
  ])('%s', async (_, values, type, expected) => {
    const [a = '', b = '', c = ''] = values;
    const { rows, types } = await published({ a: `{"v":${a}}`, b: `{"v":${b}}`, c: `{"v":${c}}` });
    expect(types['v']).toBe(type);
    expect(rows.map(({ v }) => v)).toEqual(expected);
  });

  test('minus zero keeps its sign', async () => {
    const { rows, types } = await published({ a: '{"v":0.0}', b: '{"v":-0.0}', c: '{"v":-0}', d: '{"v":0.5}' });
    expect(types['v']).toBe('DOUBLE');
    expect(rows.map(({ v }) => v)).toEqual([0, -0, -0, 0.5]);
  });
});

test('a row has its ids, its time, a column for each field of any row, and the whole answer as the API wrote it', async () => {
  const answers = { a: '{"size": 1.0, "name":"x"}', b: ' {"price":2} ', 'c/d ü.': '{}' };
  const { rows, types } = await published(answers);
  const fetchedAt = new Date('2026-11-20T10:00:00.123Z');
  expect(Object.keys(types)).toEqual(['shop', 'fetched_at', 'size', 'name', 'price', 'raw', 'run']);
  expect(rows).toEqual([
    { shop: 'a', fetched_at: fetchedAt, size: 1, name: 'x', price: null, raw: '{"size": 1.0, "name":"x"}', run: 'r1' },
    { shop: 'b', fetched_at: fetchedAt, size: null, name: null, price: 2n, raw: '{"price":2}', run: 'r1' },
    { shop: 'c/d ü.', fetched_at: fetchedAt, size: null, name: null, price: null, raw: '{}', run: 'r1' },
  ]);
});

test('without raw, and for answers that are no objects, there is the value', async () => {
  const { rows } = await published({ a: '[1,2]', b: '"text"', c: 'null', d: '{"x":true}' }, { raw: false });
  expect(rows.map(({ value, x }) => [value, x])).toEqual([
    ['[1,2]', null],
    ['"text"', null],
    [null, null],
    [null, true],
  ]);
  expect(rows[0]).not.toHaveProperty('raw');
});

test('names are made safe, and the manifest says what was renamed', async () => {
  const json =
    '{"Größe (m²)":1,"grosse_m2":2,"shop":3,"run":4,"raw":5,"1st":6,"日":7,"A":8,"a":9,"fetched_at":10,"__proto__":11}';
  const { rows, world } = await published({ x: json });
  const manifest = world.store.json('tables/sales/run=r1/_SUCCESS') as { renamed: Record<string, string> };
  const byField = (field: string): unknown => rows[0]?.[manifest.renamed[field] ?? field];
  const fields = ['Größe (m²)', 'grosse_m2', 'shop', 'run', 'raw', '1st', '日', 'A', 'a', 'fetched_at'];
  expect(fields.map(byField).slice(3)).toEqual([4n, 5n, 6n, 7n, 8n, 9n, 10n]);
  expect(Object.keys(rows[0] ?? {}).every((name) => /^[a-z][a-z0-9_]*$/.test(name))).toBe(true);
  expect(manifest.renamed).toMatchObject({ shop: 'shop_2', run: 'run_2', raw: 'raw_2', '1st': 'f_1st', 日: 'field' });
});

test('of two equal names in an answer the last one counts, as for JSON.parse', async () => {
  const { rows } = await published({ a: '{"v":1,"v":2}', b: '{"\\u0076":3}' });
  expect(rows.map(({ v }) => v)).toEqual([2n, 3n]);
});

test('the chain may ask for places below the top, and for timestamps', async () => {
  const columns: TableSpec['columns'] = [
    { name: 'price', path: ['quote', 'prices', 0] },
    { name: 'sold', path: ['sold'], type: 'timestamp' },
    { name: 'bad', path: ['bad'], type: 'timestamp' },
  ];
  const a = '{"quote":{"prices":[1.5,2]},"sold":"2026-02-28T23:00:00.5-02:00","bad":"2026-02-28"}';
  const b = '{"quote":{},"sold":"2026-03-01","bad":"2026-02-30"}';
  const { rows, types } = await published({ a, b, c: '{"sold":null}' }, { columns });
  expect(types).toMatchObject({ price: 'DOUBLE', sold: 'TIMESTAMP', bad: 'VARCHAR', quote: 'VARCHAR' });
  expect(rows.map(({ price, sold, bad }) => [price, sold, bad])).toEqual([
    [1.5, new Date('2026-03-01T01:00:00.5Z'), '2026-02-28'],
    [null, new Date('2026-03-01T00:00:00Z'), '2026-02-30'],
    [null, null, null],
  ]);
  expect(Object.keys(types).filter((name) => name.startsWith('sold'))).toEqual(['sold']);
});

test('a table of several parts has the same columns in each of them', async () => {
  const answers = { a: '{"v":1}', b: '{"v":2}', c: '{"v":"x","w":true}', d: '{"w":null}' };
  const { rows, world, judge } = await published(answers, {}, { maxObjects: 1 });
  expect(rows.map(({ v, w }) => [v, w])).toEqual([
    ['1', null],
    ['2', null],
    ['"x"', true],
    [null, null],
  ]);
  const parts = world.store.keys('tables/').filter((key) => key.endsWith('.parquet'));
  expect(parts).toHaveLength(4);
  const schemas = await Promise.all(
    parts.map(async (key) =>
      (await judge.query(`describe select * from '$DIR/${key}'`)).map(
        (row) => `${String(row['column_name'])} ${String(row['column_type'])}`,
      ),
    ),
  );
  expect(new Set(schemas.map((schema) => schema.join())).size).toBe(1);
});

test('a run without results has a table without rows', async () => {
  const { rows, types } = await published({});
  expect(rows).toEqual([]);
  expect(Object.keys(types)).toEqual(['shop', 'fetched_at', 'raw', 'run']);
});

test('an answer with more fields than a table may have keeps all of them in raw', async () => {
  const fields = Array.from({ length: 1200 }, (_, index) => `"f${index}":${index}`).join();
  const { rows } = await published({ a: `{${fields}}` }, { raw: false });
  expect(Object.keys(rows[0] ?? {})).toHaveLength(1000 + 4);
  expect(rows[0]).toMatchObject({ f999: 999n, raw: `{${fields}}` });
});
