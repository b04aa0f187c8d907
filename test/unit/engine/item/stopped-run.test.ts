/** An item whose run people have paused or cancelled. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { levelNamed } from '../../../../shared/engine/chain/chain.ts';
import { ItemError, TransientError } from '../../../../shared/engine/errors.ts';
import { newEvent, type ItemEvent } from '../../../../shared/engine/events.ts';
import type { ItemDeps, Outcome } from '../../../../shared/engine/item/attempt.ts';
import type { Fetch } from '../../../../shared/engine/item/fetch.ts';
import { processItem } from '../../../../shared/engine/item/item.ts';
import { fourLevels } from '../../../chains.ts';
import { BatchWorld, noteKey } from '../../../memory/batch-world.ts';
import { TestClock } from '../../../memory/clock.ts';
import { itemDeps, type Sent } from '../../../memory/item-deps.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { freeTurns } from '../../../memory/turns.ts';

let clock: TestClock;
let store: MemoryObjectStore;
let deadLetters: Sent[];
let waiting: Sent[];
let calls: number;
let lines: string[];

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  deadLetters = [];
  waiting = [];
  calls = 0;
  lines = [];
});

const controlKey = 'control/runs/r.json';
const key = 'regions/r/a.json';

/** A list of two pages. @param between what happens between them */
const twoPages = (between: () => void = () => undefined): Fetch => ({
  async *many(_item, gate) {
    for (const id of ['x', 'y']) {
      yield await gate(() => {
        calls += 1;
        return Promise.resolve({ children: [{ id, body: `{"id":"${id}"}` }] });
      });
      between();
    }
  },
});

type Overrides = Partial<Omit<ItemDeps, 'level'>> & { level?: string; event?: Partial<ItemEvent> };

function run(fetch: Fetch, { level = 'shops', event = {}, ...overrides }: Overrides = {}): Promise<Outcome> {
  const base = itemDeps({
    ...{ chain: fourLevels, level: levelNamed(fourLevels, level), fetch },
    ...{ store, clock, deadLetters, waiting },
  });
  const log = (message: string): void => void lines.push(message);
  const given = { ...newEvent(key, clock.now()), ...event };
  return processItem(given, { ...base, log: { info: log, warn: log, error: log }, ...overrides });
}

describe('an item of a paused run', () => {
  beforeEach(() => {
    store.drop(key, '{}');
    store.drop(controlKey, '{"state":"paused","reason":"the API is moved"}');
  });

  test('waits, without a call, an attempt or a note', async () => {
    expect(await run(twoPages())).toEqual({ outcome: 'deferred', written: 0, apiCalls: 0 });
    expect(waiting).toMatchObject([
      {
        reason: { code: 'RUN_PAUSED', run: 'r', key, message: expect.stringContaining('the API is moved') },
        event: { key },
      },
    ]);
    expect([calls, deadLetters, store.keys('failures/')]).toEqual([0, [], []]);
  });

  test('of another run does not wait', async () => {
    store.drop('regions/other/a.json', '{}');
    expect(await run(twoPages(), { event: { key: 'regions/other/a.json' } })).toMatchObject({ outcome: 'expanded' });
  });

  test('does not lose its patience with the API by it: the pause is a person’s', async () => {
    const waits = { 3: { waitingSinceMs: 5, frozenMs: 7 } };
    await run(twoPages(), { event: { waitingSinceMs: 5, frozenMs: 7, waits } });
    expect(waiting[0]?.event).toMatchObject({ frozenMs: 7, waits: { 3: { frozenMs: 7 } }, waited: 1 });
    expect(waiting[0]?.event.waitingSinceMs).toBeUndefined();
    expect(waiting[0]?.event.waits?.['3']?.waitingSinceMs).toBeUndefined();
  });
});

test('a pause in the middle of a list stops it before its next call, and what is written stays', async () => {
  store.drop(key, '{}');
  const pause = (): void => {
    store.drop(controlKey, '{"state":"paused"}');
    clock.nowMs += 5_000;
  };
  expect(await run(twoPages(pause))).toMatchObject({ outcome: 'deferred', apiCalls: 1 });
  expect(store.keys('local_shops/')).toEqual(['local_shops/r/a/x.json']);
  expect(store.keys('receipts/')).toEqual([]);
});

test('a pause while a turn is waited for is seen before the call', async () => {
  store.drop(key, '{}');
  const turns = {
    ...freeTurns(),
    async take(_deadlineMs: number, check?: () => Promise<void>) {
      store.drop(controlKey, '{"state":"paused"}');
      clock.nowMs += 60_000;
      await check?.();
    },
  };
  expect(await run(twoPages(), { turns })).toMatchObject({ outcome: 'deferred', apiCalls: 0 });
  expect(calls).toBe(0);
});

describe('an item of a cancelled run', () => {
  test('ends at once: no call, no attempt, no note, no letter', async () => {
    store.drop(key, '{}');
    store.drop(controlKey, '{"state":"cancelled"}');
    expect(await run(twoPages())).toEqual({ outcome: 'cancelled', written: 0, apiCalls: 0 });
    expect([calls, deadLetters, waiting, store.keys('failures/')]).toEqual([0, [], [], []]);
    expect(lines).toEqual([expect.stringContaining('cancelled')]);
  });

  test('ends in the middle of a list; what is written stays', async () => {
    store.drop(key, '{}');
    const cancel = (): void => {
      store.drop(controlKey, '{"state":"cancelled"}');
      clock.nowMs += 5_000;
    };
    expect(await run(twoPages(cancel))).toMatchObject({ outcome: 'cancelled', apiCalls: 1 });
    expect(store.keys('local_shops/')).toEqual(['local_shops/r/a/x.json']);
    expect([deadLetters, waiting, store.keys('failures/'), store.keys('receipts/')]).toEqual([[], [], [], []]);
  });

  test('a seed that is dropped again is not taken, and the log says what to do', async () => {
    store.drop('seeds/r.json', '{}');
    store.drop('stock/r/_SUCCESS', '{}');
    store.drop(controlKey, '{"state":"cancelled"}');
    const outcome = await run(twoPages(), { level: 'regions', event: { key: 'seeds/r.json' } });
    expect(outcome).toMatchObject({ outcome: 'cancelled' });
    expect(store.keys('params/')).toEqual([]);
    expect(lines).toEqual([expect.stringContaining('Resume the run to take it')]);
  });

  test('what is set and can not be read stops nothing', async () => {
    store.drop(key, '{}');
    store.drop(controlKey, '{"state":"canceled"}');
    expect(await run(twoPages())).toMatchObject({ outcome: 'expanded' });
  });
});

describe('a batch', () => {
  test('that is paused in the middle keeps what is done, and the rest waits', async () => {
    const world = new BatchWorld();
    await world.dropBatch(['a', 'b', 'c', 'd']);
    const outcome = await world.fetchPages((id) => {
      if (id === 'b') {
        world.store.drop(controlKey, '{"state":"paused"}');
        world.clock.nowMs += 5_000;
      }
      return '1';
    });
    expect(outcome).toMatchObject({ outcome: 'deferred', items: { done: 2, deferred: 2, failed: 0 } });
    expect(world.results()).toEqual(['a', 'b']);
    expect(world.waiting.map(({ reason }) => reason.code)).toEqual(['RUN_PAUSED']);
    world.store.objects.delete(controlKey);
    world.clock.nowMs += 1_000;
    expect(await world.fetchPages(undefined, { waited: 1 })).toMatchObject({ outcome: 'expanded' });
    expect(world.calls).toEqual(['a', 'b', 'c', 'd']);
  });

  test('that is cancelled in the middle keeps what is done, and says nothing of the rest, nor of what failed before', async () => {
    const world = new BatchWorld();
    await world.dropBatch(['a', 'b', 'c', 'd']);
    const outcome = await world.fetchPages((id) => {
      if (id === 'a') return new ItemError('HTTP_404', 'gone');
      world.store.drop(controlKey, '{"state":"cancelled"}');
      world.clock.nowMs += 5_000;
      return '1';
    });
    expect(outcome).toMatchObject({ outcome: 'cancelled', items: { done: 1, failed: 1, cancelled: 2 } });
    expect(world.counts).toEqual([{ done: 1, failed: 1, deferred: 0, cancelled: 2 }]);
    expect([world.results(), world.letters, world.waiting, world.store.keys('failures/')]).toEqual([['b'], [], [], []]);
  });

  test('that comes again and is cancelled is not taken for one that stopped its function', async () => {
    const world = new BatchWorld();
    await world.dropBatch(['a', 'b', 'c', 'd']);
    await expect(world.fetchPages((id) => (id === 'd' ? new TransientError('HTTP_503', 'busy') : '1'))).rejects.toThrow(
      'busy',
    );
    world.store.objects.delete('pages/r/s/00000.ndjson');
    world.clock.nowMs += 60_000;
    const cancelled = await world.fetchPages(
      (id) => {
        if (id === 'b') world.store.drop(controlKey, '{"state":"cancelled"}');
        world.clock.nowMs += 2_500;
        return '1';
      },
      { refires: 1 },
    );
    expect(cancelled).toMatchObject({ outcome: 'cancelled' });
    expect(world.note(noteKey)).toMatchObject({
      status: 'isolating',
      running: [],
      items: [{ id: 'd', code: 'HTTP_503' }],
    });
  });
});
