/** Whole runs against a real Prometheus, where it is installed: the bucket holds what Prometheus answers, value by value. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { FailureNote } from '../../../shared/engine/item/failure-note.ts';
import { readResults, resultValues } from '../../../test/results.ts';
import { openJudge } from '../../../test/tables/duckdb.ts';
import { dropSeed, storedObjects } from '../../../cli/run/engine.ts';
import { sweepToTheEnd } from '../../../cli/run/sweep-run.ts';
import { packageService, startLocalAws, type LocalAws } from '../../../local-aws/index.ts';
import { lastLevel } from '../../../shared/engine/chain/chain.ts';
import { successKey } from '../../../shared/engine/chain/keys.ts';
import { findOnPath } from '../../../test/commands.ts';
import chain from '../chain.ts';
import { startPrometheus, until, type Matrix, type PrometheusServer } from './prometheus-server.ts';

const projectDir = join(import.meta.dirname, '../../..');

const oddJob = 'a "quoted" \\ job/..';
const oddInstances = ['{line\n"x"} ü`', '..', "it's\\"];
const oddMetrics = ['prometheus_build_info', 'prometheus_http_request_duration_seconds_bucket'];
const scrapes = [
  { job: 'prometheus', instances: ['self'] },
  { job: oddJob, instances: oddInstances, metrics: oddMetrics },
];

const program = findOnPath('prometheus');
if (program === undefined)
  process.stderr.write('\nORACLE SKIPPED: prometheus is not on PATH; no run was compared with a real Prometheus.\n\n');

(program === undefined ? describe.skip : describe)('a run against a Prometheus that scrapes itself', () => {
  const data = lastLevel(chain);
  let prometheus: PrometheusServer;
  let engine: LocalAws;
  /** Also of a start that fails halfway. */
  const closers: (() => Promise<void>)[] = [];
  /** Seconds since 1970: the last moment for which every target has all its samples. */
  let to: number;

  beforeAll(async () => {
    prometheus = await startPrometheus(program ?? '', scrapes);
    closers.push(() => prometheus.stop());
    const { packageDir } = await packageService({
      serviceDir: projectDir,
      params: { source: 'prometheus', rate: 'unlimited' },
    });
    engine = await startLocalAws(packageDir, { timeScale: 1000, environment: { API_URL: prometheus.url } });
    closers.push(() => engine.stop());
    await until(everyTargetHasSamples);
    const lastScrapes = await prometheus.query('min(timestamp(prometheus_build_info))');
    to = Number(lastScrapes[0]?.value[1]);
  });

  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  async function everyTargetHasSamples(): Promise<boolean> {
    const counts = await prometheus.query('count_over_time(prometheus_build_info[1h])');
    const targets = scrapes.flatMap(({ instances }) => instances).length;
    return counts.length === targets && counts.every(({ value }) => Number(value[1]) >= 5);
  }

  const stored = (prefix: string): { key: string; body: string }[] =>
    [...storedObjects(engine)]
      .filter(({ key }) => key.startsWith(prefix))
      .map(({ key }) => ({ key, body: Buffer.from(engine.s3.get(engine.bucket, key).body).toString() }));

  /** The run's success marker has it published. */
  async function tableOf(run: string): Promise<Record<string, unknown>[]> {
    await engine.idle();
    const { s3, bucket } = engine;
    const keys = s3.list(bucket, { prefix: `tables/data/run=${run}/` }).contents.map(({ key }) => key);
    expect(keys).toContain(`tables/data/run=${run}/_SUCCESS`);
    const judge = await openJudge(keys.map((key) => [key, s3.get(bucket, key).body]));
    try {
      return await judge.query(`select * from read_parquet('$DIR/tables/data/run=${run}/*.parquet')`);
    } finally {
      judge.close();
    }
  }

  const windowOf = (lengthSeconds: number): { from: string; to: string } => {
    const iso = (seconds: number): string => new Date(Math.round(seconds * 1000)).toISOString();
    return { from: iso(to - lengthSeconds), to: iso(to) };
  };

  test('stores and publishes each metric of each instance of each job, with all its samples', async () => {
    const window = windowOf(5);
    await dropSeed(engine, 'r1', JSON.stringify({ params: { ...window, step: '1s' } }));
    expect(await sweepToTheEnd(engine, 'r1')).toMatchObject({ complete: true });

    const found = stored('data/r1/');
    expect(found.map(({ key }) => key)).toContain(successKey(chain, 'r1'));
    const results = [...resultValues(readResults(data, 'r1', found))].map(
      ([ids, value]) => [ids, resultOf(value)] as const,
    );
    // All series in one answer, instead of a call for each metric.
    const all = await prometheus.queryRange('{job!=""}', { start: window.from, end: window.to, step: '1s' });
    const expected = new Map<string, Matrix>();
    for (const series of all) {
      const { job = '', instance = '', __name__: metric = '' } = series.metric;
      const key = JSON.stringify([job, instance, metric]);
      expected.set(key, [...(expected.get(key) ?? []), series]);
    }
    // Prometheus also names metrics of its newest block that have no sample in the window.
    const withSamples = results.filter(([, matrix]) => matrix.length > 0);
    expect(sorted(withSamples)).toEqual(sorted([...expected]));
    // And so does DuckDB find them in the table.
    const published = (await tableOf('r1')).map(
      ({ job, instance, metric, raw }) =>
        [JSON.stringify([job, instance, metric]), resultOf(JSON.parse(String(raw)))] as const,
    );
    expect(published).toHaveLength(results.length);
    expect(sorted(published.filter(([, matrix]) => matrix.length > 0))).toEqual(sorted([...expected]));
    for (const instance of oddInstances)
      for (const metric of [...oddMetrics, 'up'])
        expect(expected.has(JSON.stringify([oddJob, instance, metric]))).toBe(true);
  });

  test('fails with Prometheus’ own words when the window has more points than it gives', async () => {
    const [instance = ''] = oddInstances;
    const seed = { only: { job: [oddJob], instance: [instance] }, params: { ...windowOf(20), step: '1ms' } };
    await dropSeed(engine, 'r2', JSON.stringify(seed));
    expect(await sweepToTheEnd(engine, 'r2')).toMatchObject({ complete: false });
    expect(stored('data/r2/')).toEqual([]);
    const failures = stored('failures/data/r2/').flatMap(({ body }) => (JSON.parse(body) as FailureNote).items ?? []);
    expect(failures.find(({ id }) => id === 'up')).toMatchObject({
      class: 'item',
      code: 'HTTP_400',
      message: expect.stringContaining('exceeded maximum resolution of 11,000 points per timeseries'),
    });
    const items = stored('metrics/r2/').flatMap(({ body }) => JSON.parse(body) as unknown[]);
    expect(failures.length).toBe(items.length);
  });
});

function resultOf(stored: unknown): Matrix {
  const { status, data } = stored as { status: string; data: { resultType: string; result: Matrix } };
  expect({ status, resultType: data.resultType }).toEqual({ status: 'success', resultType: 'matrix' });
  return data.result;
}

/** In an order of their own: Prometheus gives the series of a query in any. */
function sorted(results: readonly (readonly [string, Matrix])[]): (readonly [string, Matrix])[] {
  const labels = ({ metric }: Matrix[number]): string =>
    JSON.stringify(Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1)));
  return results
    .map(([key, matrix]) => [key, [...matrix].sort((a, b) => (labels(a) < labels(b) ? -1 : 1))] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
