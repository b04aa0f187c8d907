/** Every adapter of the engine's ports against its contract: in memory, and the real SDK over HTTP. */
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { createFailureSink, createMessageQueue } from '../../shared/aws/message-queue.ts';
import { createObjectStore } from '../../shared/aws/object-store.ts';
import { TestClock } from '../memory/clock.ts';
import { memoryBucket, MemoryMessageQueue } from '../memory/message-queue.ts';
import { MemoryObjectStore } from '../memory/object-store.ts';
import { messageQueueContract } from './message-queue.ts';
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

messageQueueContract('in memory', memoryBucket, () =>
  Promise.resolve({
    newQueue: () => {
      const queue = new MemoryMessageQueue(new TestClock());
      return Promise.resolve({
        queue,
        sink: queue,
        sendRaw: (body: string, attributes?: Record<string, string>) => queue.sendRaw(body, attributes),
      });
    },
    stop: () => Promise.resolve(),
  }),
);

messageQueueContract('on the local SQS, through the SDK', 'bucket', async () => {
  const services = await startLocalServices();
  return {
    newQueue: () => {
      const queueUrl = services.newQueue();
      const sendRaw = async (body: string, attributes: Record<string, string> = {}): Promise<void> => {
        const texts = Object.entries(attributes).map(
          ([name, text]) => [name, { DataType: 'String', StringValue: text }] as const,
        );
        await services.sqs.send(
          new SendMessageCommand({
            QueueUrl: queueUrl,
            MessageBody: body,
            MessageAttributes: Object.fromEntries(texts),
          }),
        );
      };
      return Promise.resolve({
        queue: createMessageQueue(services.sqs, { queueUrl, bucket: 'bucket' }),
        sink: createFailureSink(services.sqs, { queueUrl, bucket: 'bucket' }),
        sendRaw,
      });
    },
    stop: () => services.stop(),
  };
});
