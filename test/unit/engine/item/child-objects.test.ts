import { beforeEach, describe, expect, test } from '@jest/globals';
import { ItemError } from '../../../../shared/engine/errors.ts';
import type { ItemEvent } from '../../../../shared/engine/events.ts';
import { batchKey, BatchWorld, partKey } from '../../../memory/batch-world.ts';

const nine = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
const second = 'books/r/s/00001.json';

let world: BatchWorld;

beforeEach(() => {
  world = new BatchWorld();
  world.store.drop('shelves/r/s.json', '{}');
});

async function fetchAll(): Promise<void> {
  for (const key of world.store.keys('books/r/')) await world.fetchPages(undefined, { key, reexpand: false });
}

/** The shelf and its nine books are done, and there is nothing else. */
async function expectWhole(): Promise<void> {
  const [, shelves, books] = (await world.report()).levels;
  expect(shelves).toMatchObject({ items: 1, done: 1, short: 0, stray: 0 });
  expect(books).toMatchObject({ items: 9, done: 9, stray: 0 });
}

describe('an item whose children come in batches', () => {
  test('writes them in the order of the list, four an object, whatever the pages are', async () => {
    await world.expandShelf([['a', 'b', 'c'], ['d', 'e'], ['f']]);
    expect(world.batches()).toEqual({ [batchKey]: ['a', 'b', 'c', 'd'], [second]: ['e', 'f'] });
    expect(world.store.objects.get(batchKey)?.metadata).toMatchObject({ items: '4', 'parent-key': 'shelves/r/s.json' });
    expect(world.store.json('receipts/books/r/s.json')).toMatchObject({ children: 2, items: 6 });
    expect(world.store.objects.get(batchKey)?.body.split('\n')[0]).toBe(
      '[{"ids":["s","a"],"item":{"id": "a", "n":1.0}},',
    );
  });

  test('a batch is full by its bytes, too', async () => {
    const long = 'x'.repeat(300);
    await world.expandShelf([[`a${long}`, `b${long}`, `c${long}`]]);
    expect(Object.values(world.batches()).map((ids) => ids.length)).toEqual([1, 1, 1]);
  });

  test('without children writes none, and its receipt says so', async () => {
    await world.expandShelf([[]]);
    expect(world.batches()).toEqual({});
    expect(world.store.json('receipts/books/r/s.json')).toMatchObject({ children: 0 });
  });

  test('another attempt with another list writes no child twice and loses none', async () => {
    await world.expandShelf([['a', 'b', 'c', 'd', 'e']]);
    world.store.objects.delete('receipts/books/r/s.json');
    await world.expandShelf([['z', 'e', 'd', 'y', 'a']]);
    expect(Object.values(world.batches()).flat().sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'y', 'z']);
    expect(await world.reportedPages()).toMatchObject({ items: 7 });
    expect((await world.report()).levels.map(({ short }) => short)).toEqual([0, 0, 0]);
  });

  test('two attempts at the same time, whose lists differ, write each child once', async () => {
    await Promise.all([world.expandShelf([nine]), world.expandShelf([nine.toReversed(), ['z']])]);
    expect(Object.values(world.batches()).flat().sort()).toEqual([...nine, 'z']);
  });

  test('an attempt that comes upon batches of another one, of which one was deleted, writes no child of the others twice', async () => {
    await world.expandShelf([nine]);
    world.store.objects.delete('receipts/books/r/s.json');
    world.store.objects.delete(second);
    // The list comes after all that is read and written meanwhile.
    const list = world.store.list.bind(world.store);
    world.store.list = async function* (prefix) {
      await new Promise(setImmediate);
      yield* list(prefix);
    };
    await world.expandShelf([
      ['a', 'b', 'c', 'd'],
      ['i', 'h', 'g', 'f', 'e'],
    ]);
    expect(Object.values(world.batches()).flat().sort()).toEqual(nine);
  });

  test('a batch that another attempt wrote after this one had listed them keeps its children', async () => {
    await world.expandShelf([['a', 'b', 'c', 'd']]);
    world.store.objects.delete('receipts/books/r/s.json');
    const list = world.store.list.bind(world.store);
    world.store.list = async function* (prefix) {
      for await (const page of list(prefix)) yield page.filter(({ key }) => key !== batchKey);
    };
    await world.expandShelf([nine]);
    expect(Object.values(world.batches()).flat().sort()).toEqual(nine);
  });

  test('an object of another kind in the place of a batch is passed over', async () => {
    world.store.drop(batchKey, 'junk');
    await world.expandShelf([nine]);
    world.store.objects.delete(batchKey);
    expect(Object.values(world.batches())).toEqual([['a', 'b', 'c', 'd'], ['e', 'f', 'g', 'h'], ['i']]);
  });

  test.each<[string, Partial<ItemEvent>]>([
    ['a replay', { replays: 1 }],
    ["the sweep's re-fire", { refires: 1 }],
    ["a queue's second delivery", { delivery: 2 }],
    ["Lambda's retry, as its note says", {}],
  ])('of an item that failed, %s writes no child twice although a batch was deleted', async (_by, event) => {
    expect(await world.expandShelf([['a', 'b', 'c', 'd', 'e', '']])).toMatchObject({ outcome: 'failed' });
    world.store.objects.delete(batchKey);
    const atMs = world.clock.now();
    world.clock.nowMs += 3_600_000;
    await world.expandShelf([['e', 'd', 'c', 'b', 'a']], { ...event, atMs });
    expect(Object.values(world.batches()).flat().sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('that is expanded again tells apart what it wrote and what was there', async () => {
    await world.expandShelf([nine]);
    world.store.objects.delete(second);
    expect(await world.reexpandShelf(nine)).toMatchObject({ outcome: 'expanded', written: 1 });
    expect(world.store.json('receipts/books/r/s.json')).toMatchObject({ children: 3, existing: 2 });
  });

  test('that is expanded again counts the batches that are there, also when the API gives no page any more', async () => {
    await world.expandShelf([nine]);
    await world.reexpandShelf();
    expect(world.store.json('receipts/books/r/s.json')).toMatchObject({ children: 3, existing: 3 });
    expect((await world.report()).levels.map(({ short }) => short)).toEqual([0, 0, 0]);
  });

  test('a batch that was deleted is written anew, and none of the others is repeated', async () => {
    await world.expandShelf([nine]);
    const before = world.store.objects.get(second)?.body;
    world.store.objects.delete(second);
    await world.reexpandShelf(nine);
    expect(world.store.objects.get(second)?.body).toBe(before);
    expect(Object.values(world.batches()).flat().sort()).toEqual(nine);
  });
});

describe('results of items whose batch is gone', () => {
  beforeEach(async () => {
    await world.expandShelf([nine]);
    await fetchAll();
    world.calls = [];
  });

  test('are not fetched again when their batch was deleted', async () => {
    world.store.objects.delete(second);
    await world.reexpandShelf(nine);
    await fetchAll();
    expect(world.calls).toEqual([]);
    expect(world.results()).toEqual(nine);
    await expectWhole();
  });

  test('are not fetched again when another object took the number, so that the items go to another one', async () => {
    world.store.drop(second, 'junk');
    await world.reexpandShelf(nine);
    const moved = 'books/r/s/00003.json';
    expect(world.store.objects.get(moved)?.metadata).toMatchObject({ items: '4', 'results-of': '1' });
    await world.fetchPages(undefined, { key: moved });
    expect(world.calls).toEqual([]);
    expect(world.results()).toEqual(nine);
    expect(world.store.objects.get('pages/r/s/00003.ndjson')).toMatchObject({ body: '', metadata: { has: '0f' } });
    // The person deletes what took the number; the parts under it stay, since they hold the results.
    world.store.objects.delete(second);
    await world.reexpandShelf(nine);
    await expectWhole();
  });

  test('are not fetched again when two batches change their numbers', async () => {
    world.store.objects.delete(batchKey);
    world.store.objects.delete(second);
    await world.reexpandShelf(nine.toReversed());
    expect(world.batches()).toMatchObject({ [batchKey]: ['h', 'g', 'f', 'e'], [second]: ['d', 'c', 'b', 'a'] });
    await fetchAll();
    expect(world.calls).toEqual([]);
    expect(world.results()).toEqual(nine);
    await expectWhole();
  });

  test('that are not all there: only the others are fetched', async () => {
    await world.dropBatch(['j', 'k'], 'books/r/s/00003.json');
    await world.fetchPages((id) => (id === 'j' ? new ItemError('HTTP_404', 'not there') : '1'), {
      key: 'books/r/s/00003.json',
    });
    world.store.drop('books/r/s/00003.json', 'junk');
    world.calls = [];
    await world.reexpandShelf([...nine, 'j', 'k']);
    for (const key of ['books/r/s/00004.json', 'books/r/s/00005.json']) await world.fetchPages(undefined, { key });
    expect(world.calls).toEqual(['j']);
    expect(world.results()).toEqual([...nine, 'j', 'k']);
  });

  test('that a person wrote are none: they are fetched', async () => {
    world.store.objects.delete(batchKey);
    const part = world.store.objects.get(partKey);
    world.store.drop(partKey, part?.body ?? '');
    await world.reexpandShelf(nine);
    await fetchAll();
    expect(world.calls.toSorted()).toEqual(['a', 'b', 'c', 'd']);
    expect(await world.reportedPages()).toMatchObject({ items: 9, done: 9, stray: 1 });
  });
});
