import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Chain } from '../../../../shared/engine/chain/chain.ts';
import { doneKey, itemKey } from '../../../../shared/engine/chain/keys.ts';
import { status, type Status, type StatusRequest } from '../../../../shared/engine/report/status.ts';
import { everyDepth, fourLevels } from '../../../chains.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { completeRun } from '../../../memory/run.ts';

let clock: TestClock;
let store: MemoryObjectStore;

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
});

const rateNow = { requestsPerSecond: 20, paused: false };

const ask = (request: StatusRequest = {}, chain: Chain = fourLevels): Promise<Status> =>
  status(request, {
    chain,
    store,
    clock,
    stoppedUntilMs: () => Promise.resolve(0),
    readRate: () => Promise.resolve(rateNow),
    lostAfterMs: () => 3_600_000,
    retryingForMs: 60_000,
  });

const regions = {
  level: 'regions',
  items: 4,
  done: 1,
  failed: { retrying: 1, dead: 0, parked: 0 },
  open: 2,
  lost: 1,
  short: 0,
  stray: 0,
};

const report = (change: object = {}): string =>
  JSON.stringify({
    run: 'r',
    at: new Date(clock.now()).toISOString(),
    complete: false,
    levels: [regions],
    reasons: [],
    apiCalls: 7,
    ...change,
  });

/** @returns a record with one of its fields, however deep, replaced by what it can't be, and the field's name before it */
function spoiltInOneField(record: object): [field: string, body: string][] {
  const spoilt: [string, string][] = [];
  const visit = (value: unknown, at: string, spoil: (by: unknown) => object): void => {
    if (typeof value === 'object' && value !== null)
      for (const [name, inner] of Object.entries(value)) {
        visit(inner, `${at}.${name}`, (by) =>
          spoil(Array.isArray(value) ? value.with(Number(name), by) : { ...value, [name]: by }),
        );
      }
    const others = typeof value === 'string' ? [5, null] : typeof value === 'number' ? ['5', -1, null] : ['x', null];
    for (const by of others) spoilt.push([`${at} is ${JSON.stringify(by)}`, JSON.stringify(spoil(by))]);
  };
  for (const [name, value] of Object.entries(record)) visit(value, name, (by) => ({ ...record, [name]: by }));
  return spoilt;
}

describe.each(everyDepth)('the status of a run of a chain of %i', (depth, chain) => {
  test('is a census of it, unless its report is young', async () => {
    await completeRun(chain, store, ['a', 'b']);
    expect(await ask({ run: 'r' }, chain)).toMatchObject({
      from: 'census',
      complete: true,
      levels: chain.levels.map(({ name }, index) => ({ level: name, items: 2 ** index, done: 2 ** index })),
    });
    store.drop('runs/r.json', report());
    clock.nowMs += 30_000;
    expect(await ask({ run: 'r' }, chain)).toMatchObject({
      ...{ from: 'report', complete: false, ageSeconds: 30, rate: rateNow },
    });
    expect(await ask({ run: 'r', fresh: true }, chain)).toMatchObject({ from: 'census', complete: true });
    clock.nowMs += 31_000;
    expect(await ask({ run: 'r' }, chain)).toMatchObject({ from: 'census', complete: true });
  });

  test('says why its last sweep failed, also when no sweep could ever count it', async () => {
    const problem = { code: 'BAD_RECEIPT', message: 'A receipt is broken.', at: new Date(clock.now()).toISOString() };
    await completeRun(chain, store, ['a']);
    store.drop('runs/r.json', JSON.stringify({ run: 'r', problem }));
    expect(await ask({ run: 'r' }, chain)).toMatchObject({ from: 'census', complete: true, problem });
    const line = 'r: no report yet; its last sweep failed: BAD_RECEIPT: A receipt is broken.';
    expect(await ask({}, chain)).toMatchObject({ runs: [{ run: 'r', line }] });

    store.drop('runs/r.json', report({ problem }));
    clock.nowMs += 61_000;
    expect(await ask({ run: 'r' }, chain)).toMatchObject({ from: 'census', problem });
    expect(await ask({}, chain)).toMatchObject({
      runs: [{ line: expect.stringContaining('61 s ago; its last sweep failed: BAD_RECEIPT') }],
    });
  });

  test('counts only what lies in its own tree', async () => {
    await completeRun(chain, store, ['a']);
    await completeRun(chain, store, ['a', 'b'], 'r2');
    for (const end of ['.bak', '\uFFFD', '😀']) store.drop(`seeds/r.json${end}`, 'junk');
    expect(await ask({ run: 'r', fresh: true }, chain)).toMatchObject({ complete: true });
  });

  test('shows what is open at each level, and writes nothing', async () => {
    await completeRun(chain, store, ['a', 'b']);
    for (const level of chain.levels) store.objects.delete(doneKey(level, { run: 'r', ids: level.ids.map(() => 'a') }));
    clock.nowMs += 3_600_001;
    const before = store.keys();
    expect(await ask({ run: 'r' }, chain)).toMatchObject({
      complete: false,
      levels: chain.levels.map(({ name }) => ({ level: name, open: 1, lost: 1 })),
    });
    expect(store.keys()).toEqual(before);
    expect(depth).toBe(chain.levels.length);
  });
});

describe('a run', () => {
  test('without a seed is none: the answer says so', async () => {
    await expect(ask({ run: 'r' })).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringContaining('seeds/r.json'),
    });
  });

  test('whose report is junk is counted anew', async () => {
    await completeRun(fourLevels, store, ['a']);
    for (const body of [
      'hello',
      '[]',
      'null',
      report({ apiCalls: '7' }),
      report({ at: 'yesterday' }),
      'x'.repeat(2e6),
    ]) {
      store.drop('runs/r.json', body);
      expect(await ask({ run: 'r' })).toMatchObject({ from: 'census', complete: true });
    }
  });

  describe('whose report has one field of another shape', () => {
    const problem = { code: 'X', message: 'x', at: '2026-11-20T00:00:00Z' };
    const reason = { level: 'regions', code: 'X', count: 1, sample: { key: 'k', message: 'x', at: '2026-11-20' } };
    const at = '2026-11-20T00:00:00.000Z';
    const levels = [regions, regions];
    const whole = { run: 'r', at, complete: true, levels, reasons: [reason, reason], apiCalls: 7, problem };

    test.each(spoiltInOneField(whole))('is counted anew: %s', async (_, body) => {
      await completeRun(fourLevels, store, ['a']);
      store.drop('runs/r.json', JSON.stringify(whole));
      expect(await ask({ run: 'r' })).toMatchObject({ from: 'report', problem });
      store.drop('runs/r.json', body);
      expect(await ask({ run: 'r' })).toMatchObject({ from: 'census', complete: true });
    });
  });

  test('that the last sweep could not finish shows why', async () => {
    await completeRun(fourLevels, store, ['a']);
    const problem = { code: 'AccessDenied', message: 'Access Denied', at: '2026-11-20T00:00:00Z' };
    store.drop('runs/r.json', JSON.stringify({ run: 'r', problem }));
    expect(await ask({ run: 'r' })).toMatchObject({ from: 'census', problem });
    expect(await ask()).toEqual({
      runs: [expect.objectContaining({ line: 'r: no report yet; its last sweep failed: AccessDenied: Access Denied' })],
    });
  });
});

describe('the latest runs', () => {
  test('have one line, the youngest first, whatever lies among the seeds', async () => {
    const [first] = fourLevels.levels;
    for (let i = 0; i < 25; i += 1) {
      clock.nowMs += 1000;
      if (first !== undefined) store.drop(itemKey(first, { run: `r${i}`, ids: [] }), '{}');
    }
    for (const junk of ['seeds/r1.json.bak', 'seeds/r1.json\uFFFD', 'seeds/😀.json', 'seeds/'])
      store.drop(junk, 'junk');
    const answer = await ask();
    const names = Array.from({ length: 20 }, (_, i) => `r${24 - i}`);
    expect(answer).toMatchObject({ runs: names.map((run) => ({ run, line: `${run}: no report yet` })) });
  });

  test('are told by their reports; one with a report that is junk is told of as well', async () => {
    store.drop('seeds/r.json', '{}');
    store.drop('seeds/bad.json', '{}');
    store.drop('runs/r.json', report());
    store.drop('runs/bad.json', '{"run":"bad","levels":5}');
    clock.nowMs += 12_000;
    expect(await ask()).toMatchObject({
      runs: [
        {
          run: 'r',
          line: 'r: has failures, 1 of 4 items done, 1 failed, 1 lost, 7 API calls, 12 s ago',
          complete: false,
        },
        { run: 'bad', line: 'bad: no report yet', complete: undefined },
      ],
    });
  });

  test('say that they are paused by now, though their reports are older, unless they are complete', async () => {
    for (const [run, complete] of [
      ['done', true],
      ['open', false],
    ] as const) {
      store.drop(`seeds/${run}.json`, '{}');
      store.drop(`runs/${run}.json`, report({ run, complete }));
      store.drop(`control/runs/${run}.json`, JSON.stringify({ state: 'paused', at: '2026-11-20T00:00:00.000Z' }));
    }
    expect(await ask()).toMatchObject({
      runs: [
        { run: 'open', line: expect.stringMatching(/^open: paused, /) },
        { run: 'done', line: expect.stringMatching(/^done: complete, /) },
      ],
    });
  });
});
