/** An unfinished run of version 0.1 in the bucket: what docs/upgrading.md says of it. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { levelNamed } from '../../../shared/engine/chain/chain.ts';
import type { ItemEvent } from '../../../shared/engine/events.ts';
import { replay } from '../../../shared/engine/recovery/replay.ts';
import { BatchWorld, bookChain, chainOfBooks } from '../../memory/batch-world.ts';
import { memoryBucket, MemoryMessageQueue } from '../../memory/message-queue.ts';

const deadKey = 'books/r/s/c%20d.json';

/** The shelf `s` is expanded: one of its books is done, one has just come, one is dead. The shelf `t` has just come. */
async function leaveUnfinishedRun({ store }: BatchWorld): Promise<void> {
  store.drop('seeds/r.json', '{}');
  for (const [key, body] of [
    ['shelves/r/s.json', '{"id":"s"}'],
    ['shelves/r/t.json', '{"id":"t"}'],
    ['books/r/s/a.json', '{"id": "a",\n"n":1.0}'],
    ['books/r/s/12345.json', '{"id": "12345"}'],
    [deadKey, '{"id": "c d"}'],
  ] as const)
    await store.create(key, body, { run: 'r', attempt: '1' });
  await store.create('pages/r/s/a.json', '{"page":"a",\r\n"n":1e400}', { run: 'r', attempt: '1' });
  const receiptOf = (key: string, children: number): Record<string, string> => ({
    'input-etag': store.objects.get(key)?.eTag ?? '',
    children: String(children),
    'api-calls': '1',
    at: '2026-11-19T00:00:00.000Z',
  });
  await store.put('receipts/shelves/r.json', '{}', receiptOf('seeds/r.json', 2));
  await store.put('receipts/books/r/s.json', '{}', receiptOf('shelves/r/s.json', 3));
  const note = {
    run: 'r',
    level: 'pages',
    key: deadKey,
    status: 'failed',
    class: 'item',
    code: 'HTTP_404',
    message: 'not there',
    attempts: 1,
    replays: 0,
    at: '2026-11-19T00:00:00.000Z',
    requestId: 'x',
  };
  await store.put('failures/pages/r/s/c%20d.json', JSON.stringify(note), {});
}

/** As version 0.1 sends it. */
const oldLetter = JSON.stringify({
  source: 's3-cascade',
  version: '1',
  reason: {
    level: 'pages',
    run: 'r',
    key: deadKey,
    code: 'HTTP_404',
    message: 'not there',
    at: '2026-11-19T00:00:00.000Z',
    attempts: 1,
  },
  event: {
    Records: [
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        eventName: 'ObjectCreated:Put',
        eventTime: '2026-11-19T00:00:00.000Z',
        s3: { bucket: { name: memoryBucket }, object: { key: deadKey.replaceAll('%', '%25') } },
      },
    ],
  },
});

describe('with `batch: 1` in the chain', () => {
  let world: BatchWorld;

  beforeEach(async () => {
    world = new BatchWorld(chainOfBooks(1));
    await leaveUnfinishedRun(world);
  });

  test('is counted by its objects', async () => {
    expect((await world.report()).levels).toMatchObject([
      { items: 1, done: 1, short: 0, stray: 0 },
      { items: 2, done: 1, open: 1, short: 0, stray: 0 },
      { items: 3, done: 1, open: 1, failed: { dead: 1 }, stray: 0 },
    ]);
  });

  test('continues as before: the same keys, each body to the byte, and nothing is fetched twice', async () => {
    const answer = (id: string): string => `{"page":"${id}",\r\n "n": 1e400}`;
    await world.expandShelf([['x', 'y']], { key: 'shelves/r/t.json' });
    const refired: ItemEvent[] = [];
    const queue = new MemoryMessageQueue(world.clock);
    await queue.sendRaw(oldLetter);
    const replayed = await replay(
      {},
      {
        levels: [
          {
            level: levelNamed(world.chain, 'pages'),
            queue,
            refire: { send: (event) => Promise.resolve(void refired.push(event)) },
          },
        ],
        store: world.store,
        clock: world.clock,
        log: { info: () => undefined, warn: () => undefined, error: () => undefined },
        maxReplays: 3,
        retryingForMs: 1_000,
        deadlineMs: world.clock.now() + 60_000,
      },
    );
    expect(replayed).toMatchObject({ replayed: 1, remaining: 0, reasons: [{ code: 'HTTP_404', count: 1 }] });
    for (const event of [
      ...refired,
      ...['a', '12345'].map((id) => ({ key: `books/r/s/${id}.json` })),
      ...['x', 'y'].map((id) => ({ key: `books/r/t/${id}.json` })),
    ])
      await world.fetchPages(answer, event);
    expect(world.calls.toSorted()).toEqual(['12345', 'c d', 'x', 'y']);
    const bodies = (prefix: string): Record<string, string | undefined> =>
      Object.fromEntries(world.store.keys(prefix).map((key) => [key, world.store.objects.get(key)?.body]));
    expect(bodies('books/')).toEqual({
      'books/r/s/12345.json': '{"id": "12345"}',
      'books/r/s/a.json': '{"id": "a",\n"n":1.0}',
      [deadKey]: '{"id": "c d"}',
      'books/r/t/x.json': '{"id": "x",\n"n":1.0}',
      'books/r/t/y.json': '{"id": "y",\n"n":1.0}',
    });
    expect(bodies('pages/')).toEqual({
      'pages/r/s/12345.json': answer('12345'),
      'pages/r/s/a.json': '{"page":"a",\r\n"n":1e400}',
      'pages/r/s/c%20d.json': answer('c d'),
      'pages/r/t/x.json': answer('x'),
      'pages/r/t/y.json': answer('y'),
    });
    expect(world.store.objects.get('pages/r/t/x.json')).toMatchObject({
      contentType: 'application/json',
      metadata: { run: 'r', 'parent-key': 'books/r/t/x.json', attempt: '1' },
    });
    expect(await world.report()).toMatchObject({ complete: true });
  });
});

describe('with batches', () => {
  test.each([
    ['books/r/s/a.json', 'BAD_KEY'],
    [deadKey, 'BAD_KEY'],
    ['books/r/s/12345.json', 'BAD_BATCH'],
  ])('the item %s fails with %s and is not fetched', async (key, code) => {
    const world = new BatchWorld(bookChain);
    await leaveUnfinishedRun(world);
    expect(await world.fetchPages(undefined, { key })).toMatchObject({ outcome: 'failed' });
    expect(world.letters.map(({ reason }) => reason.code)).toEqual([code]);
    expect(world.calls).toEqual([]);
  });

  test('its objects are strays that keep it from being complete, until they are deleted', async () => {
    const world = new BatchWorld(bookChain);
    await leaveUnfinishedRun(world);
    const ids = ['a', '12345', 'c d'];
    await world.expandShelf([[]], { key: 'shelves/r/t.json' });
    await world.reexpandShelf(ids);
    await world.fetchPages();
    expect(world.results()).toEqual([...ids].sort());
    expect(await world.report()).toMatchObject({ complete: false });
    for (const key of ['books/r/s/a.json', 'books/r/s/12345.json', deadKey, 'pages/r/s/a.json'])
      world.store.objects.delete(key);
    await world.reexpandShelf(ids);
    expect(await world.report()).toMatchObject({ complete: true });
  });
});
