import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Chain } from '../../../../shared/engine/chain/chain.ts';
import {
  childKey,
  doneKey,
  itemKey,
  reportKey,
  resultKey,
  successKey,
  type ItemPath,
} from '../../../../shared/engine/chain/keys.ts';
import { TransientError } from '../../../../shared/engine/errors.ts';
import type { ItemEvent } from '../../../../shared/engine/events.ts';
import {
  sweep,
  type SweepDeps,
  type SweepReport,
  type SweepRequest,
} from '../../../../shared/engine/recovery/sweep.ts';
import { everyDepth, everyTree, fourLevels } from '../../../chains.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { completeItem, completeRun } from '../../../memory/run.ts';

const hourMs = 3_600_000;
const weekMs = 7 * 24 * hourMs;

let clock: TestClock;
let store: MemoryObjectStore;
let refired: ItemEvent[];
let errors: Record<string, unknown>[];
let warnings: Record<string, unknown>[];

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  refired = [];
  errors = [];
  warnings = [];
});

function run(request: SweepRequest = {}, overrides: Partial<SweepDeps> = {}): Promise<SweepReport> {
  const { chain = fourLevels } = overrides;
  return sweep(request, {
    chain,
    store,
    refires: new Map(
      chain.levels.map(({ name }) => [name, { send: (event) => Promise.resolve(void refired.push(event)) }]),
    ),
    clock,
    log: {
      info: () => undefined,
      warn: (_message, fields = {}) => void warnings.push(fields),
      error: (_message, fields = {}) => void errors.push(fields),
    },
    lostAfterMs: () => 7 * hourMs,
    stoppedUntilMs: () => Promise.resolve(0),
    retryingForMs: hourMs,
    settleMs: 60_000,
    maxRefires: 3,
    deadlineMs: clock.now() + 600_000,
    ...overrides,
  });
}

/** A run with both its markers. */
function finish(name: string): void {
  store.drop(`seeds/${name}.json`, '{}');
  store.drop(`finished/${name}/${store.objects.get(`seeds/${name}.json`)?.eTag}.json`, '{}');
  store.drop(`stock/${name}/_SUCCESS`, '{}');
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
  await completeRun(fourLevels, store, ['a']);
  store.objects.delete('seeds/r.json');
  for (const key of store.keys('stock/r/')) store.objects.delete(key);
  const message = 'Bad input: there is no run r: there is no seed seeds/r.json';
  await expect(run({ run: 'r', olderThan: 0 })).rejects.toMatchObject({ name: 'InputError', message });
  expect(refired).toEqual([]);
});

describe('a run that is complete', () => {
  test('is marked with its counts, and its report is left', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    const report = await run();
    expect(report).toMatchObject({
      stoppedBecause: 'finished',
      runsLeft: 0,
      runs: [{ run: 'r', complete: true, refired: 0, apiCalls: 15 }],
    });
    expect(store.json('stock/r/_SUCCESS')).toMatchObject({ run: 'r', complete: true });
    expect(store.json('stock/r/_SUCCESS')).toMatchObject({
      levels: fourLevels.levels.map(({ name }, depth) => ({ level: name, items: 2 ** depth, done: 2 ** depth })),
    });
    expect(store.json('runs/r.json')).toMatchObject({ run: 'r', complete: true });
  });

  test('is not looked at again, and a thousand of them cost a few requests', async () => {
    for (let i = 0; i < 1000; i += 1) finish(`run-${i}`);
    clock.nowMs += weekMs;
    finish('recent');
    const heads: string[] = [];
    const head = store.head.bind(store);
    store.head = (key) => (heads.push(key), head(key));
    expect(await run()).toMatchObject({ runs: [] });
    // A run more than a page of a thousand, and its marker too.
    expect(store.lists).toHaveLength(5);
    expect(heads).toHaveLength(11);
    expect(heads).toContain('stock/recent/_SUCCESS');
  });

  test('is counted again when only its finished marker is there, as after a crash that parted the two', async () => {
    await completeRun(fourLevels, store, ['a']);
    await run();
    store.objects.delete('stock/r/_SUCCESS');
    expect(await run()).toMatchObject({ runs: [{ run: 'r', complete: true }] });
    expect(store.keys('stock/r/_SUCCESS')).toHaveLength(1);
    expect(await run()).toMatchObject({ runs: [] });
    store.objects.delete('stock/r/_SUCCESS');
    store.objects.delete('stock/r/a/a/a.json');
    expect(await run()).toMatchObject({ runs: [{ run: 'r', complete: false }] });
    expect(store.keys('finished/')).toEqual([]);
  });

  test('is counted again without its success marker in the end, however long no sweep has run', async () => {
    for (let i = 0; i < 25; i += 1) finish(`run-${i}`);
    store.objects.delete('stock/run-17/_SUCCESS');
    clock.nowMs += weekMs;
    const seen = new Set<string>();
    for (let sweeps = 0; sweeps < 3; sweeps += 1) {
      for (const swept of (await run({ dryRun: true })).runs) seen.add(swept.run);
      clock.nowMs += 1;
    }
    expect([...seen]).toEqual(['run-17']);
  });

  test('is not complete any more when its seed is dropped again with more in it: the markers go until it is', async () => {
    await completeRun(fourLevels, store, ['a']);
    await run();
    clock.nowMs += 1000;
    store.drop('seeds/r.json', '{"dropped":"again"}');
    expect(await run()).toMatchObject({ runs: [{ run: 'r', complete: false }] });
    expect(store.keys('stock/r/_SUCCESS')).toEqual([]);
    expect(store.keys('finished/')).toEqual([]);
    const [first] = fourLevels.levels;
    if (first !== undefined) await completeItem(first, { run: 'r', ids: [] }, store, ['a']);
    expect(await run()).toMatchObject({ runs: [{ complete: true }] });
    expect(await run()).toMatchObject({ runs: [] });
  });

  test('is not marked when its seed is dropped again while it is counted, and is looked at again', async () => {
    await completeRun(fourLevels, store, ['a']);
    const list = store.list.bind(store);
    store.list = async function* (prefix) {
      if (prefix.startsWith('stock/')) store.drop('seeds/r.json', '{"dropped":"meanwhile"}');
      yield* list(prefix);
    };
    expect(await run()).toMatchObject({ runs: [{ complete: false }] });
    store.list = list;
    expect(store.keys('stock/r/_SUCCESS')).toEqual([]);
    expect(await run()).toMatchObject({ runs: [{ run: 'r', complete: false }] });
  });

  test('is looked at again when an earlier seed comes back, though the run was finished for it once', async () => {
    await completeRun(fourLevels, store, ['a']);
    const first = store.objects.get('seeds/r.json');
    await run();
    store.drop('seeds/r.json', '{"dropped":"again"}');
    await run();
    if (first !== undefined) store.objects.set('seeds/r.json', first);
    expect(await run()).toMatchObject({ runs: [{ run: 'r' }] });
  });

  test('and is found short loses its markers before anything is re-fired: a crash then leaves it to the next sweep', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    await run();
    const result = store.keys('stock/r/').find((key) => !key.endsWith('_SUCCESS')) ?? '';
    store.objects.delete(result);
    clock.nowMs += 60_000;
    const crash = { send: () => Promise.reject(new TransientError('NETWORK', 'gone')) };
    const refires = new Map(fourLevels.levels.map(({ name }) => [name, crash]));
    await expect(run({ run: 'r', olderThan: 0 }, { refires })).rejects.toThrow('gone');
    expect(store.keys('stock/r/').some((key) => key.endsWith('_SUCCESS'))).toBe(false);
    expect(store.keys('finished/')).toEqual([]);
  });

  test('is looked at again when a person asks for it', async () => {
    await completeRun(fourLevels, store, ['a']);
    await run();
    store.objects.delete('stock/r/a/a/a.json');
    expect(await run({ run: 'r' })).toMatchObject({ runs: [{ complete: false }] });
    expect(store.keys('stock/r/_SUCCESS')).toEqual([]);
  });
});

describe('the success marker', () => {
  test('is not written while anything is open, failed, stray, or gone', async () => {
    for (const spoil of [
      () => store.objects.delete('stock/r/a/b/a.json'),
      () => store.objects.delete('receipts/shops/r/b.json'),
      () => store.objects.delete('regions/r/b.json'),
      () => store.objects.delete('local_shops/r/b/a.json'),
      () => store.objects.delete('shelves/r/b/a/a.json'),
      () => store.objects.delete('receipts/regions/r.json'),
      () => store.drop('regions/r/c.json', '{}'),
      () => store.drop('regions/r/c/d.json', '{}'),
      () => store.drop('regions/r/a.json', '{"dropped":"again"}'),
    ]) {
      store.objects.clear();
      await completeRun(fourLevels, store, ['a', 'b']);
      spoil();
      expect(await run()).toMatchObject({ runs: [{ complete: false }] });
      expect(store.keys('stock/r/_SUCCESS')).toEqual([]);
      expect(store.keys('finished/')).toEqual([]);
      expect(store.json('runs/r.json')).toMatchObject({ complete: false });
    }
  });

  test('is not written for a run that only has its seed', async () => {
    store.drop('seeds/r.json', '{}');
    expect(await run()).toMatchObject({ runs: [{ complete: false, levels: [{ items: 1, open: 1 }, {}, {}, {}] }] });
  });
});

test.each<[string, SweepRequest]>([
  ['by name', { run: 'r' }],
  ['that verifies', { verify: true }],
])('a sweep %s that brings on several items unmarks their run once, before the first', async (_how, request) => {
  await completeRun(fourLevels, store, ['a', 'b', 'c']);
  await run();
  for (const id of ['a', 'b', 'c']) store.objects.delete(`receipts/shops/r/${id}.json`);
  clock.nowMs += 7 * hourMs + 1;
  /** How many items were re-fired when the marker was removed. */
  const removed: number[] = [];
  const remove = store.remove.bind(store);
  store.remove = (key) => {
    if (key === 'stock/r/_SUCCESS') removed.push(refired.length);
    return remove(key);
  };
  expect(await run(request)).toMatchObject({ runs: [{ refired: 3 }] });
  // And once more with the report, which says that the run is not complete.
  expect(removed).toEqual([0, 3]);
});

describe('an item that is neither done nor failed', () => {
  beforeEach(async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    store.objects.delete('receipts/shops/r/a.json');
  });

  test('is left alone while an event for it may be alive', async () => {
    clock.nowMs += 7 * hourMs;
    expect(await run()).toMatchObject({ runs: [{ refired: 0, levels: [{}, { open: 1, lost: 0 }, {}, {}] }] });
    expect(refired).toEqual([]);
  });

  test('is lost after that: it is given to its function again, not written again', async () => {
    clock.nowMs += 7 * hourMs + 1;
    const before = store.objects.get('regions/r/a.json');
    expect(await run()).toMatchObject({ runs: [{ refired: 1, levels: [{}, { open: 1, lost: 1 }, {}, {}] }] });
    expect(refired).toMatchObject([{ key: 'regions/r/a.json', replays: 0, refires: 1, reexpand: false }]);
    expect(store.objects.get('regions/r/a.json')).toBe(before);
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
    expect(store.json('failures/shops/r/a.json')).toMatchObject({
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

  test('keeps how often it was replayed, in its event and in its note', async () => {
    const note = { run: 'r', level: 'shops', key: 'regions/r/a.json', status: 'refired', class: 'item', code: 'LOST' };
    const counts = { message: '', attempts: 2, replays: 2, refires: 1, at: new Date(clock.now()).toISOString() };
    store.drop('failures/shops/r/a.json', JSON.stringify({ ...note, ...counts }));
    clock.nowMs += 8 * hourMs;
    await run();
    expect(refired).toMatchObject([{ key: note.key, replays: 2, refires: 2 }]);
    expect(store.json('failures/shops/r/a.json')).toMatchObject({ replays: 2, refires: 2, attempts: 2 });
  });

  test('is lost at once for who says so', async () => {
    clock.nowMs += 10_000;
    expect(await run({ olderThan: 20 })).toMatchObject({ runs: [{ refired: 0 }] });
    expect(await run({ olderThan: 5 })).toMatchObject({ runs: [{ refired: 1 }] });
  });

  test('of another level than is asked for is counted and not acted on', async () => {
    clock.nowMs += 8 * hourMs;
    expect(await run({ level: 'stock' })).toMatchObject({ runs: [{ refired: 0, levels: [{}, { lost: 1 }, {}, {}] }] });
    expect(await run({ level: 'shops' })).toMatchObject({ runs: [{ refired: 1 }] });
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
    expect(new Set(refired.map(({ key }) => key))).toEqual(new Set(['regions/r/a.json']));
    expect(refired.length).toBeLessThanOrEqual(2);
  });
});

describe('a parent that is short of a child', () => {
  test('is expanded again, though it is done', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    store.objects.delete('local_shops/r/a/b.json');
    clock.nowMs += 2 * 60_000;
    expect(await run()).toMatchObject({ runs: [{ refired: 1, complete: false, levels: [{}, { short: 1 }, {}, {}] }] });
    expect(refired).toMatchObject([{ key: 'regions/r/a.json', reexpand: true }]);
  });

  test('is left alone while its receipt is so young that the listings may have missed its children', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    store.objects.delete('local_shops/r/a/b.json');
    clock.nowMs += 30_000;
    expect(await run()).toMatchObject({ runs: [{ refired: 0, complete: false }] });
  });

  test('that stays short is expanded three times and no more, each time when the last event can not be alive', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    store.objects.delete('local_shops/r/a/b.json');
    for (let time = 0; time < 6; time += 1) {
      clock.nowMs += 2 * 60_000;
      expect(await run()).toMatchObject({ runs: [{ givenUp: 0 }] });
    }
    expect(refired).toHaveLength(1);
    for (let time = 0; time < 6; time += 1) {
      clock.nowMs += 8 * hourMs;
      await run();
    }
    expect(refired).toHaveLength(3);
    expect(store.json('failures/shops/r/a.json')).toMatchObject({ status: 'failed', code: 'SHORT' });
  });

  test('that was given up, and expanded by a replay after that, is expanded again when it is short once more', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    store.objects.delete('local_shops/r/a/b.json');
    for (let time = 0; time < 6; time += 1) {
      clock.nowMs += 8 * hourMs;
      await run();
    }
    refired = [];
    clock.nowMs += hourMs;
    const [, shops] = fourLevels.levels;
    if (shops === undefined) throw new Error('The chain has no second level.');
    await completeItem(shops, { run: 'r', ids: ['a'] }, store, ['a', 'b'], { at: new Date(clock.nowMs).toISOString() });
    clock.nowMs += hourMs;
    expect(await run()).toMatchObject({ runs: [{ refired: 1, givenUp: 0 }] });
    expect(refired).toMatchObject([{ key: 'regions/r/a.json', reexpand: true }]);
  });
});

describe('a parent that is short, and whose expansion fails each time', () => {
  test('is expanded three times and no more, though its own notes of failure lie over the count', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    store.objects.delete('local_shops/r/a/b.json');
    for (let time = 0; time < 8; time += 1) {
      clock.nowMs += 8 * hourMs;
      await run();
      const last = refired.at(-1);
      if (refired.length > time && last !== undefined)
        store.drop('failures/shops/r/a.json', failureOf('regions/r/a.json', { refires: last.refires }));
    }
    expect(refired.map(({ refires }) => refires)).toEqual([1, 2, 3]);
  });
});

describe('a look at an item that fails', () => {
  test('ends the sweep only when the others have ended: nothing runs on behind its answer', async () => {
    await completeRun(fourLevels, store, ['a', 'b', 'c']);
    for (const key of store.keys('stock/r/')) store.objects.delete(key);
    clock.nowMs += 8 * hourMs;
    let running = 0;
    const send = async (): Promise<void> => {
      running += 1;
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    };
    let sent = 0;
    const refire = { send: () => ((sent += 1) === 3 ? Promise.reject(new Error('refused')) : send()) };
    expect(await run({}, { refires: new Map(fourLevels.levels.map(({ name }) => [name, refire])) })).toMatchObject({
      runs: [],
      unsweepable: [{ run: 'r', code: 'Error', message: 'refused' }],
    });
    expect(running).toBe(0);
  });
});

describe('while calls to the API are stopped', () => {
  const stopped = { stoppedUntilMs: () => Promise.resolve(Infinity) };

  test('no item is lost, however old, and no short parent is expanded', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    store.objects.delete('stock/r/a/b/a.json');
    store.objects.delete('local_shops/r/a/b.json');
    clock.nowMs += 100 * hourMs;
    expect(await run({}, stopped)).toMatchObject({ runs: [{ complete: false, refired: 0 }] });
    expect(refired).toEqual([]);
  });

  test('time does not pass for what is open: it is lost a whole patience after the standstill', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    store.objects.delete('stock/r/a/b/a.json');
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
    await completeRun(fourLevels, store, ['a', 'b', 'c', 'd']);
    for (const id of ['a', 'b', 'c', 'd']) store.objects.delete(`receipts/shops/r/${id}.json`);
    store.drop('failures/shops/r/a.json', failureOf('regions/r/a.json'));
    store.drop('failures/shops/r/b.json', failureOf('regions/r/b.json', { class: 'item', code: 'HTTP_404' }));
    store.drop('failures/shops/r/c.json', failureOf('regions/r/c.json', { class: 'item', code: 'HTTP_404' }));
    store.drop('failures/shops/r/d.json', failureOf('regions/r/d.json', { status: 'parked' }));
    clock.nowMs += 1000;
    const report = await run();
    expect(report.runs[0]?.levels[1]).toMatchObject({ failed: { retrying: 1, dead: 2, parked: 1 }, open: 0 });
    expect(report.runs[0]?.reasons).toMatchObject([
      { level: 'shops', code: 'HTTP_404', count: 2 },
      { level: 'shops', code: 'HTTP_503', count: 2, sample: { message: 'busy' } },
    ]);
    clock.nowMs += 100 * hourMs;
    expect((await run()).runs[0]?.levels[1]).toMatchObject({ failed: { retrying: 0, dead: 3, parked: 1 } });
    expect(refired).toEqual([]);
  });
});

describe('time', () => {
  test('is respected between runs; the next sweep begins with those that were not looked at, and ends with the unfinished one', async () => {
    for (const name of ['r1', 'r2', 'r3']) store.drop(`seeds/${name}.json`, '{}');
    let looks = 0;
    const list = store.list.bind(store);
    store.list = async function* (prefix) {
      if (prefix.startsWith('shelves/')) clock.nowMs += 1000 * (looks += 1);
      yield* list(prefix);
    };
    const first = await run({}, { deadlineMs: clock.now() + 1500 });
    expect(first).toMatchObject({ stoppedBecause: 'time', runs: [{ run: 'r1' }], cutShort: 'r2', unsweepable: [] });
    expect(first.runsLeft).toBe(1);
    const second = await run();
    expect(second.stoppedBecause).toBe('finished');
    expect(second.runs.map(({ run }) => run)).toEqual(['r3', 'r1', 'r2']);
  });

  test('gives a rate and what is left, from the report before', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    for (const key of store.keys('stock/')) store.objects.delete(key);
    await run();
    clock.nowMs += 2000;
    for (const key of store.keys('shelves/r/a/')) store.drop(key.replace('shelves/', 'stock/'), '{}');
    expect((await run()).runs[0]).toMatchObject({ itemsPerSecond: 2, secondsLeft: 2 });
  });
});

test.each(['get', 'head'] as const)(
  'a store that fails to %s is told of for every run, and leaves no report',
  async (method) => {
    await completeRun(fourLevels, store, ['a']);
    store[method] = () => Promise.reject(new Error('S3 is away'));
    expect(await run()).toMatchObject({ runs: [], unsweepable: [{ run: 'r', message: 'S3 is away' }], runsLeft: 0 });
    expect(store.keys('runs/')).toEqual(method === 'get' ? [] : ['runs/r.json']);
    await expect(run({ run: 'r' })).rejects.toThrow('S3 is away');
  },
);

test('a store that can not list the runs makes the sweep fail', async () => {
  await completeRun(fourLevels, store, ['a']);
  store.list = () => {
    throw new Error('S3 is away');
  };
  await expect(run()).rejects.toThrow('S3 is away');
});

describe('a run that can not be swept', () => {
  /** Whatever is read of the run is refused. */
  const refuse = (name: string): void => {
    const list = store.list.bind(store);
    store.list = (prefix) => {
      if (prefix === `regions/${name}/`) throw Object.assign(new Error('Access Denied'), { name: 'AccessDenied' });
      return list(prefix);
    };
  };
  const namesOf = ({ runs, unsweepable }: SweepReport): string[][] => [
    runs.map(({ run }) => run).sort(),
    unsweepable.map(({ run }) => run),
  ];

  beforeEach(async () => {
    for (const name of ['r1', 'r2', 'r3']) await completeRun(fourLevels, store, ['a'], name);
    for (const name of ['r1', 'r2', 'r3']) store.objects.delete(`stock/${name}/a/a/a.json`);
  });

  test('keeps no other from being swept: it is named in the report, with the reason, and logged', async () => {
    refuse('r1');
    const report = await run();
    expect(namesOf(report)).toEqual([['r2', 'r3'], ['r1']]);
    expect(report).toMatchObject({
      unsweepable: [{ run: 'r1', code: 'AccessDenied', message: 'Access Denied' }],
      stoppedBecause: 'finished',
      runsLeft: 0,
    });
    expect(errors).toMatchObject([{ run: 'r1' }]);
  });

  test('keeps the figures of its last report, with what is wrong since', async () => {
    await run();
    clock.nowMs += 1000;
    refuse('r1');
    await run();
    expect(store.json('runs/r1.json')).toMatchObject({
      run: 'r1',
      complete: false,
      levels: [{}, {}, {}, { open: 1 }],
      problem: { code: 'AccessDenied', message: 'Access Denied' },
    });
  });

  test('takes its turn among the others, when there is time for one run in a sweep', async () => {
    refuse('r1');
    const order: string[] = [];
    const put = store.put.bind(store);
    store.put = (key, body, metadata) => {
      if (key.startsWith('runs/')) {
        order.push(key);
        clock.nowMs += 10_000;
      }
      return put(key, body, metadata);
    };
    for (let sweeps = 0; sweeps < 6; sweeps += 1)
      expect(await run({}, { deadlineMs: clock.now() + 5_000 })).toMatchObject({ runsLeft: 2, stoppedBecause: 'time' });
    const turns = ['runs/r1.json', 'runs/r2.json', 'runs/r3.json'];
    expect(order).toEqual([...turns, ...turns]);
  });

  test('for want of time is noted too, and does not go first for ever', async () => {
    const order: string[] = [];
    const list = store.list.bind(store);
    store.list = (prefix) => {
      if (/^regions\/r\d\/$/.test(prefix)) {
        order.push(prefix.slice('regions/'.length, -1));
        clock.nowMs += 10_000;
      }
      return list(prefix);
    };
    for (let sweeps = 0; sweeps < 6; sweeps += 1) {
      const report = await run({}, { deadlineMs: clock.now() + 5_000 });
      expect(report).toMatchObject({ stoppedBecause: 'time', unsweepable: [], runs: [] });
      clock.nowMs += 1000;
    }
    expect(order).toEqual([...order.slice(0, 3), ...order.slice(0, 3)]);
    expect(new Set(order.slice(0, 3))).toEqual(new Set(['r1', 'r2', 'r3']));
    expect(store.json(`runs/${order[0] ?? ''}.json`)).toMatchObject({ problem: { code: 'OUT_OF_TIME' } });
  });

  test('and is asked for by name is an error, for the person who asked', async () => {
    refuse('r1');
    await expect(run({ run: 'r1' })).rejects.toThrow('Access Denied');
    expect(await run({ run: 'r2' })).toMatchObject({ runs: [{ run: 'r2' }] });
  });

  test('is only told of in a dry run, and nothing is written', async () => {
    refuse('r1');
    const before = store.keys();
    expect(namesOf(await run({ dryRun: true }))).toEqual([['r2', 'r3'], ['r1']]);
    expect(store.keys()).toEqual(before);
  });

  test('is swept all the same when its problem could not be noted', async () => {
    refuse('r1');
    const put = store.put.bind(store);
    store.put = (key, body, metadata) =>
      key === 'runs/r1.json' ? Promise.reject(new Error('S3 is away')) : put(key, body, metadata);
    expect(namesOf(await run())).toEqual([['r2', 'r3'], ['r1']]);
  });

  test('no more has no problem in its report', async () => {
    store.drop('runs/r1.json', JSON.stringify({ run: 'r1', problem: { code: 'X', message: 'x', at: '' } }));
    await run();
    expect(store.json('runs/r1.json')).not.toHaveProperty('problem');
  });
});

describe('what lies next to a seed', () => {
  test.each(['.bak', '\uFFFD', '😀', '/deep.json'])('%j, is no run, and keeps no run from being swept', async (end) => {
    await completeRun(fourLevels, store, ['a'], 'r1');
    await completeRun(fourLevels, store, ['a'], 'r2');
    store.drop(`seeds/r1.json${end}`, 'junk');
    store.drop(`runs/r1.json${end}`, 'junk');
    store.drop(`finished/r1/x.json${end}`, 'junk');
    const report = await run();
    expect(report).toMatchObject({ unsweepable: [], stoppedBecause: 'finished' });
    expect(report.runs.map(({ run: name, complete }) => [name, complete]).sort()).toEqual([
      ['r1', true],
      ['r2', true],
    ]);
  });
});

describe('a report that is none', () => {
  const report = { run: 'r', at: '2026-11-19T00:00:00Z', complete: false, apiCalls: 1, levels: [], reasons: [] };
  test.each<[string, string]>([
    ['is no JSON', 'hello'],
    ['is of another shape', '[]'],
    ['is nothing', 'null'],
    ['is a megabyte', JSON.stringify({ ...report, filler: 'x'.repeat(1_000_001) })],
    ['has a date that is none', JSON.stringify({ ...report, at: 'yesterday' })],
    ['has a number that is a text', JSON.stringify({ ...report, apiCalls: '7' })],
    ['has levels that are none', JSON.stringify({ ...report, levels: [{ level: 'stock', items: 'many' }] })],
    ['has no levels', JSON.stringify({ ...report, levels: undefined })],
    ['has reasons that are none', JSON.stringify({ ...report, reasons: [null] })],
    ['is of another run', JSON.stringify({ ...report, run: 'other' })],
  ])('since it %s counts as not there, and is written anew', async (_what, body) => {
    await completeRun(fourLevels, store, ['a']);
    store.objects.delete('stock/r/a/a/a.json');
    store.drop('runs/r.json', body);
    clock.nowMs += 1000;
    const swept = await run();
    expect(swept).toMatchObject({ unsweepable: [], runs: [{ run: 'r', levels: [{}, {}, {}, { open: 1 }] }] });
    expect(swept.runs[0]).not.toHaveProperty('itemsPerSecond');
    expect(store.json('runs/r.json')).toMatchObject({ run: 'r', levels: [{}, {}, {}, { open: 1 }] });
  });
});

describe('a note that is none', () => {
  test('at an open item is ignored, and named in the log', async () => {
    await completeRun(fourLevels, store, ['a']);
    store.objects.delete('receipts/shops/r/a.json');
    store.drop('failures/shops/r/a.json', 'junk');
    expect(await run()).toMatchObject({ runs: [{ levels: [{}, { open: 1 }, {}, {}] }] });
    expect(warnings).toEqual([{ run: 'r', key: 'regions/r/a.json' }]);
  });

  test('at a short parent does not keep it from being expanded again', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    store.objects.delete('local_shops/r/a/b.json');
    store.drop('failures/shops/r/a.json', failureOf('regions/r/a.json', { refires: 'many', at: 'yesterday' }));
    clock.nowMs += 8 * hourMs;
    expect(await run()).toMatchObject({ runs: [{ refired: 1 }] });
    expect(store.json('failures/shops/r/a.json')).toMatchObject({ status: 'refired', refires: 1 });
  });
});

describe('a re-fire', () => {
  test('is noted before it is sent: a crash between the two costs one of the few, and is never endless', async () => {
    await completeRun(fourLevels, store, ['a']);
    store.objects.delete('receipts/shops/r/a.json');
    const refuse = { send: () => Promise.reject(new TransientError('SlowDown', 'the function was stopped here')) };
    const refires = new Map(fourLevels.levels.map(({ name }) => [name, refuse]));
    for (let time = 1; time <= 3; time += 1) {
      clock.nowMs += 8 * hourMs;
      expect(await run({}, { refires })).toMatchObject({ unsweepable: [{ run: 'r', code: 'SlowDown' }] });
      expect(store.json('failures/shops/r/a.json')).toMatchObject({ status: 'refired', refires: time });
    }
    clock.nowMs += 8 * hourMs;
    expect(await run({}, { refires })).toMatchObject({ runs: [{ givenUp: 1 }], unsweepable: [] });
  });
});

describe.each(everyDepth)('a run of a chain of %i', (_depth, chain: Chain) => {
  const last = chain.levels.at(-1);
  if (last === undefined) throw new Error('A chain has levels.');
  const sweepIt = (request: SweepRequest = {}): Promise<SweepReport> => run(request, { chain });

  test('is marked when it is complete, and swept no more', async () => {
    await completeRun(chain, store, ['a', 'b']);
    expect(await sweepIt()).toMatchObject({ runs: [{ run: 'r', complete: true, refired: 0 }], unsweepable: [] });
    expect(store.json(successKey(chain, 'r'))).toMatchObject({
      complete: true,
      levels: chain.levels.map(({ name }, depth) => ({ level: name, items: 2 ** depth, done: 2 ** depth })),
    });
    expect(store.json(reportKey('r'))).toMatchObject({ complete: true });
    expect(await sweepIt()).toMatchObject({ runs: [] });
  });

  test('has each lost item of any level re-fired at its own level, and is complete when they are done', async () => {
    await completeRun(chain, store, ['a', 'b']);
    const lost = chain.levels.map((level) => ({ level, path: { run: 'r', ids: level.ids.map(() => 'b') } }));
    const done = lost.map(
      ({ level, path }) => [doneKey(level, path), store.objects.get(doneKey(level, path))] as const,
    );
    for (const [key] of done) store.objects.delete(key);
    clock.nowMs += 8 * hourMs;
    expect(await sweepIt()).toMatchObject({ runs: [{ complete: false, refired: chain.levels.length }] });
    expect(refired.map(({ key }) => key).sort()).toEqual(lost.map(({ level, path }) => itemKey(level, path)).sort());
    for (const [key, object] of done) if (object !== undefined) store.objects.set(key, object);
    expect(await sweepIt()).toMatchObject({ runs: [{ complete: true, refired: 0 }] });
  });

  test('that lacks a child or result and has an overwritten result is told of before it loses its marker', async () => {
    await completeRun(chain, store, ['a', 'b']);
    await sweepIt();
    const path = (id: string): ItemPath => ({ run: 'r', ids: last.ids.map(() => id) });
    if (last.ids.length > 0) store.drop(resultKey(last, path('a')), 'overwritten');
    store.objects.delete(resultKey(last, path('b')));
    const message = expect.stringContaining('It is not complete any more');
    expect(await sweepIt({ verify: true })).toMatchObject({ runs: [{ complete: false, changes: ['the results'] }] });
    expect(store.objects.has(successKey(chain, 'r'))).toBe(false);
    expect(store.json(reportKey('r'))).toMatchObject({ complete: false, problem: { code: 'CHANGED', message } });
    expect(errors).toMatchObject([{ run: 'r', code: 'CHANGED' }]);
  });

  test('that has changed since it was complete is told of, and its marker stays as it was', async () => {
    await completeRun(chain, store, ['a', 'b']);
    await sweepIt();
    const marker = store.objects.get(successKey(chain, 'r'));
    expect(await sweepIt({ verify: true })).toMatchObject({ runs: [{ complete: true, changes: [] }] });
    const path = { run: 'r', ids: last.ids.map(() => 'a') };
    store.drop(resultKey(last, path), 'overwritten');
    expect(await sweepIt({ verify: true })).toMatchObject({ runs: [{ run: 'r', changes: ['the results'] }] });
    expect(store.objects.get(successKey(chain, 'r'))?.body).toBe(marker?.body);
    expect(store.json(reportKey('r'))).toMatchObject({ problem: { code: 'CHANGED' } });
    store.objects.delete(resultKey(last, path));
    expect(await sweepIt({ verify: true })).toMatchObject({ runs: [{ complete: false }] });
    expect(store.objects.has(successKey(chain, 'r'))).toBe(false);
  });
});

describe.each(everyTree)('a forged sibling in a chain of %i', (_depth, chain) => {
  test('does not stand in for the child that is missing: the run is not complete, and the parent is expanded again', async () => {
    const [first] = chain.levels;
    if (first === undefined) return;
    const root = { run: 'r', ids: [] };
    await completeRun(chain, store, ['a', 'c']);
    await completeItem(first, root, store, ['a', 'b']);
    expect(store.objects.has(childKey(first, root, 'b'))).toBe(false);
    clock.nowMs += 2 * 60_000;
    expect(await run({}, { chain })).toMatchObject({ runs: [{ complete: false, refired: 1 }] });
    expect(store.objects.has(successKey(chain, 'r'))).toBe(false);
    expect(refired).toMatchObject([{ key: 'seeds/r.json', reexpand: true }]);
  });
});
