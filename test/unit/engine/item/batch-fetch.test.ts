import { beforeEach, describe, expect, test } from '@jest/globals';
import { createChain, levelNamed, type Chain } from '../../../../shared/engine/chain/chain.ts';
import { itemPathOf } from '../../../../shared/engine/chain/keys.ts';
import { DeferredError, ItemError, RateLimitError, TransientError } from '../../../../shared/engine/errors.ts';
import { newEvent, type FailureReason, type ItemEvent } from '../../../../shared/engine/events.ts';
import type { ItemCounts, ItemDeps, Outcome } from '../../../../shared/engine/item/attempt.ts';
import { batchBody, batchElement, batchMetadata } from '../../../../shared/engine/item/batch.ts';
import { createFailureWatch } from '../../../../shared/engine/item/failure-watch.ts';
import type { FailureNote } from '../../../../shared/engine/item/failure-note.ts';
import type { Fetch } from '../../../../shared/engine/item/fetch.ts';
import { processItem } from '../../../../shared/engine/item/item.ts';
import { takeCensus } from '../../../../shared/engine/report/census.ts';
import { takeRunReport } from '../../../../shared/engine/report/run-report.ts';
import { createRunParamsReader } from '../../../../shared/engine/runs/run-params.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { freeTurns } from '../../../memory/turns.ts';

const chain: Chain = createChain({
  levels: [
    { name: 'shelves', children: 'many', id: 'shelf' },
    { name: 'books', children: 'many', id: 'book' },
    { name: 'pages', children: 'one', batch: 4, callsInFlight: 2 },
  ],
});
const books = levelNamed(chain, 'books');
const pages = levelNamed(chain, 'pages');
const batchKey = 'books/r/s/00000.json';
const partKey = 'pages/r/s/00000.ndjson';
const noteKey = 'failures/pages/r/s/00000.json';

let store: MemoryObjectStore;
let clock: TestClock;
let calls: string[];
let letters: { event: ItemEvent; reason: FailureReason }[];
let waiting: { event: ItemEvent; reason: FailureReason }[];
let counts: ItemCounts[];

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  calls = [];
  letters = [];
  waiting = [];
  counts = [];
});

type Answer = (id: string) => string | Error | Promise<string>;

const answering = (answer: Answer = (id) => `{"page":"${id}"}`): Fetch => ({
  one: (item, gate) =>
    gate(async () => {
      const id = item.ids.at(-1) ?? '';
      calls.push(id);
      const given = await answer(id);
      if (given instanceof Error) throw given;
      return { body: given, contentType: 'application/json' };
    }),
});

function run(
  levelName: string,
  key: string,
  fetch: Fetch,
  event: Partial<ItemEvent> = {},
  deps: Partial<ItemDeps> = {},
) {
  const level = levelNamed(chain, levelName);
  const sinkTo = (list: typeof letters) => ({
    send: (sent: ItemEvent, reason: FailureReason) => Promise.resolve(void list.push({ event: sent, reason })),
  });
  const log = (): void => undefined;
  return processItem({ ...newEvent(key, clock.now()), ...event }, {
    chain,
    level,
    fetch,
    store,
    runParams: createRunParamsReader(chain, store),
    deadLetters: sinkTo(letters),
    waiting: sinkTo(waiting),
    turns: freeTurns(),
    hasFailures: createFailureWatch(level, store, clock, 0),
    clock,
    random: () => 0,
    log: { info: log, warn: log, error: log },
    settings: {
      retry: { retries: 0, baseMs: 1, maxMs: 1, maxFreezeMs: 60_000, maxItemFreezeMs: 600_000, maxWaitMs: 3_600_000 },
      writeConcurrency: 4,
      maxChildren: 1000,
      maxItemBytes: 10_000,
      firstRetryMs: 48_000,
      maxBatchBytes: 1_000,
      maxPartBytes: 1_000,
    },
    requestId: 'request-1',
    deadlineMs: clock.now() + 60_000,
    signal: new AbortController().signal,
    onCall: () => undefined,
    onBatch: (each) => void counts.push(each),
    ...deps,
  } satisfies ItemDeps);
}

const fetchPages = (answer?: Answer, event: Partial<ItemEvent> = {}, deps: Partial<ItemDeps> = {}): Promise<Outcome> =>
  run('pages', batchKey, answering(answer), event, deps);

/** A batch as an expansion leaves it. */
async function dropBatch(ids: readonly string[], key = batchKey): Promise<void> {
  const parent = itemPathOf(pages, key)?.ids.slice(0, -1) ?? [];
  const elements = ids.map((id) => batchElement(parent, { id, body: `{"id":"${id}"}` }));
  await store.put(key, batchBody(elements), batchMetadata(ids.length, {}));
}

/** Read with a reader of its own. */
function results(): unknown[] {
  return store
    .keys('pages/r/')
    .filter((key) => key.endsWith('.ndjson'))
    .flatMap((key) => (store.objects.get(key)?.body ?? '').split('\n').filter((line) => line !== ''))
    .map((line) => (JSON.parse(line) as { book: string }).book)
    .sort();
}

const note = (): FailureNote => store.json(noteKey) as FailureNote;

async function reported() {
  const terms = { now: () => clock.now(), lostAfterMs: () => 1000, retryingForMs: 1000, stoppedUntilMs: 0 };
  return takeRunReport('r', takeCensus(chain, 'r', store), terms);
}

describe('an item whose children come in batches', () => {
  const listing = (...lists: string[][]): Fetch => ({
    async *many(_item, gate) {
      for (const ids of lists)
        yield await gate(() =>
          Promise.resolve({ children: ids.map((id) => ({ id, body: `{"id": "${id}",\n"n":1.0}` })) }),
        );
    },
  });
  const expandShelf = (...lists: string[][]) => run('books', 'shelves/r/s.json', listing(...lists));
  const batches = (): string[][] =>
    store.keys('books/r/').map((key) => (store.json(key) as { ids: string[] }[]).map(({ ids }) => ids.at(-1) ?? ''));

  beforeEach(() => store.drop('shelves/r/s.json', '{}'));

  test('writes them in the order of the list, four an object, whatever the pages are', async () => {
    await expandShelf(['a', 'b', 'c'], ['d', 'e'], ['f']);
    expect(batches()).toEqual([
      ['a', 'b', 'c', 'd'],
      ['e', 'f'],
    ]);
    expect(store.objects.get(batchKey)?.metadata).toMatchObject({ items: '4', 'parent-key': 'shelves/r/s.json' });
    expect(store.json('receipts/books/r/s.json')).toMatchObject({ children: 2, items: 6 });
    expect(store.objects.get(batchKey)?.body.split('\n')[0]).toBe('[{"ids":["s","a"],"item":{"id": "a", "n":1.0}},');
  });

  test('a batch is full by its bytes, too', async () => {
    const long = 'x'.repeat(300);
    await expandShelf([`a${long}`, `b${long}`, `c${long}`]);
    expect(batches().map((ids) => ids.length)).toEqual([1, 1, 1]);
  });

  test('another attempt with another list writes no child twice and loses none', async () => {
    await expandShelf(['a', 'b', 'c', 'd', 'e']);
    store.objects.delete('receipts/books/r/s.json');
    await expandShelf(['z', 'e', 'd', 'y', 'a']);
    expect(batches().flat().sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'y', 'z']);
    expect((await reported()).levels[2]).toMatchObject({ items: 7, short: 0 });
  });

  test('a batch that was deleted is written anew, and none of the others is repeated', async () => {
    await expandShelf(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']);
    const before = store.objects.get('books/r/s/00001.json')?.body;
    store.objects.delete('books/r/s/00001.json');
    await run('books', 'shelves/r/s.json', listing(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']), {
      reexpand: true,
      atMs: clock.now() + 1,
    });
    expect(store.objects.get('books/r/s/00001.json')?.body).toBe(before);
    expect(batches().flat().sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']);
  });
});

describe('a batch', () => {
  test('becomes one part: a line an item, with its ids and the API’s own text', async () => {
    await dropBatch(['a', 'b']);
    const outcome = await fetchPages((id) => `{"id":"${id}",\r\n "n": 1e400}`);
    expect(outcome).toEqual({
      outcome: 'expanded',
      written: 2,
      apiCalls: 2,
      items: { done: 2, failed: 0, deferred: 0 },
    });
    const part = store.objects.get(partKey);
    const fetchedAt = new Date(clock.now()).toISOString();
    expect(part?.body.split('\n')[0]).toBe(
      `{"shelf":"s","book":"a","fetched_at":"${fetchedAt}","data":{"id":"a",  "n": 1e400}}`,
    );
    expect(part?.contentType).toBe('application/x-ndjson');
    expect(part?.metadata).toMatchObject({ items: '2', has: '03', 'batch-etag': store.objects.get(batchKey)?.eTag });
  });

  test('that is done is not fetched again', async () => {
    await dropBatch(['a', 'b']);
    await fetchPages();
    expect(await fetchPages(undefined, { replays: 1 })).toMatchObject({ outcome: 'duplicate' });
    expect(calls).toEqual(['a', 'b']);
  });

  test('one bad item does not keep the others; the note names it, and one letter is sent', async () => {
    await dropBatch(['a', 'b', 'c']);
    const outcome = await fetchPages((id) => (id === 'b' ? new ItemError('HTTP_404', 'not there') : '1'));
    expect(outcome).toMatchObject({ outcome: 'failed', items: { done: 2, failed: 1, deferred: 0 } });
    expect(results()).toEqual(['a', 'c']);
    expect(note()).toMatchObject({
      status: 'failed',
      code: 'HTTP_404',
      items: [{ id: 'b', index: 1, code: 'HTTP_404', attempts: 1 }],
    });
    expect(letters.map(({ reason }) => [reason.code, reason.key])).toEqual([['HTTP_404', batchKey]]);
  });

  test('a retry calls what failed transiently, and neither what is done nor what can not be fetched', async () => {
    await dropBatch(['a', 'b', 'c']);
    let isHealthy = false;
    const answer: Answer = (id) => {
      if (id === 'b') return new ItemError('HTTP_404', 'not there');
      return id === 'c' && !isHealthy ? new TransientError('HTTP_503', 'busy') : '1';
    };
    await expect(fetchPages(answer)).rejects.toMatchObject({ code: 'HTTP_503' });
    expect(letters).toEqual([]);
    isHealthy = true;
    clock.nowMs += 60_000;
    calls = [];
    expect(await fetchPages(answer, { atMs: 0 })).toMatchObject({ outcome: 'failed' });
    expect(calls).toEqual(['c']);
    expect(results()).toEqual(['a', 'c']);
    expect(store.keys('pages/r/')).toEqual(['pages/r/s/00000.1.ndjson', partKey]);
    expect(letters).toHaveLength(1);
  });

  test('a replay calls all that is not done', async () => {
    await dropBatch(['a', 'b']);
    await fetchPages((id) => (id === 'b' ? new ItemError('HTTP_404', 'not there') : '1'));
    calls = [];
    expect(await fetchPages(undefined, { replays: 1 })).toMatchObject({ outcome: 'expanded' });
    expect(calls).toEqual(['b']);
    expect(results()).toEqual(['a', 'b']);
  });

  test('what has no turn in this invocation waits, at no attempt, and what was fetched is stored', async () => {
    await dropBatch(['a', 'b', 'c', 'd']);
    let turns = 0;
    const take = (): Promise<void> =>
      (turns += 1) > 2 ? Promise.reject(new DeferredError('NO_TURN', 'later')) : Promise.resolve();
    const outcome = await fetchPages(undefined, {}, { turns: { ...freeTurns(), take } });
    expect(outcome).toMatchObject({ outcome: 'deferred', items: { done: 2, failed: 0, deferred: 2 } });
    expect(results()).toEqual(['a', 'b']);
    expect(waiting.map(({ reason }) => reason.code)).toEqual(['NO_TURN']);
    expect(store.objects.has(noteKey)).toBe(false);
  });

  test('each item that the API keeps waiting is told of with the event', async () => {
    await dropBatch(['a', 'b']);
    const until = clock.now();
    const order = new RateLimitError('HTTP_429', 'wait', { waitMs: 3_600_000 });
    const frozen = new DeferredError('FROZEN', 'frozen');
    const turns = { ...freeTurns(), freeze: () => Promise.reject(frozen) };
    await fetchPages((id) => (id === 'b' ? order : '1'), {}, { turns });
    expect(waiting[0]?.event.waits).toEqual({ 1: { waitingSinceMs: until, frozenMs: 60_000 } });
  });

  test('results are stored when they are as many bytes as a part may have', async () => {
    await dropBatch(['a', 'b', 'c']);
    await fetchPages(() => JSON.stringify('x'.repeat(1000)));
    expect(store.keys('pages/r/')).toHaveLength(3);
    expect(results()).toEqual(['a', 'b', 'c']);
  });

  test('two invocations of it at the same time store each result once', async () => {
    await dropBatch(['a', 'b', 'c']);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const slow = fetchPages(async () => held.then(() => '1'));
    await fetchPages();
    release();
    await slow;
    expect(results()).toEqual(['a', 'b', 'c']);
    expect(store.keys('pages/r/')).toEqual([partKey]);
  });

  test('what a part of the batch that was here before holds is not fetched again, and is recorded', async () => {
    await dropBatch(['a', 'b']);
    await fetchPages();
    await dropBatch(['b', 'c', 'a']);
    calls = [];
    await fetchPages();
    expect(calls).toEqual(['c']);
    expect(results()).toEqual(['a', 'b', 'c']);
    expect((await reported()).levels[2]).toMatchObject({ items: 3, done: 3 });
    await dropBatch(['a']);
    await fetchPages();
    expect((await reported()).levels[2]).toMatchObject({ items: 1, done: 1 });
  });

  test.each([['{}'], ['[]'], ['[{"ids":["other","a"],"item":1}]'], ['[{"ids":["s","a"], "item":1}]'], ['[1]']])(
    'an object %s that the engine did not write fails as one, with a reason',
    async (body) => {
      store.drop(batchKey, body);
      expect(await fetchPages()).toMatchObject({ outcome: 'failed' });
      expect(note()).toMatchObject({ code: 'BAD_BATCH' });
      expect((await reported()).levels[2]).toMatchObject({ items: 1, failed: { dead: 1 } });
    },
  );
});

describe('a batch that stops its function', () => {
  /** The function is gone when it fetches this item: its promise never ends. */
  async function crashAt(ids: readonly string[], event: Partial<ItemEvent>): Promise<boolean> {
    let stop = (): void => undefined;
    const stopped = new Promise<'stopped'>((resolve) => (stop = () => resolve('stopped')));
    const answer: Answer = (id) => {
      if (!ids.includes(id)) return '1';
      stop();
      return new Promise<string>(() => undefined);
    };
    return (await Promise.race([fetchPages(answer, event), stopped])) === 'stopped';
  }

  test('is taken in smaller steps until the item is alone; that one fails, the others are done', async () => {
    const ids = Array.from({ length: 40 }, (_, index) => `i${index}`);
    await dropBatch(ids);
    let attempts = 0;
    const event = { refires: 0, replays: 0 };
    while (await crashAt(['i17', 'i33'], event)) {
      attempts += 1;
      expect(attempts).toBeLessThan(10);
      event.replays = 1;
    }
    expect(note().items?.map(({ id, code }) => [id, code])).toEqual([
      ['i17', 'CRASHED'],
      ['i33', 'CRASHED'],
    ]);
    expect(results()).toHaveLength(38);
    expect((await reported()).levels[2]).toMatchObject({ items: 40, done: 38, failed: { dead: 2 } });
  });
});

test('the name of the part’s level is the engine’s own', () =>
  expect([books.writes, pages.suffix]).toEqual(['books', '.ndjson']));
