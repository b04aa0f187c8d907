/** Results and items come in two layouts, and both make the same table. */
import { afterEach, expect, test } from '@jest/globals';
import { checkedChain } from '../../../../shared/engine/chain/chain-problems.ts';
import { openJudge, type Judge } from '../../../tables/duckdb.ts';
import { PublishWorld } from '../../../tables/publish-world.ts';

const table = (name: string) => ({ name, columns: [], raw: true });
const levels = [
  { name: 'shops', children: 'many', id: 'Shop', table: table('shops') },
  { name: 'tills', children: 'many', id: 'till', table: table('tills') },
] as const;
const plain = checkedChain({ levels: [...levels, { name: 'sales', children: 'one', table: table('sales') }] });
/** What batches of items are written as. */
const lines = checkedChain({
  levels: [...levels, { name: 'sales', children: 'one', suffix: '.ndjson', table: table('sales') }],
});

const ids = [
  ['a/b', '1'],
  ['a/b', '..'],
  ['日', "😀 'x'"],
] as const;
const at = '2026-11-20T10:00:00.123Z';
const dataOf = (till: string): string => `{"till":${JSON.stringify(till)},"sum":1.50,"big":1e400}`;
const segment = (id: string): string => encodeURIComponent(id).replaceAll('.', '%2E').replaceAll("'", '%27');

const judges: Judge[] = [];
afterEach(() => {
  for (const judge of judges.splice(0)) judge.close();
});

async function rowsOf(world: PublishWorld, name: string): Promise<Record<string, unknown>[]> {
  const judge = await openJudge(world.tables());
  judges.push(judge);
  return judge.query(`select * from '$DIR/tables/${name}/run=r1/*.parquet' order by all`);
}

async function publishPlain(): Promise<PublishWorld> {
  const world = new PublishWorld(plain);
  const metadata = { 'fetched-at': at };
  for (const shop of new Set(ids.map(([id]) => id)))
    await world.store.put(`shops/r1/${segment(shop)}.json`, `{"id":${JSON.stringify(shop)}}`, metadata);
  for (const [shop, till] of ids) {
    await world.store.put(`tills/r1/${segment(shop)}/${segment(till)}.json`, dataOf(till), metadata);
    await world.result('r1', [shop, till], dataOf(till));
  }
  world.complete('r1');
  await world.publish('r1');
  return world;
}

async function publishLines(): Promise<PublishWorld> {
  const world = new PublishWorld(lines);
  const line = ([shop, till]: readonly [string, string]): string =>
    `{"Shop":${JSON.stringify(shop)},"till":${JSON.stringify(till)},"fetched_at":"${at}","data":${dataOf(till)}}\n`;
  const [first, second, third] = ids;
  await world.store.put(`sales/r1/${segment('a/b')}/00000.ndjson`, line(first), {});
  await world.store.put(`sales/r1/${segment('a/b')}/00000.1.ndjson`, line(second), {});
  await world.store.put(`sales/r1/${segment('日')}/00000.ndjson`, line(third), {});
  // A part that only records what others hold.
  await world.store.put(`sales/r1/${segment('日')}/00000.1.ndjson`, '', {});
  const batch = (of: readonly (readonly [string, string])[]): string =>
    `[${of.map(([shop, till]) => `{"ids":${JSON.stringify([shop, till])},"item":${dataOf(till)}}`).join(',\n')}]`;
  const metadata = { 'fetched-at': at, items: '2' };
  await world.store.put(`tills/r1/${segment('a/b')}/00000.json`, batch([first, second]), metadata);
  await world.store.put(`tills/r1/${segment('日')}/00000.json`, batch([third]), { ...metadata, items: '1' });
  world.complete('r1');
  await world.publish('r1');
  return world;
}

test('one object a result, or lines: the rows are the same, digits and hostile ids included', async () => {
  const [one, many] = [await publishPlain(), await publishLines()];
  expect([...one.letters, ...many.letters]).toEqual([]);
  const rows = await rowsOf(one, 'sales');
  expect(rows.map(({ shop, till, big, raw }) => [shop, till, big, raw])).toEqual(
    [...ids].sort(([a, b], [c, d]) => (`${a}${b}` < `${c}${d}` ? -1 : 1)).map(([a, b]) => [a, b, '1e400', dataOf(b)]),
  );
  expect(await rowsOf(many, 'sales')).toEqual(rows);
  expect(await rowsOf(many, 'tills')).toEqual(await rowsOf(one, 'tills'));
});

test('a middle level that is asked for is a dimension: a row for each of its items, with the ids above it', async () => {
  const world = await publishPlain();
  const rows = await rowsOf(world, 'shops');
  expect(rows.map(({ shop, id }) => [shop, id])).toEqual([
    ['a/b', 'a/b'],
    ['日', '日'],
  ]);
});

test('a filter on an id reads the row groups that may hold it, and no others', async () => {
  const world = new PublishWorld(lines);
  const shops = Array.from(
    { length: 50 },
    (_, index) => `shop-with-a-long-common-beginning-${String(index).padStart(3, '0')}`,
  );
  for (const shop of shops) {
    const body = Array.from(
      { length: 1000 },
      (_, till) => `{"Shop":"${shop}","till":"${till}","fetched_at":"${at}","data":{"n":${till}}}\n`,
    ).join('');
    await world.store.put(`sales/r1/${shop}/00000.ndjson`, body, {});
  }
  world.complete('r1');
  await world.publish('r1');
  const judge = await openJudge(world.tables());
  judges.push(judge);
  const file = "'$DIR/tables/sales/run=r1/part-00000.parquet'";
  const groups = await judge.query(
    `select stats_min_value as least, stats_max_value as most, compression from parquet_metadata(${file}) where path_in_schema = 'shop' order by row_group_id`,
  );
  expect(groups).toHaveLength(3);
  const holding = groups.filter(
    ({ least, most }) => String(least) <= String(shops[7]) && String(shops[7]) <= String(most),
  );
  expect(holding).toHaveLength(1);
  expect(new Set(groups.map(({ compression }) => compression))).toEqual(new Set(['ZSTD']));
  const [found] = await judge.query(`select count(*)::int as n from ${file} where shop = '${shops[7] ?? ''}'`);
  expect(found).toEqual({ n: 1000 });
});
