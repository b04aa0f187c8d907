import { beforeEach, describe, expect, test } from '@jest/globals';
import { levelNamed } from '../../../../shared/engine/chain/chain.ts';
import { failureKey, itemKey } from '../../../../shared/engine/chain/keys.ts';
import type { FailureNote } from '../../../../shared/engine/item/failure-note.ts';
import { explain, type ExplainRequest } from '../../../../shared/engine/report/explain.ts';
import type { Explanation } from '../../../../shared/engine/report/explanation.ts';
import { everyDepth, fourLevels, twoLevels } from '../../../chains.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { completeRun } from '../../../memory/run.ts';

let clock: TestClock;
let store: MemoryObjectStore;
let stoppedMs = 0;
beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  stoppedMs = 0;
});

const hourMs = 3_600_000;
const ask = (asked: ExplainRequest['asked'], run?: string, chain = fourLevels): Promise<Explanation> =>
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

const shelves = levelNamed(fourLevels, 'shelves');
const path = { run: 'r', ids: ['a', 'a'] };
const key = itemKey(shelves, path);

/** A complete run of which this item is open. */
async function openItem(): Promise<void> {
  await completeRun(fourLevels, store, ['a']);
  store.objects.delete('receipts/shelves/r/a/a.json');
}

function noteOf(change: Partial<FailureNote> = {}): void {
  const at = new Date(clock.now()).toISOString();
  const note = { run: 'r', level: 'shelves', key, status: 'failed', class: 'item', code: 'HTTP_404', message: 'gone' };
  const counts = { attempts: 3, replays: 1, refires: 0, at, requestId: 'request-1' };
  store.drop(failureKey(shelves, path), JSON.stringify({ ...note, ...counts, ...change }));
}

test.each(everyDepth)('every item of a chain of %i is found by its ids, and is done', async (_, chain) => {
  await completeRun(chain, store, ['a']);
  for (const level of chain.levels) {
    const ids = level.ids.map(() => 'a');
    expect(await ask(ids, 'r', chain)).toMatchObject({
      run: 'r',
      level: level.name,
      ids: level.ids.map((name) => ({ name, id: 'a' })),
      state: 'done',
      ...(ids.length > 0 && { parent: { state: 'done' } }),
    });
  }
});

describe('an item is found by', () => {
  test.each([
    ['its own key', 'local_shops/r/a/a.json'],
    ['its own address', 's3://bucket-1/local_shops/r/a/a.json'],
    ['its receipt', 'receipts/shelves/r/a/a.json'],
    ['its failure note', 'failures/shelves/r/a/a.json'],
  ])('%s', async (_, asked) => {
    await completeRun(fourLevels, store, ['a']);
    expect(await ask(asked)).toMatchObject({ level: 'shelves', key, done: { receipt: { children: 1, apiCalls: 1 } } });
  });

  test('its result, whatever its suffix', async () => {
    await completeRun(twoLevels, store, ['a.b']);
    const [result = ''] = store.keys('sales/');
    expect(await ask(result, undefined, twoLevels)).toMatchObject({
      level: 'sales',
      ids: [{ name: 'shop', id: 'a.b' }],
      done: { key: result },
    });
  });
});

describe('what is asked is refused when it is', () => {
  test.each<[string, ExplainRequest['asked'], string | undefined, RegExp]>([
    ['no key', 'elsewhere/r/a.json', undefined, /is no key of this chain; its items are seeds\/<run>\.json/],
    ['the key of a stray object', 'regions/r/a/b/c.json', undefined, /is no key of this chain/],
    ['a result with another ending', 'stock/r/a/a/a.docx', undefined, /is no key of this chain/],
    ['ids without a run', ['a'], undefined, /ids need the name of their run/],
    ['more ids than there are levels', ['a', 'b', 'c', 'd'], 'r', /4 ids; an item has at most 3/],
    ['an empty id', ['a', ''], 'r', /2 ids/],
  ])('%s', async (_, asked, run, message) => {
    await expect(ask(asked, run)).rejects.toThrow(message);
  });
});

describe('an item that has failed', () => {
  test('for good waits for a person, and the reason is its note', async () => {
    await openItem();
    noteOf();
    expect(await ask(key)).toMatchObject({
      state: 'dead',
      meaning: expect.stringContaining('number 3, ended with HTTP_404'),
      advice: expect.stringContaining('{"run":"r","level":"shelves","code":"HTTP_404"}'),
      failure: { message: 'gone', requestId: 'request-1' },
    });
  });

  test('in a way that may pass is AWS’s to retry for a while', async () => {
    await openItem();
    noteOf({ class: 'transient' });
    expect(await ask(key)).toMatchObject({ state: 'retrying' });
    clock.nowMs += 60_000;
    expect(await ask(key)).toMatchObject({ state: 'dead' });
  });

  test('after every replay needs force', async () => {
    await openItem();
    noteOf({ status: 'parked' });
    expect(await ask(key)).toMatchObject({ state: 'parked', advice: expect.stringContaining('"force":true') });
  });

  test('and was done later is done', async () => {
    await completeRun(fourLevels, store, ['a']);
    noteOf();
    expect(await ask(key)).toMatchObject({ state: 'done', failure: { code: 'HTTP_404' } });
  });
});

describe('an open item', () => {
  test('waits for its function, until no event for it can be alive', async () => {
    await openItem();
    expect(await ask(key)).toMatchObject({ state: 'waiting', writtenAt: '2026-11-20T00:00:00.000Z' });
    clock.nowMs += hourMs;
    expect(await ask(key)).toMatchObject({ state: 'waiting' });
    clock.nowMs += 1;
    expect(await ask(key)).toMatchObject({ state: 'lost', advice: expect.stringContaining('-f sweep') });
    noteOf({ status: 'refired', class: 'transient' });
    expect(await ask(key)).toMatchObject({ state: 'waiting' });
  });

  test('waits for the end of a pause or a freeze', async () => {
    await openItem();
    stoppedMs = Infinity;
    expect(await ask(key)).toMatchObject({ state: 'stopped', advice: 'To continue: npm run rate -- resume' });
    stoppedMs = clock.now() + 1000;
    expect(await ask(key)).toMatchObject({ state: 'stopped', meaning: expect.stringContaining('00:00:01') });
    clock.nowMs = stoppedMs;
    expect(await ask(key)).toMatchObject({ state: 'waiting' });
  });

  test('that was dropped again with another content is not done', async () => {
    await completeRun(fourLevels, store, ['a']);
    store.drop(key, '{"new": true}');
    expect(await ask(key)).toMatchObject({ state: 'waiting' });
  });
});

describe('an item that is not there', () => {
  test('was not listed by its parent, may still be, or has none', async () => {
    await completeRun(fourLevels, store, ['a']);
    expect(await ask(['a', 'b'], 'r')).toMatchObject({
      state: 'absent',
      meaning: expect.stringContaining('The API did not list it'),
      parent: { key: 'regions/r/a.json', state: 'done' },
    });
    store.objects.delete('receipts/shops/r/a.json');
    expect(await ask(['a', 'b'], 'r')).toMatchObject({ meaning: expect.stringContaining('it may still come') });
    expect(await ask(['b', 'b'], 'r')).toMatchObject({ parent: { state: 'absent' } });
    expect(await ask([], 'other')).toMatchObject({ state: 'absent', meaning: expect.stringContaining('no such seed') });
  });
});

test('says what the writer left on the item', async () => {
  await completeRun(fourLevels, store, ['a']);
  await store.put(key, '{}', { 'parent-key': 'regions/r/a.json', attempt: '2' });
  expect(await ask(key)).toMatchObject({ lineage: { 'parent-key': 'regions/r/a.json', attempt: '2' } });
  await store.put(key, '{}', { by: 'hand' });
  expect(await ask(key)).toMatchObject({ lineage: { by: 'hand' } });
  await store.put(key, '{}', {});
  expect((await ask(key)).lineage).toBeUndefined();
});
