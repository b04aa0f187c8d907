/** Where an item's event goes when it is given to its level's function again: to the function, or to the queue before it. */
import { LambdaClient } from '@aws-sdk/client-lambda';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { createQueueRefire, createRefire } from '../aws/refire.ts';
import type { Refire } from '../engine/ports.ts';
import type { RecoveryConfig } from './config.ts';

/** More connections than replay makes at once: its lanes, each with the messages of a receive. */
const maxSockets = 200;
export const refireSockets = { httpsAgent: { maxSockets }, httpAgent: { maxSockets } };

/** @returns makes the re-fire of a level from its `target` */
export function createRefires(
  { trigger }: Pick<RecoveryConfig, 'trigger'>,
  sqs: SQSClient,
): (target: string) => Refire {
  if (trigger === 'queue') return (queueUrl) => createQueueRefire(sqs, queueUrl);
  const lambda = new LambdaClient({ requestHandler: refireSockets });
  return (functionName) => createRefire(lambda, functionName);
}
