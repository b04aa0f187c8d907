/**
 * When a person should look: an alarm for each thing that neither a retry nor the sweep corrects by itself. Throttles are not
 * among them: at a rate they are normal. `alarmTopicArn` is notified.
 */
import type { Level } from '../shared/engine/chain/chain.ts';
import type { Deployment } from './deployment.ts';
import { DeploymentError } from './mistakes.ts';
import { functionName, logicalId, queueId, queueName } from './names.ts';
import { publishLevelsOf } from './publishing.ts';
import { merge, type Resources } from './resources.ts';

/** A message this near the end of its retention is about to be lost to the sweep. */
const oldMessageShare = 0.8;

const minute = 60;
const hour = 3600;
/** "The number of evaluation periods multiplied by the length of each … can't exceed seven days" (page PutMetricAlarm). */
const longestWatch = 7 * 24 * hour;

export function alarms(deployment: Deployment): Resources {
  const { chain, parameters } = deployment;
  const all = merge(
    ...[...chain.levels, ...publishLevelsOf(deployment)].map((level) => deadLetters(deployment, level)),
    ...(parameters.trigger === 'queue'
      ? chain.levels.map((level) => oldMessages(deployment, level))
      : [lostDeadLetters(deployment)]),
    errorsOf(deployment, 'sweep', 'The sweep has failed: lost items are not found, and no run becomes complete.'),
    errorsOf(deployment, 'replay', 'A replay has failed.'),
    errorsOf(deployment, 'rate', 'What waits for a change of the rate is not re-fired.'),
    noSweep(deployment),
    stuckRun(deployment),
    unsweepableRun(deployment),
    changedRun(deployment),
    ...(parameters.alarmOnSchemaChange && publishLevelsOf(deployment).length > 0 ? [changedSchema(deployment)] : []),
  );
  const topic = parameters.alarmTopicArn;
  if (topic === undefined) return all;
  return Object.fromEntries(
    Object.entries(all).map(([id, { Type, Properties }]) => [
      id,
      { Type, Properties: { ...Properties, AlarmActions: [topic] } },
    ]),
  );
}

function alarm(
  id: string,
  name: string,
  description: string,
  properties: Readonly<Record<string, unknown>>,
): Resources {
  return {
    [`${id}Alarm`]: {
      Type: 'AWS::CloudWatch::Alarm',
      Properties: {
        AlarmName: name,
        AlarmDescription: description,
        EvaluationPeriods: 1,
        ComparisonOperator: 'GreaterThanThreshold',
        Threshold: 0,
        TreatMissingData: 'notBreaching',
        ...properties,
      },
    },
  };
}

const byFunction = (deployment: Deployment, name: string): object[] => [
  { Name: 'FunctionName', Value: functionName(deployment, name) },
];
const byQueue = (id: string): object[] => [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [id, 'QueueName'] } }];

function deadLetters(deployment: Deployment, level: Level): Resources {
  const id = queueId(level, 'dead-letters');
  const { name } = level;
  return alarm(
    id,
    `${queueName(deployment, level, 'dead-letters')}-not-empty`,
    `Items of the level ${name} have failed for good. See why with: npx sls invoke -f replay -d '{"level":"${name}","dryRun":true}'`,
    {
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: byQueue(id),
      Statistic: 'Maximum',
      Period: 5 * minute,
    },
  );
}

function oldMessages(deployment: Deployment, level: Level): Resources {
  const id = queueId(level, 'trigger');
  return alarm(
    id,
    `${queueName(deployment, level, 'trigger')}-old`,
    `Messages of the level ${level.name} have waited for most of their retention. They are not lost when it ends, but only the sweep brings them back. Raise rate, or queueRetention.`,
    {
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateAgeOfOldestMessage',
      Dimensions: byQueue(id),
      Statistic: 'Maximum',
      Period: 5 * minute,
      Threshold: Math.floor(deployment.parameters.queueRetention * oldMessageShare),
    },
  );
}

/** Lambda deletes an event that it can't deliver to the dead-letter queue (page invocation-async-retain-records). */
function lostDeadLetters(deployment: Deployment): Resources {
  const levels = [...deployment.chain.levels, ...publishLevelsOf(deployment)];
  const ids = levels.map((_, index) => `m${index + 1}`);
  const metrics = levels.map(({ function: name }, index) => ({
    Id: ids[index],
    ReturnData: false,
    MetricStat: {
      Metric: {
        Namespace: 'AWS/Lambda',
        MetricName: 'DestinationDeliveryFailures',
        Dimensions: byFunction(deployment, name),
      },
      Stat: 'Sum',
      Period: 5 * minute,
    },
  }));
  const Expression = `SUM([${ids.map((id) => `FILL(${id}, 0)`).join(', ')}])`;
  return alarm(
    'LostDeadLetters',
    functionName(deployment, 'dead-letters-lost'),
    'Lambda could not put events on a dead-letter queue, and deleted them. Look at the rights of the functions and at their queues; the sweep brings the items back.',
    { Metrics: [{ Id: 'all', Expression, Label: 'lost' }, ...metrics] },
  );
}

function errorsOf(deployment: Deployment, name: string, description: string): Resources {
  return alarm(
    logicalId(`${name}Errors`),
    `${functionName(deployment, name)}-errors`,
    `${description} Its log says why.`,
    {
      Namespace: 'AWS/Lambda',
      MetricName: 'Errors',
      Dimensions: byFunction(deployment, name),
      Statistic: 'Sum',
      Period: 5 * minute,
    },
  );
}

const secondsOf: Readonly<Record<string, number>> = { minute, hour, day: 24 * hour };

/** Twice the time between two sweeps without one. A cron expression is taken for one sweep a day. */
function noSweep(deployment: Deployment): Resources {
  const { sweepEvery } = deployment.parameters;
  const [, count = '1', unit = 'day'] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(sweepEvery) ?? [];
  const between = Number(count) * (secondsOf[unit] ?? 24 * hour);
  if (2 * between > longestWatch)
    throw new DeploymentError([`sweepEvery must be three and a half days at most, not ${sweepEvery}.`]);
  const Period = Math.min(between, 24 * hour);
  return alarm(
    'NoSweep',
    `${functionName(deployment, 'sweep')}-missing`,
    'The sweep has not run when it should have, twice.',
    {
      Namespace: 'AWS/Lambda',
      MetricName: 'Invocations',
      Dimensions: byFunction(deployment, 'sweep'),
      Statistic: 'Sum',
      Period,
      EvaluationPeriods: Math.ceil((2 * between) / Period),
      ComparisonOperator: 'LessThanThreshold',
      Threshold: 1,
      TreatMissingData: 'breaching',
    },
  );
}

/** What the sweep tells of the runs, as metrics of its own (shared/lambda/run-metrics.ts). */
function runAlarm(
  deployment: Deployment,
  id: string,
  name: string,
  description: string,
  properties: object,
): Resources {
  return alarm(id, functionName(deployment, name), description, {
    Namespace: 's3-cascade',
    Dimensions: [
      { Name: 'service', Value: 'sweep' },
      { Name: 'function_name', Value: functionName(deployment, 'sweep') },
    ],
    ...properties,
  });
}

function stuckRun(deployment: Deployment): Resources {
  return runAlarm(
    deployment,
    'StuckRun',
    'run-stuck',
    "A run has open items, calls are allowed, and for two hours no item was done. See: npx sls invoke -f status -d '{}'",
    { MetricName: 'StuckRuns', Statistic: 'Minimum', Period: hour, EvaluationPeriods: 2 },
  );
}

function unsweepableRun(deployment: Deployment): Resources {
  return runAlarm(
    deployment,
    'UnsweepableRun',
    'run-unsweepable',
    "A run can not be swept, so that its lost items are not found; the other runs are swept. See why: npx sls invoke -f status -d '{}'",
    { MetricName: 'UnsweepableRuns', Statistic: 'Maximum', Period: hour },
  );
}

function changedRun(deployment: Deployment): Resources {
  return runAlarm(
    deployment,
    'ChangedRun',
    'run-changed',
    'Objects of a complete run were overwritten, deleted or added. See: npm run verify-run -- --run NAME',
    { MetricName: 'ChangedRuns', Statistic: 'Maximum', Period: hour },
  );
}

/** Counted when a run's last part is written (shared/lambda/publish-function.ts). */
function changedSchema(deployment: Deployment): Resources {
  return alarm(
    'ChangedSchema',
    functionName(deployment, 'schema-changed'),
    'A published table lost a column, or a column changed its type, against the run before: queries may fail. See: npm run status -- --run NAME',
    {
      Namespace: 's3-cascade',
      MetricName: 'IncompatibleTables',
      Dimensions: [
        { Name: 'service', Value: 'publishPiece' },
        { Name: 'function_name', Value: functionName(deployment, 'publishPiece') },
      ],
      Statistic: 'Maximum',
      Period: hour,
    },
  );
}
