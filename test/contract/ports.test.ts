/** Every adapter of the core's ports against its contract: in memory, and the real SDK over HTTP. */
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { createMessageQueue, createMessageSink } from '../../shared/aws/message-queue.ts';
import { createObjectStore } from '../../shared/aws/object-store.ts';
import { TestClock } from '../memory/clock.ts';
import { MemoryMessageQueue } from '../memory/message-queue.ts';
import { MemoryObjectStore } from '../memory/object-store.ts';
import { deadLetterQueueContract } from './message-queue.ts';
import { startLocalServices } from './local-services.ts';
import { objectStoreContract } from './object-store.ts';

objectStoreContract('in memory', () =>
  Promise.resolve({ store: new MemoryObjectStore(), stop: () => Promise.resolve() }),
);

objectStoreContract('on the local S3, through the SDK', async () => {
  const services = await startLocalServices();
  await services.s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
  return { store: createObjectStore(services.s3, 'bucket'), stop: () => services.stop() };
});

deadLetterQueueContract('in memory', () =>
  Promise.resolve({
    newQueue: () => {
      const queue = new MemoryMessageQueue(new TestClock());
      return Promise.resolve({
        queue,
        sink: queue,
        sendWith: (body: string, attributes: Record<string, string>) => queue.send(body, attributes),
      });
    },
    stop: () => Promise.resolve(),
  }),
);

deadLetterQueueContract('on the local SQS, through the SDK', async () => {
  const services = await startLocalServices();
  return {
    newQueue: async () => {
      const url = await services.newQueue();
      const sendWith = async (body: string, attributes: Record<string, string>): Promise<void> => {
        const texts = Object.entries(attributes).map(
          ([name, text]) => [name, { DataType: 'String', StringValue: text }] as const,
        );
        await services.sqs.send(
          new SendMessageCommand({ QueueUrl: url, MessageBody: body, MessageAttributes: Object.fromEntries(texts) }),
        );
      };
      return {
        queue: createMessageQueue(services.sqs, url),
        sink: createMessageSink(services.sqs, url),
        sendWith,
      };
    },
    stop: () => services.stop(),
  };
});
