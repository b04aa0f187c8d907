/**
 * A level's queues: dead letters, which need a person or a replay; items that wait for their turn at the API; and, with
 * `trigger: queue`, the events on their way from S3 to the function.
 */
import type { Level } from '../shared/engine/chain/chain.ts';
import { longestRetentionSeconds } from '../shared/lambda/setting-table.ts';
import type { Deployment } from './deployment.ts';
import { arnOf, bucketArn, queueId, queueName, ref, type QueueKind } from './names.ts';
import { publishLevelsOf } from './publishing.ts';
import { merge, type Resources } from './resources.ts';

/** "At least six times the timeout of the function" (page services-sqs-configure). */
export const timeoutsOfVisibility = 6;

export function queues(deployment: Deployment): Resources {
  return merge(
    ...deployment.chain.levels.map((level) => queuesOf(deployment, level)),
    // Publishing calls no API: nothing waits for its turn.
    ...publishLevelsOf(deployment).map((level) => queue(deployment, level, 'dead-letters', kept)),
  );
}

const kept = { MessageRetentionPeriod: longestRetentionSeconds };

function queuesOf(deployment: Deployment, level: Level): Resources {
  const { parameters, timeoutSeconds } = deployment;
  const events = (): Resources =>
    queue(
      deployment,
      level,
      'trigger',
      {
        MessageRetentionPeriod: parameters.queueRetention,
        VisibilityTimeout: timeoutSeconds * timeoutsOfVisibility,
        RedrivePolicy: {
          deadLetterTargetArn: arnOf(queueId(level, 'dead-letters')),
          maxReceiveCount: parameters.maxReceives,
        },
      },
      fromTheBucket(deployment, queueId(level, 'trigger')),
    );
  return merge(
    queue(deployment, level, 'dead-letters', kept),
    queue(deployment, level, 'waiting', kept),
    parameters.trigger === 'queue' ? events() : {},
  );
}

function queue(
  deployment: Deployment,
  level: Level,
  kind: QueueKind,
  properties: Readonly<Record<string, unknown>>,
  ...statements: readonly object[]
): Resources {
  const id = queueId(level, kind);
  const QueueName = queueName(deployment, level, kind);
  return {
    [id]: { Type: 'AWS::SQS::Queue', Properties: { QueueName, SqsManagedSseEnabled: true, ...properties } },
    [queuePolicyId(level, kind)]: {
      Type: 'AWS::SQS::QueuePolicy',
      Properties: {
        Queues: [ref(id)],
        PolicyDocument: { Version: '2012-10-17', Statement: [tlsOnly(id), ...statements] },
      },
    },
  };
}

export const queuePolicyId = (level: Level, kind: QueueKind): string => `${queueId(level, kind)}Policy`;

const tlsOnly = (id: string): object => ({
  Sid: 'TlsOnly',
  Effect: 'Deny',
  Principal: '*',
  Action: 'sqs:*',
  Resource: arnOf(id),
  Condition: { Bool: { 'aws:SecureTransport': false } },
});

const fromTheBucket = (deployment: Deployment, id: string): object => ({
  Sid: 'EventsOfTheBucket',
  Effect: 'Allow',
  Principal: { Service: 's3.amazonaws.com' },
  Action: 'sqs:SendMessage',
  Resource: arnOf(id),
  Condition: {
    ArnEquals: { 'aws:SourceArn': bucketArn(deployment) },
    StringEquals: { 'aws:SourceAccount': ref('AWS::AccountId') },
  },
});
