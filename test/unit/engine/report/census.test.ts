import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chain, levelNamed, nextLevel } from '../../../../shared/engine/chain/chain.ts';
import {
  takeCensus,
  type CensusStore,
  type Finding,
  type LevelCensus,
} from '../../../../shared/engine/report/census.ts';
import { childKey, doneKey, failureKey, itemKey } from '../../../../shared/engine/chain/keys.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { completeRun } from '../../../memory/run.ts';

async function census(
  store: MemoryObjectStore,
): Promise<{ levels: LevelCensus[]; findings: Finding[]; lists: string[] }> {
  const findings: Finding[] = [];
  const { levels } = await takeCensus('r', store, (finding) => void findings.push(finding));
  return { levels, findings, lists: store.lists };
}

const allDone = (perLevel: number[]): Partial<LevelCensus>[] =>
  perLevel.map((items) => ({ items, done: items, failed: 0, open: 0, short: 0, stray: 0 }));

describe('the census', () => {
  const odd = ['a', 'a-b', 'a0', 'a.b', '../', 'A', '_', 'ab', '🏹'];

  test('of a run that is done counts every item, whatever its id, and lists each prefix once', async () => {
    const store = new MemoryObjectStore();
    await completeRun(store, odd);
    const { levels, findings, lists } = await census(store);
    expect(findings).toEqual([]);
    expect(levels).toMatchObject(allDone([1, 9, 81, 729]));
    expect(lists).toHaveLength(12);
    expect(new Set(lists).size).toBe(12);
  });

  test('takes no notice of other runs, also not of those whose name begins the same', async () => {
    const store = new MemoryObjectStore();
    await completeRun(store, ['a']);
    await completeRun(store, ['a', 'b'], 'r2');
    await completeRun(store, ['a', 'b'], 'r-1');
    expect((await census(store)).levels).toMatchObject(allDone([1, 1, 1, 1]));
  });

  test('of nothing is nothing', async () => {
    expect((await census(new MemoryObjectStore())).levels).toMatchObject(allDone([0, 0, 0, 0]));
  });

  test('finds an item that is neither done nor failed', async () => {
    const store = new MemoryObjectStore();
    await completeRun(store, ['a', 'b']);
    store.objects.delete('receipts/warriors/r/a.json');
    store.objects.delete('data/r/b/a/b.json');
    const { levels, findings } = await census(store);
    expect(findings.map(({ kind, key }) => [kind, key]).sort()).toEqual([
      ['open', 'data_groups/r/b/a/b.json'],
      ['open', 'troops/r/a.json'],
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
    await completeRun(store, ['a', 'b', 'c']);
    const note = (key: string, status: string): string =>
      JSON.stringify({ key, status, code: 'HTTP_503', attempts: 3, class: 'transient', at: '' });
    for (const id of ['a', 'b', 'c'])
      store.drop(`failures/warriors/r/${id}.json`, note(`troops/r/${id}.json`, id === 'b' ? 'refired' : 'failed'));
    store.objects.delete('receipts/warriors/r/a.json');
    store.objects.delete('receipts/warriors/r/b.json');
    const { levels, findings } = await census(store);
    expect(levels[1]).toMatchObject({ items: 3, done: 1, failed: 1, open: 1 });
    expect(findings).toMatchObject([
      { kind: 'failed', key: 'troops/r/a.json', note: { code: 'HTTP_503' } },
      { kind: 'open', key: 'troops/r/b.json', note: { status: 'refired' } },
    ]);
  });

  test('does not take a receipt for what an item was before it was dropped again', async () => {
    const store = new MemoryObjectStore();
    await completeRun(store, ['a']);
    store.drop('troops/r/a.json', '{"new":true}');
    expect((await census(store)).findings).toMatchObject([{ kind: 'open', key: 'troops/r/a.json' }]);
  });

  test.each([
    ['troops/r/b.json', 'seeds/r.json'],
    ['amazon_warriors/r/a/b.json', 'troops/r/a.json'],
    ['data_groups/r/b/c/a.json', 'amazon_warriors/r/b/c.json'],
  ])('finds the parent that is short of a child when %s was deleted', async (deleted, parent) => {
    const store = new MemoryObjectStore();
    await completeRun(store, ['a', 'b', 'c']);
    store.objects.delete(deleted);
    expect((await census(store)).findings).toMatchObject([{ kind: 'short', key: parent }]);
  });

  test.each(['troops/r/a/b.json', 'troops/r/notes.txt', 'data_groups/r/a.json', 'troops/r/a b.json'])(
    'finds what is no item: %s',
    async (key) => {
      const store = new MemoryObjectStore();
      await completeRun(store, ['a']);
      store.drop(key, 'hello');
      expect((await census(store)).findings).toMatchObject([{ kind: 'stray', key }]);
    },
  );

  test('finds any one object that was deleted from a complete run, unless it is the seed', async () => {
    const whole = new MemoryObjectStore();
    await completeRun(whole, ['a', 'b-c', 'b']);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...whole.keys().filter((key) => key !== 'seeds/r.json')), async (key) => {
        const store = new MemoryObjectStore();
        for (const [name, object] of whole.objects) if (name !== key) store.objects.set(name, object);
        expect((await census(store)).findings.length).toBeGreaterThan(0);
      }),
      { numRuns: 100 },
    );
  });

  test('of a random bucket agrees with counting it by hand', async () => {
    const levels = chain.filter((level) => level.ids.length < 3);
    const pathOf = fc.array(fc.constantFrom('a', 'a-b', 'b', 'a.b'), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(pathOf, fc.boolean(), fc.boolean()), { maxLength: 60 }), async (items) => {
        const store = new MemoryObjectStore();
        const expected = new Map<string, string>();
        for (const [ids, isDone, hasFailed] of items) {
          const level = chain[ids.length];
          if (level === undefined) continue;
          const path = { run: 'r', ids };
          const key = itemKey(level, path);
          store.drop(key, '{}');
          store.objects.delete(doneKey(level, path));
          store.objects.delete(failureKey(level, path));
          if (isDone)
            await store.put(doneKey(level, path), '{}', {
              'input-etag': store.objects.get(key)?.eTag ?? '',
              children: '0',
              'api-calls': '0',
            });
          if (hasFailed)
            store.drop(failureKey(level, path), JSON.stringify({ key, status: 'failed', code: 'X', attempts: 1 }));
          expected.set(key, isDone ? 'done' : hasFailed ? 'failed' : 'open');
        }
        const { levels: counted } = await census(store);
        const all = [...expected.values()];
        for (const state of ['done', 'failed', 'open'] as const) {
          expect(counted.reduce((sum, level) => sum + level[state], 0)).toBe(all.filter((one) => one === state).length);
        }
      }),
    );
    expect(levels.every((level) => nextLevel(level) !== undefined)).toBe(true);
  });
});

describe('a listing that can not be trusted', () => {
  /** A run with three troops, whose listings are changed on their way. */
  const broken = (change: (keys: string[]) => string[]): CensusStore => {
    const store = new MemoryObjectStore();
    for (const id of ['a', 'b', 'c']) store.drop(childKey(levelNamed('troops'), { run: 'r', ids: [] }, id), '{}');
    return {
      head: (key) => store.head(key),
      get: (key, maxBytes) => store.get(key, maxBytes),
      async *list(prefix) {
        for await (const page of store.list(prefix))
          yield change(page.map(({ key }) => key)).map((key) => ({ key, eTag: '', modifiedMs: 0 }));
      },
    };
  };
  const away = (): Promise<never> => Promise.reject(new Error('S3 is away'));

  test.each<[string, (keys: string[]) => string[]]>([
    ['out of order', (keys) => keys.reverse()],
    ['with a key twice', (keys) => [...keys, ...keys.slice(-1)]],
    ['with a key of another prefix', (keys) => (keys.length > 0 ? [...keys, 'zoo/r/x.json'] : [])],
  ])('%s is an error, never a short answer', async (_what, change) => {
    await expect(takeCensus('r', broken(change), () => undefined)).rejects.toMatchObject({ code: 'S3_BAD_LIST' });
  });

  test('that breaks off is an error', async () => {
    const store = new MemoryObjectStore();
    const list = store.list.bind(store);
    store.list = async function* (prefix) {
      yield* list(prefix);
      if (prefix.startsWith('failures/')) await away();
    };
    await expect(takeCensus('r', store, () => undefined)).rejects.toThrow('S3 is away');
  });

  test('a receipt that can not be read is an error', async () => {
    const store = new MemoryObjectStore();
    await completeRun(store, ['a']);
    store.head = away;
    await expect(takeCensus('r', store, () => undefined)).rejects.toThrow('S3 is away');
  });
});
