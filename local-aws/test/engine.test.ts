/** The engine on a small hand-made package: how its parts work together. Whole runs of the real one are in test/engine. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { peoplesCredentials } from '../account.ts';
import { startLocalAws } from '../engine.ts';
import type { LocalAws, LocalAwsOptions } from '../local-aws.ts';
import { almightyRole } from './almighty-role.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'local-aws-engine-'));
  closing.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Copies `in/x.json` to `out/x.json` with what it was told, through the endpoint; a body `fail` makes it throw. */
const handler = `
const url = process.env.AWS_ENDPOINT_URL;
const headers = { authorization: 'AWS4-HMAC-SHA256 Credential=' + process.env.AWS_ACCESS_KEY_ID + '/20261120/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0' };
export const handler = async (event, context) => {
  if (!event.Records) return { greeting: process.env.GREETING, scale: process.env.LAMBDA_TIME_SCALE };
  for (const { s3 } of event.Records) {
    const key = decodeURIComponent(s3.object.key.replaceAll('+', ' '));
    const path = (key) => url + '/' + s3.bucket.name + '/' + key.split('/').map(encodeURIComponent).join('/');
    const body = await (await fetch(path(key), { headers })).text();
    if (body === 'fail') throw new Error('told to');
    console.log(JSON.stringify({ key }));
    const told = JSON.stringify({ body, eTag: s3.object.eTag, request: context.awsRequestId });
    await fetch(path(key.replace('in/', 'out/')), { method: 'PUT', body: told, headers });
  }
};`;

type Change = { noPermission?: boolean };

function makePackage({ noPermission = false }: Change = {}): string {
  const dir = folder();
  mkdirSync(join(dir, 'code', 'copy'), { recursive: true });
  writeFileSync(join(dir, 'code', 'copy', 'index.mjs'), handler);
  const filter = {
    S3Key: {
      Rules: [
        { Name: 'prefix', Value: 'in/' },
        { Name: 'suffix', Value: '.json' },
      ],
    },
  };
  const event = 's3:ObjectCreated:*';
  const arn = (name: string) => ({ 'Fn::GetAtt': [name, 'Arn'] });
  const resources = {
    Bucket: {
      Type: 'AWS::S3::Bucket',
      Properties: {
        BucketName: 'bucket',
        NotificationConfiguration: {
          LambdaConfigurations: [{ Event: event, Function: arn('Copy'), Filter: filter }],
        },
      },
    },
    Dead: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'dead' } },
    Copy: {
      Type: 'AWS::Lambda::Function',
      Properties: {
        FunctionName: 'copy',
        Runtime: 'nodejs24.x',
        Handler: 'index.handler',
        Timeout: 10,
        Role: arn('Role'),
        Environment: { Variables: { GREETING: 'hello' } },
        Code: { S3Key: 'x/copy.zip' },
      },
    },
    Role: almightyRole,
    ...(!noPermission && {
      MayCopy: {
        Type: 'AWS::Lambda::Permission',
        Properties: {
          FunctionName: { Ref: 'Copy' },
          Action: 'lambda:InvokeFunction',
          Principal: 's3.amazonaws.com',
          SourceArn: arn('Bucket'),
        },
      },
    }),
    CopyAsync: {
      Type: 'AWS::Lambda::EventInvokeConfig',
      Properties: {
        FunctionName: { Ref: 'Copy' },
        MaximumRetryAttempts: 1,
        DestinationConfig: { OnFailure: { Destination: arn('Dead') } },
      },
    },
  };
  writeFileSync(join(dir, 'cloudformation-template-update-stack.json'), JSON.stringify({ Resources: resources }));
  return dir;
}

async function start({
  packageDir = makePackage(),
  ...options
}: LocalAwsOptions & { packageDir?: string } = {}): Promise<LocalAws> {
  const engine = await startLocalAws(packageDir, { timeScale: 10_000, maxEnvironments: 2, ...options });
  closing.push(() => engine.stop());
  return engine;
}

function clientsOf(engine: LocalAws) {
  const settings = { endpoint: engine.endpoint, region: 'us-east-1', credentials: peoplesCredentials };
  const clients = { s3: new S3Client(settings), lambda: new LambdaClient(settings), sqs: new SQSClient(settings) };
  closing.push(() => {
    for (const client of Object.values(clients)) client.destroy();
  });
  return clients;
}

const put = (s3: S3Client, key: string, body: string) =>
  s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: key, Body: body }));

const keysOf = (engine: LocalAws, prefix: string): string[] =>
  engine.s3.list('bucket', { prefix }).contents.map(({ key }) => key);

describe('the engine', () => {
  test('starts the function that a bucket’s rule names, with the key as it was, and counts requests by caller', async () => {
    const engine = await start();
    const { s3 } = clientsOf(engine);
    await put(s3, 'in/a b+c%ü.json', 'hello');
    await put(s3, 'in/other.txt', 'not for the rule');
    await engine.idle();
    expect(keysOf(engine, 'out/')).toEqual(['out/a b+c%ü.json']);
    const copied = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'out/a b+c%ü.json' }));
    expect(JSON.parse((await copied.Body?.transformToString()) ?? '')).toMatchObject({
      body: 'hello',
      eTag: '5d41402abc4b2a76b9719d911017c592',
    });
    expect(engine.counts()).toEqual({
      functions: { s3: { GetObject: 1, PutObject: 1 } },
      people: { s3: { PutObject: 2, GetObject: 1 } },
    });
    expect(engine.lambda.stats().invocations).toBe(1);
  });

  test('brings what fails to its queue, and counts that as the function’s request', async () => {
    const engine = await start();
    const { s3, sqs } = clientsOf(engine);
    await put(s3, 'in/bad.json', 'fail');
    await engine.idle();
    expect(engine.lambda.stats()).toMatchObject({ invocations: 2, retries: 1, deadLetters: 1 });
    expect(engine.sqs.depths()).toEqual({ dead: { visible: 1, inFlight: 0, delayed: 0 } });
    const answer = await sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl: engine.queues[0]?.url,
        AttributeNames: ['ApproximateNumberOfMessages'],
      }),
    );
    expect(answer.Attributes).toEqual({ ApproximateNumberOfMessages: '1' });
    expect(engine.counts().functions.sqs).toEqual({ SendMessage: 1 });
  });

  test('answers Lambda’s client on the same endpoint, the environment being the template’s and the engine’s', async () => {
    const engine = await start({ environment: { GREETING: 'overridden' } });
    const { lambda } = clientsOf(engine);
    const answer = await lambda.send(new InvokeCommand({ FunctionName: 'copy', Payload: '{}' }));
    expect(JSON.parse(answer.Payload?.transformToString() ?? '')).toEqual({ greeting: 'overridden', scale: '10000' });
  });

  test('delivers each event twice and out of order when told to, and waits for them', async () => {
    const engine = await start({
      notificationFaults: { copies: 2, shuffleSeed: 3, drop: (key) => key === 'in/5.json' },
    });
    for (let at = 0; at < 10; at += 1) engine.s3.put('bucket', `in/${at}.json`, Buffer.from('x'));
    await engine.idle();
    expect(keysOf(engine, 'out/')).toHaveLength(9);
    expect(engine.lambda.stats().invocations).toBe(18);
  });

  test('keeps objects, queues, messages and logs in its folder, and takes up what was not done', async () => {
    const dataDir = folder();
    const packageDir = makePackage();
    const first = await start({ packageDir, dataDir });
    first.s3.put('bucket', 'in/bad.json', Buffer.from('fail'));
    first.s3.put('bucket', 'in/a.json', Buffer.from('x'));
    await first.idle();
    first.s3.put('bucket', 'in/b.json', Buffer.from('x'));
    await first.stop(); // Before b is copied.

    const second = await start({ packageDir, dataDir });
    await second.idle();
    expect(keysOf(second, 'out/')).toEqual(['out/a.json', 'out/b.json']);
    expect(second.sqs.depths()).toEqual({ dead: { visible: 1, inFlight: 0, delayed: 0 } });
    await second.stop();
    expect(readFileSync(join(dataDir, 'logs', 'copy.log'), 'utf8')).toContain('{"key":"in/a.json"}\n');
  });

  test('does not share its folder', async () => {
    const dataDir = folder();
    await start({ dataDir });
    await expect(start({ dataDir })).rejects.toThrow('is in use by another engine');
  });

  test('that fails to start leaves nothing open', async () => {
    const dataDir = folder();
    const packageDir = makePackage({ noPermission: true });
    await expect(start({ packageDir, dataDir })).rejects.toThrow('Unable to validate the following destination');
    await start({ dataDir });
  });
});
