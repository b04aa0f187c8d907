/** A world's dead-letter queues, as a person with the SDK sees them. */
import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { peoplesCredentials } from '../../local-aws/index.ts';
import type { Deployed } from './deployed.ts';

export type DeadLetters = {
  /** On all queues together, messages that a receiver holds included. */
  count: () => Promise<number>;
  /** Every message is there twice then, as if it had been delivered twice. Returns how many there were. */
  double: () => Promise<number>;
  /** Forgets all of them, as SQS does after 14 days. */
  purge: () => Promise<void>;
  close: () => void;
};

export function openDeadLetters({ engine }: Pick<Deployed, 'engine'>): DeadLetters {
  const sqs = new SQSClient({ endpoint: engine.endpoint, region: 'us-east-1', credentials: peoplesCredentials });
  const urls = engine.queues.filter(({ name }) => name.endsWith('-dead-letters')).map(({ url }) => url);

  async function doubleQueue(url: string): Promise<number> {
    const bodies: string[] = [];
    for (;;) {
      const { Messages: messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
      );
      if (messages.length === 0) break;
      for (const { Body: body = '', ReceiptHandle: handle } of messages) {
        bodies.push(body);
        await sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: handle }));
      }
    }
    for (const body of [...bodies, ...bodies]) {
      await sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: body }));
    }
    return bodies.length;
  }

  return {
    async count() {
      let count = 0;
      for (const url of urls) {
        const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
        const { Attributes: attributes } = await sqs.send(
          new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...names] }),
        );
        for (const name of names) count += Number(attributes?.[name]);
      }
      return count;
    },
    async double() {
      let count = 0;
      for (const url of urls) count += await doubleQueue(url);
      return count;
    },
    async purge() {
      for (const url of urls) await sqs.send(new PurgeQueueCommand({ QueueUrl: url }));
    },
    close: () => sqs.destroy(),
  };
}
