/** Items given to their function again, over HTTP: what Lambda and SQS are asked, and what their answers become. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { buildS3Event } from '../../../shared/aws/event-codec.ts';
import { createFunctionSink, createQueueSink } from '../../../shared/aws/refire.ts';
import { newEvent, type ItemEvent } from '../../../shared/engine/events.ts';

type Received = { path: string; headers: Record<string, unknown>; body: string };

let server: Server;
let received: Received[];
let answer: { status: number; headers?: Record<string, string>; body?: string };
let lambda: LambdaClient;
let sqs: SQSClient;
let queueUrl: string;

beforeEach(async () => {
  received = [];
  server = createServer((request, response) => {
    void text(request).then((body) => {
      received.push({ path: request.url ?? '', headers: request.headers, body });
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const config = { endpoint, region: 'us-east-1', credentials, maxAttempts: 1 };
  lambda = new LambdaClient(config);
  sqs = new SQSClient({ ...config, md5: false });
  queueUrl = `${endpoint}/000000000000/shops`;
});

afterEach(async () => {
  lambda.destroy();
  sqs.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const event: ItemEvent = { ...newEvent('shops/r/🏹 a.json', 5, { replays: 2, refires: 1 }), waitingSinceMs: 7 };

describe('by its function', () => {
  const send = (): Promise<void> => createFunctionSink(lambda, { functionName: 'fetchShops', bucket: 'b' }).send(event);

  test('an item is sent as an asynchronous event, as S3 would send it, with what is counted', async () => {
    answer = { status: 202 };
    await send();
    expect(received).toMatchObject([
      { path: '/2015-03-31/functions/fetchShops/invocations', headers: { 'x-amz-invocation-type': 'Event' } },
    ]);
    expect(JSON.parse(received[0]?.body ?? '')).toEqual(buildS3Event(event, 'b'));
  });

  test.each([
    ['throttled', 429, 'TooManyRequestsException', { name: 'TransientError' }],
    ['broken', 503, 'ServiceException', { name: 'TransientError' }],
    ['without the right', 403, 'AccessDeniedException', { name: 'AccessDeniedException' }],
    ['too large', 413, 'RequestTooLargeException', { name: 'RequestTooLargeException' }],
  ])('%s: an error that says whether a retry helps, and which function it was', async (_what, status, type, error) => {
    answer = { status, headers: { 'x-amzn-errortype': type }, body: JSON.stringify({ message: 'no' }) };
    await expect(send()).rejects.toMatchObject({ ...error, message: expect.stringContaining('[function=fetchShops]') });
  });

  test('that answered anything but 202 has not accepted it', async () => {
    answer = { status: 200, body: 'null' };
    await expect(send()).rejects.toMatchObject({ name: 'TransientError', code: 'NOT_ACCEPTED' });
  });
});

describe('by its trigger queue', () => {
  const send = (): Promise<void> => createQueueSink(sqs, { queueUrl, bucket: 'b' }).send(event);

  test('an item is sent as the message that S3 would send', async () => {
    answer = { status: 200, body: JSON.stringify({ MessageId: 'm' }) };
    await send();
    const { QueueUrl: url, MessageBody: body } = JSON.parse(received[0]?.body ?? '') as Record<string, string>;
    expect(url).toBe(queueUrl);
    expect(JSON.parse(body ?? '')).toEqual(buildS3Event(event, 'b'));
  });

  test.each([
    ['busy', 503, 'ServiceUnavailable', 'TransientError'],
    ['gone', 400, 'QueueDoesNotExist', 'QueueDoesNotExist'],
  ])(
    'that is %s: an error that says whether a retry helps, and which queue it was',
    async (_what, status, type, name) => {
      const headers = { 'content-type': 'application/x-amz-json-1.0' };
      answer = { status, headers, body: JSON.stringify({ __type: `com.amazonaws.sqs#${type}`, message: 'no' }) };
      await expect(send()).rejects.toMatchObject({ name, message: expect.stringContaining(`[queue=${queueUrl}]`) });
    },
  );
});
