/** The list of runs, and what a run costs, as the page's server makes them. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { costOfRun } from '../../cli/page/run-cost.ts';
import { costOf } from '../../cli/run/cost.ts';
import { createRunsLook, stateOf } from '../../cli/page/runs-view.ts';
import type { Publication } from '../../shared/engine/publish/publication.ts';
import type { LevelReport, RunReport } from '../../shared/engine/report/run-report.ts';
import { fourLevels, oneLevel } from '../chains.ts';
import { TestClock } from '../memory/clock.ts';
import { MemoryObjectStore } from '../memory/object-store.ts';

const level = (change: Partial<LevelReport> = {}): LevelReport => ({
  level: 'regions',
  items: 10,
  done: 4,
  failed: { retrying: 0, dead: 1, parked: 0 },
  open: 5,
  lost: 0,
  short: 0,
  stray: 0,
  ...change,
});

const report = (run: string, change: Partial<RunReport> = {}): RunReport => ({
  run,
  at: '2026-11-20T00:10:00.000Z',
  complete: false,
  levels: [level()],
  reasons: [],
  apiCalls: 4,
  ...change,
});

const publication = (run: string, state: Publication['state']): string => {
  const record: Publication = {
    run,
    publication: 'p1',
    successETag: 'e1',
    state,
    at: '2026-11-20T00:10:00.000Z',
    plan: [],
    tables: [],
  };
  return JSON.stringify(record);
};

describe('the list of runs', () => {
  test('has the newest first, with the figures of their reports, and reads a report once', async () => {
    const clock = new TestClock();
    const store = new MemoryObjectStore(clock);
    const gets: string[] = [];
    const get = store.get.bind(store);
    store.get = (key, maxBytes) => {
      gets.push(key);
      return get(key, maxBytes);
    };
    store.drop('seeds/old.json', '{}');
    store.drop('runs/old.json', JSON.stringify(report('old', { complete: true })));
    store.drop('publications/old.json', publication('old', 'published'));
    clock.nowMs += 60_000;
    store.drop('seeds/new.json', '{}');
    store.drop('seeds/no run.json', '{}');
    const look = createRunsLook(store, fourLevels.levels);
    const first = await look();
    expect(first).toMatchObject({
      runs: [
        { run: 'new', state: 'unknown', startedAt: '2026-11-20T00:01:00.000Z' },
        { run: 'old', state: 'complete', items: 10, done: 4, failed: 1, apiCalls: 4, published: true },
      ],
    });
    gets.length = 0;
    expect(await look()).toEqual(first);
    expect(gets.filter((key) => key.includes('old'))).toEqual([]);
    store.drop('runs/old.json', JSON.stringify(report('old', { apiCalls: 9 })));
    expect((await look()).runs[1]).toMatchObject({ state: 'open', apiCalls: 9, published: true });
    store.drop('publications/old.json', publication('old', 'publishing'));
    expect((await look()).runs[1]).toMatchObject({ published: false });
    store.objects.delete('publications/old.json');
    expect((await look()).runs[1]).not.toHaveProperty('published');
  });

  test('tells what is set for a run now, whatever its last report says, and reads it once', async () => {
    const store = new MemoryObjectStore(new TestClock());
    for (const run of ['a', 'b', 'c', 'done']) {
      store.drop(`seeds/${run}.json`, '{}');
      const control = run === 'b' ? { control: { state: 'paused', at: '2026-11-20' } as const } : {};
      store.drop(`runs/${run}.json`, JSON.stringify(report(run, { complete: run === 'done', ...control })));
    }
    const gets: string[] = [];
    const get = store.get.bind(store);
    store.get = (key, maxBytes) => {
      gets.push(key);
      return get(key, maxBytes);
    };
    for (const run of ['a', 'done']) store.drop(`control/runs/${run}.json`, '{"state":"paused"}');
    store.drop('control/runs/b.json', '{"state":"running"}');
    store.drop('control/runs/c.json', 'no JSON');
    const look = createRunsLook(store, fourLevels.levels);
    const states = async () => Object.fromEntries((await look()).runs.map(({ run, state }) => [run, state]));
    expect(await states()).toEqual({ a: 'paused', b: 'open', c: 'open', done: 'complete' });
    gets.length = 0;
    await look();
    expect(gets).toEqual([]);
    store.drop('control/runs/a.json', '{"state":"cancelled"}');
    expect(await states()).toMatchObject({ a: 'cancelled' });
    store.objects.delete('control/runs/a.json');
    expect(await states()).toMatchObject({ a: 'open' });
  });

  test('stays as it was when it can not be read, and says why', async () => {
    const store = new MemoryObjectStore(new TestClock());
    store.drop('seeds/r.json', '{}');
    const look = createRunsLook(store, fourLevels.levels);
    await look();
    store.list = () => {
      throw new Error('Access Denied');
    };
    expect(await look()).toMatchObject({
      runs: [{ run: 'r' }],
      problem: 'The runs could not be listed: Error: Access Denied',
    });
  });
});

describe('a run', () => {
  test.each<[string, Partial<LevelReport>, boolean]>([
    ['complete', { open: 0 }, true],
    ['open', {}, false],
    ['open', { open: 0, short: 1 }, false],
    ['open', { open: 0, failed: { retrying: 1, dead: 1, parked: 0 } }, false],
    ['failed', { open: 0 }, false],
    ['failed', { open: 0, stray: 1, failed: { retrying: 0, dead: 0, parked: 0 } }, false],
  ])('is %s with %j', (state, change, complete) => {
    expect(stateOf({ complete, levels: [level(change)] })).toBe(state);
  });
});

describe('the cost of a run', () => {
  const done = (name: string, items: number): LevelReport => level({ level: name, items, done: items });
  const whole = [done('regions', 1), done('shops', 20), done('shelves', 2_000), done('stock', 62_000)];
  const chainOf = (batch: number) =>
    fourLevels.levels.map((each) => (each.next === undefined ? { ...each, batch, callsInFlight: 10 } : each));

  /** What `npm run bench:cost` counts of 64,021 calls of 100 ms; logs in US dollars. */
  const counted = {
    batches: { put: 8_067, get: 12_930, invocations: 4_022, lambdaGbSeconds: 1_220, logUsd: 0.0025 },
    single: { put: 128_448, get: 70_988, invocations: 64_022, lambdaGbSeconds: 5_219, logUsd: 0.038 },
  };

  test.each([
    ['batches', 50],
    ['single', 1],
  ] as const)('is what the bench counts, within a twentieth: %s', (kind, batch) => {
    const { put, get, logUsd, ...lambda } = counted[kind];
    const s3 = { put, get, head: 0, list: 0, copy: 0, delete: 0 };
    const usd = costOf({ s3, sqsRequests: 0, ...lambda }).usd + logUsd;
    const finished = report('r', { levels: whole, apiCalls: 64_021, complete: true });
    const { soFar = 0, expected } = costOfRun(finished, chainOf(batch)) ?? {};
    expect(soFar / usd).toBeGreaterThan(0.95);
    expect(soFar / usd).toBeLessThan(1.05);
    expect(expected).toBe(soFar);
  });

  test('is what docs/cost.md says of the example, within a twentieth', () => {
    const sum = /\*\*sum\*\*[^$]*\*\*\$([\d.]+)\*\*/.exec(readFileSync('docs/cost.md', 'utf8'))?.[1];
    const finished = report('r', { levels: whole, apiCalls: 64_021, complete: true });
    const ratio = Number(costOfRun(finished, chainOf(50))?.soFar) / Number(sum);
    expect(ratio).toBeGreaterThan(0.95);
    expect(ratio).toBeLessThan(1.05);
  });

  test.each([50, 1])('is expected to grow with the items that are known, in batches of %i', (batch) => {
    const all = costOfRun(report('r', { levels: whole, apiCalls: 64_021, complete: true }), chainOf(batch));
    const half = whole.map((each) => (each.level === 'stock' ? { ...each, done: 31_000 } : each));
    const { soFar, expected } = costOfRun(report('r', { levels: half, apiCalls: 33_021 }), chainOf(batch)) ?? {};
    expect(Number(soFar) / Number(all?.soFar)).toBeLessThan(0.9);
    expect(Number(expected) / Number(all?.soFar)).toBeCloseTo(1, 1);
  });

  test('of batches grows with the parents, which share no batch', () => {
    const spread = [done('regions', 1), done('shops', 20), done('shelves', 31_000), done('stock', 62_000)];
    const [few, many] = [whole, spread].map((levels) =>
      costOfRun(report('r', { levels, apiCalls: 64_021, complete: true }), chainOf(50)),
    );
    expect(Number(many?.soFar)).toBeGreaterThan(5 * Number(few?.soFar));
  });

  test('has a small part for publishing', () => {
    const finished = report('r', { levels: whole, apiCalls: 64_021, complete: true });
    const table = { name: 'stock', columns: [], raw: true };
    const published = chainOf(50).map((each) => (each.next === undefined ? { ...each, table } : each));
    const share = Number(costOfRun(finished, published)?.soFar) / Number(costOfRun(finished, chainOf(50))?.soFar) - 1;
    expect(share).toBeGreaterThan(0.005);
    expect(share).toBeLessThan(0.05);
  });

  test('of a chain of one level is that of its seed', () => {
    const finished = report('r', { levels: [done('summary', 1)], apiCalls: 1, complete: true });
    expect(costOfRun(finished, oneLevel.levels)?.soFar).toBeLessThan(0.0001);
  });

  test('is not known before anything is done', () => {
    expect(costOfRun(report('r', { levels: [level({ done: 0 })] }), fourLevels.levels)).toBeUndefined();
  });
});
