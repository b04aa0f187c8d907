/** The list of runs, and what a run costs, as the page's server makes them. */
import { describe, expect, test } from '@jest/globals';
import { costOfRun } from '../../cli/page/run-cost.ts';
import { createRunsLook, stateOf } from '../../cli/page/runs-view.ts';
import type { LevelReport, RunReport } from '../../shared/engine/report/run-report.ts';
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
    store.drop('runs/old.json', JSON.stringify({ ...report('old', { complete: true }), published: { rows: 1 } }));
    clock.nowMs += 60_000;
    store.drop('seeds/new.json', '{}');
    store.drop('seeds/no run.json', '{}');
    const look = createRunsLook(store);
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
    expect((await look()).runs[1]).toMatchObject({ state: 'open', apiCalls: 9 });
  });

  test('stays as it was when it can not be read, and says why', async () => {
    const store = new MemoryObjectStore(new TestClock());
    store.drop('seeds/r.json', '{}');
    const look = createRunsLook(store);
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
  const whole = [
    level({ items: 1, done: 1 }),
    level({ items: 20, done: 20 }),
    level({ items: 1_000, done: 1_000 }),
    level({ items: 63_000, done: 63_000 }),
  ];

  test('is what docs/cost.md counts, within a twentieth', () => {
    const { soFar = 0, expected } = costOfRun(report('r', { levels: whole, apiCalls: 64_021, complete: true })) ?? {};
    expect(soFar).toBeGreaterThan(0.791 * 0.95);
    expect(soFar).toBeLessThan(0.791 * 1.05);
    expect(expected).toBe(soFar);
  });

  test('is expected to grow with the items that are known', () => {
    const half = whole.map((each, index) => (index === 3 ? { ...each, done: 31_500 } : each));
    const { soFar = 0, expected = 0 } = costOfRun(report('r', { levels: half, apiCalls: 32_521 })) ?? {};
    expect(soFar).toBeLessThan(0.6);
    expect(expected).toBeGreaterThan(0.75);
    expect(expected).toBeLessThan(0.83);
  });

  test('is not known before anything is done', () => {
    expect(costOfRun(report('r', { levels: [level({ done: 0 })] }))).toBeUndefined();
  });
});
