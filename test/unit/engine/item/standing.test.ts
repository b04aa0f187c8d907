import { beforeEach, describe, expect, test } from '@jest/globals';
import { ItemError, TransientError } from '../../../../shared/engine/errors.ts';
import { nextNote, writeFailureNote, type FailureNote } from '../../../../shared/engine/item/failure-note.ts';
import { readStanding } from '../../../../shared/engine/item/standing.ts';
import { batchKey, BatchWorld, pages, type Answer } from '../../../memory/batch-world.ts';

let world: BatchWorld;

beforeEach(async () => {
  world = new BatchWorld();
  await world.dropBatch(['a', 'b', 'c', 'd']);
});

const standing = () => readStanding(pages, { key: batchKey, reexpand: false, atMs: 0 }, world.store);

/** `a` is done, `b` and `c` can not be fetched, `d` may pass. */
const mixed: Answer = (id) => {
  if (id === 'a') return '1';
  return id === 'd' ? new TransientError('HTTP_503', 'busy') : new ItemError('HTTP_404', `no ${id}`);
};

async function leaveNote(change: Partial<FailureNote>): Promise<void> {
  const cause = { status: 'failed', class: 'transient', code: 'X', message: 'x' } as const;
  const at = new Date(world.clock.now()).toISOString();
  await writeFailureNote(pages, nextNote(pages, batchKey, undefined, { ...cause, at, ...change }), world.store);
}

describe('how a batch stands', () => {
  test('is told by the metadata of its parts; before there is one, by its own', async () => {
    expect(await standing()).toMatchObject({ items: 4, held: new Set() });
    await expect(world.fetchPages(mixed)).rejects.toThrow();
    expect(await standing()).toMatchObject({ items: 4, held: new Set([0]) });
    await world.fetchPages(undefined, { replays: 1 });
    expect(await standing()).toMatchObject({ items: 4, held: new Set([0, 1, 2, 3]) });
    world.store.objects.delete(batchKey);
    expect(await standing()).toBeUndefined();
  });

  test('of an object that a person put there is that of one item', async () => {
    world.store.drop(batchKey, 'junk');
    expect(await standing()).toMatchObject({ items: 1, held: new Set() });
  });
});

describe('a report', () => {
  test('counts items, each failure by its own class, and names one of each reason', async () => {
    await expect(world.fetchPages(mixed)).rejects.toThrow();
    expect(await world.reportedPages()).toMatchObject({ items: 4, done: 1, failed: { dead: 2, retrying: 1 }, open: 0 });
    world.clock.nowMs += 10_000;
    const report = await world.report();
    expect(report.levels.at(-1)).toMatchObject({ failed: { dead: 3, retrying: 0 } });
    expect(report.reasons).toMatchObject([
      { level: 'pages', code: 'HTTP_404', count: 2, sample: { key: batchKey, id: 'b', message: 'no b' } },
      { level: 'pages', code: 'HTTP_503', count: 1, sample: { key: batchKey, id: 'd' } },
    ]);
    expect(report.apiCalls).toBe(1);
  });

  test('counts the open items of an old batch as lost, and not those that are done or failed', async () => {
    await expect(world.fetchPages(mixed)).rejects.toThrow();
    await leaveNote({ status: 'refired', items: world.note().items?.slice(0, 1) });
    expect(await world.reportedPages()).toMatchObject({ items: 4, done: 1, failed: { dead: 1 }, open: 2, lost: 0 });
    world.clock.nowMs += 10_000;
    expect(await world.reportedPages()).toMatchObject({ items: 4, done: 1, failed: { dead: 1 }, open: 2, lost: 2 });
  });

  test('takes a failure of the object as one of each item that is not done, with no name', async () => {
    await leaveNote({ class: 'item', code: 'BAD_BATCH' });
    const report = await world.report();
    expect(report.levels.at(-1)).toMatchObject({ items: 4, failed: { dead: 4 }, open: 0 });
    expect(report.reasons).toMatchObject([{ code: 'BAD_BATCH', count: 4 }]);
    expect(report.reasons[0]?.sample).not.toHaveProperty('id');
  });

  test.each(['refired', 'isolating'] as const)('takes a note that is %s for no failure', async (status) => {
    await leaveNote({ status });
    expect(await world.reportedPages()).toMatchObject({ items: 4, failed: { dead: 0, retrying: 0 }, open: 4 });
  });

  test('takes what was given up as lost for a failure of all that is not done, whatever its note says of items', async () => {
    await expect(world.fetchPages(mixed)).rejects.toThrow();
    await leaveNote({ class: 'item', code: 'LOST', items: world.note().items?.slice(0, 1) });
    expect(await world.reportedPages()).toMatchObject({ items: 4, done: 1, failed: { dead: 3 }, open: 0 });
  });
});
