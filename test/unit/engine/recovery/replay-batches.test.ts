import { beforeEach, describe, expect, test } from '@jest/globals';
import { ItemError, TransientError } from '../../../../shared/engine/errors.ts';
import { newEvent, type ItemEvent } from '../../../../shared/engine/events.ts';
import { replay } from '../../../../shared/engine/recovery/replay.ts';
import type { ReplayReport } from '../../../../shared/engine/recovery/replay-report.ts';
import type { ReplayRequest } from '../../../../shared/engine/recovery/replay-request.ts';
import { batchKey, BatchWorld, pages, type Answer } from '../../../memory/batch-world.ts';
import { MemoryMessageQueue } from '../../../memory/message-queue.ts';

let world: BatchWorld;
let queue: MemoryMessageQueue;
let refired: ItemEvent[];

beforeEach(() => {
  world = new BatchWorld();
  queue = new MemoryMessageQueue(world.clock);
  refired = [];
});

const log = (): void => undefined;

function run(request: ReplayRequest = {}): Promise<ReplayReport> {
  const refire = { send: (event: ItemEvent) => Promise.resolve(void refired.push(event)) };
  return replay(request, {
    levels: [{ level: pages, queue, refire }],
    store: world.store,
    clock: world.clock,
    log: { info: log, warn: log, error: log },
    maxReplays: 3,
    retryingForMs: 1_000_000,
    deadlineMs: world.clock.now() + 600_000,
  });
}

const failing =
  (codes: Readonly<Record<string, string>>): Answer =>
  (id) =>
    codes[id] === undefined ? '1' : new ItemError(codes[id], `no ${id}`);

/** A batch of which these items failed for good; its letter is on the queue. */
async function dropDead(number: number, codes: Readonly<Record<string, string>>, event: Partial<ItemEvent> = {}) {
  const key = batchKey.replace('00000', `0000${number}`);
  await world.dropBatch(
    ['a', 'b', 'c', 'd'].map((id) => `${id}${number}`),
    key,
  );
  await world.fetchPages(failing(codes), { key, ...event });
  const letter = world.letters.at(-1);
  if (letter === undefined) throw new Error('No letter was sent.');
  await queue.send(letter.event, letter.reason);
  return key;
}

describe('a dead batch', () => {
  test('is brought back once, and its items that are not done are counted, each by its own reason', async () => {
    const key = await dropDead(0, { b0: 'HTTP_404', c0: 'HTTP_404', d0: 'NOT_JSON' });
    expect(await run()).toMatchObject({
      replayed: 3,
      byLevel: { pages: { replayed: 3 } },
      remaining: 0,
      reasons: [
        { level: 'pages', code: 'HTTP_404', count: 2, sample: { key, id: 'b0', message: 'no b0' } },
        { level: 'pages', code: 'NOT_JSON', count: 1, sample: { key, id: 'd0', message: 'no d0' } },
      ],
    });
    expect(refired.map((event) => [event.key, event.replays])).toEqual([[key, 1]]);
    world.calls = [];
    await world.fetchPages(undefined, refired[0]);
    expect(world.calls).toEqual(['b0', 'c0', 'd0']);
    expect(await world.reportedPages()).toMatchObject({ items: 4, done: 4 });
  });

  test('whose letter says something else has no reason but those of its items', async () => {
    await world.dropBatch(['a', 'b']);
    await world.fetchPages(() => new ItemError('HTTP_404', 'gone'));
    const [letter] = world.letters;
    if (letter !== undefined) await queue.send(letter.event, { ...letter.reason, code: 'HTTP_410' });
    const { reasons } = await run();
    expect(reasons.map(({ code, count }) => [code, count])).toEqual([['HTTP_404', 2]]);
  });

  test('of which no note tells counts all of its items by its letter’s reason, and names none', async () => {
    await world.dropBatch(['a', 'b', 'c']);
    const reason = { level: 'pages', run: 'r', key: batchKey, code: 'HTTP_503', message: 'busy', at: '2026-11-20' };
    await queue.send(newEvent(batchKey, world.clock.now()), reason);
    const report = await run({ dryRun: true });
    expect(report).toMatchObject({ replayed: 3, reasons: [{ code: 'HTTP_503', count: 3 }] });
    expect(report.reasons[0]?.sample).not.toHaveProperty('id');
    expect(refired).toEqual([]);
  });

  test('that was deleted counts once, by its letter, whatever its note says of the items that it had', async () => {
    const key = await dropDead(0, { a0: 'HTTP_404', c0: 'NOT_JSON' });
    world.store.objects.delete(key);
    const report = await run();
    expect(report).toMatchObject({ replayed: 0, skipped: { missing: 1 } });
    expect(report.reasons).toMatchObject([{ count: 1, sample: { key } }]);
    expect(report.reasons[0]?.sample).not.toHaveProperty('id');
  });

  test('that is done by now counts all of its items as done', async () => {
    const key = await dropDead(0, { b0: 'HTTP_404' });
    await world.fetchPages(undefined, { key, replays: 1 });
    expect(await run()).toMatchObject({ replayed: 0, alreadyDone: 4, remaining: 0 });
  });

  test('that failed after every replay allowed is parked with its items, and the report says so', async () => {
    await dropDead(0, { b0: 'HTTP_404', d0: 'HTTP_404' }, { replays: 3 });
    expect(await run()).toMatchObject({ replayed: 0, parked: 2 });
    expect(await world.reportedPages()).toMatchObject({ items: 4, done: 2, failed: { parked: 2, dead: 0 }, open: 0 });
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 0, skipped: { parked: 2 }, remaining: 2 });
    expect(await run({ from: 'failures', force: true })).toMatchObject({ replayed: 2, remaining: 0 });
  });
});

describe('a limit counts items', () => {
  beforeEach(async () => {
    for (const number of [0, 1, 2])
      await dropDead(number, Object.fromEntries(['a', 'b', 'c'].map((id) => [`${id}${number}`, 'HTTP_404'])));
  });

  test('a batch that would go beyond it waits for the next replay', async () => {
    expect(await run({ limit: 7 })).toMatchObject({ replayed: 6, stoppedBecause: 'limit', remaining: 1 });
    expect(await run({ limit: 7 })).toMatchObject({ replayed: 3, stoppedBecause: 'drained', remaining: 0 });
    expect(new Set(refired.map(({ key }) => key)).size).toBe(3);
  });

  test('a batch with more than that is brought back alone, since otherwise it never would be', async () => {
    expect(await run({ limit: 1 })).toMatchObject({ replayed: 3, stoppedBecause: 'limit' });
    expect(refired).toHaveLength(1);
  });

  test('a rate does, too', async () => {
    const startMs = world.clock.now();
    await run({ rate: 3 });
    expect((world.clock.now() - startMs) / 1000).toBeGreaterThanOrEqual(2);
  });
});

describe('from the failure notes', () => {
  test('a batch that is fetched in groups just now is left to its function', async () => {
    await world.dropBatch(['a', 'b']);
    await world.crashAt(['a'], { replays: 1 });
    expect(world.note()).toMatchObject({ status: 'isolating' });
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 0 });
    expect(refired).toEqual([]);
    world.clock.nowMs += 24 * 3_600_000;
    expect(await run({ from: 'failures', force: true })).toMatchObject({ replayed: 2 });
  });

  test('a batch is brought back with the reasons of its items', async () => {
    const key = await dropDead(0, { b0: 'HTTP_404', d0: 'NOT_JSON' });
    const report = await run({ from: 'failures' });
    expect(report).toMatchObject({ replayed: 2, remaining: 0 });
    expect(report.reasons).toHaveLength(2);
    expect(report.reasons.map(({ code, count, sample }) => [code, count, sample.key, sample.id])).toEqual([
      ['HTTP_404', 1, key, 'b0'],
      ['NOT_JSON', 1, key, 'd0'],
    ]);
  });

  test.each(['letters', 'failures'] as const)(
    'by %s, the code of any of its items is a reason to bring it back',
    async (of) => {
      await dropDead(0, { b0: 'HTTP_404', d0: 'NOT_JSON' });
      const from = of === 'failures' ? { from: of } : {};
      expect(await run({ ...from, code: 'HTTP_500' })).toMatchObject({ replayed: 0 });
      expect(await run({ ...from, code: 'NOT_JSON' })).toMatchObject({ replayed: 2 });
    },
  );

  test('items that Lambda may still retry are left, and counted', async () => {
    await world.dropBatch(['a', 'b', 'c']);
    const answer: Answer = (id) => (id === 'a' ? '1' : new TransientError('HTTP_503', 'busy'));
    await expect(world.fetchPages(answer)).rejects.toMatchObject({ code: 'HTTP_503' });
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 0, skipped: { retrying: 2 }, remaining: 2 });
    expect(await run({ from: 'failures', force: true })).toMatchObject({ replayed: 2 });
  });
});
