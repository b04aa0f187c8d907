/** One page to watch the chain on: a row for each level, and one for what is to be brought back. Its name is the stack's. */
import { chain } from '../shared/engine/chain/chain.ts';
import { functionNameOf, isOn, queueNameOf } from './names.js';
import { readRate } from './rate.js';

/** CloudWatch's grid is 24 wide. */
const [width, height] = [6, 6];
const namespace = 's3-cascade';

const graph = (title, metrics, options = {}) => ({
  type: 'metric',
  properties: { title, metrics, region: '${AWS::Region}', view: 'timeSeries', period: 60, stat: 'Sum', ...options },
});

const ofLambda = (name, metric, options = {}) => ['AWS/Lambda', metric, 'FunctionName', functionNameOf(name), options];
const ofQueue = (level, kind, metric = 'ApproximateNumberOfMessagesVisible') => [
  'AWS/SQS',
  metric,
  'QueueName',
  queueNameOf(level, kind),
  { label: level },
];
const ofSweep = (metric) => [namespace, metric, 'service', 'sweep', 'function_name', functionNameOf('sweep')];

function levelRow({ level, function: name }) {
  const own = (metric, options = {}) => [namespace, metric, 'level', level, 'service', name, options];
  return [
    graph(`${level}: invocations`, [
      ofLambda(name, 'Invocations'),
      ofLambda(name, 'Errors'),
      ofLambda(name, 'Throttles'),
      // Also counts what went to the dead-letter queue (page monitoring-metrics-types).
      ofLambda(name, 'AsyncEventsDropped'),
    ]),
    graph(`${level}: environments, and how long they run`, [
      ofLambda(name, 'ConcurrentExecutions', { stat: 'Maximum' }),
      ofLambda(name, 'Duration', { stat: 'p50', yAxis: 'right' }),
      ofLambda(name, 'Duration', { stat: 'p99', yAxis: 'right' }),
    ]),
    graph(`${level}: calls and items a minute`, [
      own('ApiCalls'),
      own('ItemsDone'),
      own('Failures'),
      own('Deferred'),
      own('Duplicates'),
    ]),
    graph(`${level}: milliseconds a call, and for a turn`, [
      own('ApiLatency', { stat: 'p50' }),
      own('ApiLatency', { stat: 'p99' }),
      own('WaitedForTurn', { stat: 'Average' }),
    ]),
  ];
}

const queueGraph = (title, kind, metric) =>
  graph(
    title,
    chain.map(({ level }) => ofQueue(level, kind, metric)),
    { stat: 'Maximum' },
  );

const recoveryRow = () => [
  queueGraph('Dead letters', 'dead-letters'),
  queueGraph('Items that wait for calls to be allowed', 'waiting'),
  graph(
    'Runs that are not complete, as the sweep sees them',
    ['OpenItems', 'FailedItems', 'LostItems', 'UnfinishedRuns'].map(ofSweep),
    {
      stat: 'Maximum',
      period: 900,
    },
  ),
  graph('Sweep, replay, rate: errors', [
    ...['sweep', 'replay', 'rate'].map((name) => ofLambda(name, 'Errors', { label: name })),
    ofLambda('sweep', 'Invocations', { label: 'sweeps' }),
  ]),
];

const triggerRow = () => [
  queueGraph('Messages on their way', 'trigger'),
  queueGraph('The oldest of them, in seconds', 'trigger', 'ApproximateAgeOfOldestMessage'),
];

export async function resources(framework) {
  if (!isOn(await framework.resolveVariable('param:dashboard'))) return { Resources: {} };
  const { trigger } = await readRate(framework);
  const rows = [...chain.map(levelRow), recoveryRow(), ...(trigger === 'queue' ? [triggerRow()] : [])];
  const widgets = rows.flatMap((row, y) =>
    row.map((widget, x) => ({ x: x * width, y: y * height, width, height, ...widget })),
  );
  return {
    Resources: {
      CascadeDashboard: {
        Type: 'AWS::CloudWatch::Dashboard',
        Properties: {
          DashboardName: '${self:service}-${sls:stage}',
          DashboardBody: { 'Fn::Sub': JSON.stringify({ widgets }) },
        },
      },
    },
  };
}
