import { beforeEach, describe, expect, test } from '@jest/globals';
import { makeS3Record, parseS3Event, withReplays } from '../../../../shared/aws/s3-event.ts';
import { chain } from '../../../../shared/engine/chain/chain.ts';
import type { ItemEvent } from '../../../../shared/engine/item/item.ts';
import {
  sweep,
  type SweepDeps,
  type SweepReport,
  type SweepRequest,
} from '../../../../shared/engine/recovery/sweep.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { completeRun } from '../../../memory/run.ts';

const hourMs = 3_600_000;

let clock: TestClock;
let store: MemoryObjectStore;
let refired: ItemEvent[];

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  refired = [];
});

function run(request: SweepRequest = {}, overrides: Partial<SweepDeps> = {}): Promise<SweepReport> {
  return sweep(request, {
    store,
    refires: new Map(
      chain.map(({ level }) => [
        level,
        { send: (record) => Promise.resolve(void refired.push(...parseS3Event({ Records: [record] }))) },
      ]),
    ),
    recordFor: (key, { replays, refires, again }) =>
      withReplays(makeS3Record('b', key, clock.now()), replays, again, refires),
    clock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    lostAfterMs: () => 7 * hourMs,
    stoppedUntilMs: () => Promise.resolve(0),
    retryingForMs: hourMs,
    settleMs: 60_000,
    maxRefires: 3,
    deadlineMs: clock.now() + 600_000,
    ...overrides,
  });
}

const failureOf = (key: string, change: object = {}): string =>
  JSON.stringify({
    key,
    status: 'failed',
    class: 'transient',
    code: 'HTTP_503',
    message: 'busy',
    attempts: 3,
    replays: 0,
    at: new Date(clock.now()).toISOString(),
    ...change,
  });

test('a run without a seed is refused by name: what is left of it has expired, and nothing of it is fetched again', async () => {
  await completeRun(store, ['a']);
  store.objects.delete('seeds/r.json');
  for (const key of store.keys('data/r/')) store.objects.delete(key);
  const message = 'Bad input: there is no run r: no seed lies under seeds/r.json';
  await expect(run({ run: 'r', olderThan: 0 })).rejects.toMatchObject({ name: 'InputError', message });
  expect(refired).toEqual([]);
});

describe('a run that is complete', () => {
  test('is marked with its counts, and its report is left', async () => {
    await completeRun(store, ['a', 'b']);
    const report = await run();
    expect(report).toMatchObject({
      stoppedBecause: 'finished',
      runsLeft: 0,
      runs: [{ run: 'r', complete: true, refired: 0, apiCalls: 15 }],
    });
    expect(store.json('data/r/_SUCCESS')).toMatchObject({ run: 'r', complete: true });
    expect(store.json('data/r/_SUCCESS')).toMatchObject({
      levels: chain.map(({ level }, depth) => ({ level, items: 2 ** depth, done: 2 ** depth })),
    });
    expect(store.json('runs/r.json')).toMatchObject({ run: 'r', complete: true });
  });

  test('is not looked at again, and a thousand of them cost a few requests', async () => {
    for (let i = 0; i < 1000; i += 1) {
      store.drop(`seeds/run-${i}.json`, '{}');
      store.drop(`finished/run-${i}/${store.objects.get(`seeds/run-${i}.json`)?.eTag}.json`, '{}');
    }
    expect(await run()).toMatchObject({ runs: [] });
    expect(store.lists).toHaveLength(3);
  });

  test('is not complete any more when its seed is dropped again with more in it: the markers go until it is', async () => {
    await completeRun(store, ['a']);
    await run();
    clock.nowMs += 1000;
    store.drop('seeds/r.json', '{"dropped":"again"}');
    expect(await run()).toMatchObject({ runs: [{ run: 'r', complete: false }] });
    expect(store.keys('data/r/_SUCCESS')).toEqual([]);
    expect(store.keys('finished/')).toEqual([]);
    const eTag = store.objects.get('seeds/r.json')?.eTag ?? '';
    await store.put('receipts/troops/r.json', '{}', { 'input-etag': eTag, children: '1', 'api-calls': '1' });
    expect(await run()).toMatchObject({ runs: [{ complete: true }] });
    expect(await run()).toMatchObject({ runs: [] });
  });

  test('is not marked when its seed is dropped again while it is counted, and is looked at again', async () => {
    await completeRun(store, ['a']);
    const list = store.list.bind(store);
    store.list = async function* (prefix) {
      if (prefix.startsWith('data/')) store.drop('seeds/r.json', '{"dropped":"meanwhile"}');
      yield* list(prefix);
    };
    expect(await run()).toMatchObject({ runs: [{ complete: false }] });
    store.list = list;
    expect(store.keys('data/r/_SUCCESS')).toEqual([]);
    expect(await run()).toMatchObject({ runs: [{ run: 'r', complete: false }] });
  });

  test('is looked at again when an earlier seed comes back, though the run was finished for it once', async () => {
    await completeRun(store, ['a']);
    const first = { ...(store.objects.get('seeds/r.json') ?? { body: '', eTag: '', metadata: {}, modifiedMs: 0 }) };
    await run();
    store.drop('seeds/r.json', '{"dropped":"again"}');
    await run();
    store.objects.set('seeds/r.json', first);
    expect(await run()).toMatchObject({ runs: [{ run: 'r' }] });
  });

  test('is looked at again when a person asks for it', async () => {
    await completeRun(store, ['a']);
    await run();
    store.objects.delete('data/r/a/a/a.json');
    expect(await run({ run: 'r' })).toMatchObject({ runs: [{ complete: false }] });
    expect(store.keys('data/r/_SUCCESS')).toEqual([]);
  });
});

describe('the success marker', () => {
  test('is not written while anything is open, failed, stray, or gone', async () => {
    for (const spoil of [
      () => store.objects.delete('data/r/a/b/a.json'),
      () => store.objects.delete('receipts/warriors/r/b.json'),
      () => store.objects.delete('troops/r/b.json'),
      () => store.objects.delete('amazon_warriors/r/b/a.json'),
      () => store.objects.delete('data_groups/r/b/a/a.json'),
      () => store.objects.delete('receipts/troops/r.json'),
      () => store.drop('troops/r/c.json', '{}'),
      () => store.drop('troops/r/c/d.json', '{}'),
      () => store.drop('troops/r/a.json', '{"dropped":"again"}'),
    ]) {
      store.objects.clear();
      await completeRun(store, ['a', 'b']);
      spoil();
      expect(await run()).toMatchObject({ runs: [{ complete: false }] });
      expect(store.keys('data/r/_SUCCESS')).toEqual([]);
      expect(store.keys('finished/')).toEqual([]);
      expect(store.json('runs/r.json')).toMatchObject({ complete: false });
    }
  });

  test('is not written for a run that only has its seed', async () => {
    store.drop('seeds/r.json', '{}');
    expect(await run()).toMatchObject({ runs: [{ complete: false, levels: [{ items: 1, open: 1 }, {}, {}, {}] }] });
  });
});

describe('an item that is neither done nor failed', () => {
  beforeEach(async () => {
    await completeRun(store, ['a', 'b']);
    store.objects.delete('receipts/warriors/r/a.json');
  });

  test('is left alone while an event for it may be alive', async () => {
    clock.nowMs += 7 * hourMs;
    expect(await run()).toMatchObject({ runs: [{ refired: 0, levels: [{}, { open: 1, lost: 0 }, {}, {}] }] });
    expect(refired).toEqual([]);
  });

  test('is lost after that: it is given to its function again, not written again', async () => {
    clock.nowMs += 7 * hourMs + 1;
    const before = store.objects.get('troops/r/a.json');
    expect(await run()).toMatchObject({ runs: [{ refired: 1, levels: [{}, { open: 1, lost: 1 }, {}, {}] }] });
    expect(refired).toMatchObject([{ key: 'troops/r/a.json', replays: 0, refires: 1, again: false }]);
    expect(store.objects.get('troops/r/a.json')).toBe(before);
  });

  test('waits as long again before it is re-fired once more; after three times it is noted as failed', async () => {
    for (let time = 1; time <= 3; time += 1) {
      clock.nowMs += 7 * hourMs + 1;
      expect(await run()).toMatchObject({ runs: [{ refired: 1, givenUp: 0 }] });
      expect(refired).toHaveLength(time);
      clock.nowMs += hourMs;
      expect(await run()).toMatchObject({ runs: [{ refired: 0, levels: [{}, { open: 1, lost: 0 }, {}, {}] }] });
    }
    clock.nowMs += 7 * hourMs + 1;
    expect(await run()).toMatchObject({ runs: [{ refired: 0, givenUp: 1 }] });
    expect(store.json('failures/warriors/r/a.json')).toMatchObject({
      status: 'failed',
      code: 'LOST',
      replays: 0,
      refires: 3,
    });
    clock.nowMs += 100 * hourMs;
    expect(await run()).toMatchObject({
      runs: [{ refired: 0, givenUp: 0, levels: [{}, { failed: { dead: 1 }, open: 0 }, {}, {}] }],
    });
    expect(refired).toHaveLength(3);
  });

  test('is lost at once for who says so', async () => {
    clock.nowMs += 10_000;
    expect(await run({ olderThan: 20 })).toMatchObject({ runs: [{ refired: 0 }] });
    expect(await run({ olderThan: 5 })).toMatchObject({ runs: [{ refired: 1 }] });
  });

  test('of another level than is asked for is counted and not acted on', async () => {
    clock.nowMs += 8 * hourMs;
    expect(await run({ level: 'data' })).toMatchObject({ runs: [{ refired: 0, levels: [{}, { lost: 1 }, {}, {}] }] });
    expect(await run({ level: 'warriors' })).toMatchObject({ runs: [{ refired: 1 }] });
  });

  test('is only counted in a dry run, and nothing is written', async () => {
    clock.nowMs += 8 * hourMs;
    const before = store.keys();
    expect(await run({ dryRun: true })).toMatchObject({ dryRun: true, runs: [{ refired: 1 }] });
    expect(refired).toEqual([]);
    expect(store.keys()).toEqual(before);
  });

  test('is re-fired by each of two sweeps at once at most, which does no harm', async () => {
    clock.nowMs += 8 * hourMs;
    await Promise.all([run(), run()]);
    expect(new Set(refired.map(({ key }) => key))).toEqual(new Set(['troops/r/a.json']));
    expect(refired.length).toBeLessThanOrEqual(2);
  });
});

describe('a parent that is short of a child', () => {
  test('is expanded again, though it is done', async () => {
    await completeRun(store, ['a', 'b']);
    store.objects.delete('amazon_warriors/r/a/b.json');
    clock.nowMs += 2 * 60_000;
    expect(await run()).toMatchObject({ runs: [{ refired: 1, complete: false, levels: [{}, { short: 1 }, {}, {}] }] });
    expect(refired).toMatchObject([{ key: 'troops/r/a.json', again: true }]);
  });

  test('is left alone while its receipt is so young that the listings may have missed its children', async () => {
    await completeRun(store, ['a', 'b']);
    store.objects.delete('amazon_warriors/r/a/b.json');
    clock.nowMs += 30_000;
    expect(await run()).toMatchObject({ runs: [{ refired: 0, complete: false }] });
  });

  test('that stays short is expanded three times and no more, each time when the last event can not be alive', async () => {
    await completeRun(store, ['a', 'b']);
    store.objects.delete('amazon_warriors/r/a/b.json');
    for (let time = 0; time < 6; time += 1) {
      clock.nowMs += 2 * 60_000;
      await run();
    }
    expect(refired).toHaveLength(1);
    for (let time = 0; time < 6; time += 1) {
      clock.nowMs += 8 * hourMs;
      await run();
    }
    expect(refired).toHaveLength(3);
    expect(store.json('failures/warriors/r/a.json')).toMatchObject({ status: 'failed', code: 'SHORT' });
  });
});

describe('a parent that is short, and whose expansion fails each time', () => {
  test('is expanded three times and no more, though its own notes of failure lie over the count', async () => {
    await completeRun(store, ['a', 'b']);
    store.objects.delete('amazon_warriors/r/a/b.json');
    for (let time = 0; time < 8; time += 1) {
      clock.nowMs += 8 * hourMs;
      await run();
      const last = refired.at(-1);
      if (refired.length > time && last !== undefined)
        store.drop('failures/warriors/r/a.json', failureOf('troops/r/a.json', { refires: last.refires }));
    }
    expect(refired.map(({ refires }) => refires)).toEqual([1, 2, 3]);
  });
});

describe('a look at an item that fails', () => {
  test('ends the sweep only when the others have ended: nothing runs on behind its answer', async () => {
    await completeRun(store, ['a', 'b', 'c']);
    for (const key of store.keys('data/r/')) store.objects.delete(key);
    clock.nowMs += 8 * hourMs;
    let running = 0;
    const send = async (): Promise<void> => {
      running += 1;
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    };
    let sent = 0;
    const refire = { send: () => ((sent += 1) === 3 ? Promise.reject(new Error('refused')) : send()) };
    await expect(run({}, { refires: new Map(chain.map(({ level }) => [level, refire])) })).rejects.toThrow('refused');
    expect(running).toBe(0);
  });
});

describe('while calls to the API are stopped', () => {
  const stopped = { stoppedUntilMs: () => Promise.resolve(Infinity) };

  test('no item is lost, however old, and no short parent is expanded', async () => {
    await completeRun(store, ['a', 'b']);
    store.objects.delete('data/r/a/b/a.json');
    store.objects.delete('amazon_warriors/r/a/b.json');
    clock.nowMs += 100 * hourMs;
    expect(await run({}, stopped)).toMatchObject({ runs: [{ complete: false, refired: 0 }] });
    expect(refired).toEqual([]);
  });

  test('time does not pass for what is open: it is lost a whole patience after the standstill', async () => {
    await completeRun(store, ['a', 'b']);
    store.objects.delete('data/r/a/b/a.json');
    clock.nowMs += 100 * hourMs;
    const endedMs = clock.nowMs;
    const ended = { stoppedUntilMs: () => Promise.resolve(endedMs) };
    clock.nowMs += 6 * hourMs;
    expect(await run({}, ended)).toMatchObject({ runs: [{ refired: 0 }] });
    clock.nowMs += 2 * hourMs;
    expect(await run({}, ended)).toMatchObject({ runs: [{ refired: 1 }] });
  });
});

describe('failures', () => {
  test('are told apart, with the commonest reasons, and never re-fired by the sweep', async () => {
    await completeRun(store, ['a', 'b', 'c', 'd']);
    for (const id of ['a', 'b', 'c', 'd']) store.objects.delete(`receipts/warriors/r/${id}.json`);
    store.drop('failures/warriors/r/a.json', failureOf('troops/r/a.json'));
    store.drop('failures/warriors/r/b.json', failureOf('troops/r/b.json', { class: 'item', code: 'HTTP_404' }));
    store.drop('failures/warriors/r/c.json', failureOf('troops/r/c.json', { class: 'item', code: 'HTTP_404' }));
    store.drop('failures/warriors/r/d.json', failureOf('troops/r/d.json', { status: 'parked' }));
    clock.nowMs += 1000;
    const report = await run();
    expect(report.runs[0]?.levels[1]).toMatchObject({ failed: { retrying: 1, dead: 2, parked: 1 }, open: 0 });
    expect(report.runs[0]?.reasons).toMatchObject([
      { level: 'warriors', code: 'HTTP_404', count: 2 },
      { level: 'warriors', code: 'HTTP_503', count: 2, sample: { message: 'busy' } },
    ]);
    clock.nowMs += 100 * hourMs;
    expect((await run()).runs[0]?.levels[1]).toMatchObject({ failed: { retrying: 0, dead: 3, parked: 1 } });
    expect(refired).toEqual([]);
  });
});

describe('time', () => {
  test('is respected between runs; the next sweep begins with those that were left', async () => {
    for (const name of ['r1', 'r2', 'r3']) store.drop(`seeds/${name}.json`, '{}');
    let looks = 0;
    const list = store.list.bind(store);
    store.list = async function* (prefix) {
      if (prefix.startsWith('data_groups/')) clock.nowMs += 1000 * (looks += 1);
      yield* list(prefix);
    };
    const first = await run({}, { deadlineMs: clock.now() + 1500 });
    expect(first).toMatchObject({ stoppedBecause: 'time' });
    const second = await run();
    const names = second.runs.map(({ run }) => run);
    expect(second.stoppedBecause).toBe('finished');
    expect(names.slice(0, first.runsLeft).some((name) => first.runs.some(({ run }) => run === name))).toBe(false);
  });

  test('gives a rate and what is left, from the report before', async () => {
    await completeRun(store, ['a', 'b']);
    for (const key of store.keys('data/')) store.objects.delete(key);
    await run();
    clock.nowMs += 2000;
    for (const key of store.keys('data_groups/r/a/')) store.drop(key.replace('data_groups/', 'data/'), '{}');
    expect((await run()).runs[0]).toMatchObject({ itemsPerSecond: 2, secondsLeft: 2 });
  });
});

test('a store that fails makes the sweep fail, with no report', async () => {
  await completeRun(store, ['a']);
  store.head = () => Promise.reject(new Error('S3 is away'));
  await expect(run()).rejects.toThrow('S3 is away');
  expect(store.keys('runs/')).toEqual([]);
});
