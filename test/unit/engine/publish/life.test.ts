/** The life of a publication: whatever fails, ends or comes twice, a table with a success marker holds its run's rows, each once. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { checkedChain } from '../../../../shared/engine/chain/chain-problems.ts';
import { finishedKey, successKey } from '../../../../shared/engine/chain/keys.ts';
import { TransientError } from '../../../../shared/engine/errors.ts';
import { newEvent, type ItemEvent } from '../../../../shared/engine/events.ts';
import type { ObjectStore } from '../../../../shared/engine/ports.ts';
import { sweepPublications } from '../../../../shared/engine/publish/lost-publications.ts';
import type { Manifest } from '../../../../shared/engine/publish/manifest.ts';
import { publishStatus } from '../../../../shared/engine/publish/publish-status.ts';
import { openJudge } from '../../../tables/duckdb.ts';
import { PublishWorld } from '../../../tables/publish-world.ts';

const chain = checkedChain({
  levels: [
    { name: 'shops', children: 'many', id: 'shop', table: { name: 'shops', columns: [], raw: false } },
    { name: 'sales', children: 'one', table: { name: 'sales', columns: [], raw: true } },
  ],
});

/** A run with a result and an item for each shop, in parts of one object. */
async function worldOf(shops: readonly string[], limits = { maxObjects: 1 }): Promise<PublishWorld> {
  const world = new PublishWorld(chain, limits);
  await addShops(world, 'r1', shops);
  world.complete('r1');
  return world;
}

async function addShops(world: PublishWorld, run: string, shops: readonly string[]): Promise<void> {
  for (const shop of shops) {
    await world.store.put(`shops/${run}/${shop}.json`, `{"id":"${shop}","size":1.0}`, {});
    await world.result(run, [shop], `{"sum":${shop.length}}`);
  }
}

/** What a reader sees of a run that has a success marker: its ids, in order. */
async function shopsIn(world: PublishWorld, table: string, run = 'r1'): Promise<unknown[]> {
  const judge = await openJudge(world.tables());
  try {
    const rows = await judge.query(`select shop from '$DIR/tables/${table}/run=${run}/*.parquet' order by shop`);
    return rows.map(({ shop }) => shop);
  } finally {
    judge.close();
  }
}

const hasMarker = (world: PublishWorld, table: string, run = 'r1'): boolean =>
  world.store.objects.has(`tables/${table}/run=${run}/_SUCCESS`);
const manifestOf = (world: PublishWorld, table: string, run = 'r1'): Manifest =>
  world.store.json(`tables/${table}/run=${run}/_SUCCESS`) as Manifest;
const stateOf = async (world: PublishWorld, run = 'r1'): Promise<string | undefined> =>
  (await publishStatus(run, world.chain, world.levels, world.store))?.state;

test('a complete run becomes its tables, and no piece is left', async () => {
  const world = await worldOf(['a', 'b', 'c']);
  expect(await stateOf(world)).toBe('waiting');
  await world.publish('r1');
  expect(await stateOf(world)).toBe('published');
  for (const table of ['shops', 'sales']) {
    expect(await shopsIn(world, table)).toEqual(['a', 'b', 'c']);
    expect(manifestOf(world, table)).toMatchObject({
      table,
      run: 'r1',
      rows: 3,
      parts: [{ rows: 1 }, { rows: 1 }, { rows: 1 }],
    });
  }
  expect(world.store.keys('pieces/')).toEqual([]);
});

test('a run that is not complete any more is not published', async () => {
  const world = await worldOf(['a']);
  await world.store.remove(successKey(chain, 'r1'));
  await world.publish('r1');
  expect(world.outcomes).toEqual(['missing']);
  expect(world.store.keys('tables/')).toEqual([]);
});

test('published twice, it is not written twice', async () => {
  const world = await worldOf(['a', 'b']);
  await world.publish('r1');
  const before = world.tables();
  // As a sweep does that verifies: the same results under another marker.
  world.complete('r1', '2');
  await world.publish('r1');
  expect(world.outcomes.at(-1)).toBe('duplicate');
  expect(world.tables()).toEqual(before);
  expect(await stateOf(world)).toBe('published');
});

test.each([
  ['more results', ['a', 'b'], ['a', 'b', 'c']],
  ['fewer results, as after a person deleted some', ['a', 'b', 'c'], ['b']],
])('completed again with %s, it ends with exactly its rows', async (_, first, second) => {
  const world = await worldOf(first);
  await world.publish('r1');
  await world.store.remove(successKey(chain, 'r1'));
  expect(await stateOf(world)).toBe('outdated');
  for (const shop of first.filter((each) => !second.includes(each))) {
    await world.store.remove(`shops/r1/${shop}.json`);
    await world.store.remove(`sales/r1/${shop}.json`);
  }
  await addShops(world, 'r1', second);
  world.complete('r1', '2');
  await world.publish('r1');
  for (const table of ['shops', 'sales']) expect(await shopsIn(world, table)).toEqual(second);
});

test('a piece of a publication that is over writes nothing', async () => {
  const world = await worldOf(['a', 'b']);
  await world.take(newEvent(successKey(chain, 'r1'), 0));
  const old = world.store.keys('pieces/');
  await addShops(world, 'r1', ['c']);
  world.complete('r1', '2');
  await world.take(newEvent(successKey(chain, 'r1'), 0));
  for (const key of old) await world.take(newEvent(key, 0));
  expect(world.outcomes).toEqual(['planned', 'planned', ...old.map(() => 'superseded')]);
  expect(world.store.keys('tables/')).toEqual([]);
  await world.takePieces();
  expect(await shopsIn(world, 'sales')).toEqual(['a', 'b', 'c']);
});

test('a part that a newer publication wrote is not written over by an older one that was slow', async () => {
  const world = await worldOf(['a'], { maxObjects: 10 });
  await world.take(newEvent(successKey(chain, 'r1'), 0));
  const [piece = ''] = world.store.keys('pieces/r1/').filter((key) => key.includes('/sales/'));
  // The old piece has read its results and is about to write when the newer publication comes and ends.
  let isBegun = false;
  world.seeThrough((store) =>
    storeWith(store, {
      replace: async (...args) => {
        if (!isBegun && args[0].endsWith('.parquet')) {
          isBegun = true;
          world.seeThrough((plain) => plain);
          await addShops(world, 'r1', ['b']);
          world.complete('r1', '2');
          await world.publish('r1');
        }
        return store.replace(...args);
      },
    }),
  );
  await world.take(newEvent(piece, 0));
  expect(world.outcomes.at(-1)).toBe('superseded');
  expect(await shopsIn(world, 'sales')).toEqual(['a', 'b']);
  expect(hasMarker(world, 'sales')).toBe(true);
});

describe('whatever operation fails, before or after it was done', () => {
  const shops = ['a', 'b'];
  /** The parts of a table, once DuckDB has said that they are right. */
  let right: ReadonlyMap<string, Uint8Array>;
  const partsOf = (world: PublishWorld): Map<string, Uint8Array> =>
    new Map(world.tables().filter(([key]) => key.endsWith('.parquet')));

  beforeAll(async () => {
    const world = await worldOf(shops);
    await world.publish('r1');
    for (const table of ['shops', 'sales']) expect(await shopsIn(world, table)).toEqual(shops);
    right = partsOf(world);
  });

  function expectWhole(world: PublishWorld, table: string): void {
    const of = (parts: ReadonlyMap<string, Uint8Array>) => [...parts].filter(([key]) => key.includes(`/${table}/`));
    expect(of(partsOf(world))).toEqual(of(right));
  }

  test.each(['before', 'after'] as const)(
    '%s: no table is half there under a marker, and a retry completes it',
    async (when) => {
      for (let failing = 1; ; failing += 1) {
        const world = await worldOf(shops);
        const count = failAt(world, failing, when);
        const events = (): ItemEvent[] => [
          newEvent(successKey(chain, 'r1'), 0),
          ...world.store.keys('pieces/').map((key) => newEvent(key, 0)),
        ];
        for (let round = 0; round < 3; round += 1) {
          for (const event of events()) {
            await world.take(event).catch((error: unknown) => expect(error).toBeInstanceOf(TransientError));
            for (const table of ['shops', 'sales']) if (hasMarker(world, table)) expectWhole(world, table);
          }
        }
        expect(await stateOf(world)).toBe('published');
        for (const table of ['shops', 'sales']) expectWhole(world, table);
        expect(world.letters).toEqual([]);
        if (count() < failing) return;
      }
    },
    240_000,
  );
});

test('a result that is not JSON is an item error: a dead letter, a note, and the status says so; corrected, it is published', async () => {
  const world = await worldOf(['a'], { maxObjects: 10 });
  await world.store.put('sales/r1/a.json', '{"sum":', {});
  await world.publish('r1');
  expect(world.letters).toMatchObject([{ level: 'publish_piece', run: 'r1', code: 'NOT_JSON' }]);
  expect(world.letters[0]?.message).toContain('sales/r1/a.json');
  expect(await publishStatus('r1', chain, world.levels, world.store)).toMatchObject({
    state: 'failed',
    problem: { code: 'NOT_JSON' },
  });
  expect(hasMarker(world, 'sales')).toBe(false);
  await world.store.put('sales/r1/a.json', '{"sum":1}', {});
  await world.takePieces();
  expect(await stateOf(world)).toBe('published');
});

describe('the schema of a run and of the run before', () => {
  async function drift(before: string, now: string): Promise<Manifest> {
    const world = new PublishWorld(chain);
    await world.result('r1', ['a'], before);
    world.complete('r1');
    await world.publish('r1');
    await world.result('r2', ['a'], now);
    world.complete('r2');
    await world.publish('r2');
    return manifestOf(world, 'sales', 'r2');
  }

  test('what was added, removed or changed its type is in the manifest', async () => {
    const manifest = await drift('{"a":1,"b":"x","c":true}', '{"a":1,"b":2,"d":null}');
    expect(manifest.drift).toEqual({
      against: 'r1',
      added: ['d'],
      removed: ['c'],
      changed: [{ name: 'b', was: 'text', is: 'int64' }],
    });
  });

  test('a column of doubles stays one in a run whose values are whole numbers, and one of nulls keeps its type', async () => {
    const manifest = await drift('{"a":1.5,"b":true}', '{"a":2,"b":null}');
    expect(manifest.drift).toEqual({ against: 'r1', added: [], removed: [], changed: [] });
    expect(manifest.columns).toContainEqual(expect.objectContaining({ name: 'a', type: 'double' }));
  });

  test('a run that is published again is compared with the same run as before', async () => {
    const world = new PublishWorld(chain);
    for (const run of ['r1', 'r2', 'r3']) {
      await world.result(run, ['a'], '{"a":1}');
      world.complete(run);
      await world.publish(run);
      world.clock.nowMs += 60_000;
    }
    await world.result('r2', ['b'], '{"a":2}');
    world.complete('r2', '2');
    await world.publish('r2');
    expect(manifestOf(world, 'sales', 'r2').drift?.against).toBe('r1');
    expect(manifestOf(world, 'sales', 'r1').drift).toBeUndefined();
  });
});

describe('the sweep', () => {
  async function sweep(world: PublishWorld, sent: ItemEvent[], request: object = {}) {
    const refire = { send: (event: ItemEvent) => Promise.resolve(void sent.push(event)) };
    return sweepPublications(request, {
      ...{ chain, levels: world.levels, store: world.store, clock: world.clock, deadlineMs: Infinity },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      refires: new Map([world.levels.publish, world.levels.piece].map(({ name }) => [name, refire])),
      ...{ lostAfterMs: 1000, maxRefires: 2 },
    });
  }
  const later = (world: PublishWorld): void => void (world.clock.nowMs += 2000);

  async function finishedWorld(): Promise<PublishWorld> {
    const world = await worldOf(['a', 'b']);
    await world.store.put(finishedKey('r1', 'seed'), '{}', {});
    return world;
  }

  test('re-fires the event of a success marker that was lost, once it can not be alive', async () => {
    const world = await finishedWorld();
    const sent: ItemEvent[] = [];
    expect(await sweep(world, sent)).toEqual([]);
    later(world);
    expect(await sweep(world, sent)).toEqual([{ run: 'r1', refired: 1, givenUp: 0 }]);
    expect(sent.map(({ key }) => key)).toEqual([successKey(chain, 'r1')]);
    for (const event of sent) await world.take(event);
    await world.takePieces();
    expect(await stateOf(world)).toBe('published');
    later(world);
    expect(await sweep(world, sent)).toEqual([]);
  });

  test('re-fires pieces whose events were lost, and no others', async () => {
    const world = await finishedWorld();
    await world.take(newEvent(successKey(chain, 'r1'), 0));
    const [done = '', ...open] = world.store.keys('pieces/');
    await world.take(newEvent(done, 0));
    later(world);
    const sent: ItemEvent[] = [];
    await sweep(world, sent);
    expect(sent.map(({ key }) => key)).toEqual(open);
    for (const event of sent) await world.take(event);
    expect(await stateOf(world)).toBe('published');
  });

  test('has a publication ended of which all parts are there', async () => {
    const world = await finishedWorld();
    await world.take(newEvent(successKey(chain, 'r1'), 0));
    // Every attempt stops at the manifest.
    world.seeThrough((store) =>
      storeWith(store, {
        put: (key, ...more) =>
          key.endsWith('_manifest.json')
            ? Promise.reject(new TransientError('SlowDown', key))
            : store.put(key, ...more),
      }),
    );
    for (const key of world.store.keys('pieces/')) await world.take(newEvent(key, 0)).catch(() => undefined);
    world.seeThrough((store) => store);
    expect(await stateOf(world)).not.toBe('published');
    for (const key of world.store.keys('failures/')) await world.store.remove(key);
    later(world);
    const sent: ItemEvent[] = [];
    expect(await sweep(world, sent)).toEqual([{ run: 'r1', refired: 1, givenUp: 0 }]);
    for (const event of sent) await world.take(event);
    expect(await stateOf(world)).toBe('published');
  });

  test('gives up after as many re-fires as are allowed, and notes it', async () => {
    const world = await finishedWorld();
    const sent: ItemEvent[] = [];
    const done = [];
    for (let round = 0; round < 4; round += 1) {
      later(world);
      done.push(...(await sweep(world, sent)));
    }
    expect(done.map(({ refired, givenUp }) => [refired, givenUp])).toEqual([
      [1, 0],
      [1, 0],
      [0, 1],
    ]);
    expect(await publishStatus('r1', chain, world.levels, world.store)).toMatchObject({ problem: { code: 'LOST' } });
  });

  test('in a dry run changes nothing', async () => {
    const world = await finishedWorld();
    later(world);
    const keys = world.store.keys();
    const sent: ItemEvent[] = [];
    expect(await sweep(world, sent, { dryRun: true })).toEqual([{ run: 'r1', refired: 1, givenUp: 0 }]);
    expect(sent).toEqual([]);
    expect(world.store.keys()).toEqual(keys);
  });
});

/** A store of which some methods are others. */
function storeWith(store: ObjectStore, change: Partial<ObjectStore>): ObjectStore {
  return {
    get: (...args) => store.get(...args),
    head: (...args) => store.head(...args),
    create: (...args) => store.create(...args),
    replace: (...args) => store.replace(...args),
    put: (...args) => store.put(...args),
    remove: (...args) => store.remove(...args),
    list: (...args) => store.list(...args),
    ...change,
  };
}

/**
 * Has the nth operation on the bucket fail once: before it does anything, or after it has, as when its answer is lost.
 * @returns how many operations there were
 */
function failAt(world: PublishWorld, nth: number, when: 'before' | 'after'): () => number {
  let count = 0;
  const failing =
    <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      count += 1;
      const isFailing = count === nth;
      const error = new TransientError('SlowDown', 'S3 failed.');
      if (isFailing && when === 'before') throw error;
      const result = await work(...args);
      if (isFailing) throw error;
      return result;
    };
  world.seeThrough((store) => ({
    get: failing((key: string, maxBytes: number) => store.get(key, maxBytes)),
    head: failing((key: string) => store.head(key)),
    create: failing((...args: Parameters<ObjectStore['create']>) => store.create(...args)),
    replace: failing((...args: Parameters<ObjectStore['replace']>) => store.replace(...args)),
    put: failing((...args: Parameters<ObjectStore['put']>) => store.put(...args)),
    remove: failing((key: string) => store.remove(key)),
    list: (prefix) => store.list(prefix),
  }));
  return () => count;
}
