/** The local SQS through its real client, over HTTP, as the engine serves it. */
import { describe, expect, test } from '@jest/globals';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { folder } from './queue-engine.ts';
import { arnOf, serveSqs } from './sqs-service.ts';

const name = 'dead-letters';
const arn = arnOf(name);

async function serve(dataDir?: string) {
  const { url, ...served } = await serveSqs({ [name]: { MessageRetentionPeriod: '1209600' } }, dataDir);
  return { ...served, url: url(name) };
}

describe('the local SQS', () => {
  test('answers the SDK with queue URLs of the one endpoint, and counts its requests', async () => {
    const { client, endpoint, sqs, url } = await serve();
    expect((await client.send(new GetQueueUrlCommand({ QueueName: 'dead-letters' }))).QueueUrl).toBe(url);
    await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: 'hello' }));
    const { Messages: messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl: url }));
    expect(messages[0]?.Body).toBe('hello');
    expect(sqs.depths()).toEqual({ 'dead-letters': { visible: 0, inFlight: 1, delayed: 0 } });
    await client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: messages[0]?.ReceiptHandle }));
    expect(sqs.depths()).toEqual({ 'dead-letters': { visible: 0, inFlight: 0, delayed: 0 } });
    const wanted = ['QueueArn', 'MessageRetentionPeriod'] as const;
    const answer = await client.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...wanted] }));
    expect(answer.Attributes).toEqual({ QueueArn: arn, MessageRetentionPeriod: '1209600' });
    expect(endpoint.counts()).toEqual({
      functions: {},
      people: {
        sqs: { GetQueueUrl: 1, SendMessage: 1, ReceiveMessage: 1, DeleteMessage: 1, GetQueueAttributes: 1 },
      },
    });
  });

  test('takes a message with characters above U+FFFF, as SQS does', async () => {
    const { client, url } = await serve();
    await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: 'horse 🐎 not found' }));
    const { Messages: messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl: url }));
    expect(messages[0]?.Body).toBe('horse 🐎 not found');
  });

  test('sends in-process, with attributes, and refuses an unknown queue or a message that is too large', async () => {
    const { client, sqs, url } = await serve();
    sqs.sendMessage(arn, '{}', { ErrorCode: { DataType: 'Number', StringValue: '200' } });
    const received = await client.send(
      new ReceiveMessageCommand({ QueueUrl: url, MessageAttributeNames: ['All'], MaxNumberOfMessages: 10 }),
    );
    expect(received.Messages?.map((message) => message.MessageAttributes?.['ErrorCode']?.StringValue)).toEqual(['200']);
    expect(() => sqs.sendMessage(`${arn}-not`, '{}')).toThrow('There is no queue');
    expect(() => sqs.sendMessage(arn, 'x'.repeat(1_048_577))).toThrow('shorter than 1048576 bytes');
  });

  test('keeps its messages on disk, also those made visible again, and moves to another port', async () => {
    const dataDir = folder();
    const first = await serve(dataDir);
    first.sqs.sendMessage(arn, 'kept');
    const { Messages: messages = [] } = await first.client.send(new ReceiveMessageCommand({ QueueUrl: first.url }));
    await first.client.send(
      new ChangeMessageVisibilityCommand({
        QueueUrl: first.url,
        ReceiptHandle: messages[0]?.ReceiptHandle,
        VisibilityTimeout: 0,
      }),
    );
    expect(first.sqs.depths()['dead-letters']).toEqual({ visible: 1, inFlight: 0, delayed: 0 });
    await first.sqs.stop();

    const second = await serve(dataDir);
    expect(second.url).not.toBe(first.url);
    const { QueueUrl: url } = await second.client.send(new GetQueueUrlCommand({ QueueName: 'dead-letters' }));
    expect(url).toBe(second.url);
    const again = await second.client.send(new ReceiveMessageCommand({ QueueUrl: url }));
    expect(again.Messages?.map((message) => message.Body)).toEqual(['kept']);
  });

  test('a request of the query protocol is refused, not taken for something else', async () => {
    const { endpoint } = await serve();
    const response = await fetch(endpoint.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: 'AWS4-HMAC-SHA256 Credential=me/20261120/us-east-1/sqs/aws4_request, SignedHeaders=, Signature=',
      },
      body: 'Action=ListQueues&Version=2012-11-05',
    });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('query protocol');
  });
});
