/** Where the API's token must not stand: in nothing that is packaged, stored, sent, logged, measured or answered. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { packageService, peoplesCredentials } from '../../local-aws/index.ts';
import { callKey } from '../../sources/hermes/fake/call-key.ts';
import { startWorld, token, type World } from './world.ts';

const serviceDir = join(import.meta.dirname, '../..');
/** As it would stand in a header, and as somebody might put it elsewhere. */
const forms = [token, Buffer.from(token).toString('base64').replaceAll('=', ''), encodeURIComponent(token)];

let world: World;
let dataDir: string;
let messages: string;
let answers: string;
let stored: string;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 's3-cascade-secrets-'));
  world = await startWorld({ troops: 3, warriors: 3, groups: 3 }, { dataDir, environment: { CALL_RETRIES: '1' } });
  const { hermes } = world;
  // An API that sends back what it was given, with errors of every class.
  const echo = (status: number, headers?: Record<string, string>) => ({
    status,
    ...(headers && { headers }),
    body: `{"error": "Bearer ${token} is not welcome"}`,
  });
  const ids = (...path: number[]): string[] => hermes.tree().idsAt(path);
  hermes.configure({
    overrides: {
      [callKey('data', ids(0, 0, 0))]: echo(403),
      [callKey('data', ids(0, 0, 1))]: echo(500),
      [callKey('data', ids(0, 0, 2))]: echo(404),
      [callKey('data-groups', ids(0, 1))]: echo(302, { location: `https://elsewhere.example.com/?token=${token}` }),
      [callKey('warriors', ids(1))]: { status: 200, body: `<html>Your token is ${token}, and this is no JSON` },
    },
  });
  await world.run('r1');
  hermes.configure({ token: 'another-token', overrides: {} });
  await world.run('r2');
  const asked = ['replay', 'sweep', 'status', 'rate'].map((name) => {
    const input = name === 'rate' ? {} : { run: 'r1', ...(name !== 'status' && { dryRun: true }) };
    return world.invoke(name, input);
  });
  answers = JSON.stringify(await Promise.all(asked));
  messages = await receiveAll();
  await world.invoke('sweep', {});
  stored = JSON.stringify([...world.objects('')]);
  await world.stop();
}, 120_000);
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

async function receiveAll(): Promise<string> {
  const sqs = new SQSClient({ endpoint: world.engine.endpoint, region: 'us-east-1', credentials: peoplesCredentials });
  const received: unknown[] = [];
  for (const { url: QueueUrl } of world.engine.queues) {
    const ask = { QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'], WaitTimeSeconds: 0 };
    for (;;) {
      const { Messages: found = [] } = await sqs.send(new ReceiveMessageCommand(ask));
      if (found.length === 0) break;
      received.push(...found);
    }
  }
  sqs.destroy();
  return JSON.stringify(received);
}

const filesUnder = (folder: string): Buffer[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));

function expectNoToken(text: string | Buffer): void {
  for (const form of forms) expect(text.includes(form)).toBe(false);
}

test('the template, the state and the bundles have only the name of its secret', async () => {
  const params = { source: 'hermes', apiTokenSecret: 'api-token', rate: 'unlimited' };
  const { packageDir } = await packageService({ serviceDir, params });
  const files = filesUnder(packageDir);
  expect(files.some((file) => file.includes('api-token'))).toBe(true);
  for (const file of files) expectNoToken(file);
});

test('objects, notes and reports do not have it', () => {
  expect(stored).toContain('"failures/data/r1/');
  expect(stored).toContain('failures/troops/r2.json');
  expect(stored).toContain('***');
  expectNoToken(stored);
});

test('dead letters do not have it', () => {
  expect(messages).toContain('HTTP_500');
  expect(messages).toContain('REDIRECT');
  expectNoToken(messages);
});

test('log lines and metrics do not have it', () => {
  const logs = Buffer.concat(filesUnder(join(dataDir, 'logs'))).toString();
  expect(logs).toContain('"CloudWatchMetrics"');
  expect(logs).toContain('HTTP_500');
  expectNoToken(logs);
});

test('what replay, sweep, status and rate answer does not have it', () => {
  expect(answers).toContain('HTTP_403');
  expectNoToken(answers);
});

test('nothing that the engine wrote to its disk has it', () => {
  for (const file of filesUnder(dataDir)) expectNoToken(file);
});
