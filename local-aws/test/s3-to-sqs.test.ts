/** S3's events on their way to a queue. */
import { expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { peoplesCredentials } from '../account.ts';
import type { LocalAws } from '../local-aws.ts';
import { batches, cleanUp, makePackage, start } from './queue-engine.ts';

type S3Event = { Records: { s3: { configurationId: string; object: { key: string; size: number } } }[] };

const eventsOf = (notesFile: string): S3Event['Records'] =>
  batches(notesFile)
    .flat()
    .flatMap(({ body }) => (JSON.parse(body) as S3Event).Records);
const keysOf = (notesFile: string): string[] => eventsOf(notesFile).map(({ s3 }) => s3.object.key);
const put = (engine: LocalAws, key: string) => engine.s3.put('bucket', key, Buffer.from('body'));

test('an object that a rule names is told to the queue, with the body that a function gets', async () => {
  const { packageDir, notesFile } = makePackage();
  const engine = await start({ packageDir });
  const s3 = new S3Client({ endpoint: engine.endpoint, region: 'us-east-1', credentials: peoplesCredentials });
  cleanUp(() => s3.destroy());
  await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'in/a b+ü.json', Body: 'body' }));
  await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'out/other.json', Body: 'body' }));
  await engine.idle();
  expect(eventsOf(notesFile)).toMatchObject([
    { eventSource: 'aws:s3', s3: { configurationId: 'queue-1', object: { key: 'in/a+b%2B%C3%BC.json', size: 4 } } },
  ]);
  expect(engine.counts().functions.sqs).toEqual({ SendMessage: 1, ReceiveMessage: 1, DeleteMessageBatch: 1 });
});

test('many objects are each told once', async () => {
  const { packageDir, notesFile } = makePackage();
  const engine = await start({ packageDir });
  const keys = Array.from({ length: 500 }, (_, at) => `in/${at}`);
  for (const key of keys) put(engine, key);
  await engine.idle();
  expect(keysOf(notesFile).sort()).toEqual([...keys].sort());
});

test('a put that is refused tells nothing', async () => {
  const { packageDir, notesFile } = makePackage();
  const engine = await start({ packageDir });
  put(engine, 'in/a');
  expect(() => engine.s3.put('bucket', 'in/a', Buffer.from('x'), { ifNoneMatch: '*' })).toThrow();
  await engine.idle();
  expect(keysOf(notesFile)).toEqual(['in/a']);
});

test('events are copied, shuffled and dropped when told to, as a function’s are', async () => {
  const { packageDir, notesFile } = makePackage();
  const drop = (key: string) => key === 'in/3';
  const engine = await start({ packageDir, notificationFaults: { copies: 2, shuffleSeed: 5, drop } });
  for (let at = 0; at < 6; at += 1) put(engine, `in/${at}`);
  await engine.idle();
  const expected = ['0', '1', '2', '4', '5'].flatMap((at) => [`in/${at}`, `in/${at}`]);
  expect(keysOf(notesFile).sort()).toEqual(expected);
});

test('an event is not lost when the process is killed between its object and its sending', async () => {
  const { packageDir, notesFile } = makePackage();
  const dataDir = join(packageDir, 'data');
  const engineFile = JSON.stringify(join(import.meta.dirname, '../index.ts'));
  const script = `import { startLocalAws } from ${engineFile};
    const engine = await startLocalAws(${JSON.stringify(packageDir)}, ${JSON.stringify({ dataDir })});
    for (const key of ['in/a', 'in/b']) engine.s3.put('bucket', key, Buffer.from('x'));
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  cleanUp(() => void child.kill('SIGKILL'));
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
  const engine = await start({ packageDir, dataDir });
  await engine.idle();
  expect(keysOf(notesFile)).toEqual(['in/a', 'in/b']);
});
