import { beforeEach, describe, expect, test } from '@jest/globals';
import { DeferredError, ItemError, TransientError } from '../../../../shared/engine/errors.ts';
import { Isolation } from '../../../../shared/engine/item/batch-isolation.ts';
import type { FailureNote } from '../../../../shared/engine/item/failure-note.ts';
import { batchKey, BatchWorld, noteKey } from '../../../memory/batch-world.ts';
import { freeTurns } from '../../../memory/turns.ts';

let world: BatchWorld;

beforeEach(() => {
  world = new BatchWorld();
});

/** As a function leaves it whose batch stopped it. */
const noteOf = (more: Partial<FailureNote>): FailureNote => {
  const counts = { attempts: 1, replays: 0, refires: 0, at: '2026-11-20T00:00:00.000Z', requestId: 'request-1' };
  const what = { run: 'r', level: 'pages', key: batchKey, code: 'STOPPED', message: '' };
  return { ...what, ...counts, status: 'isolating', class: 'transient', ...more };
};

const manyIds = (count: number): string[] => Array.from({ length: count }, (_, index) => `i${index}`);

/** Gives the batch to its function as often as that is stopped. @returns how often it was */
async function attemptUntilItEnds(bad: readonly string[], event: { replays: number; refires: number }) {
  let stops = 0;
  while (await world.crashAt(bad, event)) {
    stops += 1;
    expect(stops).toBeLessThan(20);
  }
  return stops;
}

describe('a batch that stops its function', () => {
  test('is taken in smaller steps until the item is alone; that one fails, the others are done', async () => {
    await world.dropBatch(manyIds(40));
    expect(await world.crashAt(['i17', 'i33'], {})).toBe(true);
    await attemptUntilItEnds(['i17', 'i33'], { replays: 1, refires: 0 });
    expect(world.note().items?.map(({ id, code }) => [id, code])).toEqual([
      ['i17', 'CRASHED'],
      ['i33', 'CRASHED'],
    ]);
    expect(world.results()).toHaveLength(38);
    expect(world.letters).toHaveLength(1);
    expect(await world.reportedPages()).toMatchObject({ items: 40, done: 38, failed: { dead: 2 } });
  });

  test('with fifty items has the one that does it alone at the third stop', async () => {
    await world.dropBatch(manyIds(50));
    expect(await attemptUntilItEnds(['i20'], { replays: 1, refires: 0 })).toBe(3);
    expect(world.note().items).toMatchObject([{ id: 'i20', code: 'CRASHED' }]);
  });

  test.each([
    ['a replay', { replays: 1 }],
    ['a re-fire of the sweep', { refires: 1 }],
    ['a second delivery of the message', { delivery: 2 }],
    ['a new expansion', { reexpand: true }],
  ])('leaves a note of what was under way when it comes by %s', async (_what, event) => {
    await world.dropBatch(['a', 'b', 'c', 'd']);
    expect(await world.crashAt(['a'], event)).toBe(true);
    expect(world.note()).toMatchObject({ status: 'isolating', running: [0, 1, 2, 3], suspects: [] });
    // Nothing has failed as yet.
    expect(await world.reportedPages()).toMatchObject({ items: 4, done: 0, open: 4, failed: { dead: 0, retrying: 0 } });
  });

  test('costs a batch whose event comes for the first time no note', async () => {
    await world.dropBatch(['a', 'b']);
    expect(await world.crashAt(['a'], {})).toBe(true);
    expect(world.store.objects.has(noteKey)).toBe(false);
  });

  test('is not fetched before the note of what is under way is written', async () => {
    await world.dropBatch(['a', 'b']);
    const put = world.store.put.bind(world.store);
    const order: string[] = [];
    world.store.put = async (...given) => {
      // The answer of S3 takes longer than all that does not wait for it.
      await new Promise(setImmediate);
      await put(...given);
      order.push('noted');
    };
    await world.fetchPages((id) => (order.push(id), '1'), { replays: 1 });
    expect(order.slice(0, 3)).toEqual(['noted', 'a', 'b']);
  });

  test('has the results of each group stored before the next one begins', async () => {
    await world.dropBatch(manyIds(16));
    await world.crashAt(['i8'], { replays: 1 });
    expect(world.results()).toEqual([]);
    await world.crashAt(['i8'], { replays: 1 });
    expect(world.results()).toHaveLength(8);
    expect(world.note()).toMatchObject({ running: [8, 9] });
    await world.crashAt(['i8'], { replays: 1 });
    expect(world.note()).toMatchObject({ running: [8] });
  });

  test('and is well by then is done, and its note counts for nothing', async () => {
    await world.dropBatch(['a', 'b', 'c', 'd']);
    await world.crashAt(['a'], { replays: 1 });
    expect(await world.fetchPages(undefined, { replays: 1 })).toMatchObject({ outcome: 'expanded' });
    expect(world.results()).toEqual(['a', 'b', 'c', 'd']);
    expect(await world.reportedPages()).toMatchObject({ items: 4, done: 4, open: 0, failed: { dead: 0, retrying: 0 } });
  });

  test('is fetched as one group when it was only replayed, and nothing is suspected of what then had to wait', async () => {
    await world.dropBatch(['a', 'b', 'c', 'd']);
    const take = (): Promise<void> => Promise.reject(new DeferredError('NO_TURN', 'later'));
    const deferred = await world.fetchPages(undefined, { replays: 1 }, { turns: { ...freeTurns(), take } });
    expect(deferred).toMatchObject({ outcome: 'deferred' });
    expect(world.note()).toMatchObject({ status: 'isolating', running: [], suspects: [] });
    await world.fetchPages(undefined, world.waiting[0]?.event);
    expect(world.results()).toEqual(['a', 'b', 'c', 'd']);
    expect(world.store.keys('pages/r/')).toHaveLength(1);
  });

  test('an item that crashed alone is called again by a replay', async () => {
    await world.dropBatch(['a', 'b']);
    await attemptUntilItEnds(['b'], { replays: 1, refires: 0 });
    expect(world.note().items).toMatchObject([{ id: 'b', code: 'CRASHED' }]);
    world.calls = [];
    expect(await world.fetchPages(undefined, { replays: 2 })).toMatchObject({ outcome: 'expanded' });
    expect(world.calls).toEqual(['b']);
  });
});

describe('an attempt that fails before it comes to the items', () => {
  /** S3 fails once when the batch is read. */
  async function failToRead(event: object): Promise<void> {
    const get = world.store.get.bind(world.store);
    world.store.get = (key, maxBytes) =>
      key === batchKey ? Promise.reject(new TransientError('S3_UNAVAILABLE', 'S3 is away')) : get(key, maxBytes);
    await expect(world.fetchPages(undefined, event)).rejects.toMatchObject({ code: 'S3_UNAVAILABLE' });
    world.store.get = get;
  }

  test('leaves in the note what was under way, so that the next one takes smaller groups', async () => {
    await world.dropBatch(manyIds(16));
    await world.crashAt(['i3'], { replays: 1 });
    await failToRead({ replays: 1 });
    expect(world.note()).toMatchObject({ status: 'failed', code: 'S3_UNAVAILABLE', running: [...manyIds(16).keys()] });
    await world.crashAt(['i3'], { replays: 1 });
    expect(world.note()).toMatchObject({ status: 'isolating', running: [2, 3] });
  });

  test('names none in its note that another copy of the event has done meanwhile', async () => {
    await world.dropBatch(['a', 'b', 'c']);
    const busy =
      (...ids: string[]) =>
      (id: string) =>
        ids.includes(id) ? new TransientError('HTTP_503', 'busy') : '1';
    await expect(world.fetchPages(busy('a', 'b'), { delivery: 2 })).rejects.toMatchObject({ code: 'HTTP_503' });
    const noted = world.note();
    await expect(world.fetchPages(busy('b'), { delivery: 3 })).rejects.toMatchObject({ code: 'HTTP_503' });
    world.store.drop(noteKey, JSON.stringify(noted));
    const put = world.store.put.bind(world.store);
    world.store.put = (key) => {
      world.store.put = put;
      return Promise.reject(new TransientError('S3_UNAVAILABLE', `${key} can not be written`));
    };
    await expect(world.fetchPages(undefined, { delivery: 4 })).rejects.toMatchObject({ code: 'S3_UNAVAILABLE' });
    expect(world.note()).toMatchObject({ code: 'S3_UNAVAILABLE', items: [{ id: 'b', code: 'HTTP_503' }] });
  });

  test('leaves in the note which items can not be fetched, so that they are not called again', async () => {
    await world.dropBatch(['a', 'b', 'c']);
    const event = { delivery: 2 };
    const bad = { a: 'HTTP_404', c: 'HTTP_503' };
    const answer = (id: string) =>
      id === 'a' ? new ItemError(bad.a, 'not there') : id === 'c' ? new TransientError(bad.c, 'busy') : '1';
    await expect(world.fetchPages(answer, event)).rejects.toMatchObject({ code: 'HTTP_503' });
    await failToRead(event);
    expect(world.note().items?.map(({ id, code }) => [id, code])).toEqual(Object.entries(bad));
    world.calls = [];
    expect(await world.fetchPages(undefined, event)).toMatchObject({ outcome: 'failed' });
    expect(world.calls).toEqual(['c']);
    expect(world.results()).toEqual(['b', 'c']);
  });
});

describe('the groups of a batch', () => {
  const open = [0, 1, 2, 3];

  test('are one, and not noted, when nothing is suspected and its event is the first', () => {
    const isolation = new Isolation({ open, note: undefined, isRepeat: false });
    expect(isolation.isNoted).toBe(false);
    expect(isolation.groups(open)).toEqual([open]);
    expect(isolation.groups([])).toEqual([]);
  });

  test('are noted, and keep apart the only one that is suspected, and come without an empty one', () => {
    const isolation = new Isolation({ open, note: noteOf({ suspects: [2] }), isRepeat: false });
    expect(isolation.isNoted).toBe(true);
    expect(isolation.groups(open)).toEqual([[0, 1, 3], [2]]);
    expect(isolation.groups([2])).toEqual([[2]]);
  });

  test('leave out what crashed alone', () => {
    const isolation = new Isolation({ open, note: noteOf({ suspects: [1, 2], running: [1] }), isRepeat: true });
    expect(isolation.crashed).toEqual([1]);
    expect(isolation.groups([0, 2, 3])).toEqual([[0, 3], [2]]);
  });
});
