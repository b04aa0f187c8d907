import { beforeEach, describe, expect, test } from '@jest/globals';
import { levelNamed, type Chain } from '../../../../shared/engine/chain/chain.ts';
import { doneKey, itemKey, resultKey } from '../../../../shared/engine/chain/keys.ts';
import { DeferredError, ItemError, RateLimitError, TransientError } from '../../../../shared/engine/errors.ts';
import { newEvent, type ItemEvent } from '../../../../shared/engine/events.ts';
import type { FailureNote } from '../../../../shared/engine/item/failure-note.ts';
import type { Fetch, Params, ReadItem, UnreadItem } from '../../../../shared/engine/item/fetch.ts';
import type { ItemDeps, Outcome } from '../../../../shared/engine/item/attempt.ts';
import { processItem } from '../../../../shared/engine/item/item.ts';
import type { Child, Metadata, Page } from '../../../../shared/engine/ports.ts';
import type { Receipt } from '../../../../shared/engine/item/receipt.ts';
import { everyDepth, everyTree, fourLevels, oneLevel, twoLevels, withParams } from '../../../chains.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { digestOf } from '../../../memory/run.ts';
import { itemDeps, type Sent } from '../../../memory/item-deps.ts';
import { freeTurns } from '../../../memory/turns.ts';

let store: MemoryObjectStore;
let clock: TestClock;
/** What was sent to the dead-letter and the waiting queue. */
let deadLetters: Sent[];
let waiting: Sent[];
let lines: { message: string; fields: Record<string, unknown> }[];

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  deadLetters = [];
  waiting = [];
  lines = [];
});

const child = (id: string): Child => ({ id, body: JSON.stringify({ id }) });
const json = (body: string) => ({ body, contentType: 'application/json' });
const listing = (...lists: string[][]): Fetch => ({
  async *many(_item, gate) {
    for (const ids of lists) yield await gate(() => Promise.resolve<Page>({ children: ids.map(child) }));
  },
});
const failing = (error: Error, ...first: string[][]): Fetch => ({
  async *many(_item, gate) {
    for (const ids of first) yield await gate(() => Promise.resolve<Page>({ children: ids.map(child) }));
    await gate(() => Promise.reject(error));
  },
});

const eventOf = (key: string): ItemEvent => ({ ...newEvent(key, clock.now()), record: { s3: { object: { key } } } });

type Overrides = Partial<ItemDeps> & { event?: ItemEvent };

function run(levelName: string, key: string, fetch: Fetch, overrides: Overrides = {}): Promise<Outcome> {
  const { chain = fourLevels } = overrides;
  const level = levelNamed(chain, levelName);
  const log = (message: string, fields: Record<string, unknown> = {}): void => void lines.push({ message, fields });
  return processItem(overrides.event ?? eventOf(key), {
    ...itemDeps({ chain, level, fetch, store, clock, deadLetters, waiting }),
    log: { info: log, warn: log, error: log },
    ...overrides,
  });
}

describe('an item whose turn at the API does not come', () => {
  const paused = {
    ...freeTurns(),
    take: () => Promise.reject(new DeferredError('PAUSED', 'The calls to the API are paused by control/rate.json.')),
  };

  test('is requeued with the event that it came with, and this counts as no attempt', async () => {
    store.drop('regions/r/a.json', '{}');
    const event = {
      ...eventOf('regions/r/a.json'),
      replays: 2,
      record: { s3: 'as it came', s3Cascade: { replays: 2 } },
    };
    const outcome = await run('shops', event.key, listing(['x']), { turns: paused, event });
    expect(outcome).toEqual({ outcome: 'deferred', written: 0, apiCalls: 0 });
    expect(waiting).toMatchObject([{ reason: { code: 'PAUSED', key: 'regions/r/a.json', run: 'r' }, event }]);
    expect(waiting[0]?.event.waitingSinceMs).toBeUndefined();
    expect(store.keys()).toEqual(['regions/r/a.json']);
    expect(deadLetters).toEqual([]);
  });

  test('keeps the children that were written before, and has no receipt', async () => {
    store.drop('regions/r/a.json', '{}');
    let turnsLeft = 1;
    const turns = { ...paused, take: () => ((turnsLeft -= 1) >= 0 ? Promise.resolve() : paused.take()) };
    expect(await run('shops', 'regions/r/a.json', listing(['x'], ['y']), { turns })).toMatchObject({
      outcome: 'deferred',
      apiCalls: 1,
    });
    expect(store.keys()).toEqual(['local_shops/r/a/x.json', 'regions/r/a.json']);
  });

  test('fails when the waiting queue does not take it, so that its event is not lost', async () => {
    store.drop('regions/r/a.json', '{}');
    const sink = { send: () => Promise.reject(new TransientError('SQS_503', 'busy')) };
    await expect(run('shops', 'regions/r/a.json', listing(['x']), { turns: paused, waiting: sink })).rejects.toThrow(
      'busy',
    );
  });
});

describe('the note of earlier attempts', () => {
  test('is not looked for at the first event of an item, and is when a person or the sweep has sent it', async () => {
    store.drop('regions/r/a.json', '{}');
    const looks = async (event: Partial<ItemEvent>): Promise<number> => {
      store.lists.length = 0;
      await run('shops', 'regions/r/a.json', listing(['x']), { event: { ...eventOf('regions/r/a.json'), ...event } });
      return store.lists.filter((prefix) => prefix.startsWith('failures/')).length;
    };
    expect([await looks({}), await looks({ delivery: 1 })]).toEqual([0, 0]);
    expect([await looks({ replays: 1 }), await looks({ refires: 1 }), await looks({ waited: 1 })]).toEqual([1, 1, 1]);
  });
});

describe('a list that ends early', () => {
  test('is closed, and what its source has opened is, before the attempt ends', async () => {
    store.drop('regions/r/a.json', '{}');
    let isOpen = false;
    const fetch: Fetch = {
      async *many() {
        isOpen = true;
        try {
          for (let page = 0; page < 9; page += 1) yield await Promise.resolve({ children: [child(`x${page}`)] });
        } finally {
          isOpen = false;
        }
      },
    };
    store.create = () => Promise.reject(new TransientError('SlowDown', 'S3 is busy'));
    await expect(run('shops', 'regions/r/a.json', fetch)).rejects.toThrow();
    expect(isOpen).toBe(false);
  });
});

describe('an item that is to be expanded again', () => {
  test('is, unless that was done since the event', async () => {
    store.drop('regions/r/a.json', '{}');
    await run('shops', 'regions/r/a.json', listing(['x']));
    clock.nowMs += 1000;
    const event = { ...eventOf('regions/r/a.json'), reexpand: true };
    store.objects.delete('local_shops/r/a/x.json');
    clock.nowMs += 1000;
    expect(await run('shops', event.key, listing(['x']), { event })).toMatchObject({
      outcome: 'expanded',
      written: 1,
    });
    expect(await run('shops', event.key, listing(['x']), { event })).toMatchObject({ outcome: 'duplicate' });
  });
});

describe('a seed that is expanded anew', () => {
  test.each(everyTree)('takes with it, in a chain of %i, what its run was complete for', async (_depth, chain) => {
    const last = chain.levels.at(-1)?.writes ?? '';
    store.drop('seeds/r.json', '{}');
    store.drop('finished/r/earlier.json', '{}');
    store.drop(`${last}/r/_SUCCESS`, '{}');
    await run(chain.levels[0]?.name ?? '', 'seeds/r.json', listing(['a']), { chain });
    expect([...store.keys(`${last}/`), ...store.keys('finished/')].filter((key) => !key.endsWith('/a.json'))).toEqual(
      [],
    );
  });

  test('while an older one is still worked on keeps its receipt: the older one writes none', async () => {
    store.drop('seeds/r.json', '{}');
    const slow: Fetch = {
      async *many(_item, gate) {
        store.drop('seeds/r.json', '{"only":{"region":["a"]}}');
        store.drop('receipts/regions/r.json', 'of the newer one');
        yield await gate(() => Promise.resolve<Page>({ children: [child('a')] }));
      },
    };
    expect(await run('regions', 'seeds/r.json', slow)).toMatchObject({ outcome: 'duplicate', written: 1 });
    expect(store.objects.get('receipts/regions/r.json')?.body).toBe('of the newer one');
  });

  test('takes the markers of what its run was away first', async () => {
    store.drop('seeds/r.json', '{}');
    store.drop('finished/r/earlier.json', '{}');
    store.drop('stock/r/_SUCCESS', '{}');
    await expect(run('regions', 'seeds/r.json', failing(new TransientError('HTTP_503', 'busy')))).rejects.toThrow();
    expect([...store.keys('stock/'), ...store.keys('finished/')]).toEqual([]);
  });
});

describe('an item that goes well', () => {
  test('becomes its children and then its receipt', async () => {
    store.drop('regions/r/a.json', '{"id":"a"}');
    const outcome = await run('shops', 'regions/r/a.json', listing(['x', 'y'], ['../z']));
    expect(outcome).toEqual({ outcome: 'expanded', written: 3, apiCalls: 2 });
    expect(store.keys('local_shops/')).toEqual([
      'local_shops/r/a/%2E%2E%2Fz.json',
      'local_shops/r/a/x.json',
      'local_shops/r/a/y.json',
    ]);
    expect(store.objects.get('local_shops/r/a/%2E%2E%2Fz.json')).toMatchObject({
      body: '{"id":"../z"}',
      metadata: { run: 'r', 'parent-key': 'regions/r/a.json', attempt: '1', 'fetched-at': '2026-11-20T00:00:00.000Z' },
    });
    expect(store.json('receipts/shops/r/a.json')).toEqual({
      run: 'r',
      level: 'shops',
      key: 'regions/r/a.json',
      inputETag: store.objects.get('regions/r/a.json')?.eTag ?? '',
      children: 3,
      digest: digestOf(store.keys('local_shops/')),
      existing: 0,
      apiCalls: 2,
      attempt: 1,
      at: '2026-11-20T00:00:00.000Z',
    } satisfies Receipt);
    expect([...store.objects.keys()].at(-1)).toBe('receipts/shops/r/a.json');
  });

  test('with no children gets its receipt too', async () => {
    store.drop('regions/r/a.json', '{}');
    await run('shops', 'regions/r/a.json', listing([]));
    expect(store.json('receipts/shops/r/a.json')).toMatchObject({ children: 0 });
  });

  test('at the last level becomes one result, which is its receipt', async () => {
    store.drop('shelves/r/a/b/c.json', '{}');
    const leaf: Fetch = { one: (_item, gate) => gate(() => Promise.resolve(json('{"points": [1.0]}'))) };
    expect(await run('stock', 'shelves/r/a/b/c.json', leaf)).toMatchObject({ outcome: 'expanded', apiCalls: 1 });
    expect(store.objects.get('stock/r/a/b/c.json')?.body).toBe('{"points": [1.0]}');
    expect(store.keys('receipts/')).toEqual([]);
    expect(await run('stock', 'shelves/r/a/b/c.json', leaf)).toEqual({
      outcome: 'duplicate',
      written: 0,
      apiCalls: 0,
    });
  });

  test('at the last level is read only if the fetch asks for it', async () => {
    store.drop('shelves/r/a/b/c.json', '{"href":"/x"}');
    store.drop('shelves/r/a/b/junk.json', 'hello');
    const reads: string[] = [];
    const get = store.get.bind(store);
    store.get = (key, maxBytes) => {
      reads.push(key);
      return get(key, maxBytes);
    };
    await run('stock', 'shelves/r/a/b/c.json', { one: () => Promise.resolve(json('{}')) });
    expect(reads).toEqual(['control/runs/r.json', 'params/r.json']);
    const reading: Fetch = { one: async (item) => json(await item.read()) };
    await run('stock', 'shelves/r/a/b/c2.json', reading);
    expect(store.json('failures/stock/r/a/b/c2.json')).toMatchObject({ code: 'MISSING' });
    await run('stock', 'shelves/r/a/b/junk.json', reading);
    expect(store.json('failures/stock/r/a/b/junk.json')).toMatchObject({ code: 'NOT_JSON' });
    store.drop('shelves/r/a/b/d.json', '{"href":"/y"}');
    await run('stock', 'shelves/r/a/b/d.json', reading);
    expect(store.json('stock/r/a/b/d.json')).toEqual({ href: '/y' });
  });

  test('is told of in one line with run, level, key, attempt and outcome', async () => {
    store.drop('regions/r/a.json', '{}');
    await run('shops', 'regions/r/a.json', listing(['x']));
    expect(lines).toHaveLength(1);
    expect(lines[0]?.fields).toMatchObject({
      run: 'r',
      level: 'shops',
      key: 'regions/r/a.json',
      attempt: 1,
      outcome: 'expanded',
    });
  });
});

describe('an item that comes again', () => {
  beforeEach(async () => {
    store.drop('regions/r/a.json', '{}');
    await run('shops', 'regions/r/a.json', listing(['x']));
  });

  test('after its receipt is a duplicate: the API is not called', async () => {
    expect(await run('shops', 'regions/r/a.json', failing(new Error('called')))).toEqual({
      outcome: 'duplicate',
      written: 0,
      apiCalls: 0,
    });
  });

  test('with another content is fetched again, and its old children are left as they are', async () => {
    store.drop('regions/r/a.json', '{"new":true}');
    const before = store.objects.get('local_shops/r/a/x.json');
    expect(await run('shops', 'regions/r/a.json', listing(['x', 'y']))).toMatchObject({
      outcome: 'expanded',
      written: 1,
    });
    expect(store.objects.get('local_shops/r/a/x.json')).toBe(before);
    expect(store.json('receipts/shops/r/a.json')).toMatchObject({ children: 2, existing: 1 });
  });

  test('since the sweep found it short of children is worked on although it is done', async () => {
    store.objects.delete('local_shops/r/a/x.json');
    const event = { ...eventOf('regions/r/a.json'), replays: 1, reexpand: true };
    expect(await run('shops', '', listing(['x']), { event })).toMatchObject({ outcome: 'expanded', written: 1 });
    expect(store.keys('local_shops/')).toEqual(['local_shops/r/a/x.json']);
  });

  test('after it was deleted is nothing to do', async () => {
    store.objects.delete('regions/r/a.json');
    expect(await run('shops', 'regions/r/a.json', failing(new Error('called')))).toMatchObject({
      outcome: 'missing',
    });
    expect(store.keys('failures/')).toEqual([]);
  });
});

describe('a transient error', () => {
  const busy = new TransientError('HTTP_503', 'the API is busy');

  test('is noted and thrown, so that Lambda retries; what was written stays, and there is no receipt', async () => {
    store.drop('regions/r/a.json', '{}');
    await expect(run('shops', 'regions/r/a.json', failing(busy, ['x']))).rejects.toBe(busy);
    expect(store.json('failures/shops/r/a.json')).toEqual({
      run: 'r',
      level: 'shops',
      key: 'regions/r/a.json',
      status: 'failed',
      class: 'transient',
      code: 'HTTP_503',
      message: 'the API is busy',
      attempts: 1,
      refires: 0,
      replays: 0,
      at: '2026-11-20T00:00:00.000Z',
      requestId: 'request-1',
    } satisfies FailureNote);
    expect(store.keys('local_shops/')).toEqual(['local_shops/r/a/x.json']);
    expect(store.keys('receipts/')).toEqual([]);
    expect(deadLetters).toEqual([]);
  });

  test('counts up with each attempt, and the attempt that succeeds knows its number', async () => {
    store.drop('regions/r/a.json', '{}');
    const event = eventOf('regions/r/a.json');
    await expect(run('shops', '', failing(busy), { event })).rejects.toBe(busy);
    clock.nowMs += 60_000;
    await expect(run('shops', '', failing(busy), { event })).rejects.toBe(busy);
    expect(store.json('failures/shops/r/a.json')).toMatchObject({ attempts: 2 });
    clock.nowMs += 120_000;
    await run('shops', '', listing(['x']), { event });
    expect(store.json('receipts/shops/r/a.json')).toMatchObject({ attempt: 3 });
    expect(store.objects.get('local_shops/r/a/x.json')?.metadata).toMatchObject({ attempt: '3' });
  });

  test('is what an error of ours counts as, so that nothing is given up for it', async () => {
    store.drop('regions/r/a.json', '{}');
    await expect(run('shops', 'regions/r/a.json', failing(new TypeError('x is not a function')))).rejects.toThrow(
      TypeError,
    );
    expect(store.json('failures/shops/r/a.json')).toMatchObject({
      class: 'transient',
      code: 'UNEXPECTED',
      message: 'TypeError: x is not a function',
    });
  });

  test('that can not be noted is still thrown', async () => {
    store.drop('regions/r/a.json', '{}');
    store.put = () => Promise.reject(new Error('S3 is away'));
    await expect(run('shops', 'regions/r/a.json', failing(busy))).rejects.toBe(busy);
  });

  test('is what running out of time is; the children so far stay', async () => {
    store.drop('regions/r/a.json', '{}');
    const deadlineMs = clock.now() + 1000;
    const slow: Fetch = {
      async *many() {
        yield { children: [child('x')] };
        await clock.wait(2000);
        yield { children: [child('y')] };
      },
    };
    const created: string[] = [];
    const create = store.create.bind(store);
    store.create = async (key, body, metadata: Metadata) => {
      created.push(key);
      return create(key, body, metadata);
    };
    // The second page is under way while the first is written: the clock moves before or after the first write.
    await expect(run('shops', 'regions/r/a.json', slow, { deadlineMs })).rejects.toMatchObject({
      code: 'OUT_OF_TIME',
    });
    expect(created).not.toContain('local_shops/r/a/y.json');
    expect(store.keys('receipts/')).toEqual([]);
  });
});

describe('an item error', () => {
  const gone = new ItemError('HTTP_404', 'the API has no such region');

  test('is noted, goes to the dead-letter queue at once with its event, and is not thrown', async () => {
    store.drop('regions/r/a.json', '{}');
    const outcome = await run('shops', 'regions/r/a.json', failing(gone, ['x']));
    expect(outcome).toMatchObject({ outcome: 'failed' });
    expect(store.json('failures/shops/r/a.json')).toMatchObject({ class: 'item', code: 'HTTP_404', attempts: 1 });
    expect(deadLetters).toEqual([
      {
        reason: expect.objectContaining({
          level: 'shops',
          run: 'r',
          key: 'regions/r/a.json',
          code: 'HTTP_404',
          message: gone.message,
          attempts: 1,
        }),
        event: eventOf('regions/r/a.json'),
      },
    ]);
  });

  test('whose dead letter can not be sent is thrown, so that Lambda retries', async () => {
    store.drop('regions/r/a.json', '{}');
    const away = new TransientError('NETWORK', 'SQS is away');
    await expect(
      run('shops', 'regions/r/a.json', failing(gone), { deadLetters: { send: () => Promise.reject(away) } }),
    ).rejects.toBe(away);
  });

  test('whose note can not be written is thrown, so that it does not end without a trace', async () => {
    store.drop('regions/r/a.json', '{}');
    store.put = () => Promise.reject(new Error('S3 is away'));
    await expect(run('shops', 'regions/r/a.json', failing(gone))).rejects.toBe(gone);
    expect(deadLetters).toEqual([]);
  });

  test.each([
    ['an empty id', [['x', '', 'y']], 'EMPTY_ID', ['x', 'y']],
    ['an id that is too long for a key', [['x', 'z'.repeat(1100), 'y']], 'KEY_TOO_LONG', ['x', 'y']],
    ['half a surrogate pair', [['\uD83C', 'x']], 'BAD_ID', ['x']],
  ])('%s fails the item, after the good children were written', async (_what, lists, code, written) => {
    store.drop('regions/r/a.json', '{}');
    await run('shops', 'regions/r/a.json', listing(...lists));
    expect(store.json('failures/shops/r/a.json')).toMatchObject({ class: 'item', code });
    expect(store.keys('local_shops/')).toEqual(written.map((id) => `local_shops/r/a/${id}.json`));
    expect(store.keys('receipts/')).toEqual([]);
  });

  test('tells of the first bad child, and how many more there are', async () => {
    store.drop('regions/r/a.json', '{}');
    await run('shops', 'regions/r/a.json', listing(['', 'x', '\uD83C', 'z'.repeat(1100)]));
    const note = store.json('failures/shops/r/a.json');
    expect(note).toMatchObject({ code: 'EMPTY_ID', message: expect.stringContaining('(and 2 more bad children)') });
  });

  const twice = (first: string, ...later: string[]): Fetch => ({
    async *many() {
      yield { children: [{ id: 'x', body: first }, child('y')] };
      for (const body of later) yield await Promise.resolve({ children: [{ id: 'x', body }] });
    },
  });

  test('is what an id is that comes twice with different content; the first one stays', async () => {
    for (const fetch of [twice('{"n":1}', '{"n":2}'), twice('{"n":1}', '{"n":1}', '{"n":2}')]) {
      store.objects.clear();
      store.drop('regions/r/a.json', '{}');
      await run('shops', 'regions/r/a.json', fetch);
      expect(store.json('failures/shops/r/a.json')).toMatchObject({ class: 'item', code: 'DUPLICATE_ID' });
      expect(store.keys('local_shops/')).toEqual(['local_shops/r/a/x.json', 'local_shops/r/a/y.json']);
      expect(store.json('local_shops/r/a/x.json')).toEqual({ n: 1 });
      expect(store.keys('receipts/')).toEqual([]);
    }
  });

  test('is not what an id is that comes twice with the same content, as from a list that shifted between two pages', async () => {
    store.drop('regions/r/a.json', '{}');
    const outcome = await run('shops', 'regions/r/a.json', listing(['x', 'y', 'x'], ['y', 'z'], ['x']));
    expect(outcome).toMatchObject({ outcome: 'expanded', written: 3 });
    expect(store.json('receipts/shops/r/a.json')).toMatchObject({
      children: 3,
      existing: 0,
      digest: digestOf(store.keys('local_shops/')),
    });
  });

  test('is what more children than the cap are', async () => {
    store.drop('regions/r/a.json', '{}');
    const endless: Fetch = {
      async *many() {
        for (let page = 0; ; page += 1)
          yield await Promise.resolve({ children: Array.from({ length: 100 }, (_, i) => child(`${page}-${i}`)) });
      },
    };
    await run('shops', 'regions/r/a.json', endless);
    expect(store.json('failures/shops/r/a.json')).toMatchObject({ code: 'TOO_MANY_CHILDREN' });
    expect(store.keys('local_shops/')).toHaveLength(1000);
  });

  test.each([
    ['regions/r/a.json', '', 'NOT_JSON'],
    ['regions/r/a.json', '<html>', 'NOT_JSON'],
    ['regions/r/a.json', 'x'.repeat(10_001), 'TOO_LARGE'],
  ])('is what junk under a middle prefix is: %s', async (key, body, code) => {
    store.drop(key, body);
    await run('shops', key, listing(['x']));
    expect(store.json('failures/shops/r/a.json')).toMatchObject({ code });
    expect(deadLetters).toHaveLength(1);
  });

  test('is what a key is that is no item of the level: it has its note where no run is', async () => {
    store.drop('regions/junk.json', '{}');
    await run('shops', 'regions/junk.json', listing(['x']));
    expect(store.json('failures/shops/_stray/regions%2Fjunk%2Ejson.json')).toMatchObject({
      code: 'BAD_KEY',
      key: 'regions/junk.json',
    });
    expect(deadLetters).toHaveLength(1);
  });
});

describe('writing children', () => {
  test('is bounded in number, and happens while the next page is fetched', async () => {
    store.drop('regions/r/a.json', '{}');
    let open = 0;
    let most = 0;
    let writesDuringFetch = 0;
    let fetching = false;
    const create = store.create.bind(store);
    store.create = async (key, body, metadata) => {
      open += 1;
      most = Math.max(most, open);
      if (fetching) writesDuringFetch += 1;
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      return create(key, body, metadata);
    };
    const pages: Fetch = {
      async *many() {
        for (let page = 0; page < 3; page += 1) {
          fetching = true;
          for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
          fetching = false;
          yield { children: Array.from({ length: 50 }, (_, i) => child(`${page}-${i}`)) };
        }
      },
    };
    expect(await run('shops', 'regions/r/a.json', pages)).toMatchObject({ written: 150 });
    expect(most).toBe(4);
    expect(writesDuringFetch).toBeGreaterThan(0);
  });

  test('stops at the first failure, and nothing runs on behind it', async () => {
    store.drop('regions/r/a.json', '{}');
    let open = 0;
    let calls = 0;
    store.create = async () => {
      open += 1;
      calls += 1;
      const fails = calls === 3;
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      if (fails) throw new TransientError('SlowDown', 'S3 is busy');
      return 'created';
    };
    const ids = Array.from({ length: 100 }, (_, i) => String(i));
    await expect(run('shops', 'regions/r/a.json', listing(ids))).rejects.toMatchObject({ code: 'SlowDown' });
    expect(open).toBe(0);
    expect(calls).toBeLessThan(10);
  });
});

describe.each(everyDepth)('an item of a chain of %i', (_depth, chain) => {
  const first = chain.levels[0];
  const last = chain.levels.at(-1);
  if (first === undefined || last === undefined) throw new Error('A chain has levels.');
  const path = { run: 'r', ids: last.ids.map((name) => `some ${name}`) };

  test('of the last level becomes a result, untouched and under its own suffix, and is then done', async () => {
    store.drop(itemKey(last, path), '{}');
    const bytes = Buffer.from([0xef, 0xbb, 0xbf, 0x00, 0xff, 0x0a]);
    const one: Fetch = { one: (_item, gate) => gate(() => Promise.resolve({ body: bytes, contentType: 'image/png' })) };
    const event = eventOf(itemKey(last, path));
    expect(await run(last.name, '', one, { chain, event })).toEqual({ outcome: 'expanded', written: 1, apiCalls: 1 });
    expect(store.objects.get(resultKey(last, path))).toMatchObject({ bytes, contentType: 'image/png' });
    expect(doneKey(last, path)).toBe(resultKey(last, path));
    expect(await run(last.name, '', one, { chain, event })).toMatchObject({ outcome: 'duplicate', apiCalls: 0 });
  });

  test('of the last level is given its ids, and its own text if it asks for it', async () => {
    store.drop(itemKey(last, path), '{"a":1}');
    const seen: [UnreadItem, string][] = [];
    const one: Fetch = {
      async one(item) {
        seen.push([item, await item.read()]);
        return json('{}');
      },
    };
    await run(last.name, itemKey(last, path), one, { chain });
    // The seed of a chain of one level says what to fetch, and is checked.
    if (chain === oneLevel) expect(deadLetters).toMatchObject([{ reason: { code: 'BAD_SEED' } }]);
    else expect(seen).toMatchObject([[{ ...path, key: itemKey(last, path), params: {} }, '{"a":1}']]);
  });

  test('that fails is noted, at whatever level', async () => {
    for (const level of chain.levels) {
      const item = { run: 'r', ids: level.ids.map(() => 'a') };
      store.drop(itemKey(level, item), '{}');
      const error = new ItemError('HTTP_404', 'There is none.');
      const fetch = level.children === 'one' ? { one: () => Promise.reject(error) } : failing(error);
      expect(await run(level.name, itemKey(level, item), fetch, { chain })).toMatchObject({ outcome: 'failed' });
      expect(store.json(`failures/${level.name}/${['r', ...item.ids].join('/')}.json`)).toMatchObject({
        level: level.name,
        run: 'r',
        code: 'HTTP_404',
      });
    }
    expect(deadLetters.map(({ reason }) => reason.level)).toEqual(chain.levels.map(({ name }) => name));
  });

  test('that is a bad seed fails at once, and fixes nothing', async () => {
    store.drop('seeds/r.json', '{"only":{"planet":["a"]}}');
    const fetch = first.children === 'one' ? { one: () => Promise.resolve(json('{}')) } : listing(['a']);
    expect(await run(first.name, 'seeds/r.json', fetch, { chain })).toMatchObject({ outcome: 'failed' });
    expect(deadLetters).toMatchObject([{ reason: { code: 'BAD_SEED' } }]);
    expect(store.keys('params/')).toEqual([]);
  });
});

describe('a run with parameters', () => {
  const params: Params = { from: '2026-11-19T23:00:00.000Z', currency: 'EUR', least: 0, returns: false, owner: 'me' };
  const seed = '\uFEFF{"only":{"shop":["a"],"sale":["1","3"]},"params":{"owner":"me"}}';
  const inShops = { chain: withParams };

  test('gives them to each level, hours later too, and fetches the ids that its seed asks for, of every list', async () => {
    const seen: Params[] = [];
    const seeing = (...ids: string[]): Fetch => ({
      async *many(item: ReadItem) {
        seen.push(item.params);
        yield await Promise.resolve({ children: ids.map(child) });
      },
    });
    store.drop('seeds/r.json', seed);
    await run('shops', 'seeds/r.json', seeing('a', 'b'), inShops);
    clock.nowMs += 10 * 3_600_000;
    await run('sales', 'shops/r/a.json', seeing('1', '2', '3'), inShops);
    const one: Fetch = {
      one(item) {
        seen.push(item.params);
        return Promise.resolve({ body: 'text', contentType: 'text/plain' });
      },
    };
    await run('receipt_texts', 'sales/r/a/3.json', one, inShops);
    expect(seen).toEqual([params, params, params]);
    expect(store.keys('shops/')).toEqual(['shops/r/a.json']);
    expect(store.keys('sales/')).toEqual(['sales/r/a/1.json', 'sales/r/a/3.json']);
    expect(store.objects.get('receipt_texts/r/a/3.txt')).toMatchObject({ body: 'text', contentType: 'text/plain' });
  });

  test('refuses another seed under its name that asks for others, and leaves what is there', async () => {
    store.drop('seeds/r.json', seed);
    await run('shops', 'seeds/r.json', listing(['a']), inShops);
    const before = store.objects.get('receipts/shops/r.json');
    store.drop('seeds/r.json', '{"params":{"owner":"you"}}');
    expect(await run('shops', 'seeds/r.json', listing(['a', 'b']), inShops)).toMatchObject({ outcome: 'failed' });
    expect(deadLetters).toMatchObject([{ reason: { code: 'PARAMS_CHANGED' } }]);
    expect(store.keys('shops/')).toEqual(['shops/r/a.json']);
    expect(store.objects.get('receipts/shops/r.json')).toBe(before);
  });

  test('of one level refuses it too, though its result is there', async () => {
    const chain: Chain = { ...oneLevel, params: { owner: { type: 'text' } } };
    const one: Fetch = { one: () => Promise.resolve(json('{}')) };
    store.drop('seeds/r.json', '{"params":{"owner":"me"}}');
    expect(await run('summary', 'seeds/r.json', one, { chain })).toMatchObject({ outcome: 'expanded' });
    store.drop('summary/r/_SUCCESS', '{}');
    expect(await run('summary', 'seeds/r.json', one, { chain })).toMatchObject({ outcome: 'duplicate' });
    expect(store.keys('summary/')).toEqual(['summary/r.json', 'summary/r/_SUCCESS']);
    store.drop('seeds/r.json', '{"params":{"owner":"you"}}');
    expect(await run('summary', 'seeds/r.json', one, { chain })).toMatchObject({ outcome: 'failed' });
    expect(deadLetters).toMatchObject([{ reason: { code: 'PARAMS_CHANGED' } }]);
  });

  test('refuses an id of the first list that the API does not have, after the others', async () => {
    store.drop('seeds/r.json', '{"only":{"shop":["a","x"]}}');
    await run('shops', 'seeds/r.json', listing(['a', 'b']), { chain: twoLevels });
    expect(deadLetters).toMatchObject([
      { reason: { code: 'UNKNOWN_ID', message: expect.stringContaining('shop "x"') } },
    ]);
    expect(store.keys('shops/')).toEqual(['shops/r/a.json']);
  });
});

describe('an item that the API orders to wait', () => {
  const refused = (waitMs: number): Fetch => failing(new RateLimitError('HTTP_429', 'Too many requests.', { waitMs }));
  /** Turns that a freeze stops, as those of an environment do. */
  const freezing = () => {
    let untilMs = 0;
    return {
      ...freeTurns(),
      take: async (deadlineMs: number): Promise<void> => {
        if (untilMs >= deadlineMs) throw new DeferredError('FROZEN', 'The API ordered its callers to wait.');
        if (untilMs > clock.now()) await clock.wait(untilMs - clock.now());
      },
      freeze: (forMs: number) => Promise.resolve(void (untilMs = clock.now() + forMs)),
    };
  };

  test('is requeued however often, with how long it has waited, and without a note or an attempt', async () => {
    store.drop('regions/r/a.json', '{}');
    let event = eventOf('regions/r/a.json');
    const startedMs = clock.now();
    for (let time = 1; time <= 5; time += 1) {
      expect(await run('shops', '', refused(90_000), { event, turns: freezing() })).toEqual({
        outcome: 'deferred',
        written: 0,
        apiCalls: 1,
      });
      event = waiting.at(-1)?.event ?? event;
      expect(event).toMatchObject({ waitingSinceMs: startedMs, frozenMs: time * 60_000, replays: 0, refires: 0 });
      expect(event.record).toEqual(eventOf('regions/r/a.json').record);
      clock.nowMs += 90_000;
    }
    expect(store.keys('failures/')).toEqual([]);
    await run('shops', '', listing(['x']), { event });
    expect(store.json('receipts/shops/r/a.json')).toMatchObject({ attempt: 1 });
  });

  test('waits alone once it has stopped all calls for long enough, and is given up when it has waited too long', async () => {
    store.drop('regions/r/a.json', '{}');
    let event: ItemEvent = { ...eventOf('regions/r/a.json'), waitingSinceMs: clock.now(), frozenMs: 600_000 };
    const turns = freezing();
    const frozen: number[] = [];
    turns.freeze = (forMs) => Promise.resolve(void frozen.push(forMs));
    for (let outcome = 'deferred', times = 0; outcome === 'deferred'; times += 1) {
      ({ outcome } = await run('shops', '', refused(900_000), { event, turns }));
      event = waiting.at(-1)?.event ?? event;
      clock.nowMs += 900_000;
      expect(times).toBeLessThan(6);
    }
    expect(frozen).toEqual([]);
    expect(waiting.map(({ reason }) => reason.code)).toEqual(Array.from({ length: 4 }, () => 'RATE_LIMITED'));
    expect(deadLetters).toMatchObject([{ reason: { code: 'WAITED_TOO_LONG', attempts: 1 } }]);
    expect(store.json('failures/shops/r/a.json')).toMatchObject({ class: 'item', code: 'WAITED_TOO_LONG' });
  });
});

describe('an expansion that is repeated', () => {
  const shops = levelNamed(fourLevels, 'shops');
  const path = { run: 'r', ids: ['a'] };
  const key = itemKey(shops, path);

  test('counts in its receipt all children that are there, those of an earlier list included', async () => {
    store.drop(key, '{}');
    await run('shops', key, listing(['x', 'y']));
    clock.nowMs += 1000;
    const event = { ...eventOf(key), reexpand: true };
    clock.nowMs += 1000;
    expect(await run('shops', key, listing(['y', 'z']), { event })).toMatchObject({ outcome: 'expanded', written: 1 });
    expect(store.json('receipts/shops/r/a.json')).toMatchObject({
      children: 3,
      existing: 1,
      digest: digestOf(['x', 'y', 'z'].map((id) => `local_shops/r/a/${id}.json`)),
    });
  });

  test('since the item was dropped again with another content counts them too', async () => {
    store.drop(key, '{}');
    await run('shops', key, listing(['x', 'y']));
    store.drop(key, '{"new":true}');
    await run('shops', key, listing(['y', 'z']));
    expect(store.json('receipts/shops/r/a.json')).toMatchObject({
      children: 3,
      digest: digestOf(['x', 'y', 'z'].map((id) => `local_shops/r/a/${id}.json`)),
    });
  });
});

test('an item whose result would have a longer key than S3 takes is an item error, and the API is not asked', async () => {
  const chain: Chain = {
    ...twoLevels,
    levels: twoLevels.levels.map((level) => (level.next === undefined ? { ...level, writes: 'w'.repeat(60) } : level)),
  };
  const id = 'x'.repeat(980);
  store.drop(`shops/r/${id}.json`, '{}');
  const one: Fetch = { one: (_item, gate) => gate(() => Promise.resolve(json('{}'))) };
  expect(await run('sales', `shops/r/${id}.json`, one, { chain })).toMatchObject({ outcome: 'failed', apiCalls: 0 });
  expect(deadLetters).toMatchObject([{ reason: { code: 'KEY_TOO_LONG' } }]);
});
