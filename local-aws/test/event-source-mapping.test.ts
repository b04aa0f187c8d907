/** A queue that Lambda polls: batches, what a function's answer does to its messages, and how many run at once. */
import { describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ChangeMessageVisibilityCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { batchesOf, reportedFailures } from '../lambda/sqs-batch.ts';
import type { LocalAws } from '../local-aws.ts';
import { batches, cleanUp, makePackage, queueArn, quick, send, sqsClient, start, told } from './queue-engine.ts';
import { startGate, until } from './lambda-service.ts';

const empty = { visible: 0, inFlight: 0, delayed: 0 };

/** Once that many batches have run: what they left on the queue is visible again. */
async function endWaitsAfter({ lambda, sqs }: LocalAws, invocations: number): Promise<void> {
  await until(() => lambda.stats().invocations === invocations);
  sqs.endWaits(queueArn);
}

describe('an event source mapping', () => {
  test('gives the function a message as SQS tells it, and deletes it', async () => {
    const { packageDir, notesFile } = makePackage();
    const engine = await start({ packageDir });
    const { MessageId: messageId } = await sqsClient(engine.endpoint).send(
      new SendMessageCommand({
        QueueUrl: engine.queues[0]?.url,
        MessageBody: 'horse 🐎',
        MessageAttributes: { reason: { DataType: 'String', StringValue: 'why' } },
      }),
    );
    await engine.idle();
    expect(batches(notesFile)).toEqual([
      [
        {
          messageId,
          receiptHandle: expect.any(String),
          body: 'horse 🐎',
          attributes: {
            ApproximateReceiveCount: '1',
            SentTimestamp: expect.stringMatching(/^\d{13}$/),
            SenderId: '000000000000',
            ApproximateFirstReceiveTimestamp: expect.stringMatching(/^\d{13}$/),
          },
          messageAttributes: {
            reason: { stringValue: 'why', stringListValues: [], binaryListValues: [], dataType: 'String' },
          },
          md5OfBody: expect.stringMatching(/^[0-9a-f]{32}$/),
          md5OfMessageAttributes: expect.stringMatching(/^[0-9a-f]{32}$/),
          eventSource: 'aws:sqs',
          eventSourceARN: queueArn,
          awsRegion: 'us-east-1',
        },
      ],
    ]);
    expect(engine.sqs.depths()['work']).toEqual(empty);
    expect(engine.counts().functions.sqs).toEqual({ ReceiveMessage: 1, DeleteMessageBatch: 1 });
    expect(engine.lambda.stats()).toMatchObject({ invocations: 1, asyncInvocations: 0, errors: 0, retries: 0 });
  });

  test('takes ten messages a batch unless it is told otherwise', async () => {
    const { packageDir, notesFile } = makePackage();
    const engine = await start({ packageDir });
    send(engine, ...Array.from({ length: 25 }, (_, at) => `m${at}`));
    await engine.idle();
    const sizes = batches(notesFile).map(({ length }) => length);
    expect(sizes.sort((a, b) => b - a)).toEqual([10, 10, 5]);
    expect(new Set(told(notesFile).flat()).size).toBe(25);
  });

  test('gathers a batch for its window, over several receives', async () => {
    const mapping = { BatchSize: 15, MaximumBatchingWindowInSeconds: 300 };
    const { packageDir, notesFile } = makePackage({ mapping });
    const engine = await start({ packageDir });
    send(engine, ...Array.from({ length: 17 }, (_, at) => `m${at}`));
    await engine.idle();
    // Two environments, of which either may be the first to note.
    const sizes = batches(notesFile).map(({ length }) => length);
    expect(sizes.sort((a, b) => b - a)).toEqual([15, 2]);
    expect(engine.counts().functions.sqs).toEqual({ ReceiveMessage: 3, DeleteMessageBatch: 3 });
  });

  test('keeps only what is reported as failed, and it goes to the dead-letter queue after its last receive', async () => {
    const { packageDir, notesFile } = makePackage();
    const engine = await start({ packageDir });
    send(engine, 'fine', 'fail', 'once');
    await endWaitsAfter(engine, 1);
    await endWaitsAfter(engine, 2);
    await engine.idle();
    const [first, ...later] = told(notesFile);
    expect(first).toEqual(['fine 1', 'fail 1', 'once 1']);
    expect(later.flat().sort()).toEqual(['fail 2', 'once 2']);
    expect(engine.sqs.depths()).toEqual({ work: empty, dead: { ...empty, visible: 1 } });
    expect(engine.lambda.stats().retries).toBe(2);
    const dead = await sqsClient(engine.endpoint).send(
      new ReceiveMessageCommand({ QueueUrl: engine.queues[1]?.url, MessageSystemAttributeNames: ['All'] }),
    );
    expect(dead.Messages?.map(({ Body: body }) => body)).toEqual(['fail']);
    // Twice by the function, and by us.
    expect(dead.Messages?.[0]?.Attributes?.ApproximateReceiveCount).toBe('3');
  });

  test('retries the whole batch of a function that fails', async () => {
    const { packageDir, notesFile } = makePackage();
    const engine = await start({ packageDir });
    send(engine, 'fine', 'throw');
    await endWaitsAfter(engine, 1);
    await endWaitsAfter(engine, 2);
    await engine.idle();
    expect(told(notesFile).flat().sort()).toEqual(['fine 1', 'fine 2', 'throw 1', 'throw 2']);
    expect(engine.sqs.depths()['dead']?.visible).toBe(2);
  });

  test('without ReportBatchItemFailures deletes the batch whatever the function answers', async () => {
    const { packageDir } = makePackage({ mapping: { FunctionResponseTypes: [] } });
    const engine = await start({ packageDir });
    send(engine, 'fine', 'fail');
    await engine.idle();
    expect(engine.sqs.depths()).toEqual({ work: empty, dead: empty });
  });

  test('gets a message again when its visibility is changed, without waiting for the timeout', async () => {
    const { packageDir, notesFile } = makePackage();
    const engine = await start({ packageDir });
    send(engine, 'once');
    await until(() => engine.lambda.stats().invocations === 1);
    await sqsClient(engine.endpoint).send(
      new ChangeMessageVisibilityCommand({
        QueueUrl: engine.queues[0]?.url,
        ReceiptHandle: batches(notesFile)[0]?.[0]?.receiptHandle,
        VisibilityTimeout: 0,
      }),
    );
    await engine.idle();
    expect(told(notesFile)).toEqual([['once 1'], ['once 2']]);
  });

  test('gets a delayed message when its delay is over', async () => {
    const { packageDir, notesFile } = makePackage({ queue: { DelaySeconds: 900 } });
    const engine = await start({ packageDir });
    send(engine, 'late');
    expect(engine.sqs.depths()['work']).toEqual({ ...empty, delayed: 1 });
    engine.sqs.endWaits(queueArn);
    await engine.idle();
    expect(told(notesFile)).toEqual([['late 1']]);
  });

  test('runs no more than its maximum at once, and leaves the rest on the queue', async () => {
    const gate = await startGate();
    const mapping = { BatchSize: 1, ScalingConfig: { MaximumConcurrency: 2 } };
    const { packageDir } = makePackage({ mapping });
    const engine = await start({ packageDir, maxEnvironments: 4 });
    send(engine, ...Array.from({ length: 6 }, () => `visit ${gate.url}`));
    for (let left = 4; left >= 0; left -= 1) {
      await gate.reached(2);
      expect(engine.sqs.depths()['work']).toEqual({ visible: left, inFlight: 2, delayed: 0 });
      expect(engine.lambda.stats().byFunction['work']).toMatchObject({ running: 2, queued: 0 });
      if (left > 0) gate.letOneGo();
      await until(() => left === 0 || engine.sqs.depths()['work']?.visible === left - 1);
    }
    gate.open();
    await engine.idle();
    expect(engine.lambda.stats()).toMatchObject({ invocations: 6, throttles: 0 });
  });

  test('keeps a throttled batch and retries it until the function has room', async () => {
    const gate = await startGate();
    const { packageDir, notesFile } = makePackage({ work: { ReservedConcurrentExecutions: 1 } });
    const engine = await start({ packageDir });
    const call = engine.lambda.invoke('work', JSON.stringify({ url: gate.url }));
    await gate.reached(1);
    send(engine, 'patient');
    await until(() => engine.lambda.stats().throttles > 1);
    gate.open();
    await call;
    await engine.idle();
    expect(told(notesFile)).toEqual([['patient 1']]);
  });

  test('lets a batch go that was throttled for all its visibility, which counts as a receive', async () => {
    const { packageDir } = makePackage({ ...quick(1), work: { Timeout: 1, ReservedConcurrentExecutions: 0 } });
    const engine = await start({ packageDir });
    send(engine, 'never');
    await engine.idle();
    expect(engine.lambda.stats().invocations).toBe(0);
    expect(engine.sqs.depths()).toEqual({ work: empty, dead: { ...empty, visible: 1 } });
  });

  test('that is not enabled does nothing, and its queue is not waited for', async () => {
    const { packageDir } = makePackage({ mapping: { Enabled: false } });
    const engine = await start({ packageDir });
    send(engine, 'waiting');
    await engine.idle();
    expect(engine.sqs.depths()['work']).toEqual({ ...empty, visible: 1 });
  });

  test('stops with its messages in flight, and a next start takes them up when they are visible again', async () => {
    const { packageDir, notesFile } = makePackage();
    const dataDir = join(packageDir, 'data');
    const gate = await startGate();
    const first = await start({ packageDir, dataDir });
    send(first, `visit ${gate.url}`);
    await gate.reached(1);
    await first.stop();
    gate.open();
    const second = await start({ packageDir, dataDir });
    second.sqs.endWaits(queueArn);
    await second.idle();
    expect(told(notesFile).flat()).toEqual([`visit ${gate.url} 1`, `visit ${gate.url} 2`]);
    expect(second.sqs.depths()).toEqual({ work: empty, dead: empty });
  });

  test('finds what was in flight when the process was killed, with its receives counted', async () => {
    const { packageDir, notesFile } = makePackage();
    const dataDir = join(packageDir, 'data');
    const engineFile = JSON.stringify(join(import.meta.dirname, '../index.ts'));
    const script = `import { startLocalAws } from ${engineFile};
      const engine = await startLocalAws(${JSON.stringify(packageDir)}, ${JSON.stringify({ dataDir })});
      engine.sqs.sendMessage('${queueArn}', 'kill');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
    cleanUp(() => void child.kill('SIGKILL'));
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    const engine = await start({ packageDir, dataDir });
    engine.sqs.endWaits(queueArn);
    await engine.idle();
    expect(told(notesFile)).toEqual([['kill 1'], ['kill 2']]);
    expect(engine.sqs.depths()).toEqual({ work: empty, dead: empty });
  });
});

describe('a function’s answer about its batch', () => {
  const ids = new Set(['a', 'b']);
  const failing = (...identifiers: unknown[]) => ({
    batchItemFailures: identifiers.map((itemIdentifier) => ({ itemIdentifier })),
  });

  test.each([
    ['null', null, []],
    ['an empty object', {}, []],
    ['an empty list', failing(), []],
    ['no list', { batchItemFailures: null }, []],
    ['an id', failing('b'), ['b']],
    ['all ids', failing('a', 'b'), ['a', 'b']],
  ])('%s: what it lists has failed', (_, answer, failed) => {
    expect(reportedFailures(JSON.stringify(answer), ids)).toEqual(new Set(failed));
  });

  test.each([
    ['an unknown id', failing('a', 'c')],
    ['an empty id', failing('')],
    ['an id that is null', failing(null)],
    ['an item with another key', { batchItemFailures: [{ id: 'a' }] }],
    ['an item that is null', { batchItemFailures: [null] }],
    ['something else than a list', { batchItemFailures: 'a' }],
    ['a text', 'ok'],
    ['a list', ['a']],
  ])('%s: the whole batch has failed', (_, answer) => {
    expect(reportedFailures(JSON.stringify(answer), ids)).toBeUndefined();
  });
});

test('messages that 6 MB can not hold together are given to the function one batch after the other', () => {
  const messages = Array.from({ length: 8 }, (_, at) => ({
    receiptHandle: `r${at}`,
    messageId: `m${at}`,
    body: 'x'.repeat(1_000_000),
    attributes: {},
    groupId: undefined,
    sentAtMs: 1,
    receives: 1,
    firstReceivedAtMs: 1,
    deadLetterSourceArn: undefined,
  }));
  const made = batchesOf(messages, queueArn);
  expect(made.map(({ messages: inBatch }) => inBatch.length)).toEqual([6, 2]);
  for (const { payload } of made) expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(6_291_456);
  expect((JSON.parse(made[1]?.payload ?? '') as { Records: unknown[] }).Records).toMatchObject([
    { messageId: 'm6' },
    { messageId: 'm7' },
  ]);
});
