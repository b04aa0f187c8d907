/** Whole runs of sources other than the example: parameters, results that are no JSON, and a chain of one level. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { shopsApi, startNeutralWorld, type NeutralWorld } from './neutral-world.ts';

let world: NeutralWorld;

/** What is stored under a key: the bytes, and the type that every reader is told. */
function stored(key: string): { bytes: Uint8Array; contentType: string | undefined } {
  const { body, headers } = world.engine.s3.get(world.engine.bucket, key);
  return { bytes: Buffer.from(body), contentType: headers['content-type'] };
}

const sweep = async (run: string): Promise<unknown> => world.invoke('sweep', { run, olderThan: 0 });

describe('a chain with parameters whose results are CSV', () => {
  beforeAll(async () => {
    world = await startNeutralWorld('shops');
  });
  afterAll(() => world.stop());

  test("gets what the seed sets into each level's path and query", async () => {
    world.api.answer(shopsApi('a', 'b'));
    await world.run('set', { params: { region: 'south/east', from: '2026-11-20T00:00:00Z' }, only: { shop: ['b'] } });
    expect(world.api.calls.map(({ path, query }) => `${path}?${decodeURIComponent(query)}`)).toEqual([
      '/regions/south%2Feast/shops?from=2026-11-20T00:00:00Z',
      '/regions/south%2Feast/shops/b/sales?from=2026-11-20T00:00:00Z',
    ]);
    expect([...world.objects('sales/set/').keys()]).toEqual(['sales/set/b.csv']);
    expect(await sweep('set')).toMatchObject({ runs: [{ complete: true }] });
  });

  test('has the defaults where the seed sets nothing', async () => {
    world.api.answer(shopsApi('a'));
    await world.run('defaults');
    expect(world.api.callsTo('/regions/north/shops/a/sales').map(({ query }) => query)).toEqual(['from=2026-01-01']);
  });

  test('stores each result byte for byte, with its byte order mark, its type and its suffix', async () => {
    const bytes = Buffer.concat([Buffer.from('\uFEFFshop,sum\r\n'), Buffer.from([0xff, 0x00, 0x0d, 0x0a])]);
    const shops = shopsApi('a');
    world.api.answer((call) =>
      call.path.endsWith('/sales') ? { headers: { 'content-type': 'text/plain' }, body: bytes } : shops(call),
    );
    await world.run('bytes');
    expect(stored('sales/bytes/a.csv')).toEqual({ bytes, contentType: 'text/csv; charset=utf-8' });
  });

  test('refuses a seed of the same name with other parameters, and loses nothing', async () => {
    world.api.answer(shopsApi('a', 'b'));
    await world.run('same', { params: { region: 'west' } });
    expect(await sweep('same')).toMatchObject({ runs: [{ complete: true }] });
    const before = ['params/same', 'shops/same', 'sales/same/a', 'sales/same/b', 'receipts/shops/same'].flatMap(
      (prefix) => [...world.objects(prefix)],
    );
    expect(before).toHaveLength(6);
    const calls = world.api.calls.length;

    await world.run('same', { params: { region: 'east' } });
    expect(world.json('failures/shops/same.json')).toMatchObject({
      class: 'item',
      code: 'PARAMS_CHANGED',
      message: expect.stringContaining('region was "west"'),
      attempts: 1,
    });
    expect(world.api.calls).toHaveLength(calls);
    expect(await sweep('same')).toMatchObject({ runs: [{ complete: false, reasons: [{ code: 'PARAMS_CHANGED' }] }] });
    for (const [key, body] of before) expect(world.objects(key).get(key)).toBe(body);

    await world.run('same', { params: { region: 'west' } });
    expect(await sweep('same')).toMatchObject({ runs: [{ complete: true, reasons: [] }] });
    expect(world.api.calls).toHaveLength(calls);
  });
});

describe('a chain of one level', () => {
  beforeAll(async () => {
    world = await startNeutralWorld('summary');
  });
  afterAll(() => world.stop());

  test('makes a result of the seed, byte for byte but for a byte order mark, which is no JSON; and is complete', async () => {
    const json = '{"total": 12345678901234567890.10,\n "shops": []}\n';
    world.api.answer(() => ({ body: `\uFEFF${json}` }));
    await world.run('r1');
    expect(stored('summary/r1.json')).toEqual({ bytes: Buffer.from(json), contentType: 'application/json' });
    expect(await sweep('r1')).toMatchObject({ runs: [{ complete: true, apiCalls: 1 }] });
    expect(world.json('summary/r1/_SUCCESS')).toMatchObject({ run: 'r1', complete: true });
    expect(await world.invoke('status', { run: 'r1', fresh: true })).toMatchObject({
      complete: true,
      levels: [{ level: 'summary', items: 1, done: 1, open: 0, stray: 0 }],
    });
    await world.run('r1');
    expect(world.api.calls).toHaveLength(1);
  });

  test('has its failure noted, and its dead letter is replayed', async () => {
    world.api.answer(() => ({ status: 404 }));
    await world.run('r2');
    expect(world.json('failures/summary/r2.json')).toMatchObject({ code: 'HTTP_404', attempts: 1 });
    world.api.answer(() => ({ body: '{"total": 1}' }));
    expect(await world.invoke('replay', {})).toMatchObject({ replayed: 1, remaining: 0 });
    await world.engine.idle();
    expect(world.objects('summary/r2.json').get('summary/r2.json')).toBe('{"total": 1}');
    expect(await sweep('r2')).toMatchObject({ runs: [{ complete: true }] });
  });
});
