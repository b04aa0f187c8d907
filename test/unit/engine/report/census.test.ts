import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { levelNamed, type Chain } from '../../../../shared/engine/chain/chain.ts';
import { childKey, doneKey, failureKey, itemKey, resultKey } from '../../../../shared/engine/chain/keys.ts';
import {
  takeCensus,
  type CensusStore,
  type Finding,
  type LevelCensus,
} from '../../../../shared/engine/report/census.ts';
import { everyDepth, everyTree, fourLevels, twoLevels } from '../../../chains.ts';
import { batchKey, BatchWorld, partKey } from '../../../memory/batch-world.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { completeItem, completeRun } from '../../../memory/run.ts';

type Counted = { levels: LevelCensus[]; findings: Finding[]; lists: string[]; apiCalls: number; results: string };

async function census(store: MemoryObjectStore, chain: Chain = fourLevels): Promise<Counted> {
  const taken = takeCensus(chain, 'r', store);
  const findings = await Array.fromAsync(taken.findings);
  findings.sort((a, b) => (a.key < b.key ? -1 : 1));
  const results = taken.results();
  return { levels: taken.levels(), findings, lists: store.lists, apiCalls: taken.apiCalls(), results };
}

/** Reads all of a census, and throws it away. */
const read = (store: CensusStore): Promise<Finding[]> => Array.fromAsync(takeCensus(fourLevels, 'r', store).findings);

const allDone = (perLevel: number[]): Partial<LevelCensus>[] =>
  perLevel.map((items) => ({ items, done: items, failed: 0, open: 0, short: 0, stray: 0 }));

const odds = ['a', 'a-b', 'a0', 'a.b', '../', 'A', '_', 'ab', '🏹'];

describe.each(everyDepth)('the census of a chain of %i', (depth, chain) => {
  /** As many as make a tree of some hundreds of items. */
  const ids = depth > 4 ? odds.slice(3, 5) : odds;
  const perLevel = chain.levels.map((_, index) => ids.length ** index);

  test('of a run that is done counts every item, whatever its id, and lists each prefix once', async () => {
    const store = new MemoryObjectStore();
    await completeRun(chain, store, ids);
    const { levels, findings, lists, apiCalls } = await census(store, chain);
    expect(findings).toEqual([]);
    expect(levels).toMatchObject(allDone(perLevel));
    expect(levels.map(({ level }) => level)).toEqual(chain.levels.map(({ name }) => name));
    expect(lists).toHaveLength(3 * depth);
    expect(new Set(lists).size).toBe(3 * depth);
    expect(apiCalls).toBe(perLevel.reduce((sum, items) => sum + items, 0));
  });

  test('takes no notice of other runs, also not of those whose name begins the same', async () => {
    const store = new MemoryObjectStore();
    await completeRun(chain, store, ['a']);
    await completeRun(chain, store, ['a', 'b'], 'r2');
    await completeRun(chain, store, ['a', 'b'], 'r-1');
    const { levels, findings } = await census(store, chain);
    expect(levels).toMatchObject(allDone(chain.levels.map(() => 1)));
    expect(findings).toEqual([]);
  });

  test('of nothing is nothing', async () => {
    const { levels } = await census(new MemoryObjectStore(), chain);
    expect(levels).toMatchObject(allDone(chain.levels.map(() => 0)));
  });

  test('finds any one object that was deleted from a complete run, unless it is the seed', async () => {
    const whole = new MemoryObjectStore();
    await completeRun(chain, whole, depth > 4 ? ['a', 'a-b'] : ['a', 'b-c', 'b']);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...whole.keys().filter((key) => key !== 'seeds/r.json')), async (key) => {
        const store = new MemoryObjectStore();
        for (const [name, object] of whole.objects) if (name !== key) store.objects.set(name, object);
        expect((await census(store, chain)).findings.length).toBeGreaterThan(0);
      }),
      { numRuns: depth > 4 ? 20 : 100 },
    );
  });

  test('finds each item of the last level that has no result', async () => {
    const store = new MemoryObjectStore();
    await completeRun(chain, store, ['a', 'b']);
    const last = chain.levels.at(-1);
    if (last === undefined) return;
    const path = { run: 'r', ids: last.ids.map(() => 'b') };
    store.objects.delete(resultKey(last, path));
    expect((await census(store, chain)).findings).toMatchObject([
      { kind: 'open', level: { name: last.name }, key: itemKey(last, path) },
    ]);
  });

  test('is not disturbed by what lies next to the seed', async () => {
    const store = new MemoryObjectStore();
    await completeRun(chain, store, ['a']);
    const [first] = chain.levels;
    if (first === undefined) return;
    for (const end of ['.bak', '\uFFFD', '😀', '/x.json', ' ']) {
      store.drop(`seeds/r.json${end}`, 'junk');
      store.drop(`${doneKey(first, { run: 'r', ids: [] })}${end}`, 'junk');
      store.drop(`failures/${first.name}/r.json${end}`, 'junk');
    }
    const { levels, findings } = await census(store, chain);
    expect(levels).toMatchObject(allDone(chain.levels.map(() => 1)));
    expect(findings).toEqual([]);
  });
});

describe.each(everyTree)('the tree that the census of a chain of %i walks', (depth, chain) => {
  test("has strays wherever a key is no item's, whatever bytes it has, and is counted all the same", async () => {
    const store = new MemoryObjectStore();
    await completeRun(chain, store, ['a', 'b']);
    const junk = chain.levels
      .slice(1)
      .flatMap(({ reads }) => [
        `${reads}/r/\uFFFD.json`,
        `${reads}/r/😀.json`,
        `${reads}/r/a b.json`,
        `${reads}/r/x.txt`,
      ]);
    for (const key of junk) store.drop(key, 'junk');
    const { levels, findings } = await census(store, chain);
    expect(findings.map(({ key }) => key).sort()).toEqual([...junk].sort());
    expect(findings.every(({ kind }) => kind === 'stray')).toBe(true);
    expect(levels).toMatchObject(chain.levels.map((_, index) => ({ items: 2 ** index, done: 2 ** index })));
    expect(levels.map(({ stray }) => stray)).toEqual(chain.levels.map((_, index) => (index === 0 ? 0 : 4)));
  });

  test('has a short parent for a child that a forged sibling stands in for: the count is right, the digest is not', async () => {
    for (const [index, level] of chain.levels.entries()) {
      if (level.children === 'one') continue;
      const store = new MemoryObjectStore();
      await completeRun(chain, store, ['a', 'b']);
      const path = { run: 'r', ids: level.ids.map(() => 'a') };
      // The whole subtree of the one is moved to the other.
      const [missing, forged] = [childKey(level, path, 'b'), childKey(level, path, 'c')];
      const stem = missing.slice(level.writes.length, -'.json'.length);
      for (const key of store.keys()) {
        const object = store.objects.get(key);
        const at = key.indexOf(`${stem}.`) + 1 || key.indexOf(`${stem}/`) + 1;
        if (at === 0 || object === undefined) continue;
        store.objects.delete(key);
        const end = at - 1 + stem.length;
        store.objects.set(`${key.slice(0, end - 1)}c${key.slice(end)}`, object);
      }
      expect(store.objects.has(missing)).toBe(false);
      expect(store.objects.has(forged)).toBe(true);
      const { levels, findings } = await census(store, chain);
      expect(levels[index]).toMatchObject({ short: 1 });
      expect(findings).toContainEqual(expect.objectContaining({ kind: 'short', key: itemKey(level, path) }));
      expect(depth).toBeGreaterThan(index);
    }
  });
});

describe('what a run holds', () => {
  const contentsOf = async (
    change: (store: MemoryObjectStore) => void,
  ): Promise<{ levels: string[]; results: string }> => {
    const store = new MemoryObjectStore();
    await completeRun(twoLevels, store, ['a', 'b']);
    change(store);
    const { levels, results } = await census(store, twoLevels);
    return { levels: levels.map(({ contents }) => contents), results };
  };

  test('is the same number however often it is counted, and another when a result or an item is overwritten', async () => {
    const before = await contentsOf(() => undefined);
    expect(await contentsOf(() => undefined)).toEqual(before);
    const overwritten = await contentsOf((store) => store.drop('sales/r/b.csv', 'other'));
    expect(overwritten.results).not.toBe(before.results);
    expect(overwritten.levels).toEqual(before.levels);
    const other = await contentsOf((store) => store.drop('shops/r/b.json', '{"other":1}'));
    expect(other.levels[1]).not.toBe(before.levels[1]);
    expect(other.results).toBe(before.results);
  });
});

describe('the census', () => {
  test('finds an item that is neither done nor failed', async () => {
    const store = new MemoryObjectStore();
    await completeRun(fourLevels, store, ['a', 'b']);
    store.objects.delete('receipts/shops/r/a.json');
    store.objects.delete('stock/r/b/a/b.json');
    const { levels, findings } = await census(store);
    expect(findings.map(({ kind, key }) => [kind, key]).sort()).toEqual([
      ['open', 'regions/r/a.json'],
      ['open', 'shelves/r/b/a/b.json'],
    ]);
    expect(levels).toMatchObject([
      { open: 0 },
      { items: 2, done: 1, open: 1 },
      { open: 0 },
      { items: 8, done: 7, open: 1 },
    ]);
  });

  test('finds a failed item with its note; a receipt outranks a note, and a note of a re-fire is no failure', async () => {
    const store = new MemoryObjectStore();
    await completeRun(fourLevels, store, ['a', 'b', 'c']);
    const note = (key: string, status: string): string =>
      JSON.stringify({
        key,
        status,
        code: 'HTTP_503',
        message: 'busy',
        attempts: 3,
        replays: 0,
        class: 'transient',
        at: '2026-11-20T00:00:00Z',
      });
    for (const id of ['a', 'b', 'c'])
      store.drop(`failures/shops/r/${id}.json`, note(`regions/r/${id}.json`, id === 'b' ? 'refired' : 'failed'));
    store.objects.delete('receipts/shops/r/a.json');
    store.objects.delete('receipts/shops/r/b.json');
    const { levels, findings } = await census(store);
    expect(levels[1]).toMatchObject({ items: 3, done: 1, failed: 1, open: 1 });
    expect(findings).toMatchObject([
      { kind: 'failed', key: 'regions/r/a.json', note: { code: 'HTTP_503' } },
      { kind: 'open', key: 'regions/r/b.json', note: { status: 'refired' } },
    ]);
  });

  test('does not take a receipt for what an item was before it was dropped again', async () => {
    const store = new MemoryObjectStore();
    await completeRun(fourLevels, store, ['a']);
    store.drop('regions/r/a.json', '{"new":true}');
    expect((await census(store)).findings).toMatchObject([{ kind: 'open', key: 'regions/r/a.json' }]);
  });

  test.each([
    ['regions/r/b.json', 'seeds/r.json'],
    ['local_shops/r/a/b.json', 'regions/r/a.json'],
    ['shelves/r/b/c/a.json', 'local_shops/r/b/c.json'],
  ])('finds the parent that is short of a child when %s was deleted', async (deleted, parent) => {
    const store = new MemoryObjectStore();
    await completeRun(fourLevels, store, ['a', 'b', 'c']);
    store.objects.delete(deleted);
    const { findings } = await census(store);
    expect(findings.filter(({ kind }) => kind !== 'stray')).toMatchObject([{ kind: 'short', key: parent }]);
  });

  test.each(['stock/r/b/c/d.json', 'stock/r/b.json', 'stock/r/b/c/d/e.json'])(
    'finds a result that has no item: %s',
    async (key) => {
      const store = new MemoryObjectStore();
      await completeRun(fourLevels, store, ['a', 'b', 'c']);
      store.drop(key, '{}');
      const { findings, levels } = await census(store);
      expect(findings).toMatchObject([{ kind: 'stray', key }]);
      expect(levels[3]).toMatchObject({ items: 27, done: 27, stray: 1 });
    },
  );

  test('finds a part of a batch that a person wrote: it is a stray, and the batch is open', async () => {
    const world = new BatchWorld();
    await world.dropBatch(['a', 'b']);
    world.store.drop(partKey, 'junk');
    const { findings, levels } = await census(world.store, world.chain);
    expect(findings).toMatchObject([
      { kind: 'open', key: batchKey, open: 2 },
      { kind: 'stray', key: partKey, open: 0, failures: [] },
    ]);
    expect(levels.at(-1)).toMatchObject({ items: 2, open: 2, failed: 0, stray: 1 });
  });

  test('does not take a result for one without an item when both came after the items were listed', async () => {
    const store = new MemoryObjectStore();
    await completeRun(fourLevels, store, ['a', 'b']);
    const late = 'shelves/r/b/b/b.json';
    const list = store.list.bind(store);
    store.list = async function* (prefix) {
      for await (const page of list(prefix)) yield page.filter(({ key }) => key !== late || prefix === late);
    };
    expect((await census(store)).levels[3]).toMatchObject({ items: 7, stray: 0 });
  });

  test.each(['regions/r/a/b.json', 'regions/r/notes.txt', 'shelves/r/a.json', 'regions/r/a b.json'])(
    'finds what is no item: %s',
    async (key) => {
      const store = new MemoryObjectStore();
      await completeRun(fourLevels, store, ['a']);
      store.drop(key, 'hello');
      expect((await census(store)).findings).toMatchObject([{ kind: 'stray', key }]);
    },
  );

  test.each<[string, object]>([
    ['a date that is none', { at: 'yesterday' }],
    ['a count that is a text', { attempts: '3' }],
    ['a megabyte of message', { message: 'x'.repeat(1_000_001) }],
    ['a status that is none', { status: 7 }],
  ])('takes a note with %s for none: its item is open', async (_what, change) => {
    const store = new MemoryObjectStore();
    await completeRun(fourLevels, store, ['a']);
    store.objects.delete('receipts/shops/r/a.json');
    const note = { key: 'regions/r/a.json', status: 'failed', code: 'X', message: 'x', attempts: 1, replays: 0 };
    store.drop(
      'failures/shops/r/a.json',
      JSON.stringify({ ...note, class: 'item', at: '2026-11-20T00:00:00Z', ...change }),
    );
    const { levels, findings } = await census(store);
    expect(levels[1]).toMatchObject({ open: 1, failed: 0 });
    expect(findings).toMatchObject([{ kind: 'open', key: 'regions/r/a.json', note: undefined }]);
  });

  test('takes what a person put under a receipt for none: its item is open', async () => {
    const store = new MemoryObjectStore();
    await completeRun(fourLevels, store, ['a']);
    store.drop('receipts/shops/r/a.json', '{}');
    expect((await census(store)).findings).toMatchObject([{ kind: 'open', key: 'regions/r/a.json' }]);
  });

  test('goes by the count for a receipt of version 0.1, and more children than that are no fault', async () => {
    const store = new MemoryObjectStore();
    await completeRun(fourLevels, store, ['a', 'b']);
    const eTag = store.objects.get('regions/r/a.json')?.eTag ?? '';
    const older = (children: string): Promise<void> =>
      store.put('receipts/shops/r/a.json', '{}', { 'input-etag': eTag, children, 'api-calls': '1' });
    for (const [children, shorts] of [
      ['2', 0],
      ['1', 0],
      ['3', 1],
    ] as const) {
      await older(children);
      expect((await census(store)).levels[1]).toMatchObject({ short: shorts });
    }
  });

  test('finds a parent that has a child more than its receipt says', async () => {
    const store = new MemoryObjectStore();
    await completeRun(fourLevels, store, ['a', 'b']);
    await completeItem(levelNamed(fourLevels, 'shops'), { run: 'r', ids: ['a'] }, store, ['a']);
    expect((await census(store)).findings).toMatchObject([{ kind: 'short', key: 'regions/r/a.json' }]);
  });

  test('of a random bucket agrees with counting it by hand', async () => {
    const pathOf = fc.array(fc.constantFrom('a', 'a-b', 'b', 'a.b'), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(pathOf, fc.boolean(), fc.boolean()), { maxLength: 60 }), async (items) => {
        const store = new MemoryObjectStore();
        const failure = {
          status: 'failed',
          class: 'item',
          code: 'X',
          message: 'x',
          attempts: 1,
          replays: 0,
          at: '2026-11-20',
        };
        const expected = new Map<string, string>();
        for (const [ids, isDone, hasFailed] of items) {
          const level = fourLevels.levels[ids.length];
          if (level === undefined) continue;
          const path = { run: 'r', ids };
          const key = itemKey(level, path);
          store.drop(key, '{}');
          store.objects.delete(doneKey(level, path));
          store.objects.delete(failureKey(level, path));
          if (isDone && level.children === 'one') store.drop(doneKey(level, path), '{}');
          else if (isDone) await completeItem(level, path, store, []);
          if (hasFailed) store.drop(failureKey(level, path), JSON.stringify({ ...failure, key }));
          expected.set(key, isDone ? 'done' : hasFailed ? 'failed' : 'open');
        }
        const { levels: counted } = await census(store);
        const all = [...expected.values()];
        for (const state of ['done', 'failed', 'open'] as const) {
          expect(counted.reduce((sum, level) => sum + level[state], 0)).toBe(all.filter((one) => one === state).length);
        }
      }),
    );
  });
});

describe('a listing that can not be trusted', () => {
  /** A run with three regions, whose listings are changed on their way. */
  const broken = (change: (keys: string[]) => string[]): CensusStore => {
    const store = new MemoryObjectStore();
    for (const id of ['a', 'b', 'c'])
      store.drop(childKey(levelNamed(fourLevels, 'regions'), { run: 'r', ids: [] }, id), '{}');
    return {
      head: (key) => store.head(key),
      get: (key, maxBytes) => store.get(key, maxBytes),
      async *list(prefix) {
        for await (const page of store.list(prefix))
          yield change(page.map(({ key }) => key)).map((key) => ({ key, eTag: '', sizeBytes: 0, modifiedMs: 0 }));
      },
    };
  };
  const away = (): Promise<never> => Promise.reject(new Error('S3 is away'));

  test.each<[string, (keys: string[]) => string[]]>([
    ['out of order', (keys) => keys.reverse()],
    ['with a key twice', (keys) => [...keys, ...keys.slice(-1)]],
    ['with a key of another prefix', (keys) => (keys.length > 0 ? [...keys, 'zoo/r/x.json'] : [])],
  ])('%s is an error, never a short answer', async (_what, change) => {
    await expect(read(broken(change))).rejects.toMatchObject({ code: 'S3_BAD_LIST' });
  });

  test('that breaks off is an error', async () => {
    const store = new MemoryObjectStore();
    const list = store.list.bind(store);
    store.list = async function* (prefix) {
      yield* list(prefix);
      if (prefix.startsWith('failures/')) await away();
    };
    await expect(read(store)).rejects.toThrow('S3 is away');
  });

  test('a receipt that can not be read is an error', async () => {
    const store = new MemoryObjectStore();
    await completeRun(fourLevels, store, ['a']);
    store.head = away;
    await expect(read(store)).rejects.toThrow('S3 is away');
  });
});
