/** Gives an item to its level's function again, with the event that it would have had. Never by writing the object again. */
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { TransientError } from '../engine/errors.ts';
import type { Refire } from '../engine/ports.ts';
import { explained } from './errors.ts';
import { createMessageSink } from './message-queue.ts';

/** By invoking the function. @throws in `send`: TransientError for the network, throttling and 5xx; otherwise Lambda's own error, with the function's name */
export function createRefire(client: LambdaClient, functionName: string): Refire {
  const where = `[function=${functionName}]`;
  return {
    async send(record) {
      try {
        const { StatusCode: status } = await client.send(
          new InvokeCommand({
            FunctionName: functionName,
            InvocationType: 'Event',
            Payload: JSON.stringify({ Records: [record] }),
          }),
        );
        // Lambda: "202" once the event is on its queue (page API_Invoke).
        if (status !== 202) throw new TransientError('NOT_ACCEPTED', `Lambda answered ${status} to an event ${where}.`);
      } catch (error) {
        throw explained(where, error);
      }
    },
  };
}

/** By the queue that triggers the function. @throws in `send`: as `createMessageSink` */
export function createQueueRefire(client: SQSClient, queueUrl: string): Refire {
  const queue = createMessageSink(client, queueUrl);
  return { send: (record) => queue.send(JSON.stringify({ Records: [record] })) };
}
