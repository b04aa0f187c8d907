/** A queue's redrive policy, and the way back from its dead-letter queue, through the real client. */
import { describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  CancelMessageMoveTaskCommand,
  GetQueueAttributesCommand,
  ListMessageMoveTasksCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  StartMessageMoveTaskCommand,
  type Message,
} from '@aws-sdk/client-sqs';
import { folder } from './queue-engine.ts';
import { arnOf, serveSqs, type ServedSqs } from './sqs-service.ts';

const redrive = (maxReceiveCount: number) => ({
  RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arnOf('dead'), maxReceiveCount }),
});

const serve = (workAttributes = redrive(1) as Record<string, string>, dataDir?: string): Promise<ServedSqs> =>
  serveSqs({ dead: {}, other: {}, work: workAttributes }, dataDir);

async function receive({ client, url }: ServedSqs, name: string, visibilitySeconds = 0): Promise<Message[]> {
  const { Messages: messages = [] } = await client.send(
    new ReceiveMessageCommand({
      QueueUrl: url(name),
      MaxNumberOfMessages: 10,
      VisibilityTimeout: visibilitySeconds,
      MessageSystemAttributeNames: ['All'],
      MessageAttributeNames: ['All'],
    }),
  );
  return messages;
}

/** Received as often as it may be, and moved by the receive after that. */
async function deadLetter(world: ServedSqs, ...bodies: string[]): Promise<void> {
  for (const body of bodies) world.sqs.sendMessage(arnOf('work'), body);
  for (let moved = 0; moved < bodies.length; moved = world.sqs.depths()['dead']?.visible ?? 0) {
    await receive(world, 'work');
  }
}

async function lastTask({ client }: ServedSqs) {
  const { Results: results = [] } = await client.send(new ListMessageMoveTasksCommand({ SourceArn: arnOf('dead') }));
  return results[0];
}

const move = ({ client }: ServedSqs, more: { DestinationArn?: string; MaxNumberOfMessagesPerSecond?: number } = {}) =>
  client.send(new StartMessageMoveTaskCommand({ SourceArn: arnOf('dead'), ...more }));

const counts = (messages: Message[]) =>
  messages.map(({ Body: body, Attributes: attributes }) => `${body} ${attributes?.ApproximateReceiveCount}`);

describe('a redrive policy', () => {
  test('moves a message, as it is, on the receive that would be one too many', async () => {
    const world = await serve(redrive(2));
    const sent = await world.client.send(
      new SendMessageCommand({
        QueueUrl: world.url('work'),
        MessageBody: 'body',
        MessageAttributes: { reason: { DataType: 'String', StringValue: 'why' } },
      }),
    );
    expect(counts(await receive(world, 'work'))).toEqual(['body 1']);
    expect(counts(await receive(world, 'work'))).toEqual(['body 2']);
    expect(await receive(world, 'work')).toEqual([]);
    expect(world.sqs.depths()).toMatchObject({ work: { visible: 0, inFlight: 0 }, dead: { visible: 1 } });
    const [dead] = await receive(world, 'dead');
    expect(dead).toMatchObject({
      MessageId: sent.MessageId,
      Body: 'body',
      MessageAttributes: { reason: { StringValue: 'why' } },
      Attributes: { ApproximateReceiveCount: '3' },
    });
  });

  test('counts receives over a restart', async () => {
    const dataDir = folder();
    const first = await serve(redrive(2), dataDir);
    first.sqs.sendMessage(arnOf('work'), 'body');
    await receive(first, 'work');
    await receive(first, 'work');
    await first.sqs.stop();
    const second = await serve(redrive(2), dataDir);
    expect(await receive(second, 'work')).toEqual([]);
    expect(counts(await receive(second, 'dead'))).toEqual(['body 3']);
  });
});

describe('StartMessageMoveTask', () => {
  test('moves messages back to their queue as new ones', async () => {
    const world = await serve();
    await deadLetter(world, 'a', 'b');
    await move(world);
    expect(await lastTask(world)).toMatchObject({
      Status: 'COMPLETED',
      SourceArn: arnOf('dead'),
      ApproximateNumberOfMessagesMoved: 2,
      ApproximateNumberOfMessagesToMove: 2,
    });
    expect(counts(await receive(world, 'work')).sort()).toEqual(['a 1', 'b 1']);
    expect(world.sqs.depths()['dead']?.visible).toBe(0);
  });

  test('knows over a restart which queue a message came from', async () => {
    const dataDir = folder();
    const first = await serve(redrive(1), dataDir);
    await deadLetter(first, 'a');
    await first.sqs.stop();
    const second = await serve(redrive(1), dataDir);
    await move(second);
    expect(counts(await receive(second, 'work'))).toEqual(['a 1']);
    await second.sqs.stop();
    // The move was written down too.
    const third = await serve(redrive(1), dataDir);
    expect(third.sqs.depths()).toMatchObject({ work: { visible: 1 }, dead: { visible: 0 } });
  });

  test('moves more than a turn’s worth', async () => {
    const world = await serve();
    await deadLetter(world, ...Array.from({ length: 250 }, (_, at) => `m${at}`));
    await move(world);
    await world.sqs.moved();
    expect(world.sqs.depths()).toMatchObject({ work: { visible: 250 }, dead: { visible: 0 } });
  });

  test('moves to another queue when told to', async () => {
    const world = await serve();
    await deadLetter(world, 'a');
    world.sqs.sendMessage(arnOf('dead'), 'sent there');
    await move(world, { DestinationArn: arnOf('other') });
    expect(counts(await receive(world, 'other')).sort()).toEqual(['a 1', 'sent there 1']);
  });

  test('fails at a message that no redrive policy brought, and leaves it there', async () => {
    const world = await serve();
    await deadLetter(world, 'a');
    world.sqs.sendMessage(arnOf('dead'), 'sent there');
    await move(world);
    expect(await lastTask(world)).toMatchObject({
      Status: 'FAILED',
      FailureReason: 'CouldNotDetermineMessageSource',
      ApproximateNumberOfMessagesMoved: 1,
    });
    expect(counts(await receive(world, 'dead'))).toEqual(['sent there 1']);
  });

  test('runs one task a queue, at the rate it is given, until it is cancelled', async () => {
    const world = await serve();
    await deadLetter(world, 'a', 'b', 'c', 'd');
    const { TaskHandle: handle } = await move(world, { MaxNumberOfMessagesPerSecond: 1 });
    expect(await lastTask(world)).toMatchObject({
      Status: 'RUNNING',
      TaskHandle: handle,
      MaxNumberOfMessagesPerSecond: 1,
    });
    await expect(move(world)).rejects.toThrow('There is already a task running');
    const cancelled = await world.client.send(new CancelMessageMoveTaskCommand({ TaskHandle: handle }));
    expect(cancelled.ApproximateNumberOfMessagesMoved).toBe(1);
    expect((await lastTask(world))?.Status).toBe('CANCELLED');
    await world.sqs.moved();
    expect(world.sqs.depths()['dead']?.visible).toBe(3);
  });

  test('refuses a queue that is no dead-letter queue, and queues that are not there', async () => {
    const { client } = await serve();
    const start = (SourceArn: string, DestinationArn?: string) =>
      client.send(new StartMessageMoveTaskCommand({ SourceArn, DestinationArn }));
    await expect(start(arnOf('other'))).rejects.toThrow('Source queue must be configured as a Dead Letter Queue.');
    await expect(start(arnOf('missing'))).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    await expect(start(arnOf('dead'), arnOf('missing'))).rejects.toThrow('specified for the DestinationArn');
  });
});

describe('a queue', () => {
  test('holds a message back for its own delay, and forgets it after its retention, which is not prolonged', async () => {
    const dataDir = folder();
    const first = await serve({ MessageRetentionPeriod: '60' }, dataDir);
    await first.client.send(
      new SendMessageCommand({ QueueUrl: first.url('work'), MessageBody: 'old', DelaySeconds: 900 }),
    );
    expect(first.sqs.depths()['work']).toEqual({ visible: 0, inFlight: 0, delayed: 1 });
    first.sqs.endWaits(arnOf('work'));
    expect(counts(await receive(first, 'work'))).toEqual(['old 1']);
    await first.sqs.stop();
    const db = new DatabaseSync(join(dataDir, 'engine.sqlite'));
    db.exec('UPDATE sqs_messages SET sent_at_ms = sent_at_ms - 60000');
    db.close();
    const second = await serve({ MessageRetentionPeriod: '60' }, dataDir);
    second.sqs.sendMessage(arnOf('work'), 'young');
    expect(second.sqs.depths()['work']).toEqual({ visible: 1, inFlight: 0, delayed: 0 });
    expect(counts(await receive(second, 'work'))).toEqual(['young 1']);
  });

  test('follows its definition at a restart: what is not in it any more is as for a new queue', async () => {
    const dataDir = folder();
    const first = await serve({ ...redrive(1), VisibilityTimeout: '60' }, dataDir);
    await first.sqs.stop();
    const second = await serve({ DelaySeconds: '5' }, dataDir);
    const { Attributes: attributes } = await second.client.send(
      new GetQueueAttributesCommand({
        QueueUrl: second.url('work'),
        AttributeNames: ['VisibilityTimeout', 'DelaySeconds', 'RedrivePolicy'],
      }),
    );
    expect(attributes).toEqual({ VisibilityTimeout: '30', DelaySeconds: '5' });
  });
});
