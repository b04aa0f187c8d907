import { beforeEach, describe, expect, test } from '@jest/globals';
import { DeferredError, ItemError, RateLimitError, TransientError } from '../../../../shared/engine/errors.ts';
import { batchKey, BatchWorld, noteKey, partKey, type Answer } from '../../../memory/batch-world.ts';
import { freeTurns } from '../../../memory/turns.ts';

let world: BatchWorld;

beforeEach(() => {
  world = new BatchWorld();
});

describe('a batch', () => {
  test('becomes one part: a line an item, with its ids and the API’s own text', async () => {
    await world.dropBatch(['a', 'b']);
    const outcome = await world.fetchPages((id) => `{"id":"${id}",\r\n "n": 1e400}`);
    expect(outcome).toEqual({
      outcome: 'expanded',
      written: 2,
      apiCalls: 2,
      items: { done: 2, failed: 0, deferred: 0 },
    });
    const part = world.store.objects.get(partKey);
    const fetchedAt = new Date(world.clock.now()).toISOString();
    expect(part?.body.split('\n')[0]).toBe(
      `{"shelf":"s","book":"a","fetched_at":"${fetchedAt}","data":{"id":"a",  "n": 1e400}}`,
    );
    expect(part?.contentType).toBe('application/x-ndjson');
    expect(part?.metadata).toMatchObject({
      items: '2',
      has: '03',
      'batch-etag': world.store.objects.get(batchKey)?.eTag,
    });
  });

  test('that is done is not fetched again', async () => {
    await world.dropBatch(['a', 'b']);
    await world.fetchPages();
    expect(await world.fetchPages(undefined, { replays: 1 })).toMatchObject({ outcome: 'duplicate' });
    expect(world.calls).toEqual(['a', 'b']);
  });

  test('knows by the metadata of its parts what is done, and reads none of them', async () => {
    await world.dropBatch(['a', 'b']);
    await world.fetchPages((id) => (id === 'b' ? new ItemError('HTTP_404', 'not there') : '1'));
    const read: string[] = [];
    const get = world.store.get.bind(world.store);
    world.store.get = (key, maxBytes) => {
      read.push(key);
      return get(key, maxBytes);
    };
    await world.fetchPages(undefined, { replays: 1 });
    expect(world.results()).toEqual(['a', 'b']);
    expect(read).toContain(batchKey);
    expect(read).not.toContain(partKey);
  });

  test('one bad item does not keep the others; the note names it, and one letter is sent', async () => {
    await world.dropBatch(['a', 'b', 'c']);
    const outcome = await world.fetchPages((id) => (id === 'b' ? new ItemError('HTTP_404', 'not there') : '1'));
    expect(outcome).toMatchObject({ outcome: 'failed', items: { done: 2, failed: 1, deferred: 0 } });
    expect(world.results()).toEqual(['a', 'c']);
    expect(world.note()).toMatchObject({
      status: 'failed',
      code: 'HTTP_404',
      items: [{ id: 'b', index: 1, code: 'HTTP_404', attempts: 1 }],
    });
    expect(world.letters.map(({ reason }) => [reason.code, reason.key])).toEqual([['HTTP_404', batchKey]]);
  });

  test('a retry calls what failed transiently, and neither what is done nor what can not be fetched', async () => {
    await world.dropBatch(['a', 'b', 'c']);
    let isHealthy = false;
    const answer: Answer = (id) => {
      if (id === 'b') return new ItemError('HTTP_404', 'not there');
      return id === 'c' && !isHealthy ? new TransientError('HTTP_503', 'busy') : '1';
    };
    await expect(world.fetchPages(answer)).rejects.toMatchObject({ code: 'HTTP_503' });
    expect(world.letters).toEqual([]);
    isHealthy = true;
    world.clock.nowMs += 60_000;
    world.calls = [];
    expect(await world.fetchPages(answer, { atMs: 0 })).toMatchObject({ outcome: 'failed' });
    expect(world.calls).toEqual(['c']);
    expect(world.results()).toEqual(['a', 'c']);
    expect(world.store.keys('pages/r/')).toEqual(['pages/r/s/00000.1.ndjson', partKey]);
    expect(world.letters).toHaveLength(1);
  });

  test('a replay calls all that is not done', async () => {
    await world.dropBatch(['a', 'b']);
    await world.fetchPages((id) => (id === 'b' ? new ItemError('HTTP_404', 'not there') : '1'));
    world.calls = [];
    expect(await world.fetchPages(undefined, { replays: 1 })).toMatchObject({ outcome: 'expanded' });
    expect(world.calls).toEqual(['b']);
    expect(world.results()).toEqual(['a', 'b']);
  });

  test('what has no turn in this invocation waits, at no attempt, and what was fetched is stored', async () => {
    await world.dropBatch(['a', 'b', 'c', 'd']);
    let turns = 0;
    const take = (): Promise<void> =>
      (turns += 1) > 2 ? Promise.reject(new DeferredError('NO_TURN', 'later')) : Promise.resolve();
    const outcome = await world.fetchPages(undefined, {}, { turns: { ...freeTurns(), take } });
    expect(outcome).toMatchObject({ outcome: 'deferred', items: { done: 2, failed: 0, deferred: 2 } });
    expect(world.results()).toEqual(['a', 'b']);
    expect(world.waiting.map(({ reason }) => reason.code)).toEqual(['NO_TURN']);
    expect(world.store.objects.has(noteKey)).toBe(false);
  });

  test('whose first items ran out of time has failed; what began later waits', async () => {
    await world.dropBatch(['a', 'b', 'c', 'd']);
    const late = new TransientError('OUT_OF_TIME', 'too late');
    const isFailed = async (bad: string): Promise<unknown> => {
      const answer: Answer = (id) => (id === bad ? late : '1');
      return world.fetchPages(answer).catch((error: unknown) => error);
    };
    // Two are called at a time.
    expect(await isFailed('c')).toMatchObject({ outcome: 'deferred', items: { done: 3, failed: 0, deferred: 1 } });
    world = new BatchWorld();
    await world.dropBatch(['a', 'b', 'c', 'd']);
    expect(await isFailed('b')).toMatchObject({ code: 'OUT_OF_TIME' });
    expect(world.note()).toMatchObject({ items: [{ id: 'b', class: 'transient', attempts: 1 }] });
  });

  test('of which some failed and some wait is not handed on before its note is written', async () => {
    await world.dropBatch(['a', 'b']);
    world.store.put = () => Promise.reject(new TransientError('SlowDown', 'S3 is busy'));
    const take = (() => {
      let turns = 0;
      return () => ((turns += 1) > 1 ? Promise.reject(new DeferredError('NO_TURN', 'later')) : Promise.resolve());
    })();
    const attempt = world.fetchPages(() => new ItemError('HTTP_404', 'gone'), {}, { turns: { ...freeTurns(), take } });
    await expect(attempt).rejects.toThrow();
    expect(world.waiting).toEqual([]);
  });

  test('that waited reads its note: what can not be fetched is not called again', async () => {
    await world.dropBatch(['a', 'b', 'c']);
    const answer: Answer = (id) => (id === 'b' ? new ItemError('HTTP_404', 'not there') : '1');
    let turns = 0;
    const take = (): Promise<void> =>
      (turns += 1) > 2 ? Promise.reject(new DeferredError('NO_TURN', 'later')) : Promise.resolve();
    await world.fetchPages(answer, {}, { turns: { ...freeTurns(), take } });
    expect(world.note()).toMatchObject({ status: 'failed', items: [{ id: 'b', code: 'HTTP_404' }] });
    expect(world.letters).toEqual([]);
    world.calls = [];
    expect(await world.fetchPages(answer, world.waiting[0]?.event)).toMatchObject({
      outcome: 'failed',
      items: { done: 1, failed: 1, deferred: 0 },
    });
    expect(world.calls).toEqual(['c']);
    expect(world.letters).toHaveLength(1);
    expect(world.results()).toEqual(['a', 'c']);
  });

  test('that waits again and again calls an item that fails each time in three attempts; then it is the failure', async () => {
    await world.dropBatch(['a', 'b']);
    let isKeptWaiting = true;
    const answer: Answer = (id) => {
      if (id === 'a') return new TransientError('HTTP_503', 'busy');
      return isKeptWaiting ? new DeferredError('RATE_LIMITED', 'wait') : '1';
    };
    let event = {};
    for (let attempts = 0; attempts < 5; attempts += 1) {
      expect(await world.fetchPages(answer, event)).toMatchObject({ outcome: 'deferred' });
      event = world.waiting.at(-1)?.event ?? {};
    }
    expect(world.calls.filter((id) => id === 'a')).toHaveLength(3);
    expect(world.letters).toEqual([]);
    isKeptWaiting = false;
    expect(await world.fetchPages(answer, event)).toMatchObject({ outcome: 'failed' });
    expect(world.calls.filter((id) => id === 'a')).toHaveLength(3);
    expect(world.letters.map(({ reason }) => reason.code)).toEqual(['HTTP_503']);
    expect(world.results()).toEqual(['b']);
  });

  test('each item that the API keeps waiting is told of with the event', async () => {
    await world.dropBatch(['a', 'b']);
    const until = world.clock.now();
    const order = new RateLimitError('HTTP_429', 'wait', { waitMs: 3_600_000 });
    const frozen = new DeferredError('FROZEN', 'frozen');
    const turns = { ...freeTurns(), freeze: () => Promise.reject(frozen) };
    await world.fetchPages((id) => (id === 'b' ? order : '1'), {}, { turns });
    expect(world.waiting[0]?.event.waits).toEqual({ 1: { waitingSinceMs: until, frozenMs: 60_000 } });
  });

  test('that comes back from waiting fetches nothing of a later part again, although the first part was deleted', async () => {
    await world.dropBatch(['a', 'b', 'c']);
    const long = JSON.stringify('x'.repeat(1000));
    const answer: Answer = (id) => (id === 'c' ? new DeferredError('NO_TURN', 'later') : long);
    await world.fetchPages(answer);
    const event = world.waiting[0]?.event;
    expect(event).toMatchObject({ isBegun: true });
    expect(world.store.keys('pages/r/')).toHaveLength(2);
    world.store.objects.delete(partKey);
    world.calls = [];
    await world.fetchPages(undefined, event);
    expect(world.calls.sort()).toEqual(['a', 'c']);
    expect(world.results()).toEqual(['a', 'b', 'c']);
  });

  test('that waits before any of it is done does not say that there is a part', async () => {
    await world.dropBatch(['a']);
    await world.fetchPages(() => new DeferredError('NO_TURN', 'later'));
    expect(world.waiting[0]?.event.isBegun).toBeUndefined();
  });

  describe('an item that was ordered to wait alone, when its batch comes back for another one', () => {
    const minute = 60_000;
    const waiting = (waitsForMs: number, sinceMs: number) => {
      const nowMs = world.clock.now();
      return { waits: { 1: { waitingSinceMs: nowMs + sinceMs, notBeforeMs: nowMs + waitsForMs } } };
    };

    beforeEach(() => world.dropBatch(['a', 'b']));

    test('is not called before that time, and waits on', async () => {
      const event = waiting(5 * minute, -minute);
      expect(await world.fetchPages(undefined, event)).toMatchObject({ items: { done: 1, deferred: 1 } });
      expect(world.calls).toEqual(['a']);
      expect(world.waiting[0]?.event).toMatchObject({ waits: event.waits, notBeforeMs: event.waits[1].notBeforeMs });
      world.clock.nowMs = event.waits[1].notBeforeMs - 1;
      await world.fetchPages(undefined, world.waiting[0]?.event);
      expect(world.calls).toEqual(['a']);
      world.clock.nowMs += 1;
      await world.fetchPages(undefined, world.waiting[1]?.event);
      expect(world.calls).toEqual(['a', 'b']);
    });

    test('is not called when the order came in this very millisecond', async () => {
      await world.fetchPages(undefined, waiting(5 * minute, 0));
      expect(world.calls).toEqual(['a']);
    });

    // An item may be kept waiting for an hour here.
    test.each([
      ['it has waited for as long as an item may', 90 * minute, -60 * minute],
      ['the order was to come, as of a clock that has jumped back', 90 * minute, minute],
    ])('is called when %s', async (_when, waitsForMs, sinceMs) => {
      await world.fetchPages(undefined, waiting(waitsForMs, sinceMs));
      expect(world.calls).toEqual(['a', 'b']);
    });
  });

  test('each item of a batch that was re-fired may stop all calls for a part of the time, and keeps what it has used of it', async () => {
    await world.dropBatch(['a', 'b']);
    const order = new RateLimitError('HTTP_429', 'wait', { waitMs: 3_600_000 });
    const freezes: number[] = [];
    const turns = { ...freeTurns(), freeze: (forMs: number) => Promise.resolve(void freezes.push(forMs)) };
    // The fifth event of a batch whose first one has ten minutes for each item.
    await world.fetchPages(() => order, { refires: 4, waits: { 1: { frozenMs: 10_000 } } }, { turns });
    expect(freezes.sort((a, b) => a - b)).toEqual([27_500, 37_500]);
    const waits = world.waiting[0]?.event.waits;
    expect([waits?.[0]?.frozenMs, waits?.[1]?.frozenMs]).toEqual([37_500, 37_500]);
  });

  test('results are stored when they are as many bytes as a part may have', async () => {
    await world.dropBatch(['a', 'b', 'c']);
    await world.fetchPages(() => JSON.stringify('x'.repeat(1000)));
    expect(world.store.keys('pages/r/')).toHaveLength(3);
    expect(world.results()).toEqual(['a', 'b', 'c']);
  });

  test('two invocations of it at the same time store each result once', async () => {
    await world.dropBatch(['a', 'b', 'c']);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const slow = world.fetchPages(async () => held.then(() => '1'));
    await world.fetchPages();
    release();
    await slow;
    expect(world.results()).toEqual(['a', 'b', 'c']);
    expect(world.store.keys('pages/r/')).toEqual([partKey]);
  });

  test('what a part of the batch that was here before holds is not fetched again, and is recorded', async () => {
    await world.dropBatch(['a', 'b']);
    await world.fetchPages();
    await world.dropBatch(['b', 'c', 'a']);
    world.calls = [];
    await world.fetchPages();
    expect(world.calls).toEqual(['c']);
    expect(world.results()).toEqual(['a', 'b', 'c']);
    expect(await world.reportedPages()).toMatchObject({ items: 3, done: 3 });
    await world.dropBatch(['a']);
    await world.fetchPages();
    expect(await world.reportedPages()).toMatchObject({ items: 1, done: 1 });
  });

  test.each([['{}'], ['[]'], ['[{"ids":["other","a"],"item":1}]'], ['[{"ids":["s","a"], "item":1}]'], ['[1]']])(
    'an object %s that the engine did not write fails as one, with a reason',
    async (body) => {
      world.store.drop(batchKey, body);
      expect(await world.fetchPages()).toMatchObject({ outcome: 'failed' });
      expect(world.note()).toMatchObject({ code: 'BAD_BATCH' });
      expect(await world.reportedPages()).toMatchObject({ items: 1, failed: { dead: 1 } });
    },
  );
});
