import { beforeEach, describe, expect, test } from '@jest/globals';
import { readDeadLetter } from '../../../../shared/aws/dead-letter-message.ts';
import { makeS3Record, parseS3Event, withReplays } from '../../../../shared/aws/s3-event.ts';
import { chain, levelNamed, type LevelName } from '../../../../shared/engine/chain/chain.ts';
import { TransientError } from '../../../../shared/engine/errors.ts';
import type { FailureNote } from '../../../../shared/engine/item/failure-note.ts';
import { replay, type ReplayDeps, type ReplayRequest } from '../../../../shared/engine/recovery/replay.ts';
import type { ReplayReport } from '../../../../shared/engine/recovery/replay-report.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryMessageQueue } from '../../../memory/message-queue.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

type Refired = { level: LevelName; key: string; replays: number; atMs: number };

let store: MemoryObjectStore;
let clock: TestClock;
let queues: Record<LevelName, MemoryMessageQueue>;
let refired: Refired[];
let warnings: Record<string, unknown>[];

beforeEach(() => {
  store = new MemoryObjectStore();
  clock = new TestClock();
  const queue = (): MemoryMessageQueue => new MemoryMessageQueue(clock);
  queues = { troops: queue(), warriors: queue(), data_groups: queue(), data: queue() };
  refired = [];
  warnings = [];
});

function run(request: ReplayRequest = {}, overrides: Partial<ReplayDeps> = {}): Promise<ReplayReport> {
  return replay(request, {
    levels: chain.map((level) => ({
      level,
      queue: queues[level.level],
      refire: {
        send: (record) => {
          for (const { key, replays } of parseS3Event({ Records: [record] }))
            refired.push({ level: level.level, key, replays, atMs: clock.now() });
          return Promise.resolve();
        },
      },
    })),
    store,
    understand: readDeadLetter,
    recordFor: (key) => makeS3Record('b', key, clock.now()),
    withReplays,
    clock,
    log: { info: () => undefined, warn: (_message, fields = {}) => void warnings.push(fields), error: () => undefined },
    maxReplays: 3,
    retryingForMs: 1_000_000,
    deadlineMs: clock.now() + 600_000,
    ...overrides,
  });
}

const recordOf = (key: string, replays = 0): object => withReplays(makeS3Record('b', key, clock.now()), replays);

/** Lambda's record for an event that used up its tries. */
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
    requestPayload: { Records: [recordOf(key, options.replays)] },
    ...(options.ran !== false && {
      responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
      responsePayload: {
        errorType: 'TransientError',
        errorMessage: options.error ?? 'HTTP_503: Hermes is busy',
        stackTrace: [],
      },
    }),
  });

/** An item of the warriors' level that is there and not done. */
function openItem(id: string): string {
  const key = `troops/r/${id}.json`;
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
      'one of an event that grew too old between tries',
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
      (key) => [
        JSON.stringify({ Records: [recordOf(key)] }),
        { RequestID: 'x', ErrorCode: '200', ErrorMessage: 'HTTP_500: broken' },
      ],
      { code: 'HTTP_500', condition: 'DeadLetterConfig' },
    ],
    [
      'a plain S3 event',
      (key) => [JSON.stringify({ Records: [recordOf(key)] })],
      { code: 'UNKNOWN', condition: 'S3Event' },
    ],
    [
      'our own letter, sent at once',
      (key) => [
        JSON.stringify({
          source: 's3-cascade',
          version: '1',
          reason: {
            level: 'warriors',
            run: 'r',
            key,
            code: 'HTTP_404',
            message: 'no such troop',
            at: '2026-11-20T00:00:00.000Z',
            attempts: 1,
          },
          event: { Records: [recordOf(key)] },
        }),
      ],
      { code: 'HTTP_404', condition: 'ItemError' },
    ],
  ])('%s is understood and brought back', async (_what, letterOf, reason) => {
    const key = openItem('a%20b');
    await queues.warriors.send(...letterOf(key));
    const report = await run();
    expect(refired).toMatchObject([{ level: 'warriors', key, replays: 1 }]);
    expect(report).toMatchObject({
      replayed: 1,
      remaining: 0,
      stoppedBecause: 'drained',
      reasons: [{ level: 'warriors', count: 1, ...reason, sample: { key } }],
    });
    expect(queues.warriors.bodies).toEqual([]);
  });

  test('with several records brings each of them back', async () => {
    const keys = ['a', 'b'].map(openItem);
    await queues.warriors.send(JSON.stringify({ Records: keys.map((key) => recordOf(key)) }));
    expect(await run()).toMatchObject({ replayed: 2 });
    expect(refired.map(({ key }) => key)).toEqual(keys);
    expect(queues.warriors.bodies).toEqual([]);
  });

  test("that is S3's test event goes: there is nothing in it", async () => {
    await queues.warriors.send(JSON.stringify({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'b' }));
    expect(await run()).toMatchObject({ replayed: 0, skipped: { unreadable: 0 } });
    expect(queues.warriors.bodies).toEqual([]);
  });

  test.each([
    '',
    'hello',
    '{}',
    '{"Records":[{"eventSource":"aws:sqs"}]}',
    '[1]',
    'null',
    '{"requestContext":{"condition":"RetriesExhausted"},"requestPayload":7}',
  ])('that nobody understands (%j) stays, is counted and does not stop the rest', async (body) => {
    await queues.warriors.send(body);
    await queues.warriors.send(destinationRecord(openItem('a')));
    expect(await run()).toMatchObject({ replayed: 1, skipped: { unreadable: 1 }, remaining: 1 });
    expect(queues.warriors.bodies).toEqual([body]);
    expect(queues.warriors.visible).toBe(1);
  });
});

describe('what replay does with an item', () => {
  test('that is done already: its letter goes and its function is not asked', async () => {
    const key = openItem('a');
    const eTag = store.objects.get(key)?.eTag ?? '';
    await store.put('receipts/warriors/r/a.json', '{}', { 'input-etag': eTag });
    await queues.warriors.send(destinationRecord(key));
    store.drop('data_groups/r/a/b/c.json', '{}');
    store.drop('data/r/a/b/c.json', '{}');
    await queues.data.send(destinationRecord('data_groups/r/a/b/c.json'));
    expect(await run()).toMatchObject({ replayed: 0, alreadyDone: 2, remaining: 0 });
    expect(refired).toEqual([]);
  });

  test('whose receipt is for what it was before: brought back', async () => {
    await store.put('receipts/warriors/r/a.json', '{}', { 'input-etag': 'older' });
    await queues.warriors.send(destinationRecord(openItem('a')));
    expect(await run()).toMatchObject({ replayed: 1, alreadyDone: 0 });
  });

  test('that was deleted: kept and counted, until force lets its letter go', async () => {
    await queues.warriors.send(destinationRecord('troops/r/gone.json'));
    expect(await run()).toMatchObject({ replayed: 0, skipped: { missing: 1 }, remaining: 1 });
    expect(await run({ force: true })).toMatchObject({ replayed: 0, skipped: { missing: 1 }, remaining: 0 });
  });

  test('of which two letters tell: brought back once, and both letters go', async () => {
    const key = openItem('a');
    for (let copies = 0; copies < 25; copies += 1) await queues.warriors.send(destinationRecord(key));
    expect(await run()).toMatchObject({ replayed: 1, duplicates: 24, remaining: 0 });
    expect(refired).toHaveLength(1);
  });

  test('that dies again while replay runs: its new letter waits for the next replay, or it would never end', async () => {
    const key = openItem('a');
    const warriors = levelNamed('warriors');
    await queues.warriors.send(destinationRecord(key));
    const refire = {
      send: async (record: unknown) => {
        const [item] = parseS3Event({ Records: [record] });
        await queues.warriors.send(destinationRecord(key, { replays: item?.replays ?? 0 }));
      },
    };
    const again = (): Promise<ReplayReport> =>
      run({}, { levels: [{ level: warriors, queue: queues.warriors, refire }] });
    for (let time = 0; time < 3; time += 1)
      expect(await again()).toMatchObject({ replayed: 1, skipped: { failedAgain: 1 }, remaining: 1 });
    expect(await again()).toMatchObject({ replayed: 0, parked: 1, remaining: 0 });
  });

  test('that failed after every replay allowed: parked, which its note says, and the letter goes', async () => {
    const key = openItem('a');
    const note = {
      run: 'r',
      level: 'warriors',
      key,
      class: 'transient',
      code: 'HTTP_503',
      message: 'busy',
      attempts: 12,
    };
    await store.put('failures/warriors/r/a.json', JSON.stringify(note), {});
    await queues.warriors.send(destinationRecord(key, { replays: 3 }));
    expect(await run()).toMatchObject({ replayed: 0, parked: 1, remaining: 0 });
    expect(store.json('failures/warriors/r/a.json')).toMatchObject({
      status: 'parked',
      replays: 3,
      attempts: 12,
      code: 'HTTP_503',
    } satisfies Partial<FailureNote>);
    expect(warnings).toMatchObject([{ run: 'r', level: 'warriors', key }]);
  });

  test('that would be parked is replayed when it is forced', async () => {
    await queues.warriors.send(destinationRecord(openItem('a'), { replays: 3 }));
    expect(await run({ force: true })).toMatchObject({ replayed: 1, parked: 0 });
    expect(refired).toMatchObject([{ replays: 4 }]);
  });

  test('whose note can not be written is not let go of', async () => {
    await queues.warriors.send(destinationRecord(openItem('a'), { replays: 3 }));
    store.put = () => Promise.reject(new TransientError('NETWORK', 'S3 is away'));
    await expect(run()).rejects.toMatchObject({ code: 'NETWORK' });
    expect(queues.warriors.visible).toBe(1);
  });
});

describe('a replay that is interrupted', () => {
  test('between the re-fire and the removal makes a duplicate, never a loss', async () => {
    const keys = Array.from({ length: 30 }, (_, i) => openItem(`a${i}`));
    for (const key of keys) await queues.warriors.send(destinationRecord(key));
    const remove = queues.warriors.remove.bind(queues.warriors);
    queues.warriors.remove = () => Promise.reject(new Error('the function was stopped here'));
    await expect(run()).rejects.toThrow('the function was stopped here');
    expect(refired.length).toBeGreaterThan(0);
    expect(queues.warriors.bodies).toHaveLength(30);
    queues.warriors.remove = remove;
    clock.nowMs += 3_600_000;
    await run();
    expect(new Set(refired.map(({ key }) => key))).toEqual(new Set(keys));
    expect(queues.warriors.bodies).toEqual([]);
  });

  test('by a function that does not accept events keeps every letter that was not accepted, and shows it again', async () => {
    const keys = Array.from({ length: 30 }, (_, i) => openItem(`a${i}`));
    for (const key of keys) await queues.warriors.send(destinationRecord(key));
    let accepted = 0;
    const refire = {
      send: () =>
        (accepted += 1) > 5
          ? Promise.reject(new TransientError('TooManyRequestsException', 'busy'))
          : Promise.resolve(),
    };
    await expect(
      run({}, { levels: [{ level: levelNamed('warriors'), queue: queues.warriors, refire }] }),
    ).rejects.toMatchObject({ name: 'TransientError' });
    expect(queues.warriors.bodies).toHaveLength(25);
    expect(queues.warriors.visible).toBe(25);
  });
});

describe('what is asked for', () => {
  beforeEach(async () => {
    for (const run of ['r', 's']) {
      for (let i = 0; i < 12; i += 1) {
        const key = `troops/${run}/${i}.json`;
        store.drop(key, '{}');
        await queues.warriors.send(destinationRecord(key));
      }
    }
    store.drop('seeds/r.json', '{}');
    await queues.troops.send(destinationRecord('seeds/r.json'));
  });

  test('a level: other queues are not touched', async () => {
    expect(await run({ level: 'troops' })).toMatchObject({ replayed: 1, byLevel: { troops: { replayed: 1 } } });
    expect(queues.warriors.visible).toBe(24);
  });

  test("a run: the others' letters stay, are counted, and are visible at once", async () => {
    expect(await run({ run: 's' })).toMatchObject({ replayed: 12, skipped: { filter: 13 }, remaining: 13 });
    expect(queues.warriors.visible).toBe(12);
    expect(refired.every(({ key }) => key.startsWith('troops/s/'))).toBe(true);
  });

  test('a limit: it stops there, says so, and asking again goes on', async () => {
    expect(await run({ level: 'warriors', limit: 10 })).toMatchObject({
      replayed: 10,
      remaining: 14,
      stoppedBecause: 'limit',
    });
    expect(queues.warriors.visible).toBe(14);
    expect(await run({ level: 'warriors', limit: 100 })).toMatchObject({
      replayed: 14,
      remaining: 0,
      stoppedBecause: 'drained',
    });
    expect(new Set(refired.map(({ key }) => key)).size).toBe(24);
  });

  test('a dry run: counts and reasons, and nothing is changed', async () => {
    const before = new Map(store.objects);
    const report = await run({ dryRun: true });
    expect(report).toMatchObject({ dryRun: true, replayed: 25, remaining: 25 });
    expect(report.reasons).toMatchObject([
      { level: 'warriors', code: 'HTTP_503', count: 24 },
      { level: 'troops', code: 'HTTP_503', count: 1 },
    ]);
    expect(refired).toEqual([]);
    expect(store.objects).toEqual(before);
    expect(queues.warriors.visible).toBe(24);
  });

  test('a rate: no second has more, and none is wasted', async () => {
    await run({ level: 'warriors', rate: 4 });
    const starts = refired.map(({ atMs }) => atMs);
    expect(
      Math.max(...starts.map((start) => starts.filter((other) => other >= start && other < start + 1000).length)),
    ).toBeLessThanOrEqual(5);
    expect(((starts.at(-1) ?? 0) - (starts[0] ?? 0)) / 1000).toBeCloseTo(23 / 4, 0);
  });

  test('more than the time allows: it stops in time with a true report', async () => {
    const report = await run({ level: 'warriors', rate: 1 }, { deadlineMs: clock.now() + 5_500 });
    expect(report).toMatchObject({ stoppedBecause: 'time', remaining: 24 - report.replayed });
    expect(report.replayed).toBeGreaterThanOrEqual(5);
    expect(report.replayed).toBeLessThanOrEqual(7);
    expect(queues.warriors.visible).toBe(24 - report.replayed);
  });
});

describe('two letters of one item', () => {
  test('both stay until its function has accepted it: a crash in between loses neither', async () => {
    const key = openItem('twice');
    await queues.warriors.send(JSON.stringify({ Records: [recordOf(key)] }));
    await queues.warriors.send(JSON.stringify({ Records: [recordOf(key)] }));
    const refire = { send: () => Promise.reject(new Error('refused')) };
    const levels = chain.map((level) => ({ level, queue: queues[level.level], refire }));
    await expect(run({}, { levels })).rejects.toThrow('refused');
    expect(queues.warriors.bodies).toHaveLength(2);
  });
});

describe('from the failure notes', () => {
  const noteFor = async (id: string, change: Partial<FailureNote> = {}): Promise<string> => {
    const key = openItem(id);
    const note: FailureNote = {
      run: 'r',
      level: 'warriors',
      key,
      status: 'failed',
      class: 'item',
      code: 'HTTP_404',
      message: 'no such troop',
      attempts: 1,
      replays: 0,
      refires: 0,
      at: new Date(clock.now()).toISOString(),
      requestId: 'x',
      ...change,
    };
    await store.put(`failures/warriors/r/${id}.json`, JSON.stringify(note), {});
    return key;
  };

  test('a parent that the sweep gave up as short is expanded again, though it has a receipt; a younger one is enough', async () => {
    const key = await noteFor('short', { code: 'SHORT', refires: 3 });
    const receipt = async (): Promise<void> => {
      const eTag = store.objects.get(key)?.eTag ?? '';
      const metadata = { 'input-etag': eTag, children: '2', 'api-calls': '1', at: new Date(clock.now()).toISOString() };
      await store.put('receipts/warriors/r/short.json', '{}', metadata);
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

  test('a receipt outranks a note', async () => {
    const key = await noteFor('a');
    await store.put('receipts/warriors/r/a.json', '{}', { 'input-etag': store.objects.get(key)?.eTag ?? '' });
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 0, remaining: 0, reasons: [] });
  });

  test('what Lambda may still be trying is left to it', async () => {
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
    await noteFor('a');
    store.drop('troops/r2/a.json', '{}');
    await store.put(
      'failures/warriors/r2/a.json',
      JSON.stringify({ key: 'troops/r2/a.json', code: 'X', attempts: 1, at: new Date(0).toISOString() }),
      {},
    );
    await run({ from: 'failures', run: 'r' });
    expect(refired.map(({ key }) => key)).toEqual(['troops/r/a.json']);
  });

  test('junk among the notes is counted and does not stop the rest', async () => {
    store.drop('failures/warriors/r/junk.json', 'hello');
    await noteFor('a');
    expect(await run({ from: 'failures' })).toMatchObject({ replayed: 1, skipped: { unreadable: 1 } });
  });
});
