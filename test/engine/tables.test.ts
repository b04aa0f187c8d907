/**
 * A whole run from an API with hostile ids and every kind of value to its tables: DuckDB reads what the API serves, value by value.
 * `TABLE_ROWS=64000 npm test -- test/engine/tables` does the same with a run of 64,021 calls.
 */
import { afterEach, expect, test } from '@jest/globals';
import { openJudge, type Judge } from '../tables/duckdb.ts';
import { differences, hostileRow, hostileTypes } from '../tables/hostile-rows.ts';
import { startNeutralWorld, type Call, type NeutralWorld, type Reply } from './neutral-world.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const count = Number(process.env['TABLE_ROWS'] ?? 1_000);
const books = 20;

/** Entry i is in book i % 20. */
function ledgers({ path, query }: Call): Reply | undefined {
  const asked = new URLSearchParams(query);
  const book = Number(asked.get('book'));
  if (path === '/books') return json(Array.from({ length: books }, (_, at) => ({ id: String(at) })));
  if (path === '/entries') {
    const entries: string[] = [];
    for (let number = book; number < count; number += books) {
      const { id, text } = hostileRow(number);
      entries.push(`{"id":${JSON.stringify(id)},"facts":${text}}`);
    }
    return { body: `[${entries.join(',')}]` };
  }
  const entry = asked.get('entry') ?? '';
  const number = Number(/-(\d+)$/.exec(entry)?.[1]);
  const { id, text } = hostileRow(number);
  return path === '/facts' && id === entry && number % books === book ? { body: text } : undefined;
}

const json = (value: unknown): Reply => ({ body: JSON.stringify(value) });

async function judge({ engine: { s3, bucket } }: NeutralWorld): Promise<Judge> {
  const keys = s3.list(bucket, { prefix: 'tables/' }).contents.map(({ key }) => key);
  const opened = await openJudge(keys.map((key) => [key, s3.get(bucket, key).body]));
  closing.push(() => opened.close());
  return opened;
}

test(
  'DuckDB reads from a run’s tables what the API serves, value by value: hostile ids, null, 2^63, 1e400, emoji, nested and mixed values',
  async () => {
    const world = await startNeutralWorld('ledgers');
    closing.push(() => world.stop());
    world.api.answer(ledgers);
    await world.run('r1');
    await world.invoke('sweep', { run: 'r1' });
    await world.engine.idle();
    expect(await world.invoke('status', { run: 'r1' })).toMatchObject({
      complete: true,
      published: {
        state: 'published',
        tables: [
          { table: 'entries', rows: count },
          { table: 'facts', rows: count },
        ],
      },
    });
    expect(world.api.calls).toHaveLength(1 + books + count);

    const { query, rows } = await judge(world);
    const facts = `read_parquet('$DIR/tables/facts/run=r1/*.parquet')`;
    const types = await query(`describe select * from ${facts}`);
    const found = new Map(types.map(({ column_name: name, column_type: type }) => [String(name), type]));
    expect([...found.keys()].slice(0, 3)).toEqual(['book', 'entry', 'fetched_at']);
    for (const [name, type] of Object.entries(hostileTypes)) expect([name, found.get(name)]).toEqual([name, type]);
    expect(await differences(rows(`select * from ${facts}`), { idColumn: 'entry', count })).toEqual([]);

    // The entries, as a dimension: what the list said of each.
    const entries = await query(`select count(*)::int as n, count(distinct entry)::int as ids
      from read_parquet('$DIR/tables/entries/run=r1/*.parquet') e
      join ${facts} f using (book, entry) where e.facts = f.raw`);
    expect(entries).toEqual([{ n: count, ids: count }]);
  },
  30_000 + count * 60,
);
