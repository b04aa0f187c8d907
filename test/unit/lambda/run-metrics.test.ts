import { expect, test } from '@jest/globals';
import type { Metrics } from '@aws-lambda-powertools/metrics';
import type { SweepReport, SweptRun } from '../../../shared/engine/recovery/sweep.ts';
import { publishRuns } from '../../../shared/lambda/run-metrics.ts';

const level = (open: number, change: object = {}) => ({
  level: 'stock',
  items: 10,
  done: 10 - open,
  failed: { retrying: 0, dead: 0, parked: 0 },
  open,
  lost: 0,
  short: 0,
  stray: 0,
  ...change,
});

const run = (name: string, open: number, change: object = {}, levelChange: object = {}): SweptRun => ({
  run: name,
  at: '2026-11-20T00:00:00.000Z',
  complete: false,
  levels: [level(open, levelChange)],
  reasons: [],
  apiCalls: 0,
  refired: 0,
  givenUp: 0,
  ...change,
});

function published(
  runs: SweptRun[],
  isStopped = false,
  unsweepable: SweepReport['unsweepable'] = [],
): Record<string, unknown> {
  const figures: Record<string, unknown> = {};
  const metrics = {
    addDimension: (name: string, value: string) => (figures[name] = value),
    addMetric: (name: string, _unit: string, value: number) => (figures[name] = value),
    publishStoredMetrics: () => undefined,
  };
  publishRuns(metrics as unknown as Metrics, { runs, unsweepable }, { functionName: 'f', isStopped });
  return figures;
}

test('what is open, failed and lost is summed over the runs that are not complete', () => {
  const failed = { failed: { retrying: 1, dead: 2, parked: 3 }, lost: 4 };
  const runs = [
    run('a', 5, { itemsPerSecond: 1 }, failed),
    run('b', 2, { itemsPerSecond: 1 }),
    run('c', 0, { complete: true }),
  ];
  expect(published(runs)).toEqual({
    function_name: 'f',
    UnfinishedRuns: 2,
    UnsweepableRuns: 0,
    ChangedRuns: 0,
    StuckRuns: 0,
    OpenItems: 7,
    LostItems: 4,
    FailedItems: 6,
  });
});

test('a run with something open of which nothing was done is stuck; one that only failed is not', () => {
  expect(published([run('a', 1), run('b', 0), run('c', 3, { itemsPerSecond: 0.1 })])).toMatchObject({ StuckRuns: 1 });
});

test('a run that could not be swept is unfinished, and has a figure of its own for an alarm', () => {
  const unsweepable = [{ run: 'b', code: 'AccessDenied', message: 'Access Denied' }];
  expect(published([run('a', 1, { itemsPerSecond: 1 })], false, unsweepable)).toMatchObject({
    UnfinishedRuns: 2,
    UnsweepableRuns: 1,
    StuckRuns: 0,
    OpenItems: 1,
  });
});

test('no run is stuck while calls are stopped', () => {
  expect(published([run('a', 1)], true)).toMatchObject({ UnfinishedRuns: 1, StuckRuns: 0 });
});

test('without a run everything is 0, so that an alarm ends', () => {
  expect(published([])).toMatchObject({ UnfinishedRuns: 0, StuckRuns: 0, OpenItems: 0 });
});

test('counts the runs that changed since they were complete', () => {
  expect(
    published([
      run('a', 0, { complete: true, changes: ['the results'] }),
      run('b', 0, { complete: true, changes: [] }),
    ]),
  ).toMatchObject({ ChangedRuns: 1 });
});
