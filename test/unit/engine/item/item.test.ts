import { beforeEach, describe, expect, test } from '@jest/globals';
import { levelNamed, type LevelName } from '../../../../shared/engine/chain/chain.ts';
import { DeferredError, ItemError, TransientError } from '../../../../shared/engine/errors.ts';
import { createFailureWatch } from '../../../../shared/engine/item/failure-watch.ts';
import type { FailureNote } from '../../../../shared/engine/item/failure-note.ts';
import {
  processItem,
  type Fetch,
  type ItemDeps,
  type ItemEvent,
  type Outcome,
} from '../../../../shared/engine/item/item.ts';
import type { Child, Metadata, Page } from '../../../../shared/engine/ports.ts';
import type { Receipt } from '../../../../shared/engine/item/receipt.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { freeTurns } from '../../../memory/turns.ts';

let store: MemoryObjectStore;
let clock: TestClock;
let deadLetters: string[];
let waiting: string[];
let lines: { message: string; fields: Record<string, unknown> }[];

beforeEach(() => {
  store = new MemoryObjectStore();
  clock = new TestClock();
  deadLetters = [];
  waiting = [];
  lines = [];
});

const child = (id: string): Child => ({ id, body: JSON.stringify({ id }) });
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

const eventOf = (key: string): ItemEvent => ({
  key,
  atMs: clock.now(),
  replays: 0,
  refires: 0,
  again: false,
  record: { s3: { object: { key } } },
});

function run(
  levelName: LevelName,
  key: string,
  fetch: Fetch,
  overrides: Partial<ItemDeps> & { event?: ItemEvent } = {},
): Promise<Outcome> {
  const log = (message: string, fields: Record<string, unknown> = {}): void => void lines.push({ message, fields });
  return processItem(overrides.event ?? eventOf(key), {
    level: levelNamed(levelName),
    fetch,
    store,
    deadLetters: { send: (body) => Promise.resolve(void deadLetters.push(body)) },
    waiting: { send: (body) => Promise.resolve(void waiting.push(body)) },
    turns: freeTurns(),
    hasFailures: createFailureWatch(levelNamed(levelName), store, clock, 20_000),
    clock,
    random: () => 0,
    log: { info: log, warn: log, error: log },
    settings: {
      retry: { retries: 0, baseMs: 1, maxMs: 1 },
      writeConcurrency: 4,
      maxChildren: 1000,
      maxItemBytes: 10_000,
      firstRetryMs: 48_000,
    },
    requestId: 'request-1',
    deadlineMs: clock.now() + 60_000,
    signal: new AbortController().signal,
    onCall: () => undefined,
    ...overrides,
  });
}

describe('an item whose turn at the API does not come', () => {
  const paused = {
    ...freeTurns(),
    take: () => Promise.reject(new DeferredError('PAUSED', 'The calls to the API are paused by control/rate.json.')),
  };

  test('is handed back with the event that it came with, and this is no try', async () => {
    store.drop('troops/r/a.json', '{}');
    const event = {
      ...eventOf('troops/r/a.json'),
      replays: 2,
      record: { s3: 'as it came', s3Cascade: { replays: 2 } },
    };
    const outcome = await run('warriors', event.key, listing(['x']), { turns: paused, event });
    expect(outcome).toEqual({ outcome: 'deferred', written: 0, apiCalls: 0 });
    expect(waiting.map((body) => JSON.parse(body) as unknown)).toMatchObject([
      { source: 's3-cascade', reason: { code: 'PAUSED', key: 'troops/r/a.json' }, event: { Records: [event.record] } },
    ]);
    expect(store.keys()).toEqual(['troops/r/a.json']);
    expect(deadLetters).toEqual([]);
  });

  test('keeps the children that were written before, and has no receipt', async () => {
    store.drop('troops/r/a.json', '{}');
    let turnsLeft = 1;
    const turns = { ...paused, take: () => ((turnsLeft -= 1) >= 0 ? Promise.resolve() : paused.take()) };
    expect(await run('warriors', 'troops/r/a.json', listing(['x'], ['y']), { turns })).toMatchObject({
      outcome: 'deferred',
      apiCalls: 1,
    });
    expect(store.keys()).toEqual(['amazon_warriors/r/a/x.json', 'troops/r/a.json']);
  });

  test('fails when the waiting queue does not take it, so that its event is not lost', async () => {
    store.drop('troops/r/a.json', '{}');
    const sink = { send: () => Promise.reject(new TransientError('SQS_503', 'busy')) };
    await expect(run('warriors', 'troops/r/a.json', listing(['x']), { turns: paused, waiting: sink })).rejects.toThrow(
      'busy',
    );
  });
});

describe('an item that is to be expanded again', () => {
  test('is, unless that was done since the event', async () => {
    store.drop('troops/r/a.json', '{}');
    await run('warriors', 'troops/r/a.json', listing(['x']));
    clock.nowMs += 1000;
    const event = { ...eventOf('troops/r/a.json'), again: true };
    store.objects.delete('amazon_warriors/r/a/x.json');
    clock.nowMs += 1000;
    expect(await run('warriors', event.key, listing(['x']), { event })).toMatchObject({
      outcome: 'expanded',
      written: 1,
    });
    expect(await run('warriors', event.key, listing(['x']), { event })).toMatchObject({ outcome: 'duplicate' });
  });
});

describe('a seed that is expanded anew', () => {
  test('while an older one is still worked on keeps its receipt: the older one writes none', async () => {
    store.drop('seeds/r.json', '{}');
    const slow: Fetch = {
      async *many(_item, gate) {
        store.drop('seeds/r.json', '{"troops":["a"]}');
        store.drop('receipts/troops/r.json', 'of the newer one');
        yield await gate(() => Promise.resolve<Page>({ children: [child('a')] }));
      },
    };
    expect(await run('troops', 'seeds/r.json', slow)).toMatchObject({ outcome: 'duplicate', written: 1 });
    expect(store.objects.get('receipts/troops/r.json')?.body).toBe('of the newer one');
  });

  test('takes the markers of what its run was away first', async () => {
    store.drop('seeds/r.json', '{}');
    store.drop('finished/r/earlier.json', '{}');
    store.drop('data/r/_SUCCESS', '{}');
    await expect(run('troops', 'seeds/r.json', failing(new TransientError('HTTP_503', 'busy')))).rejects.toThrow();
    expect([...store.keys('data/'), ...store.keys('finished/')]).toEqual([]);
  });
});

describe('an item that goes well', () => {
  test('becomes its children and then its receipt', async () => {
    store.drop('troops/r/a.json', '{"id":"a"}');
    const outcome = await run('warriors', 'troops/r/a.json', listing(['x', 'y'], ['../z']));
    expect(outcome).toEqual({ outcome: 'expanded', written: 3, apiCalls: 2 });
    expect(store.keys('amazon_warriors/')).toEqual([
      'amazon_warriors/r/a/%2E%2E%2Fz.json',
      'amazon_warriors/r/a/x.json',
      'amazon_warriors/r/a/y.json',
    ]);
    expect(store.objects.get('amazon_warriors/r/a/%2E%2E%2Fz.json')).toMatchObject({
      body: '{"id":"../z"}',
      metadata: { run: 'r', 'parent-key': 'troops/r/a.json', attempt: '1', 'fetched-at': '2026-11-20T00:00:00.000Z' },
    });
    expect(store.json('receipts/warriors/r/a.json')).toEqual({
      run: 'r',
      level: 'warriors',
      key: 'troops/r/a.json',
      inputETag: 'etag-1',
      children: 3,
      existing: 0,
      apiCalls: 2,
      attempt: 1,
      at: '2026-11-20T00:00:00.000Z',
    } satisfies Receipt);
    expect([...store.objects.keys()].at(-1)).toBe('receipts/warriors/r/a.json');
  });

  test('with no children gets its receipt too', async () => {
    store.drop('troops/r/a.json', '{}');
    await run('warriors', 'troops/r/a.json', listing([]));
    expect(store.json('receipts/warriors/r/a.json')).toMatchObject({ children: 0 });
  });

  test('at the leaf becomes one result, which is its receipt', async () => {
    store.drop('data_groups/r/a/b/c.json', '{}');
    const leaf: Fetch = { one: (_item, gate) => gate(() => Promise.resolve('{"points": [1.0]}')) };
    expect(await run('data', 'data_groups/r/a/b/c.json', leaf)).toMatchObject({ outcome: 'expanded', apiCalls: 1 });
    expect(store.objects.get('data/r/a/b/c.json')?.body).toBe('{"points": [1.0]}');
    expect(store.keys('receipts/')).toEqual([]);
    expect(await run('data', 'data_groups/r/a/b/c.json', leaf)).toEqual({
      outcome: 'duplicate',
      written: 0,
      apiCalls: 0,
    });
  });

  test('at the leaf is read only if the fetch asks for it', async () => {
    store.drop('data_groups/r/a/b/c.json', '{"href":"/x"}');
    store.drop('data_groups/r/a/b/junk.json', 'hello');
    const reads: string[] = [];
    const get = store.get.bind(store);
    store.get = (key, maxBytes) => {
      reads.push(key);
      return get(key, maxBytes);
    };
    await run('data', 'data_groups/r/a/b/c.json', { one: () => Promise.resolve('{}') });
    expect(reads).toEqual([]);
    const reading: Fetch = { one: async (item) => item.read() };
    await run('data', 'data_groups/r/a/b/c2.json', reading);
    expect(store.json('failures/data/r/a/b/c2.json')).toMatchObject({ code: 'MISSING' });
    await run('data', 'data_groups/r/a/b/junk.json', reading);
    expect(store.json('failures/data/r/a/b/junk.json')).toMatchObject({ code: 'NOT_JSON' });
    store.drop('data_groups/r/a/b/d.json', '{"href":"/y"}');
    await run('data', 'data_groups/r/a/b/d.json', reading);
    expect(store.json('data/r/a/b/d.json')).toEqual({ href: '/y' });
  });

  test('is told of in one line with run, level, key, attempt and outcome', async () => {
    store.drop('troops/r/a.json', '{}');
    await run('warriors', 'troops/r/a.json', listing(['x']));
    expect(lines).toHaveLength(1);
    expect(lines[0]?.fields).toMatchObject({
      run: 'r',
      level: 'warriors',
      key: 'troops/r/a.json',
      attempt: 1,
      outcome: 'expanded',
    });
  });
});

describe('an item that comes again', () => {
  beforeEach(async () => {
    store.drop('troops/r/a.json', '{}');
    await run('warriors', 'troops/r/a.json', listing(['x']));
  });

  test('after its receipt is a duplicate: the API is not called', async () => {
    expect(await run('warriors', 'troops/r/a.json', failing(new Error('called')))).toEqual({
      outcome: 'duplicate',
      written: 0,
      apiCalls: 0,
    });
  });

  test('with another content is fetched again, and its old children are left as they are', async () => {
    store.drop('troops/r/a.json', '{"new":true}');
    const before = store.objects.get('amazon_warriors/r/a/x.json');
    expect(await run('warriors', 'troops/r/a.json', listing(['x', 'y']))).toMatchObject({
      outcome: 'expanded',
      written: 1,
    });
    expect(store.objects.get('amazon_warriors/r/a/x.json')).toBe(before);
    expect(store.json('receipts/warriors/r/a.json')).toMatchObject({ children: 2, existing: 1 });
  });

  test('since the sweep found it short of children is worked on although it is done', async () => {
    store.objects.delete('amazon_warriors/r/a/x.json');
    const event = { ...eventOf('troops/r/a.json'), replays: 1, again: true };
    expect(await run('warriors', '', listing(['x']), { event })).toMatchObject({ outcome: 'expanded', written: 1 });
    expect(store.keys('amazon_warriors/')).toEqual(['amazon_warriors/r/a/x.json']);
  });

  test('after it was deleted is nothing to do', async () => {
    store.objects.delete('troops/r/a.json');
    expect(await run('warriors', 'troops/r/a.json', failing(new Error('called')))).toMatchObject({
      outcome: 'missing',
    });
    expect(store.keys('failures/')).toEqual([]);
  });
});

describe('a transient error', () => {
  const busy = new TransientError('HTTP_503', 'Hermes is busy');

  test('is noted and thrown, so that Lambda tries again; what was written stays, and there is no receipt', async () => {
    store.drop('troops/r/a.json', '{}');
    await expect(run('warriors', 'troops/r/a.json', failing(busy, ['x']))).rejects.toBe(busy);
    expect(store.json('failures/warriors/r/a.json')).toEqual({
      run: 'r',
      level: 'warriors',
      key: 'troops/r/a.json',
      status: 'failed',
      class: 'transient',
      code: 'HTTP_503',
      message: 'Hermes is busy',
      attempts: 1,
      refires: 0,
      replays: 0,
      at: '2026-11-20T00:00:00.000Z',
      requestId: 'request-1',
    } satisfies FailureNote);
    expect(store.keys('amazon_warriors/')).toEqual(['amazon_warriors/r/a/x.json']);
    expect(store.keys('receipts/')).toEqual([]);
    expect(deadLetters).toEqual([]);
  });

  test('counts up with each try, and the try that succeeds knows its number', async () => {
    store.drop('troops/r/a.json', '{}');
    const event = eventOf('troops/r/a.json');
    await expect(run('warriors', '', failing(busy), { event })).rejects.toBe(busy);
    clock.nowMs += 60_000;
    await expect(run('warriors', '', failing(busy), { event })).rejects.toBe(busy);
    expect(store.json('failures/warriors/r/a.json')).toMatchObject({ attempts: 2 });
    clock.nowMs += 120_000;
    await run('warriors', '', listing(['x']), { event });
    expect(store.json('receipts/warriors/r/a.json')).toMatchObject({ attempt: 3 });
    expect(store.objects.get('amazon_warriors/r/a/x.json')?.metadata).toMatchObject({ attempt: '3' });
  });

  test('is what an error of ours counts as, so that nothing is given up for it', async () => {
    store.drop('troops/r/a.json', '{}');
    await expect(run('warriors', 'troops/r/a.json', failing(new TypeError('x is not a function')))).rejects.toThrow(
      TypeError,
    );
    expect(store.json('failures/warriors/r/a.json')).toMatchObject({
      class: 'transient',
      code: 'UNEXPECTED',
      message: 'TypeError: x is not a function',
    });
  });

  test('that can not be noted is still thrown', async () => {
    store.drop('troops/r/a.json', '{}');
    store.put = () => Promise.reject(new Error('S3 is away'));
    await expect(run('warriors', 'troops/r/a.json', failing(busy))).rejects.toBe(busy);
  });

  test('is what running out of time is; the children so far stay', async () => {
    store.drop('troops/r/a.json', '{}');
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
    await expect(run('warriors', 'troops/r/a.json', slow, { deadlineMs })).rejects.toMatchObject({
      code: 'OUT_OF_TIME',
    });
    expect(created).not.toContain('amazon_warriors/r/a/y.json');
    expect(store.keys('receipts/')).toEqual([]);
  });
});

describe('an item error', () => {
  const gone = new ItemError('HTTP_404', 'Hermes has no such troop');

  test('is noted, goes to the dead-letter queue at once with its event, and is not thrown', async () => {
    store.drop('troops/r/a.json', '{}');
    const outcome = await run('warriors', 'troops/r/a.json', failing(gone, ['x']));
    expect(outcome).toMatchObject({ outcome: 'failed' });
    expect(store.json('failures/warriors/r/a.json')).toMatchObject({ class: 'item', code: 'HTTP_404', attempts: 1 });
    expect(deadLetters.map((body) => JSON.parse(body) as unknown)).toEqual([
      {
        source: 's3-cascade',
        version: '1',
        reason: expect.objectContaining({
          level: 'warriors',
          run: 'r',
          key: 'troops/r/a.json',
          code: 'HTTP_404',
          message: gone.message,
          attempts: 1,
        }),
        event: { Records: [{ s3: { object: { key: 'troops/r/a.json' } } }] },
      },
    ]);
  });

  test('whose dead letter can not be sent is thrown, so that Lambda tries again', async () => {
    store.drop('troops/r/a.json', '{}');
    const away = new TransientError('NETWORK', 'SQS is away');
    await expect(
      run('warriors', 'troops/r/a.json', failing(gone), { deadLetters: { send: () => Promise.reject(away) } }),
    ).rejects.toBe(away);
  });

  test('whose note can not be written is thrown, so that it does not end without a trace', async () => {
    store.drop('troops/r/a.json', '{}');
    store.put = () => Promise.reject(new Error('S3 is away'));
    await expect(run('warriors', 'troops/r/a.json', failing(gone))).rejects.toBe(gone);
    expect(deadLetters).toEqual([]);
  });

  test.each([
    ['an id that comes twice on a page', [['x', 'y', 'x']], 'DUPLICATE_ID', ['x', 'y']],
    ['an id that comes again on a later page', [['x'], ['y'], ['x']], 'DUPLICATE_ID', ['x', 'y']],
    ['an empty id', [['x', '', 'y']], 'EMPTY_ID', ['x', 'y']],
    ['an id that is too long for a key', [['x', 'z'.repeat(1100), 'y']], 'KEY_TOO_LONG', ['x', 'y']],
    ['half a surrogate pair', [['\uD83C', 'x']], 'BAD_ID', ['x']],
  ])('%s fails the item, after the good children were written', async (_what, lists, code, written) => {
    store.drop('troops/r/a.json', '{}');
    await run('warriors', 'troops/r/a.json', listing(...lists));
    expect(store.json('failures/warriors/r/a.json')).toMatchObject({ class: 'item', code });
    expect(store.keys('amazon_warriors/')).toEqual(written.map((id) => `amazon_warriors/r/a/${id}.json`));
    expect(store.keys('receipts/')).toEqual([]);
  });

  test('is what more children than the cap are', async () => {
    store.drop('troops/r/a.json', '{}');
    const endless: Fetch = {
      async *many() {
        for (let page = 0; ; page += 1)
          yield await Promise.resolve({ children: Array.from({ length: 100 }, (_, i) => child(`${page}-${i}`)) });
      },
    };
    await run('warriors', 'troops/r/a.json', endless);
    expect(store.json('failures/warriors/r/a.json')).toMatchObject({ code: 'TOO_MANY_CHILDREN' });
    expect(store.keys('amazon_warriors/')).toHaveLength(1000);
  });

  test.each([
    ['troops/r/a.json', '', 'NOT_JSON'],
    ['troops/r/a.json', '<html>', 'NOT_JSON'],
    ['troops/r/a.json', 'x'.repeat(10_001), 'TOO_LARGE'],
  ])('is what junk under a middle prefix is: %s', async (key, body, code) => {
    store.drop(key, body);
    await run('warriors', key, listing(['x']));
    expect(store.json('failures/warriors/r/a.json')).toMatchObject({ code });
    expect(deadLetters).toHaveLength(1);
  });

  test('is what a key is that is no item of the level: it has its note where no run is', async () => {
    store.drop('troops/junk.json', '{}');
    await run('warriors', 'troops/junk.json', listing(['x']));
    expect(store.json('failures/warriors/_stray/troops%2Fjunk%2Ejson.json')).toMatchObject({
      code: 'BAD_KEY',
      key: 'troops/junk.json',
    });
    expect(deadLetters).toHaveLength(1);
  });
});

describe('writing children', () => {
  test('goes on a bounded number at a time, while the next page is fetched', async () => {
    store.drop('troops/r/a.json', '{}');
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
    expect(await run('warriors', 'troops/r/a.json', pages)).toMatchObject({ written: 150 });
    expect(most).toBe(4);
    expect(writesDuringFetch).toBeGreaterThan(0);
  });

  test('stops at the first failure, and nothing runs on behind it', async () => {
    store.drop('troops/r/a.json', '{}');
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
    await expect(run('warriors', 'troops/r/a.json', listing(ids))).rejects.toMatchObject({ code: 'SlowDown' });
    expect(open).toBe(0);
    expect(calls).toBeLessThan(10);
  });
});
