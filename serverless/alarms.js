/** Somebody should look when a dead letter lies on a level's queue. */
import { chain } from '../shared/chain.ts';
import { deadLettersOf, queueNameOf } from './names.js';

const alarmOf = ({ level }) => ({
  [`${deadLettersOf(level)}Alarm`]: {
    Type: 'AWS::CloudWatch::Alarm',
    Properties: {
      AlarmName: `${queueNameOf(level, 'dead-letters')}-not-empty`,
      AlarmDescription: `Items of the level ${level} have failed for good. See why with: npx sls invoke -f replay -d '{"level":"${level}","dryRun":true}'`,
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [deadLettersOf(level), 'QueueName'] } }],
      Statistic: 'Maximum',
      Period: 300,
      EvaluationPeriods: 1,
      ComparisonOperator: 'GreaterThanThreshold',
      Threshold: 0,
      TreatMissingData: 'notBreaching',
    },
  },
});

export const resources = { Resources: Object.assign({}, ...chain.map(alarmOf)) };
