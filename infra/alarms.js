/**
 * When somebody should look: an alarm for each thing that neither a retry nor the sweep puts right by itself. Throttles are
 * not among them: at a rate they are normal. Whoever `alarmTopicArn` names is told.
 */
import { chain } from '../shared/engine/chain/chain.ts';
import { deadLettersOf, functionNameOf, logicalId, mistake, queueNameOf, triggerOf } from './names.js';
import { readRate } from './rate.js';

/** A message this near the end of its retention is about to be lost to the sweep. */
const oldMessageShare = 0.8;

const minute = 60;
const hour = 3600;
/** "The number of evaluation periods multiplied by the length of each … can't exceed seven days" (page PutMetricAlarm). */
const longestWatch = 7 * 24 * hour;

const byFunction = (name) => [{ Name: 'FunctionName', Value: functionNameOf(name) }];
const byQueue = (id) => [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [id, 'QueueName'] } }];

const alarm = (id, name, description, properties) => ({
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
});

const deadLetters = ({ level }) =>
  alarm(
    deadLettersOf(level),
    `${queueNameOf(level, 'dead-letters')}-not-empty`,
    `Items of the level ${level} have failed for good. See why with: npx sls invoke -f replay -d '{"level":"${level}","dryRun":true}'`,
    {
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: byQueue(deadLettersOf(level)),
      Statistic: 'Maximum',
      Period: 5 * minute,
    },
  );

const oldMessages = (retentionSeconds, { level }) =>
  alarm(
    triggerOf(level),
    `${queueNameOf(level, 'trigger')}-old`,
    `Messages of the level ${level} have waited for most of their retention. They are not lost when it ends, but only the sweep brings them back. Raise hermesRate, or queueRetention.`,
    {
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateAgeOfOldestMessage',
      Dimensions: byQueue(triggerOf(level)),
      Statistic: 'Maximum',
      Period: 5 * minute,
      Threshold: Math.floor(retentionSeconds * oldMessageShare),
    },
  );

/** Lambda deletes an event that it can't deliver to the dead-letter queue (page invocation-async-retain-records). */
const lostDeadLetters = () => {
  const ids = chain.map((_, index) => `m${index + 1}`);
  const metrics = chain.map(({ function: name }, index) => ({
    Id: ids[index],
    ReturnData: false,
    MetricStat: {
      Metric: {
        Namespace: 'AWS/Lambda',
        MetricName: 'DestinationDeliveryFailures',
        Dimensions: byFunction(name),
      },
      Stat: 'Sum',
      Period: 5 * minute,
    },
  }));
  const Expression = `SUM([${ids.map((id) => `FILL(${id}, 0)`).join(', ')}])`;
  return alarm(
    'LostDeadLetters',
    functionNameOf('dead-letters-lost'),
    'Lambda could not put events on a dead-letter queue, and deleted them. Look at the rights of the functions and at their queues; the sweep brings the items back.',
    { Metrics: [{ Id: 'all', Expression, Label: 'lost' }, ...metrics] },
  );
};

const errorsOf = (name, description) =>
  alarm(logicalId(`${name}Errors`), `${functionNameOf(name)}-errors`, `${description} Its log says why.`, {
    Namespace: 'AWS/Lambda',
    MetricName: 'Errors',
    Dimensions: byFunction(name),
    Statistic: 'Sum',
    Period: 5 * minute,
  });

const secondsOf = { minute, hour, day: 24 * hour };

/** Twice the time between two sweeps without one. A cron expression is taken for one sweep a day. */
const noSweep = (sweepEvery) => {
  const [, count, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(sweepEvery) ?? [undefined, 1, 'day'];
  const between = Number(count) * secondsOf[unit];
  if (2 * between > longestWatch) throw mistake(`sweepEvery must be three and a half days at most, not ${sweepEvery}.`);
  const Period = Math.min(between, 24 * hour);
  return alarm('NoSweep', `${functionNameOf('sweep')}-missing`, 'The sweep has not run when it should have, twice.', {
    Namespace: 'AWS/Lambda',
    MetricName: 'Invocations',
    Dimensions: byFunction('sweep'),
    Statistic: 'Sum',
    Period,
    EvaluationPeriods: Math.ceil((2 * between) / Period),
    ComparisonOperator: 'LessThanThreshold',
    Threshold: 1,
    TreatMissingData: 'breaching',
  });
};

const stuckRun = () =>
  alarm(
    'StuckRun',
    functionNameOf('run-stuck'),
    "A run has open items, calls are allowed, and for two hours no item was done. See: npx sls invoke -f status -d '{}'",
    {
      Namespace: 's3-cascade',
      MetricName: 'StuckRuns',
      Dimensions: [
        { Name: 'service', Value: 'sweep' },
        { Name: 'function_name', Value: functionNameOf('sweep') },
      ],
      Statistic: 'Minimum',
      Period: hour,
      EvaluationPeriods: 2,
    },
  );

export async function resources(framework) {
  const { trigger } = await readRate(framework);
  const retention = Number(await framework.resolveVariable('param:queueRetention'));
  const topic = await framework.resolveVariable('param:alarmTopicArn');
  const alarms = Object.assign(
    {},
    ...chain.map(deadLetters),
    ...(trigger === 'queue' ? chain.map((row) => oldMessages(retention, row)) : [lostDeadLetters()]),
    errorsOf('sweep', 'The sweep has failed: lost items are not found, and no run becomes complete.'),
    errorsOf('replay', 'A replay has failed.'),
    errorsOf('rate', 'What waits for a change of the rate is not taken up.'),
    noSweep(await framework.resolveVariable('param:sweepEvery')),
    stuckRun(),
  );
  if (topic !== '') for (const { Properties } of Object.values(alarms)) Properties.AlarmActions = [topic];
  return { Resources: alarms };
}
