/**
 * The example, Hermes, from a seed to its tables on a local engine, with hostile ids: what DuckDB reads is what Hermes serves. And
 * what befalls a publication there: lost events, a dead letter and its replay, a run that is completed again.
 */
import { afterEach, expect, test } from '@jest/globals';
import type { LocalAwsOptions } from '../../local-aws/index.ts';
import { publicationKey } from '../../shared/engine/publish/table-keys.ts';
import { callKey } from '../../sources/hermes/fake/call-key.ts';
import type { HermesOptions } from '../../sources/hermes/fake/server.ts';
import { openJudge, type Judge } from '../tables/duckdb.ts';
import { startWorld, type World } from './world.ts';

const worlds: World[] = [];
const judges: Judge[] = [];
afterEach(async () => {
  for (const judge of judges.splice(0)) judge.close();
  for (const world of worlds.splice(0)) await world.stop();
});

async function start(hermes: HermesOptions, options: Partial<LocalAwsOptions> = {}): Promise<World> {
  const world = await startWorld(hermes, options);
  worlds.push(world);
  return world;
}

/** Runs, sweeps, which marks the run complete, and waits until it is published. */
async function complete(world: World, run: string): Promise<void> {
  await world.run(run);
  await sweep(world, run);
}

async function sweep(world: World, run: string, request: object = {}): Promise<unknown> {
  const answer = await world.invoke('sweep', { run, ...request });
  await world.engine.idle();
  return answer;
}

async function judge({ engine }: World): Promise<Judge> {
  const { s3, bucket } = engine;
  const keys = s3.list(bucket, { prefix: 'tables/' }).contents.map(({ key }) => key);
  const opened = await openJudge(keys.map((key) => [key, s3.get(bucket, key).body]));
  judges.push(opened);
  return opened;
}

const status = (world: World, run: string): Promise<unknown> => world.invoke('status', { run });

/** What Hermes serves as results: its ids, and its text. */
function served(world: World): [ids: string, data: string][] {
  return [...world.hermes.tree().walk()]
    .filter(({ kind }) => kind === 'data')
    .map(({ ids, body }): [string, string] => [JSON.stringify(ids), body])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

async function expectTable(world: World, run: string): Promise<void> {
  const { query } = await judge(world);
  const rows = await query(`select * from read_parquet('$DIR/tables/data/run=${run}/*.parquet')`);
  const found = rows.map(({ troop, warrior, group, raw }) => [JSON.stringify([troop, warrior, group]), raw]);
  found.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  expect(found).toEqual(served(world));
  for (const { raw, unit, points, group_2: group, fetched_at: at } of rows) {
    const data = JSON.parse(String(raw)) as { group: string; unit: string };
    expect([group, unit]).toEqual([data.group, data.unit]);
    expect(String(raw)).toContain(`"points":${String(points)}`);
    expect(at).toBeInstanceOf(Date);
  }
}

test('a complete run is published: DuckDB reads what Hermes serves, value by value', async () => {
  const world = await start({ troops: 3, warriors: 4, groups: 5, hostile: true });
  await complete(world, 'r1');
  await expectTable(world, 'r1');
  const rows = served(world).length;
  expect(await status(world, 'r1')).toMatchObject({
    complete: true,
    published: { state: 'published', tables: [{ table: 'data', rows, parts: 1 }] },
  });
  expect([...world.objects('pieces/').keys()]).toEqual([]);
  expect(world.engine.lambda.stats()).toMatchObject({ errors: 0 });
});

test('with publish: false nothing is published', async () => {
  const world = await startWorld({ troops: 1, warriors: 1, groups: 1 }, {}, { publish: 'false' });
  worlds.push(world);
  await complete(world, 'r1');
  expect(await status(world, 'r1')).toMatchObject({ complete: true });
  expect(await status(world, 'r1')).not.toHaveProperty('published');
  expect([...world.objects('tables/').keys()]).toEqual([]);
  expect(world.engine.model.functions.map(({ name }) => name)).not.toContain('s3-cascade-dev-publish');
});

test('a run that grew and was completed again has each of its rows once', async () => {
  const world = await start({ troops: 2, warriors: 2, groups: 2 });
  await complete(world, 'r1');
  const first = world.json(publicationKey('r1'));
  const [troop = ''] = world.hermes.tree().idsAt([0]);
  world.hermes.configure({ overrides: { [callKey('warriors', [troop])]: { children: 3 } } });
  // A seed with another text is a seed to be expanded anew; its troops are there, and one of them is asked for again.
  await world.engine.idle();
  await world.drop('seeds/r1.json', '{ }');
  await world.engine.idle();
  world.engine.s3.delete(world.engine.bucket, `receipts/warriors/r1/${troop}.json`);
  await sweep(world, 'r1', { olderThan: 0 });
  await sweep(world, 'r1', { olderThan: 0 });
  expect(await status(world, 'r1')).toMatchObject({ complete: true, published: { state: 'published' } });
  expect(world.json(publicationKey('r1'))).not.toEqual(first);
  await expectTable(world, 'r1');
});

test('events of S3 that are lost are found by the sweep', async () => {
  let losing = true;
  const isOfPublishing = (key: string): boolean => key.endsWith('/_SUCCESS') || key.startsWith('pieces/');
  const world = await start(
    { troops: 1, warriors: 2, groups: 2 },
    { notificationFaults: { drop: (key) => losing && isOfPublishing(key) } },
  );
  await complete(world, 'r1');
  expect(await status(world, 'r1')).toMatchObject({ published: { state: 'waiting' } });
  // The marker's, and then that of the piece.
  for (let lost = 0; lost < 2; lost += 1) {
    await world.invoke('sweep', { olderThan: 0 });
    await world.engine.idle();
  }
  losing = false;
  expect(await status(world, 'r1')).toMatchObject({ published: { state: 'published' } });
  await expectTable(world, 'r1');
});

test('a result that can not be a row is a dead letter; corrected and replayed, the run is published', async () => {
  const world = await start({ troops: 1, warriors: 1, groups: 2 });
  await world.run('r1');
  const { s3, bucket } = world.engine;
  const key = s3.list(bucket, { prefix: 'data/r1/' }).contents.at(-1)?.key ?? '';
  const { body, headers } = s3.get(bucket, key);
  s3.put(bucket, key, Buffer.from('{"unit":'), { headers });
  await sweep(world, 'r1');
  expect(await status(world, 'r1')).toMatchObject({ published: { state: 'failed', problem: { code: 'NOT_JSON' } } });
  expect(await world.invoke('replay', { level: 'publish_piece', dryRun: true })).toMatchObject({ replayed: 1 });
  s3.put(bucket, key, body, { headers });
  expect(await world.invoke('replay', { level: 'publish_piece' })).toMatchObject({ replayed: 1 });
  await world.engine.idle();
  await expectTable(world, 'r1');
});
