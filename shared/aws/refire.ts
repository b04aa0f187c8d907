/** Gives an item to its level's function again, with the event that it would have had. Never by writing the object again. */
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { TransientError } from '../engine/errors.ts';
import type { EventSink } from '../engine/ports.ts';
import { explained } from './errors.ts';
import { buildS3Event } from './event-codec.ts';
import { sendMessage, type QueuePlace } from './message-queue.ts';

/** By invoking the function. @throws in `send`: TransientError for the network, throttling and 5xx; otherwise Lambda's own error, with the function's name */
export function createFunctionSink(
  client: LambdaClient,
  { functionName, bucket }: { functionName: string; bucket: string },
): EventSink {
  const where = `[function=${functionName}]`;
  return {
    async send(event) {
      try {
        const { StatusCode: status } = await client.send(
          new InvokeCommand({
            FunctionName: functionName,
            InvocationType: 'Event',
            Payload: JSON.stringify(buildS3Event(event, bucket)),
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

/** By the queue that triggers the function. @throws in `send`: as `createFailureSink` in its */
export function createQueueSink(client: SQSClient, { queueUrl, bucket }: QueuePlace): EventSink {
  return { send: (event) => sendMessage(client, queueUrl, JSON.stringify(buildS3Event(event, bucket))) };
}
