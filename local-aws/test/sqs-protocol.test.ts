/** What the SDK sees of the local SQS: its checks, batches, waiting, and refusals. */
import { describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { request } from 'node:http';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSServiceException,
  type Message,
} from '@aws-sdk/client-sqs';
import { md5OfAttributes } from '../sqs/message-attributes.ts';
import { until } from './lambda-service.ts';
import { arnOf, serveSqs, type ServedSqs } from './sqs-service.ts';

async function serve(attributes: Record<string, string> = {}) {
  const served = await serveSqs({ work: attributes });
  return { ...served, work: { QueueUrl: served.url('work') } };
}
type World = Awaited<ReturnType<typeof serve>>;

async function receive(
  { client, work }: World,
  more: Partial<ReceiveMessageCommand['input']> = {},
): Promise<Message[]> {
  const { Messages: messages = [] } = await client.send(
    new ReceiveMessageCommand({ ...work, MaxNumberOfMessages: 10, ...more }),
  );
  return messages;
}

const send = ({ client, work }: World, MessageBody: string) =>
  client.send(new SendMessageCommand({ ...work, MessageBody }));

async function refusalOf(sent: Promise<unknown>): Promise<{ name: string; message: string } | undefined> {
  try {
    await sent;
  } catch (error) {
    if (error instanceof SQSServiceException) return { name: error.name, message: error.message };
    throw error;
  }
  return undefined;
}

describe('a message', () => {
  test('has the MD5s that SDKs check', async () => {
    const world = await serve();
    const sent = await world.client.send(
      new SendMessageCommand({
        ...world.work,
        MessageBody: 'This is a test message',
        MessageAttributes: {
          test_attribute_name_1: { DataType: 'String', StringValue: 'test_attribute_value_1' },
          size: { DataType: 'Number.int', StringValue: '7' },
          raw: { DataType: 'Binary', BinaryValue: Buffer.from([0, 255]) },
        },
      }),
    );
    expect(sent.MD5OfMessageBody).toBe('fafb00f5732ab283681e124bf8747ed1');
    const [message] = await receive(world, { MessageAttributeNames: ['All'] });
    expect(message).toMatchObject({
      MD5OfBody: sent.MD5OfMessageBody,
      MD5OfMessageAttributes: sent.MD5OfMessageAttributes,
    });
    expect(message?.MessageAttributes?.['raw']?.BinaryValue).toEqual(new Uint8Array([0, 255]));
    // Computed by another program, from the documented algorithm.
    const binary = { DataType: 'Binary', BinaryValue: Buffer.from([0, 255]).toString('base64') };
    const both = { size: { DataType: 'Number.int', StringValue: '7' }, raw: binary };
    expect(md5OfAttributes(both)).toBe('7f5993f36273e5f26973aaf55b4bb17b');
  });

  test('is given the attributes that were asked for, by name or by prefix', async () => {
    const world = await serve();
    const attribute = { DataType: 'String', StringValue: 'x' };
    await world.client.send(
      new SendMessageCommand({
        ...world.work,
        MessageBody: 'body',
        MessageGroupId: 'group',
        MessageAttributes: { 'app.one': attribute, 'app.two': attribute, other: attribute },
      }),
    );
    const again = { VisibilityTimeout: 0 };
    const namesOf = async (names: string[]) =>
      Object.keys((await receive(world, { ...again, MessageAttributeNames: names }))[0]?.MessageAttributes ?? {});
    expect(await namesOf([])).toEqual([]);
    expect(await namesOf(['other'])).toEqual(['other']);
    expect(await namesOf(['app.*'])).toEqual(['app.one', 'app.two']);
    const [message] = await receive(world, {
      MessageSystemAttributeNames: ['ApproximateReceiveCount', 'MessageGroupId'],
    });
    expect(message?.Attributes).toEqual({ ApproximateReceiveCount: '4', MessageGroupId: 'group' });
  });

  test.each([
    ['an empty body', { MessageBody: '' }, /MessageBody/],
    ['a control character', { MessageBody: 'a\u0001' }, /Invalid characters/],
    ['more than its queue takes', { MessageBody: 'x'.repeat(1_048_577) }, /shorter than 1048576 bytes/],
    ['a delay of more than 15 minutes', { MessageBody: 'a', DelaySeconds: 901 }, /between 0 and 900/],
    [
      'an attribute without a value',
      { MessageBody: 'a', MessageAttributes: { a: { DataType: 'String', StringValue: '' } } },
      /non-empty/,
    ],
    [
      'an attribute of an unknown type',
      { MessageBody: 'a', MessageAttributes: { a: { DataType: 'Date', StringValue: '1' } } },
      /type/,
    ],
    ['a deduplication id', { MessageBody: 'a', MessageDeduplicationId: '1' }, /MessageDeduplicationId/],
  ])('with %s is refused', async (_, message, reason) => {
    const { client, work, sqs } = await serve();
    expect((await refusalOf(client.send(new SendMessageCommand({ ...work, ...message }))))?.message).toMatch(reason);
    expect(sqs.depths()['work']?.visible).toBe(0);
  });
});

describe('a batch', () => {
  test('does what can be done and names the rest', async () => {
    const world = await serve();
    const sent = await world.client.send(
      new SendMessageBatchCommand({
        ...world.work,
        Entries: [
          { Id: 'good', MessageBody: 'a' },
          { Id: 'bad', MessageBody: 'a\u0001' },
        ],
      }),
    );
    expect(sent.Successful?.map(({ Id: id }) => id)).toEqual(['good']);
    expect(sent.Failed).toMatchObject([{ Id: 'bad', SenderFault: true, Code: 'InvalidMessageContents' }]);
    const [message] = await receive(world);
    const deleted = await world.client.send(
      new DeleteMessageBatchCommand({
        ...world.work,
        Entries: [
          { Id: 'good', ReceiptHandle: message?.ReceiptHandle },
          { Id: 'bad', ReceiptHandle: 'none' },
        ],
      }),
    );
    expect(deleted.Failed).toMatchObject([{ Id: 'bad', Code: 'ReceiptHandleIsInvalid' }]);
    expect(world.sqs.depths()['work']).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
  });

  test.each([
    ['no entries', 0, {}, 'EmptyBatchRequest'],
    ['eleven entries', 11, {}, 'TooManyEntriesInBatchRequest'],
    ['two entries of one id', 2, { Id: 'same' }, 'BatchEntryIdsNotDistinct'],
    ['an id with a blank', 1, { Id: 'a b' }, 'InvalidBatchEntryId'],
    ['more bytes than one message may have', 2, { MessageBody: 'x'.repeat(600_000) }, 'BatchRequestTooLong'],
  ])('of %s is refused whole', async (_, count, more, name) => {
    const { client, work } = await serve();
    const Entries = Array.from({ length: count }, (_unused, at) => ({ Id: `e${at}`, MessageBody: 'x', ...more }));
    expect((await refusalOf(client.send(new SendMessageBatchCommand({ ...work, Entries }))))?.name).toBe(name);
  });
});

describe('a receive', () => {
  test('that waits gets a message as soon as it is sent', async () => {
    const world = await serve();
    const received = receive(world, { WaitTimeSeconds: 20 });
    await send(world, 'late');
    expect((await received).map(({ Body: body }) => body)).toEqual(['late']);
  });

  test('that waits gets a message whose visibility ends meanwhile', async () => {
    const world = await serve();
    await send(world, 'again');
    await receive(world, { VisibilityTimeout: 1 });
    expect((await receive(world, { WaitTimeSeconds: 20 })).map(({ Body: body }) => body)).toEqual(['again']);
  });

  test('whose client is gone takes no message', async () => {
    const world = await serve();
    const waiting = request(world.endpoint.url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.ReceiveMessage' },
    });
    waiting.on('error', () => undefined);
    waiting.end(JSON.stringify({ ...world.work, WaitTimeSeconds: 20 }));
    await once(waiting, 'finish');
    await world.client.send(new GetQueueUrlCommand({ QueueName: 'work' }));
    waiting.destroy();
    // Counted when it is over.
    await until(() => world.endpoint.counts().people.sqs?.['ReceiveMessage'] === 1);
    await send(world, 'kept');
    expect((await receive(world)).map(({ Body: body }) => body)).toEqual(['kept']);
  });

  test('is answered when the service stops', async () => {
    const world = await serve({ ReceiveMessageWaitTimeSeconds: '20' });
    const waiting = receive(world);
    await send(world, 'x');
    await waiting;
    const second = receive(world);
    await world.client.send(new GetQueueUrlCommand({ QueueName: 'work' }));
    await world.sqs.stop();
    expect(await second).toEqual([]);
  });
});

test('a handle is good until the message is received again', async () => {
  const world = await serve();
  await send(world, 'x');
  const [first] = await receive(world, { VisibilityTimeout: 0 });
  const change = (ReceiptHandle = '', VisibilityTimeout = 5) =>
    refusalOf(
      world.client.send(new ChangeMessageVisibilityCommand({ ...world.work, ReceiptHandle, VisibilityTimeout })),
    );
  expect(await change(first?.ReceiptHandle)).toMatchObject({ name: 'MessageNotInflight' });
  const [second] = await receive(world);
  expect(await change(first?.ReceiptHandle)).toMatchObject({ message: expect.stringContaining('does not exist') });
  expect(await change(second?.ReceiptHandle)).toBeUndefined();
  await world.client.send(new DeleteMessageCommand({ ...world.work, ReceiptHandle: first?.ReceiptHandle }));
  expect(world.sqs.depths()['work']?.inFlight).toBe(1);
  expect(await change('none')).toMatchObject({ name: 'ReceiptHandleIsInvalid' });
});

test('after the clock is set back a message in flight becomes visible in its time', async () => {
  const world = await serve();
  await send(world, 'x');
  await receive(world, { VisibilityTimeout: 1 });
  const { now } = Date;
  Date.now = () => now() - 3_600_000;
  try {
    expect((await receive(world, { WaitTimeSeconds: 20 })).map(({ Body: body }) => body)).toEqual(['x']);
  } finally {
    Date.now = now;
  }
});

describe('a queue', () => {
  const create = ({ client }: ServedSqs, QueueName: string, Attributes: Record<string, string> = {}) =>
    client.send(new CreateQueueCommand({ QueueName, Attributes }));

  test('is created once, listed, told apart from another of its name, emptied and deleted', async () => {
    const world = await serve();
    const { QueueUrl } = await create(world, 'more', { VisibilityTimeout: '60' });
    expect((await create(world, 'more', { VisibilityTimeout: '60' })).QueueUrl).toBe(QueueUrl);
    expect((await refusalOf(create(world, 'more', { VisibilityTimeout: '61' })))?.name).toBe('QueueNameExists');
    expect((await world.client.send(new ListQueuesCommand({}))).QueueUrls).toEqual([QueueUrl, world.url('work')]);
    const first = await world.client.send(new ListQueuesCommand({ MaxResults: 1 }));
    expect(first).toMatchObject({ QueueUrls: [QueueUrl], NextToken: expect.any(String) });
    const second = await world.client.send(new ListQueuesCommand({ MaxResults: 1, NextToken: first.NextToken }));
    expect(second).toMatchObject({ QueueUrls: [world.url('work')] });
    expect(second.NextToken).toBeUndefined();

    await send(world, 'x');
    await world.client.send(new PurgeQueueCommand(world.work));
    expect(world.sqs.depths()['work']).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
    await world.client.send(new DeleteQueueCommand({ QueueUrl }));
    expect((await refusalOf(world.client.send(new PurgeQueueCommand({ QueueUrl }))))?.name).toBe('QueueDoesNotExist');
  });

  test('tells which queues it is the dead-letter queue of, until they are changed', async () => {
    const world = await serve({
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arnOf('dead'), maxReceiveCount: 3 }),
    });
    const { QueueUrl } = await create(world, 'dead');
    const sources = async () =>
      (await world.client.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl }))).queueUrls;
    expect(await sources()).toEqual([world.url('work')]);
    await world.client.send(new SetQueueAttributesCommand({ ...world.work, Attributes: { RedrivePolicy: '' } }));
    expect(await sources()).toEqual([]);
    const answer = await world.client.send(new GetQueueAttributesCommand({ ...world.work, AttributeNames: ['All'] }));
    expect(answer.Attributes).not.toHaveProperty('RedrivePolicy');
  });

  test.each([
    ['a FIFO queue', 'orders.fifo', {}, 'UnsupportedOperation'],
    ['a FIFO attribute', 'orders', { FifoQueue: 'true' }, 'UnsupportedOperation'],
    ['a name with a blank', 'or ders', {}, 'InvalidParameterValue'],
    ['an unknown attribute', 'orders', { Colour: 'red' }, 'InvalidAttributeName'],
    ['a visibility of more than 12 hours', 'orders', { VisibilityTimeout: '43201' }, 'InvalidAttributeValue'],
    ['a redrive policy that is no JSON', 'orders', { RedrivePolicy: '{' }, 'InvalidAttributeValue'],
    [
      'a redrive policy without a count',
      'orders',
      { RedrivePolicy: '{"deadLetterTargetArn":"x"}' },
      'InvalidAttributeValue',
    ],
  ])('that is %s is refused', async (_, name, attributes, code) => {
    const refused = await refusalOf(create(await serve(), name, attributes));
    expect([code, `${code}Exception`]).toContain(refused?.name);
  });

  test('has no tags: what is not there is refused by its name', async () => {
    const { client, work } = await serve();
    expect(await refusalOf(client.send(new ListQueueTagsCommand(work)))).toMatchObject({
      name: 'UnsupportedOperation',
      message: 'The local SQS has no ListQueueTags.',
    });
  });
});
