/** One page to watch the chain on: a row for each level, one for publishing, and one for recovery. Its name is the stack's. */
import type { Level } from '../shared/engine/chain/chain.ts';
import type { Deployment } from './deployment.ts';
import { functionName, queueName, type QueueKind } from './names.ts';
import { publishLevelsOf } from './publishing.ts';
import type { Resources } from './resources.ts';

/** CloudWatch's grid is 24 wide. */
const [width, height] = [6, 6];
const namespace = 's3-cascade';

type Options = Readonly<Record<string, unknown>>;
type Metric = readonly unknown[];

export function dashboard(deployment: Deployment): Resources {
  const { chain, parameters, service, stage } = deployment;
  if (!parameters.dashboard) return {};
  const rows = [
    ...chain.levels.map((level) => levelRow(deployment, level)),
    ...publishRow(deployment),
    recoveryRow(deployment),
    ...(parameters.trigger === 'queue' ? [triggerRow(deployment)] : []),
  ];
  const widgets = rows.flatMap((row, y) =>
    row.map((widget, x) => ({ x: x * width, y: y * height, width, height, ...widget })),
  );
  return {
    CascadeDashboard: {
      Type: 'AWS::CloudWatch::Dashboard',
      Properties: {
        DashboardName: `${service}-${stage}`,
        DashboardBody: { 'Fn::Sub': JSON.stringify({ widgets }) },
      },
    },
  };
}

function graph(title: string, metrics: readonly Metric[], options: Options = {}): object {
  return {
    type: 'metric',
    properties: { title, metrics, region: '${AWS::Region}', view: 'timeSeries', period: 60, stat: 'Sum', ...options },
  };
}

function ofLambda(deployment: Deployment, name: string, metric: string, options: Options = {}): Metric {
  return ['AWS/Lambda', metric, 'FunctionName', functionName(deployment, name), options];
}

function levelRow(deployment: Deployment, level: Level): object[] {
  const { name, function: service } = level;
  const lambda = (metric: string, options: Options = {}) => ofLambda(deployment, service, metric, options);
  const own = (metric: string, options: Options = {}) => [
    namespace,
    metric,
    'level',
    name,
    'service',
    service,
    options,
  ];
  return [
    graph(`${name}: invocations`, [
      lambda('Invocations'),
      lambda('Errors'),
      lambda('Throttles'),
      // Also counts what went to the dead-letter queue (page monitoring-metrics-types).
      lambda('AsyncEventsDropped'),
    ]),
    graph(`${name}: environments, and how long they run`, [
      lambda('ConcurrentExecutions', { stat: 'Maximum' }),
      lambda('Duration', { stat: 'p50', yAxis: 'right' }),
      lambda('Duration', { stat: 'p99', yAxis: 'right' }),
    ]),
    graph(`${name}: calls and items a minute`, [
      own('ApiCalls'),
      own('ItemsDone'),
      own('Failures'),
      own('Deferred'),
      own('Duplicates'),
    ]),
    graph(`${name}: milliseconds a call, and for a turn`, [
      own('ApiLatency', { stat: 'p50' }),
      own('ApiLatency', { stat: 'p99' }),
      own('WaitedForTurn', { stat: 'Average' }),
    ]),
  ];
}

/** None where nothing is published. */
function publishRow(deployment: Deployment): object[][] {
  const levels = publishLevelsOf(deployment);
  if (levels.length === 0) return [];
  const ofBoth = (metric: string, options: Options = {}): Metric[] =>
    levels.map(({ function: name }) => ofLambda(deployment, name, metric, { label: name, ...options }));
  const ofPieces = (metric: string): Metric => {
    const name = 'publishPiece';
    return [namespace, metric, 'service', name, 'function_name', functionName(deployment, name)];
  };
  return [
    [
      graph('Publishing: invocations, and errors', [
        ...ofBoth('Invocations'),
        ...levels.map(({ function: name }) => ofLambda(deployment, name, 'Errors', { label: `${name}: errors` })),
      ]),
      graph('Publishing: how long it takes', ofBoth('Duration', { stat: 'Maximum' })),
      graph('Rows published, and tables whose columns changed', [
        ofPieces('RowsPublished'),
        [...ofPieces('IncompatibleTables'), { yAxis: 'right' }],
      ]),
      queueGraph(deployment, 'Publishing: dead letters', 'dead-letters', undefined, levels),
    ],
  ];
}

function queueGraph(
  deployment: Deployment,
  title: string,
  kind: QueueKind,
  metric = 'ApproximateNumberOfMessagesVisible',
  levels: readonly Level[] = deployment.chain.levels,
): object {
  const metrics = levels.map((level) => [
    'AWS/SQS',
    metric,
    'QueueName',
    queueName(deployment, level, kind),
    { label: level.name },
  ]);
  return graph(title, metrics, { stat: 'Maximum' });
}

function recoveryRow(deployment: Deployment): object[] {
  const ofSweep = (metric: string): Metric => {
    const name = functionName(deployment, 'sweep');
    return [namespace, metric, 'service', 'sweep', 'function_name', name];
  };
  return [
    queueGraph(deployment, 'Dead letters', 'dead-letters'),
    queueGraph(deployment, 'Items that wait for calls to be allowed', 'waiting'),
    graph(
      'Runs that are not complete, as the sweep sees them',
      ['OpenItems', 'FailedItems', 'LostItems', 'UnfinishedRuns'].map(ofSweep),
      { stat: 'Maximum', period: 900 },
    ),
    graph('Sweep, replay, rate: errors', [
      ...['sweep', 'replay', 'rate'].map((name) => ofLambda(deployment, name, 'Errors', { label: name })),
      ofLambda(deployment, 'sweep', 'Invocations', { label: 'sweeps' }),
    ]),
  ];
}

function triggerRow(deployment: Deployment): object[] {
  return [
    queueGraph(deployment, 'Messages on their way', 'trigger'),
    queueGraph(deployment, 'The oldest of them, in seconds', 'trigger', 'ApproximateAgeOfOldestMessage'),
  ];
}
