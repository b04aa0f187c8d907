/**
 * A level's queues: dead letters, which need a person or a replay; items that wait for their turn at the API; and, with
 * `trigger: queue`, the events on their way from S3 to the function.
 */
import { chain } from '../shared/engine/chain/chain.ts';
import { arnOf, bucketArn, deadLettersOf, queueNameOf, ref, triggerOf, waitingOf } from './names.js';
import { readRate } from './rate.js';

/** SQS keeps a message 14 days at most. After that the failure note, or the sweep, is what is left. */
const longestRetention = 1_209_600;

/** "At least six times the timeout of the function" (page services-sqs-configure). */
const timeoutsOfVisibility = 6;

const queue = (id, QueueName, properties, ...statements) => ({
  [id]: { Type: 'AWS::SQS::Queue', Properties: { QueueName, SqsManagedSseEnabled: true, ...properties } },
  [`${id}Policy`]: {
    Type: 'AWS::SQS::QueuePolicy',
    Properties: {
      Queues: [ref(id)],
      PolicyDocument: { Version: '2012-10-17', Statement: [tlsOnly(id), ...statements] },
    },
  },
});

const tlsOnly = (id) => ({
  Sid: 'TlsOnly',
  Effect: 'Deny',
  Principal: '*',
  Action: 'sqs:*',
  Resource: arnOf(id),
  Condition: { Bool: { 'aws:SecureTransport': false } },
});

const fromTheBucket = (id) => ({
  Sid: 'EventsOfTheBucket',
  Effect: 'Allow',
  Principal: { Service: 's3.amazonaws.com' },
  Action: 'sqs:SendMessage',
  Resource: arnOf(id),
  Condition: {
    ArnEquals: { 'aws:SourceArn': bucketArn },
    StringEquals: { 'aws:SourceAccount': ref('AWS::AccountId') },
  },
});

function queuesOf(level, trigger, timeoutSeconds) {
  const [deadLetters, waiting, events] = [deadLettersOf(level), waitingOf(level), triggerOf(level)];
  const kept = { MessageRetentionPeriod: longestRetention };
  return {
    ...queue(deadLetters, queueNameOf(level, 'dead-letters'), kept),
    ...queue(waiting, queueNameOf(level, 'waiting'), kept),
    ...(trigger === 'queue' &&
      queue(
        events,
        queueNameOf(level, 'trigger'),
        {
          MessageRetentionPeriod: '${param:queueRetention}',
          VisibilityTimeout: timeoutSeconds * timeoutsOfVisibility,
          RedrivePolicy: { deadLetterTargetArn: arnOf(deadLetters), maxReceiveCount: '${param:maxReceives}' },
        },
        fromTheBucket(events),
      )),
  };
}

export async function resources(framework) {
  const { trigger } = await readRate(framework);
  const timeoutSeconds = await framework.resolveConfigurationProperty(['provider', 'timeout']);
  return { Resources: Object.assign({}, ...chain.map(({ level }) => queuesOf(level, trigger, timeoutSeconds))) };
}
