import { beforeEach, describe, expect, test } from '@jest/globals';
import { createChain, lastLevel, levelNamed } from '../../../../shared/engine/chain/chain.ts';
import { batchPath, failureKey, itemKey } from '../../../../shared/engine/chain/keys.ts';
import { batchBody, batchElement, batchMetadata } from '../../../../shared/engine/item/batch.ts';
import type { FailureNote, ItemFailure } from '../../../../shared/engine/item/failure-note.ts';
import { PartWriter, readParts, resultLine } from '../../../../shared/engine/item/result-parts.ts';
import { explain, type ExplainRequest } from '../../../../shared/engine/report/explain.ts';
import type { Explanation } from '../../../../shared/engine/report/explanation.ts';
import { factsOf } from '../../../../page/explain-facts.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { completeItem } from '../../../memory/run.ts';

const chain = createChain({
  levels: [
    { name: 'shelves', children: 'many', id: 'shelf' },
    { name: 'books', children: 'many', id: 'book' },
    { name: 'pages', children: 'one', batch: 3 },
  ],
});
const pages = lastLevel(chain);
const parent = { run: 'r', ids: ['s'] };
const limits = { maxPartBytes: 1_000_000, maxBodyBytes: 1_000_000 };
const hourMs = 3_600_000;

let clock: TestClock;
let store: MemoryObjectStore;
let stoppedMs = 0;
beforeEach(async () => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  stoppedMs = 0;
  await store.put('seeds/r.json', '{}', {});
  await completeItem(levelNamed(chain, 'shelves'), { run: 'r', ids: [] }, store, ['s']);
  await store.put('shelves/r/s.json', '{}', {});
  await dropBatch(0, ['a', 'b', 'c']);
  await dropBatch(1, ['d', '00000']);
  await completeItem(levelNamed(chain, 'books'), parent, store, ['00000', '00001']);
});

async function dropBatch(number: number, ids: readonly string[], more = {}): Promise<void> {
  const body = batchBody(ids.map((id) => batchElement(['s'], { id, body: '{}' })));
  await store.put(
    itemKey(pages, batchPath(parent, number)),
    body,
    batchMetadata(ids.length, { attempt: '1', ...more }),
  );
}

/** Stores results of a batch as its next part. */
async function fetchItems(number: number, all: readonly string[], ...fetched: readonly string[]): Promise<void> {
  const path = batchPath(parent, number);
  const eTag = store.objects.get(itemKey(pages, path))?.eTag ?? '';
  const batch = { level: pages, path, eTag, items: all.map((id) => ({ id, body: '{}' })) };
  const parts = await readParts(batch, { ...limits, isFirst: false }, store);
  const writer = new PartWriter(batch, parts, limits, store, () => ({ attempt: '2' }));
  for (const id of fetched)
    await writer.add(
      all.indexOf(id),
      resultLine(pages, ['s', id], { fetchedAt: `2026-11-20T00:00:0${all.indexOf(id)}.000Z`, json: '{}' }),
    );
  await writer.flush();
}

function dropNote(change: Partial<FailureNote> = {}): void {
  const key = itemKey(pages, batchPath(parent, 0));
  const at = new Date(clock.now()).toISOString();
  const note = { run: 'r', level: 'pages', key, status: 'failed', class: 'item', code: 'HTTP_404', message: 'gone' };
  const counts = { attempts: 3, replays: 1, refires: 0, at, requestId: 'request-1' };
  store.drop(failureKey(pages, batchPath(parent, 0)), JSON.stringify({ ...note, ...counts, ...change }));
}

function failure(change: Partial<ItemFailure> = {}): ItemFailure {
  const at = new Date(clock.now()).toISOString();
  return { index: 1, id: 'b', class: 'item', code: 'HTTP_410', message: 'b is gone', attempts: 2, at, ...change };
}

const ask = (asked: ExplainRequest['asked'], run?: string): Promise<Explanation> =>
  explain(
    { asked, run },
    {
      chain,
      store,
      clock,
      lostAfterMs: () => hourMs,
      retryingForMs: 60_000,
      stoppedUntilMs: () => Promise.resolve(stoppedMs),
    },
  );
const item = (id: string): Promise<Explanation> => ask(['s', id], 'r');
const batchKey = 'books/r/s/00000.json';
const abc = ['a', 'b', 'c'];

describe('an item of a batch', () => {
  test('is found in whichever batch of its parent holds it', async () => {
    expect(await item('d')).toMatchObject({
      level: 'pages',
      key: 'books/r/s/00001.json',
      ids: [
        { name: 'shelf', id: 's' },
        { name: 'book', id: 'd' },
      ],
      state: 'waiting',
      writtenAt: '2026-11-20T00:00:00.000Z',
      parent: { key: 'shelves/r/s.json', state: 'done' },
      batch: { number: 1, items: 2, done: 0, failed: 0 },
    });
    // An id that looks like the number of a batch is an id.
    expect(await item('00000')).toMatchObject({ key: 'books/r/s/00001.json' });
  });

  test('that is done is in a line of a part', async () => {
    await fetchItems(0, abc, 'a');
    await fetchItems(0, abc, 'b', 'c');
    const explanation = await item('c');
    expect(explanation).toMatchObject({
      state: 'done',
      done: { key: 'pages/r/s/00000.1.ndjson', line: 2, lineage: { 'fetched-at': '2026-11-20T00:00:02.000Z' } },
      batch: { number: 0, items: 3, done: 3 },
    });
    expect(factsOf(explanation)).toContainEqual([
      'result',
      'pages/r/s/00000.1.ndjson, line 2, fetched at 2026-11-20T00:00:02.000Z',
    ]);
  });

  test('is done by a line that it got when it was in another batch', async () => {
    await fetchItems(1, ['d', '00000'], 'd');
    await dropBatch(1, ['e']);
    await dropBatch(2, ['d', 'x'], { 'results-of': '1' });
    expect(await item('d')).toMatchObject({ key: 'books/r/s/00002.json', state: 'waiting' });
    const path = batchPath(parent, 2);
    const eTag = store.objects.get(itemKey(pages, path))?.eTag ?? '';
    const items = ['d', 'x'].map((id) => ({ id, body: '{}' }));
    const batch = { level: pages, path, eTag, items };
    const parts = await readParts(batch, { ...limits, isFirst: true, earlier: 1 }, store);
    await new PartWriter(batch, parts, limits, store, () => ({})).record();
    expect(await item('d')).toMatchObject({ state: 'done', done: { key: 'pages/r/s/00001.ndjson', line: 1 } });
  });

  test('that failed has its own reason, and the others have not failed', async () => {
    await fetchItems(0, abc, 'a');
    dropNote({ items: [failure()] });
    expect(await item('b')).toMatchObject({
      state: 'dead',
      meaning: expect.stringContaining('number 2, ended with HTTP_410'),
      advice: expect.stringContaining('{"run":"r","level":"pages","code":"HTTP_410"}'),
      failure: { code: 'HTTP_410', message: 'b is gone', attempts: 2, requestId: 'request-1' },
    });
    expect(await item('a')).toMatchObject({ state: 'done' });
    const open = await item('c');
    expect(open).toMatchObject({ state: 'waiting' });
    expect(open).not.toHaveProperty('failure');
  });

  test.each<[string, Partial<FailureNote>, Partial<ItemFailure>]>([
    ['retrying', {}, { class: 'transient' }],
    ['parked', { status: 'parked' }, {}],
    ['dead', {}, { code: 'CRASHED' }],
  ])('is %s as its note says', async (state, note, own) => {
    dropNote({ ...note, items: [failure(own)] });
    expect(await item('b')).toMatchObject({ state });
  });

  test('fails with its batch when the note tells of no items', async () => {
    dropNote({ code: 'BAD_BATCH' });
    expect(await item('c')).toMatchObject({ state: 'dead', failure: { code: 'BAD_BATCH', attempts: 3 } });
  });

  test('that may have stopped its function says so', async () => {
    dropNote({ status: 'isolating', class: 'transient', code: 'CRASHED', suspects: [1, 2], items: [] });
    expect(await item('b')).toMatchObject({
      state: 'waiting',
      meaning: expect.stringMatching(/stopped while it fetched this item, or one of 1 others/),
      batch: { suspects: 2 },
    });
    expect((await item('a')).meaning).not.toContain('stopped');
  });

  test('is lost, or stopped, as its batch is', async () => {
    clock.nowMs += hourMs + 1;
    expect(await item('a')).toMatchObject({ state: 'lost' });
    stoppedMs = Infinity;
    expect(await item('a')).toMatchObject({ state: 'stopped' });
  });

  test('that no batch of its parent has is not there', async () => {
    expect(await item('z')).toMatchObject({
      state: 'absent',
      key: 'books/r/s/',
      meaning: expect.stringContaining('The API did not list it'),
    });
  });
});

describe('a batch', () => {
  test.each([
    ['its own key', batchKey],
    ['its own address', `s3://bucket-1/${batchKey}`],
    ['its first part', 'pages/r/s/00000.ndjson'],
    ['a later part', 'pages/r/s/00000.12.ndjson'],
    ['its failure note', 'failures/pages/r/s/00000.json'],
  ])('is found by %s', async (_, asked) => {
    expect(await ask(asked)).toMatchObject({
      level: 'pages',
      key: batchKey,
      ids: [{ name: 'shelf', id: 's' }],
      batch: { number: 0, items: 3 },
    });
  });

  test('that is done names its parts', async () => {
    await fetchItems(0, abc, 'a');
    await fetchItems(0, abc, 'b', 'c');
    const explanation = await ask(batchKey);
    expect(explanation).toMatchObject({
      state: 'done',
      batch: {
        done: 3,
        parts: [
          { key: 'pages/r/s/00000.1.ndjson', items: 2 },
          { key: 'pages/r/s/00000.ndjson', items: 1 },
        ],
      },
    });
    expect(factsOf(explanation)).toContainEqual(['batch', 'number 0 of its parent: 3 of 3 items done, 0 failed']);
  });

  test('counts what failed and what is open, and names the items that failed', async () => {
    await fetchItems(0, abc, 'a');
    dropNote({ items: [failure()] });
    const explanation = await ask(batchKey);
    expect(explanation).toMatchObject({
      state: 'waiting',
      meaning: expect.stringContaining('1 of its 3 items are done, 1 failed, 1 are open.'),
      batch: { failed: 1, failures: [{ id: 'b', code: 'HTTP_410' }] },
    });
    expect(factsOf(explanation)).toContainEqual(['failed item', '"b", after 2 attempts: HTTP_410: b is gone']);
    await fetchItems(0, abc, 'c');
    expect(await ask(batchKey)).toMatchObject({ state: 'dead', advice: expect.stringContaining('"code":"HTTP_410"') });
  });

  test('tells only the first of many that failed', async () => {
    const ids = Array.from({ length: 30 }, (_, index) => `i${index}`);
    await dropBatch(0, ids);
    dropNote({ items: ids.map((id, index) => failure({ id, index })) });
    const explanation = await ask(batchKey);
    expect(explanation).toMatchObject({ state: 'dead', batch: { failed: 30 } });
    expect(explanation.batch?.failures).toHaveLength(10);
    expect(factsOf(explanation)).toContainEqual(['failed items', 'and 20 more']);
  });

  test('that a person put there is what its note says', async () => {
    store.drop(batchKey, 'no batch');
    dropNote({ code: 'BAD_BATCH', message: 'it is no list' });
    expect(await ask(batchKey)).toMatchObject({ state: 'dead', failure: { code: 'BAD_BATCH' }, batch: { items: 1 } });
    expect((await ask(batchKey)).lineage).toBeUndefined();
    await store.put(batchKey, 'no batch', { by: 'hand' });
    expect(await ask(batchKey)).toMatchObject({ lineage: { by: 'hand' } });
  });

  test('that is not there is absent', async () => {
    expect(await ask('books/r/s/00007.json')).toMatchObject({ state: 'absent', parent: { state: 'done' } });
  });
});
