/** The dashboard and the alarms look at metrics that the functions really publish, under the names that they publish them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { at, listOf, ofType, type Template } from '../../infra/compiled.ts';
import chain from '../../sources/hermes/chain.ts';
import { compile, deploymentOf } from '../deploy/neutral.ts';
import { packageVariant } from '../deploy/variants.ts';
import { startWorld, type World } from './world.ts';

const api = { apiUrl: 'https://api.example.com' };

/** A metric's name and dimensions, in one text. */
type Series = string;
const namespace = 's3-cascade';
const seriesOf = (name: string, dimensions: Record<string, string>): Series =>
  `${name} ${Object.entries(dimensions)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(' ')}`;

let dataDir: string;
let template: Template;
let queueTemplate: Template;
const published = new Map<Series, number[]>();

beforeAll(async () => {
  ({ template } = await packageVariant('direct'));
  ({ template: queueTemplate } = await packageVariant('queue'));
  dataDir = mkdtempSync(join(tmpdir(), 's3-cascade-watching-'));
  await withWorld('paused', async (world) => {
    await world.drop('control/rate.json', '{"paused":true}');
    await world.run('r1');
    await world.invoke('sweep', {});
  });
  // One item that fails, turns that are waited for, and a seed that is done already: with the pause, all there is to see.
  await withWorld('at-work', async (world) => {
    await world.run('r1');
    await world.run('r1');
  });
  await withWorld(
    'published',
    async (world) => {
      await world.run('r1');
      await world.invoke('sweep', { run: 'r1' });
      await world.engine.idle();
    },
    { failForever: 0 },
  );
}, 180_000);
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

/** Does something, and reads what was logged. */
async function withWorld(
  name: string,
  work: (world: World) => Promise<void>,
  hermes: { failForever: number } = { failForever: 1 },
): Promise<void> {
  const folder = join(dataDir, name);
  const world = await startWorld(
    { troops: 2, warriors: 2, groups: 2, ...hermes },
    // Each level has the same part of the rate, so that none waits for long.
    { dataDir: folder, environment: { CALL_RETRIES: '0', RATE_SHARE: '0.25' } },
    { rate: '20' },
  );
  try {
    await work(world);
  } finally {
    await world.stop();
  }
  for (const file of readdirSync(join(folder, 'logs')))
    for (const line of readFileSync(join(folder, 'logs', file), 'utf8').split('\n')) read(line);
}

/** A line in CloudWatch's embedded metric format. */
function read(line: string): void {
  if (!line.includes('"CloudWatchMetrics"')) return;
  const emf = JSON.parse(line) as Record<string, unknown>;
  for (const directive of listOf(at(emf, '_aws', 'CloudWatchMetrics'))) {
    expect(at(directive, 'Namespace')).toBe(namespace);
    for (const set of listOf(at(directive, 'Dimensions')))
      for (const metric of listOf(at(directive, 'Metrics'))) {
        const name = String(at(metric, 'Name'));
        const dimensions = Object.fromEntries((set as string[]).map((key) => [key, String(emf[key])]));
        published.set(seriesOf(name, dimensions), listOf(emf[name]).map(Number));
      }
  }
}

type Widget = { x: number; y: number; properties: { title: string; metrics: (string | object)[][] } };
const widgetsOf = (from: Template): Widget[] => {
  const body = at(from.Resources['CascadeDashboard'], 'Properties', 'DashboardBody', 'Fn::Sub');
  return (JSON.parse(String(body)) as { widgets: Widget[] }).widgets;
};
/** What every level of a run publishes. */
const always = new Set(['ApiCalls', 'ApiLatency', 'ItemsDone']);

/** Namespace, name, and dimensions of each metric that is drawn. */
const shownBy = (from: Template): string[][] =>
  widgetsOf(from)
    .flatMap(({ properties }) => properties.metrics)
    .map((metric) => metric.filter((each) => typeof each === 'string'));

describe('the dashboard', () => {
  test('has a row for each level, one for publishing, one for what is brought back, and with queues one for them', () => {
    expect(new Set(widgetsOf(template).map(({ y }) => y)).size).toBe(6);
    expect(new Set(widgetsOf(queueTemplate).map(({ y }) => y)).size).toBe(7);
    const places = widgetsOf(queueTemplate).map(({ x, y }) => `${x} ${y}`);
    expect(new Set(places).size).toBe(places.length);
  });

  test('shows metrics that are published', () => {
    const names = new Set<string>();
    const shown = shownBy(template);
    for (const [, name = '', ...pairs] of shown.filter(([first]) => first === namespace)) {
      const dimensions = Object.fromEntries(
        pairs.flatMap((key, index) => (index % 2 === 0 ? [[key, pairs[index + 1] ?? '']] : [])),
      );
      const series = seriesOf(name, dimensions);
      if (always.has(name)) expect([...published.keys()]).toContain(series);
      // What one level publishes, each would: only the first waits for a pause here, and only some item fails.
      const elsewhere = seriesOf(name, { ...dimensions, level: 'troops', service: 'fetchTroops' });
      const leaf = seriesOf(name, { ...dimensions, level: 'data', service: 'fetchData' });
      expect([...published.keys()].filter((known) => [series, elsewhere, leaf].includes(known))).not.toEqual([]);
      names.add(name);
    }
    expect([...names].sort()).toEqual(
      [
        ...['ApiCalls', 'ApiLatency', 'Deferred', 'Duplicates', 'Failures', 'ItemsDone', 'WaitedForTurn'],
        ...['FailedItems', 'LostItems', 'OpenItems', 'UnfinishedRuns'],
        ...['IncompatibleTables', 'RowsPublished'],
      ].sort(),
    );
  });

  test('shows functions and queues that are there', () => {
    const named = new Set(
      Object.values(queueTemplate.Resources).flatMap(({ Properties: properties = {} }) => [
        properties['FunctionName'],
        properties['QueueName'],
      ]),
    );
    const shown = shownBy(queueTemplate);
    const aws = shown.filter(([first]) => first?.startsWith('AWS/'));
    expect(aws.length).toBeGreaterThan(30);
    for (const [, , , name] of aws) expect(named).toContain(name);
  });
});

describe('the alarms', () => {
  const alarmsOf = (from: Template): [string, Record<string, unknown>][] => ofType(from, 'AWS::CloudWatch::Alarm');

  test('are few, and those of the trigger come and go with it', () => {
    const ids = (from: Template): string[] => alarmsOf(from).map(([id]) => id);
    expect(ids(template)).toHaveLength(14);
    expect(ids(queueTemplate)).toHaveLength(17);
    expect(ids(queueTemplate)).toContain('DataTriggerAlarm');
  });

  test('of a stuck run looks at what the sweep publishes', () => {
    const stuck = template.Resources['StuckRunAlarm']?.Properties ?? {};
    const dimensions = Object.fromEntries(
      listOf(stuck['Dimensions']).map((each) => [String(at(each, 'Name')), String(at(each, 'Value'))]),
    );
    expect([...published.keys()]).toContain(seriesOf(String(stuck['MetricName']), dimensions));
  });

  test('notify the topic that the deployment names, and nothing without one', () => {
    for (const [, alarm] of alarmsOf(template)) expect(alarm['AlarmActions']).toBeUndefined();
    const alarmTopicArn = 'arn:aws:sns:us-east-1:123456789012:alarms';
    const told = alarmsOf(compile(deploymentOf(chain, { ...api, alarmTopicArn })));
    expect(told).toHaveLength(14);
    for (const [, alarm] of told) expect(alarm['AlarmActions']).toEqual([alarmTopicArn]);
  });

  test.each([
    [undefined, 900, 2],
    ['rate(2 days)', 86_400, 4],
    ['cron(0 12 * * ? *)', 86_400, 2],
  ])('of a sweep that does not come waits twice as long as between two: %s', (sweepEvery, period, periods) => {
    const other = compile(deploymentOf(chain, { ...api, ...(sweepEvery !== undefined && { sweepEvery }) }));
    expect(other.Resources['NoSweepAlarm']?.Properties).toMatchObject({
      Period: period,
      EvaluationPeriods: periods,
      TreatMissingData: 'breaching',
    });
  });
});

test('a run that does not get on while calls are stopped is not stuck', () => {
  const stuck = [...published].filter(([series]) => series.startsWith('StuckRuns'));
  expect(stuck.map(([, values]) => values)).toEqual([[0]]);
});
