import { beforeEach, describe, expect, test } from '@jest/globals';
import { buildS3Event } from '../../../../shared/aws/event-codec.ts';
import { levelNamed, type Chain } from '../../../../shared/engine/chain/chain.ts';
import { doneKey, failureKey, itemKey } from '../../../../shared/engine/chain/keys.ts';
import { TransientError } from '../../../../shared/engine/errors.ts';
import { newEvent, type ItemEvent } from '../../../../shared/engine/events.ts';
import type { FailureNote } from '../../../../shared/engine/item/failure-note.ts';
import { replay } from '../../../../shared/engine/recovery/replay.ts';
import type { ReplayDeps, ReplayRequest } from '../../../../shared/engine/recovery/replay-request.ts';
import type { ReplayReport } from '../../../../shared/engine/recovery/replay-report.ts';
import type { EventSink } from '../../../../shared/engine/ports.ts';
import { everyDepth, fourLevels } from '../../../chains.ts';
import { TestClock } from '../../../memory/clock.ts';
import { memoryBucket, MemoryMessageQueue } from '../../../memory/message-queue.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

type Refired = { level: string; key: string; replays: number; atMs: number };

let store: MemoryObjectStore;
let clock: TestClock;
let queues: Record<'regions' | 'shops' | 'shelves' | 'stock', MemoryMessageQueue>;
let refired: Refired[];
let warnings: Record<string, unknown>[];
let errors: Record<string, unknown>[];

beforeEach(() => {
  store = new MemoryObjectStore();
  clock = new TestClock();
  const queue = (): MemoryMessageQueue => new MemoryMessageQueue(clock);
  queues = { regions: queue(), shops: queue(), shelves: queue(), stock: queue() };
  refired = [];
  warnings = [];
  errors = [];
});

/** The levels of the chain with their queues. @param refire default: accepts all, and keeps what it got */
function levelsWith(refire?: EventSink): ReplayDeps['levels'] {
  return fourLevels.levels.map((level) => ({
    level,
    queue: queues[level.name as keyof typeof queues],
    refire: refire ?? {
      send: ({ key, replays }) =>
        Promise.resolve(void refired.push({ level: level.name, key, replays, atMs: clock.now() })),
    },
  }));
}

function run(request: ReplayRequest = {}, overrides: Partial<ReplayDeps> = {}): Promise<ReplayReport> {
  return replay(request, {
    levels: levelsWith(),
    store,
    clock,
    log: {
      info: () => undefined,
      warn: (_message, fields = {}) => void warnings.push(fields),
      error: (_message, fields = {}) => void errors.push(fields),
    },
    maxReplays: 3,
    retryingForMs: 1_000_000,
    deadlineMs: clock.now() + 600_000,
    ...overrides,
  });
}

const eventOf = (key: string, replays = 0): { Records: object[] } =>
  buildS3Event(newEvent(key, clock.now(), { replays }), memoryBucket);

/** Lambda's record for an event that used up its attempts. */
const destinationRecord = (
  key: string,
  options: { replays?: number; condition?: string; ran?: boolean; error?: string } = {},
): string =>
  JSON.stringify({
    version: '1.0',
    timestamp: '2026-11-20T00:00:00.000Z',
    requestContext: {
      requestId: 'e4b46cbf-b738-xmpl-8880-a18cdf61200e',
      functionArn: 'arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST',
      condition: options.condition ?? 'RetriesExhausted',
      approximateInvokeCount: 3,
    },
    requestPayload: eventOf(key, options.replays),
    ...(options.ran !== false && {
      responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
      responsePayload: {
        errorType: 'TransientError',
        errorMessage: options.error ?? 'HTTP_503: the API is busy',
        stackTrace: [],
      },
    }),
  });

/** An item of the shops' level that is there and not done. */
function openItem(id: string): string {
  const key = `regions/r/${id}.json`;
  store.drop(key, '{}');
  return key;
}

describe('every shape of dead letter', () => {
  test.each<[string, (key: string) => [string, Record<string, string>?], { code: string; condition: string }]>([
    ['a destination record', (key) => [destinationRecord(key)], { code: 'HTTP_503', condition: 'RetriesExhausted' }],
    [
      'one of an event that never ran',
      (key) => [destinationRecord(key, { condition: 'EventAgeExceeded', ran: false })],
      { code: 'EventAgeExceeded', condition: 'EventAgeExceeded' },
    ],
    [
      'one of an event that grew too old between attempts',
      (key) => [destinationRecord(key, { condition: 'EventAgeExceeded' })],
      { code: 'HTTP_503', condition: 'EventAgeExceeded' },
    ],
    [
      'one of a timeout',
      (key) => [destinationRecord(key, { error: 'Task timed out after 300.00 seconds' })],
      { code: 'TransientError', condition: 'RetriesExhausted' },
    ],
    [
      'a DeadLetterConfig body',
      (key) => [JSON.stringify(eventOf(key)), { RequestID: 'x', ErrorCode: '200', ErrorMessage: 'HTTP_500: broken' }],
      { code: 'HTTP_500', condition: 'DeadLetterConfig' },
    ],
    ['a plain S3 event', (key) => [JSON.stringify(eventOf(key))], { code: 'UNKNOWN', condition: 'S3Event' }],
    [
      'our own letter, sent at once',
      (key) => [
        JSON.stringify({
          source: 's3-cascade',
          version: '1',
          reason: {
            level: 'shops',
            run: 'r',
            key,
            code: 'HTTP_404',
            message: 'no such region',
            at: '2026-11-20T00:00:00.000Z',
            attempts: 1,
          },
          event: eventOf(key),
        }),
      ],
      { code: 'HTTP_404', condition: 'ItemError' },
    ],
  ])('%s is understood and brought back', async (_what, letterOf, reason) => {
    const key = openItem('a%20b');
    await queues.shops.sendRaw(...letterOf(key));
    const report = await run();
    expect(refired).toMatchObject([{ level: 'shops', key, replays: 1 }]);
    expect(report).toMatchObject({
      replayed: 1,
      remaining: 0,
      stoppedBecause: 'drained',
      reasons: [{ level: 'shops', count: 1, ...reason, sample: { key } }],
    });
    expect(queues.shops.bodies).toEqual([]);
  });

  test('is brought back for its own reason or its note’s, and stays where it is for another', async () => {
    const key = openItem('a');
    await queues.shops.sendRaw(destinationRecord(key, { error: 'Task timed out after 300.00 seconds' }));
    const note = { run: 'r', level: 'shops', key, status: 'failed', class: 'transient', code: 'OUT_OF_TIME' };
    const counts = { message: 'late', attempts: 1, replays: 0, refires: 0, at: '2026-11-20T00:00:00Z', requestId: '' };
    store.drop('failures/shops/r/a.json', JSON.stringify({ ...note, ...counts }));
    expect(await run({ code: 'HTTP_404' })).toMatchObject({ replayed: 0, skipped: { filter: 1 }, reasons: [] });
    expect(queues.shops.bodies).toHaveLength(1);
    expect(await run({ code: 'OUT_OF_TIME', dryRun: true })).toMatchObject({ replayed: 1 });
    expect(await run({ code: 'TransientError' })).toMatchObject({ replayed: 1 });
    expect(queues.shops.bodies).toEqual([]);
  });

  test('with several records brings each of them back', async () => {
    const keys = ['a', 'b'].map(openItem);
    await queues.shops.sendRaw(JSON.stringify({ Records: keys.flatMap((key) => eventOf(key).Records) }));
    expect(await run()).toMatchObject({ replayed: 2 });
    expect(refired.map(({ key }) => key)).toEqual(keys);
    expect(queues.shops.bodies).toEqual([]);
  });

  test("that is S3's test event goes: there is nothing in it", async () => {
    await queues.shops.sendRaw(JSON.stringify({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'b' }));
    expect(await run()).toMatchObject({ replayed: 0, skipped: { unreadable: 0 } });
    expect(queues.shops.bodies).toEqual([]);
  });

  test.each([
    '',
    'hello',
    '{}',
    '{"Records":[{"eventSource":"aws:sqs"}]}',
    '[1]',
    'null',
    '{"requestContext":{"condition":"RetriesExhausted"},"requestPayload":7}',
  ])('that can not be understood (%j) stays, is counted and does not stop the rest', async (body) => {
    await queues.shops.sendRaw(body);
    await queues.shops.sendRaw(destinationRecord(openItem('a')));
    expect(await run()).toMatchObject({ replayed: 1, skipped: { unreadable: 1 }, remaining: 1 });
    expect(queues.shops.bodies).toEqual([body]);
    expect(queues.shops.visible).toBe(1);
  });
});

describe('what replay does with an item', () => {
  test('that is done already: its letter goes and its function is not asked', async () => {
    const key = openItem('a');
    const eTag = store.objects.get(key)?.eTag ?? '';
    await store.put('receipts/shops/r/a.json', '{}', { 'input-etag': eTag });
    await queues.shops.sendRaw(destinationRecord(key));
    store.drop('shelves/r/a/b/c.json', '{}');
    store.drop('stock/r/a/b/c.json', '{}');
    await queues.stock.sendRaw(destinationRecord('shelves/r/a/b/c.json'));
    expect(await run()).toMatchObject({ replayed: 0, alreadyDone: 2, remaining: 0 });
    expect(refired).toEqual([]);
  });

  test('whose letter says why it failed: its note is not read', async () => {
    const key = openItem('a');
    store.drop('failures/shops/r/a.json', '{}');
    const read: string[] = [];
    const get = store.get.bind(store);
    store.get = (name, maxBytes) => {
      read.push(name);
      return get(name, maxBytes);
    };
    await queues.shops.sendRaw(destinationRecord(key));
    expect(await run()).toMatchObject({ replayed: 1, reasons: [{ code: 'HTTP_503', count: 1 }] });
    expect(read).not.toContain('failures/shops/r/a.json');
  });

  test('whose receipt is for what it was before: brought back', async () => {
    await store.put('receipts/shops/r/a.json', '{}', { 'input-etag': 'older' });
    await queues.shops.sendRaw(destinationRecord(openItem('a')));
    expect(await run()).toMatchObject({ replayed: 1, alreadyDone: 0 });
  });

  test('that was deleted: kept and counted, until force lets its letter go', async () => {
    await queues.shops.sendRaw(destinationRecord('regions/r/gone.json'));
    expect(await run()).toMatchObject({ replayed: 0, skipped: { missing: 1 }, remaining: 1 });
    expect(await run({ force: true })).toMatchObject({ replayed: 0, skipped: { missing: 1 }, remaining: 0 });
  });

  test('of which two letters tell: brought back once, and both letters go', async () => {
    const key = openItem('a');
    for (let copies = 0; copies < 25; copies += 1) await queues.shops.sendRaw(destinationRecord(key));
    expect(await run()).toMatchObject({ replayed: 1, duplicates: 24, remaining: 0 });
    expect(refired).toHaveLength(1);
  });

  test('that dies again while replay runs: its new letter waits for the next replay, or it would never end', async () => {
    const key = openItem('a');
    const shops = levelNamed(fourLevels, 'shops');
    await queues.shops.sendRaw(destinationRecord(key));
    const refire = {
      send: ({ replays }: ItemEvent) => queues.shops.sendRaw(destinationRecord(key, { replays })),
    };
    const again = (): Promise<ReplayReport> => run({}, { levels: [{ level: shops, queue: queues.shops, refire }] });
    for (let time = 0; time < 3; time += 1)
      expect(await again()).toMatchObject({ replayed: 1, skipped: { failedAgain: 1 }, remaining: 1 });
    expect(await again()).toMatchObject({ replayed: 0, parked: 1, remaining: 0 });
  });

  test('that failed after every replay allowed: parked, which its note says, and the letter goes', async () => {
    const key = openItem('a');
    const note = {
      run: 'r',
      level: 'shops',
      key,
      status: 'failed',
      class: 'transient',
      code: 'HTTP_503',
      message: 'busy',
      attempts: 12,
      replays: 2,
      refires: 1,
      at: '2026-11-20T00:00:00.000Z',
    };
    await store.put('failures/shops/r/a.json', JSON.stringify(note), {});
    await queues.shops.sendRaw(destinationRecord(key, { replays: 3 }));
    expect(await run()).toMatchObject({ replayed: 0, parked: 1, remaining: 0 });
    expect(store.json('failures/shops/r/a.json')).toMatchObject({
      status: 'parked',
      replays: 3,
      attempts: 12,
      code: 'HTTP_503',
    } satisfies Partial<FailureNote>);
    expect(warnings).toMatchObject([{ run: 'r', level: 'shops', key }]);
  });

  test('that is parked stays of the kind that its note says; without one, it may pass', async () => {
    const note = { run: 'r', level: 'shops', key: openItem('a'), status: 'failed', class: 'item', code: 'HTTP_404' };
    const counts = { message: 'gone', attempts: 12, replays: 2, refires: 0, at: '2026-11-20T00:00:00.000Z' };
    await store.put('failures/shops/r/a.json', JSON.stringify({ ...note, ...counts }), {});
    await queues.shops.sendRaw(destinationRecord(note.key, { replays: 3 }));
    await queues.shops.sendRaw(destinationRecord(openItem('b'), { replays: 3 }));
    expect(await run()).toMatchObject({ parked: 2 });
    expect(store.json('failures/shops/r/a.json')).toMatchObject({ status: 'parked', class: 'item' });
    expect(store.json('failures/shops/r/b.json')).toMatchObject({ status: 'parked', class: 'transient' });
  });

  test('that would be parked is replayed when it is forced', async () => {
    await queues.shops.sendRaw(destinationRecord(openItem('a'), { replays: 3 }));
    expect(await run({ force: true })).toMatchObject({ replayed: 1, parked: 0 });
    expect(refired).toMatchObject([{ replays: 4 }]);
  });

  test('whose note can not be written is kept', async () => {
    await queues.shops.sendRaw(destinationRecord(openItem('a'), { replays: 3 }));
    store.put = () => Promise.reject(new TransientError('NETWORK', 'S3 is away'));
    expect(await run()).toMatchObject({ parked: 0, skipped: { refused: 1 }, remaining: 1 });
    expect(queues.shops.visible).toBe(1);
  });
});

describe('a replay that is interrupted', () => {
  test('between the re-fire and the removal makes a duplicate, never a loss', async () => {
    const keys = Array.from({ length: 30 }, (_, i) => openItem(`a${i}`));
    for (const key of keys) await queues.shops.sendRaw(destinationRecord(key));
    const remove = queues.shops.remove.bind(queues.shops);
    queues.shops.remove = () => Promise.reject(new Error('the function was stopped here'));
    await expect(run()).rejects.toThrow('the function was stopped here');
    expect(refired.length).toBeGreaterThan(0);
    expect(queues.shops.bodies).toHaveLength(30);
    queues.shops.remove = remove;
    clock.nowMs += 3_600_000;
    await run();
    expect(new Set(refired.map(({ key }) => key))).toEqual(new Set(keys));
    expect(queues.shops.bodies).toEqual([]);
  });

  test('by a function that does not accept events keeps every letter that was not accepted, and shows it again', async () => {
    const keys = Array.from({ length: 30 }, (_, i) => openItem(`a${i}`));
    for (const key of keys) await queues.shops.sendRaw(destinationRecord(key));
    let accepted = 0;
    const refire = {
      send: () =>
        (accepted += 1) > 5
          ? Promise.reject(new TransientError('TooManyRequestsException', 'busy'))
          : Promise.resolve(),
    };
    await expect(
      run({}, { levels: [{ level: levelNamed(fourLevels, 'shops'), queue: queues.shops, refire }] }),
    ).rejects.toMatchObject({ name: 'TransientError' });
    expect(queues.shops.bodies).toHaveLength(25);
    expect(queues.shops.visible).toBe(25);
  });
});

describe('what is asked for', () => {
  beforeEach(async () => {
    for (const run of ['r', 's']) {
      for (let i = 0; i < 12; i += 1) {
        const key = `regions/${run}/${i}.json`;
        store.drop(key, '{}');
        await queues.shops.sendRaw(destinationRecord(key));
      }
    }
    store.drop('seeds/r.json', '{}');
    await queues.regions.sendRaw(destinationRecord('seeds/r.json'));
  });

  test('a level: other queues are not touched', async () => {
    expect(await run({ level: 'regions' })).toMatchObject({ replayed: 1, byLevel: { regions: { replayed: 1 } } });
    expect(queues.shops.visible).toBe(24);
  });

  test("a run: the others' letters stay, are counted, and are visible at once", async () => {
    expect(await run({ run: 's' })).toMatchObject({ replayed: 12, skipped: { filter: 13 }, remaining: 13 });
    expect(queues.shops.visible).toBe(12);
    expect(refired.every(({ key }) => key.startsWith('regions/s/'))).toBe(true);
  });

  test('a limit: it stops there, says so, and the next replay continues', async () => {
    expect(await run({ level: 'shops', limit: 10 })).toMatchObject({
      replayed: 10,
      remaining: 14,
      stoppedBecause: 'limit',
    });
    expect(queues.shops.visible).toBe(14);
    expect(await run({ level: 'shops', limit: 100 })).toMatchObject({
      replayed: 14,
      remaining: 0,
      stoppedBecause: 'drained',
    });
    expect(new Set(refired.map(({ key }) => key)).size).toBe(24);
  });

  test.each(['dead-letters', 'failures'] as const)(
    'from %s: says whether what is left is SQS’s count, which lags, or is exact',
    async (from) => {
      expect(await run({ from })).toMatchObject({
        stoppedBecause: 'drained',
        remainingIsApproximate: from === 'dead-letters',
      });
    },
  );

  test('a dry run: counts and reasons, and nothing is changed', async () => {
    const before = new Map(store.objects);
    const report = await run({ dryRun: true });
    expect(report).toMatchObject({ dryRun: true, replayed: 25, remaining: 25 });
    expect(report.reasons).toMatchObject([
      { level: 'shops', code: 'HTTP_503', count: 24 },
      { level: 'regions', code: 'HTTP_503', count: 1 },
    ]);
    expect(refired).toEqual([]);
    expect(store.objects).toEqual(before);
    expect(queues.shops.visible).toBe(24);
  });

  test('a rate: no second has more, and none is wasted', async () => {
    await run({ level: 'shops', rate: 4 });
    const starts = refired.map(({ atMs }) => atMs);
    expect(
      Math.max(...starts.map((start) => starts.filter((other) => other >= start && other < start + 1000).length)),
    ).toBeLessThanOrEqual(5);
    expect(((starts.at(-1) ?? 0) - (starts[0] ?? 0)) / 1000).toBeCloseTo(23 / 4, 0);
  });

  test('tells how long it took', async () => {
    // The first begins at once, each other one a quarter of a second after the one before.
    expect(await run({ level: 'shops', rate: 4 })).toMatchObject({ replayed: 24, seconds: 23 / 4 });
  });

  test('more than the time allows: it stops in time with a true report', async () => {
    const report = await run({ level: 'shops', rate: 1 }, { deadlineMs: clock.now() + 5_500 });
    expect(report).toMatchObject({ stoppedBecause: 'time', remaining: 24 - report.replayed });
    expect(report.replayed).toBeGreaterThanOrEqual(5);
    expect(report.replayed).toBeLessThanOrEqual(7);
    expect(queues.shops.visible).toBe(24 - report.replayed);
  });
});

describe('two letters of one item', () => {
  test('both stay until its function has accepted it: a crash in between loses neither', async () => {
    const key = openItem('twice');
    await queues.shops.sendRaw(JSON.stringify(eventOf(key)));
    await queues.shops.sendRaw(JSON.stringify(eventOf(key)));
    const refire = { send: () => Promise.reject(new Error('refused')) };
    expect(await run({}, { levels: levelsWith(refire) })).toMatchObject({ replayed: 0, skipped: { refused: 2 } });
    expect(queues.shops.bodies).toHaveLength(2);
    expect(queues.shops.visible).toBe(2);
  });
});

describe('from the failure notes', () => {
  const noteFor = async (id: string, change: Partial<FailureNote> = {}): Promise<string> => {
    const key = openItem(id);
    const note: FailureNote = {
      run: 'r',
      level: 'shops',
      key,
      status: 'failed',
      class: 'item',
      code: 'HTTP_404',
      message: 'no such region',
      attempts: 1,
      replays: 0,
      refires: 0,
      at: new Date(clock.now()).toISOString(),
      requestId: 'x',
      ...change,
    };
    await store.put(`failures/shops/r/${id}.json`, JSON.stringify(note), {});
    return key;
  };

  test('a parent that the sweep gave up as short is expanded again, though it has a receipt; a younger one is enough', async () => {
    const key = await noteFor('short', { code: 'SHORT', refires: 3 });
    const receipt = async (): Promise<void> => {
      const eTag = store.objects.get(key)?.eTag ?? '';
      const metadata = { 'input-etag': eTag, children: '2', 'api-calls': '1', at: new Date(clock.now()).toISOString() };
      await store.put('receipts/shops/r/short.json', '{}', metadata);
    };
    clock.nowMs -= 60_000;
    await receipt();
    clock.nowMs += 120_000;
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 1 });
    expect(refired).toMatchObject([{ key, replays: 1 }]);
    await receipt();
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 0 });
  });

  test('items come back whose dead letters are gone', async () => {
    const keys = [];
    for (let i = 0; i < 45; i += 1) keys.push(await noteFor(`n${i}`));
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 45, remaining: 0, stoppedBecause: 'drained' });
    expect(new Set(refired.map(({ key }) => key))).toEqual(new Set(keys));
  });

  test('what is left is no exact count when it stops before it has read all of them', async () => {
    for (let i = 0; i < 3; i += 1) await noteFor(`n${i}`);
    expect(await run({ from: 'failures', limit: 2 })).toMatchObject({
      replayed: 2,
      stoppedBecause: 'limit',
      remainingIsApproximate: true,
    });
  });

  test('of two reasons to stop the first one is told', async () => {
    for (let i = 0; i < 3; i += 1) await noteFor(`n${i}`);
    // The second has no turn in time, and takes the last place within the limit all the same.
    expect(await run({ from: 'failures', limit: 2, rate: 1 }, { deadlineMs: clock.now() + 500 })).toMatchObject({
      replayed: 1,
      remaining: 2,
      stoppedBecause: 'time',
    });
  });

  test('only those of one reason come back when it is asked for', async () => {
    const key = await noteFor('a', { code: 'HTTP_404' });
    await noteFor('b', { code: 'HTTP_410' });
    expect(await run({ from: 'failures', code: 'HTTP_404' })).toMatchObject({ replayed: 1, reasons: [{ count: 1 }] });
    expect(refired).toMatchObject([{ key }]);
  });

  test('a receipt outranks a note', async () => {
    const key = await noteFor('a');
    await store.put('receipts/shops/r/a.json', '{}', { 'input-etag': store.objects.get(key)?.eTag ?? '' });
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 0, remaining: 0, reasons: [] });
  });

  test('what Lambda may still retry is left to it', async () => {
    await noteFor('a', { class: 'transient' });
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 0, skipped: { retrying: 1 }, remaining: 1 });
    expect(await run({ from: 'failures', force: true, dryRun: true })).toMatchObject({ replayed: 1 });
    clock.nowMs += 1_000_000;
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 1, remaining: 0 });
  });

  test('what is parked waits for force', async () => {
    await noteFor('a', { status: 'parked', replays: 3 });
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 0, skipped: { parked: 1 }, remaining: 1 });
    expect(await run({ from: 'failures', force: true })).toMatchObject({ replayed: 1 });
  });

  test('another run is left alone, also one whose name begins the same', async () => {
    const key = await noteFor('a');
    const note = store.json('failures/shops/r/a.json') as object;
    store.drop('regions/r2/a.json', '{}');
    await store.put('failures/shops/r2/a.json', JSON.stringify({ ...note, key: 'regions/r2/a.json', run: 'r2' }), {});
    await run({ from: 'failures', run: 'r' });
    expect(refired.map((item) => item.key)).toEqual([key]);
  });

  test.each<[string, object]>([
    ['a date that is none', { at: 'yesterday' }],
    ['a number that is a text', { replays: '2' }],
    ['a megabyte of message', { message: 'x'.repeat(1_000_001) }],
    ['an unknown status', { status: 'open' }],
  ])('a note with %s is counted as unreadable, never as replayed', async (_what, change) => {
    await noteFor('good');
    await noteFor('bad', change);
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 1, skipped: { unreadable: 1 } });
    expect(refired.map(({ key }) => key)).toEqual(['regions/r/good.json']);
  });

  test('what S3 refuses about one item is passed over, named and counted; the others come back', async () => {
    for (let i = 0; i < 30; i += 1) await noteFor(`n${i}`);
    forbid('regions/r/n7.json', 'failures/shops/r/n9.json');
    const report = await run({ from: 'failures' });
    expect(report).toMatchObject({ replayed: 28, skipped: { refused: 2 }, stoppedBecause: 'drained' });
    expect(report.refusals.map(({ key }) => key).sort()).toEqual([
      'failures/shops/r/n7.json',
      'failures/shops/r/n9.json',
    ]);
  });

  test('nothing is passed over when S3 fails for all of them', async () => {
    for (let i = 0; i < 30; i += 1) await noteFor(`n${i}`);
    store.head = () => Promise.reject(new TransientError('SlowDown', 'busy'));
    await expect(run({ from: 'failures' })).rejects.toMatchObject({ code: 'SlowDown' });
    expect(refired).toEqual([]);
  });

  test('junk among the notes is counted and does not stop the rest', async () => {
    store.drop('failures/shops/r/junk.json', 'hello');
    await noteFor('a');
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 1, skipped: { unreadable: 1 } });
  });
});

/** S3 answers 403 about these keys. */
function forbid(...keys: string[]): void {
  const [head, get] = [store.head.bind(store), store.get.bind(store)];
  const refusal = (): Promise<never> =>
    Promise.reject(Object.assign(new Error('Access Denied'), { name: 'AccessDenied' }));
  store.head = (key) => (keys.includes(key) ? refusal() : head(key));
  store.get = (key, maxBytes) => (keys.includes(key) ? refusal() : get(key, maxBytes));
}

describe('what can not be replayed', () => {
  const letters = async (count: number): Promise<string[]> => {
    const keys = Array.from({ length: count }, (_, i) => openItem(`a${i}`));
    for (const key of keys) await queues.shops.sendRaw(destinationRecord(key));
    return keys;
  };

  test.each<[string, () => string | Promise<string>]>([
    ['a key of 1,500 bytes, to which S3 answers 400', () => `regions/r/${'x'.repeat(1500)}.json`],
    [
      'a key that the function may not read',
      () => {
        const key = openItem('secret');
        forbid(key);
        return key;
      },
    ],
    [
      'an item whose receipt the function may not read',
      () => {
        const key = openItem('secret');
        forbid('receipts/shops/r/secret.json');
        return key;
      },
    ],
  ])('%s: left, named and counted, forced or not, while all others come back', async (_what, keyOf) => {
    const key = await keyOf();
    await queues.shops.sendRaw(destinationRecord(key));
    await letters(25);
    for (const force of [false, true]) {
      const report = await run({ force });
      expect(report).toMatchObject({ replayed: force ? 0 : 25, skipped: { refused: 1 }, remaining: 1 });
      expect(report).toMatchObject({
        stoppedBecause: 'drained',
        refusals: [
          { level: 'shops', key: key.slice(0, 1024), message: expect.stringMatching(/too long|Access Denied/) },
        ],
      });
    }
    expect(queues.shops.bodies).toEqual([destinationRecord(key)]);
    expect(queues.shops.visible).toBe(1);
    expect(errors).toMatchObject([
      { level: 'shops', key },
      { level: 'shops', key },
    ]);
  });

  test('an item that its function or queue refuses: left, while all others come back', async () => {
    const keys = await letters(25);
    const accepted: string[] = [];
    const refire: EventSink = {
      send: ({ key }) =>
        key === keys[3] ? Promise.reject(new Error('RequestEntityTooLarge')) : Promise.resolve(void accepted.push(key)),
    };
    expect(await run({}, { levels: levelsWith(refire) })).toMatchObject({
      replayed: 24,
      skipped: { refused: 1 },
      refusals: [{ key: keys[3], message: 'RequestEntityTooLarge' }],
      remaining: 1,
    });
    expect(new Set(accepted)).toEqual(new Set(keys.filter((_, index) => index !== 3)));
  });

  test('a letter of which one item is refused stays whole, and its other items are not given back twice', async () => {
    const keys = ['a', 'b'].map(openItem);
    await queues.shops.sendRaw(JSON.stringify({ Records: keys.flatMap((key) => eventOf(key).Records) }));
    forbid('regions/r/a.json');
    expect(await run()).toMatchObject({ replayed: 1, skipped: { refused: 1 }, remaining: 1 });
    expect(refired.map(({ key }) => key)).toEqual(['regions/r/b.json']);
  });

  test('many items, of which a sample is named', async () => {
    const keys = await letters(45);
    forbid(...keys);
    const report = await run();
    expect(report).toMatchObject({ replayed: 0, skipped: { refused: 45 }, remaining: 45 });
    expect(report.refusals).toHaveLength(20);
  });

  test('now and then, since S3 was busy: the letters stay for the next replay', async () => {
    await letters(25);
    const head = store.head.bind(store);
    let heads = 0;
    store.head = (key) =>
      (heads += 1) % 20 === 0 ? Promise.reject(new TransientError('SlowDown', 'busy')) : head(key);
    const report = await run();
    expect(report.replayed + report.skipped.refused).toBe(25);
    expect(report.skipped.refused).toBeGreaterThan(0);
    expect(report.remaining).toBe(report.skipped.refused);
  });

  test.each([
    ['S3', () => (store.head = () => Promise.reject(new TransientError('SlowDown', 'busy')))],
    ['SQS', () => (queues.shops.receive = () => Promise.reject(new TransientError('SlowDown', 'busy')))],
    ['Lambda', () => undefined],
  ])('anything, since %s fails for all: an error, and every letter is visible again', async (_service, fail) => {
    await letters(45);
    fail();
    const refire = { send: () => Promise.reject(new TransientError('SlowDown', 'busy')) };
    await expect(run({}, { levels: levelsWith(refire) })).rejects.toMatchObject({ code: 'SlowDown' });
    expect(queues.shops.bodies).toHaveLength(45);
    expect(queues.shops.visible).toBe(45);
  });

  test('a letter of another bucket, or with a part of another: left, and counted as unreadable', async () => {
    const key = openItem('a');
    const foreign = buildS3Event(newEvent(key, 0), 'another');
    await queues.shops.sendRaw(JSON.stringify(foreign));
    await queues.shops.sendRaw(JSON.stringify({ Records: [...eventOf(key).Records, ...foreign.Records] }));
    expect(await run({ force: true })).toMatchObject({ replayed: 0, skipped: { unreadable: 2 }, remaining: 2 });
    expect(refired).toEqual([]);
  });
});

describe('an item that is given back', () => {
  test('begins its re-fires and its waiting for the API anew, and keeps the record that S3 sent', async () => {
    const key = openItem('a');
    const sent: ItemEvent[] = [];
    const refire: EventSink = { send: (event) => Promise.resolve(void sent.push(event)) };
    const record = { ...(eventOf(key).Records[0] as { s3: object }), future: 1 };
    const counts = { replays: 1, refires: 3, waitingSinceMs: 5, frozenMs: 7, notBeforeMs: 9 };
    await queues.shops.sendRaw(JSON.stringify({ Records: [{ ...record, s3Cascade: counts }] }));
    await run({}, { levels: levelsWith(refire) });
    expect(sent).toMatchObject([{ key, replays: 2, refires: 0, record: { future: 1 } }]);
    expect(sent[0]?.waitingSinceMs).toBeUndefined();
    expect(sent[0]?.frozenMs).toBeUndefined();
    expect(sent[0]?.notBeforeMs).toBeUndefined();
    const [again] = buildS3Event(sent[0] ?? newEvent('', 0), memoryBucket).Records;
    expect(again).toEqual({ ...record, s3Cascade: { replays: 2 } });
  });
});

describe.each(everyDepth)('the letters of a chain of %i', (_depth, chain: Chain) => {
  const everyItem = chain.levels.map((level) => ({ level, path: { run: 'r', ids: level.ids.map(() => 'a.b') } }));

  test('bring items of every level back, or go when they are done; so do the failure notes', async () => {
    const own = new Map(chain.levels.map(({ name }) => [name, new MemoryMessageQueue(clock)]));
    const sent: string[] = [];
    const levels = chain.levels.map((level) => ({
      level,
      queue: own.get(level.name) ?? new MemoryMessageQueue(clock),
      refire: { send: ({ key }: ItemEvent) => Promise.resolve(void sent.push(key)) },
    }));
    for (const { level, path } of everyItem) {
      const key = itemKey(level, path);
      store.drop(key, '{}');
      await own.get(level.name)?.sendRaw(destinationRecord(key));
      const note = { key, status: 'failed', class: 'item', code: 'X', message: 'x', attempts: 1, replays: 0 };
      store.drop(failureKey(level, path), JSON.stringify({ ...note, at: '2026-11-20' }));
    }
    const keys = everyItem.map(({ level, path }) => itemKey(level, path));
    expect(await run({ run: 'r' }, { levels })).toMatchObject({ replayed: keys.length, remaining: 0 });
    expect(await run({ run: 'r', from: 'failures' }, { levels })).toMatchObject({
      replayed: keys.length,
      remaining: 0,
    });
    expect(sent.sort()).toEqual([...keys, ...keys].sort());
    for (const { level, path } of everyItem) {
      const key = itemKey(level, path);
      await store.put(doneKey(level, path), '{}', { 'input-etag': store.objects.get(key)?.eTag ?? '' });
      await own.get(level.name)?.sendRaw(destinationRecord(key));
    }
    expect(await run({}, { levels })).toMatchObject({ alreadyDone: keys.length, replayed: 0, remaining: 0 });
    expect(await run({ from: 'failures' }, { levels })).toMatchObject({ replayed: 0, remaining: 0 });
  });
});
