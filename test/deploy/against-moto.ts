/**
 * `sls deploy` to its end, on moto_server in place of AWS: deploys, deploys again with queues as triggers and back, and removes.
 * Where moto_server is not installed it says so and does nothing. What moto makes nothing of (it says so itself), the local
 * engine and the tests of the compiled template look at.
 *
 *     npm run deploy:check
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LambdaClient, ListEventSourceMappingsCommand, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { HeadObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { functionName, queueName, type QueueKind } from '../../infra/names.ts';
import { recoveryFunctions } from '../../infra/settings-rules.ts';
import { loadChain } from '../../infra/source.ts';
import type { Level } from '../../shared/engine/chain/chain.ts';
import { listPublishLevels } from '../../shared/engine/publish/publish-levels.ts';
import { findOnPath } from '../commands.ts';

const serviceDir = join(import.meta.dirname, '../..');
const region = 'us-east-1';
const account = '123456789012';
const bucket = `s3-cascade-dev-${account}`;
const deployed = ['--param', 'apiUrl=https://api.example.com', '--param', 'apiTokenSecret=api-token'];
const stack = { service: 's3-cascade', stage: 'dev' };
const chain = await loadChain('hermes');
const publishing = listPublishLevels(chain);

const moto = findOnPath('moto_server');
if (moto === undefined) {
  process.stdout.write(
    'SKIPPED: moto_server is not on PATH; nothing was deployed. pip install "moto[server]" brings it.\n',
  );
} else {
  await withMoto(moto, check);
  process.stdout.write('\nDeployed, deployed again both ways, and removed.\n');
}

async function check(endpoint: string, unsupported: () => string[]): Promise<void> {
  const client = { endpoint, region, credentials: { accessKeyId: 'moto', secretAccessKey: 'moto' } };
  const lambda = new LambdaClient(client);
  const sqs = new SQSClient(client);
  const s3 = new S3Client({ ...client, forcePathStyle: true });
  const functions = async (): Promise<string[]> =>
    names((await lambda.send(new ListFunctionsCommand())).Functions?.map(({ FunctionName }) => FunctionName));
  const queues = async (): Promise<string[]> =>
    names((await sqs.send(new ListQueuesCommand())).QueueUrls?.map((url) => url.split('/').at(-1)));
  const mapped = async (): Promise<string[]> =>
    names(
      (await lambda.send(new ListEventSourceMappingsCommand())).EventSourceMappings?.map(({ EventSourceArn: arn }) =>
        arn?.split(':').at(-1),
      ),
    );
  const queuesOf = (of: readonly Level[], kinds: readonly QueueKind[]): string[] =>
    of.flatMap((level) => kinds.map((kind) => queueName(stack, level, kind)));
  const ofStack = (...kinds: QueueKind[]): string[] =>
    [...queuesOf(chain.levels, kinds), ...queuesOf(publishing, ['dead-letters'])].sort();
  const all = [...[...chain.levels, ...publishing].map((level) => level.function), ...recoveryFunctions];
  const allFunctions = all.map((name) => functionName(stack, name)).sort();

  await sls(endpoint, ['deploy'], 1); // Without the API's address: refused.
  expectSame('functions of a refused deployment', await functions(), []);

  await sls(endpoint, ['deploy', ...deployed]);
  expectSame('functions', await functions(), allFunctions);
  expectSame('queues', await queues(), ofStack('dead-letters', 'waiting'));
  expectSame('event source mappings', await mapped(), []);
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'data/r1/a.json', Body: '{}' }));

  await sls(endpoint, ['deploy', ...deployed, '--param', 'trigger=queue']);
  expectSame('functions with queues', await functions(), allFunctions);
  expectSame('queues with queues', await queues(), ofStack('dead-letters', 'waiting', 'trigger'));
  expectSame('event source mappings with queues', await mapped(), queuesOf(chain.levels, ['trigger']).sort());

  await sls(endpoint, ['deploy', ...deployed]);
  expectSame('queues without queues again', await queues(), ofStack('dead-letters', 'waiting'));
  expectSame('event source mappings without queues', await mapped(), []);

  await sls(endpoint, ['remove']);
  expectSame('functions after remove', await functions(), []);
  expectSame('queues after remove', await queues(), []);
  const { Buckets: buckets } = await s3.send(new ListBucketsCommand());
  expectSame('buckets after remove', names(buckets?.map(({ Name }) => Name)), [bucket]);
  await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'data/r1/a.json' }));
  process.stdout.write('\nThe result in the bucket is still there.\n');
  for (const client of [lambda, sqs, s3]) client.destroy();

  process.stdout.write(`\nWhat moto made nothing of, and was not looked at here: ${unsupported().join(', ')}\n`);
  process.stdout.write("Nor does it set the bucket's notifications and lifecycle rules, which are in the template.\n");
}

function names(list: readonly (string | undefined)[] = []): string[] {
  return list.filter((name) => name !== undefined).sort();
}

function expectSame(what: string, found: readonly string[], expected: readonly string[]): void {
  const same = JSON.stringify(found) === JSON.stringify(expected);
  process.stdout.write(`${same ? 'as expected' : 'WRONG'}: ${found.length} ${what}\n`);
  if (!same) throw new Error(`${what}: found ${found.join(', ')}; expected ${expected.join(', ')}.`);
}

/** Runs the framework as a person would, and shows what it says. */
async function sls(endpoint: string, args: readonly string[], expectedStatus = 0): Promise<void> {
  process.stdout.write(`\n$ npx sls ${args.join(' ')}\n`);
  const bin = join(serviceDir, 'node_modules', 'serverless', 'bin', 'serverless.js');
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: serviceDir,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(AWS|SLS|NODE_OPTIONS)/.test(name))),
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: 'moto',
      AWS_SECRET_ACCESS_KEY: 'moto',
      AWS_EC2_METADATA_DISABLED: 'true',
      SLS_TELEMETRY_DISABLED: '1',
      SLS_NOTIFICATIONS_MODE: 'off',
      NO_COLOR: '1',
    },
  });
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== expectedStatus) throw new Error(`sls ${args[0]} ended with status ${status}, not ${expectedStatus}.`);
}

async function withMoto(
  command: string,
  work: (endpoint: string, unsupported: () => string[]) => Promise<void>,
): Promise<void> {
  const port = await freePort();
  const child = spawn(command, ['-H', '127.0.0.1', '-p', String(port)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const unsupported = (): string[] => [
    ...new Set([...said.matchAll(/No Moto CloudFormation support for (\S+)/g)].map(([, type = '']) => type)),
  ];
  try {
    await answers(`http://127.0.0.1:${port}`, child);
    await work(`http://127.0.0.1:${port}`, unsupported);
  } finally {
    child.kill('SIGKILL');
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Python takes a second or two to start. */
async function answers(endpoint: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    try {
      await fetch(endpoint);
      return;
    } catch {
      await sleep(100);
    }
  }
  throw new Error(`moto_server ended with status ${child.exitCode} before it answered.`);
}
