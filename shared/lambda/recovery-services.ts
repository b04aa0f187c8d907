/** AWS's services as the recovery functions use them: the bucket, each level's queues, and where its events go. */
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SQSClient } from '@aws-sdk/client-sqs';
import { createMessageQueue } from '../aws/message-queue.ts';
import { createStageStore } from '../aws/object-store.ts';
import { createFunctionSink, createQueueSink } from '../aws/refire.ts';
import { limited, requestHandlerOptions } from '../aws/request-limits.ts';
import { createS3Client } from '../aws/s3-client.ts';
import type { Level } from '../engine/chain/chain.ts';
import type { EventSink, MessageQueue, ObjectStore } from '../engine/ports.ts';
import type { RecoverySettings } from './settings.ts';

/** What replay and the sweep need of a level that publishes. */
export type PublishLevelServices = Pick<LevelServices, 'level' | 'deadLetters' | 'refire'>;

export type LevelServices = {
  level: Level;
  /** That may run at once; undefined: nothing bounds them. */
  environments: number | undefined;
  deadLetters: MessageQueue;
  waiting: MessageQueue;
  refire: EventSink;
};

/** More connections than replay makes at once: its lanes, each with the messages of a receive, and two looks at each item. */
const maxSockets = 200;

/** @param s3Sockets connections to S3 at once */
export function openStore({ bucket, ratePlace }: RecoverySettings, s3Sockets = maxSockets): ObjectStore {
  return createStageStore(createS3Client(s3Sockets), bucket, ratePlace);
}

export function openLevels({ bucket, trigger, levels }: RecoverySettings): LevelServices[] {
  const sqs = limited(new SQSClient({ requestHandler: requestHandlerOptions(maxSockets) }));
  const lambda =
    trigger === 'queue' ? undefined : limited(new LambdaClient({ requestHandler: requestHandlerOptions(maxSockets) }));
  return levels.map(({ level, environments, target, deadLetterQueueUrl, waitingQueueUrl }) => ({
    level,
    environments,
    deadLetters: createMessageQueue(sqs, { queueUrl: deadLetterQueueUrl, bucket }),
    waiting: createMessageQueue(sqs, { queueUrl: waitingQueueUrl, bucket }),
    refire:
      lambda === undefined
        ? createQueueSink(sqs, { queueUrl: target, bucket })
        : createFunctionSink(lambda, { functionName: target, bucket }),
  }));
}

/** S3 invokes their functions whatever triggers the others: their events go there. */
export function openPublishLevels({ bucket, publishLevels }: RecoverySettings): PublishLevelServices[] {
  if (publishLevels.length === 0) return [];
  const sqs = limited(new SQSClient({ requestHandler: requestHandlerOptions(maxSockets) }));
  const lambda = limited(new LambdaClient({ requestHandler: requestHandlerOptions(maxSockets) }));
  return publishLevels.map(({ level, target, deadLetterQueueUrl }) => ({
    level,
    deadLetters: createMessageQueue(sqs, { queueUrl: deadLetterQueueUrl, bucket }),
    refire: createFunctionSink(lambda, { functionName: target, bucket }),
  }));
}
