/** The commands as a person runs them: in processes of their own, on the packaged service, with the example and its fake API. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, watch as watchFolder, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { createCommands, exportedBy, root, watch, type Ended } from './command-process.ts';

const commands = createCommands();
const { closing, folder, launch } = commands;
afterEach(() => commands.close());

const run = (args: string[], temporary = folder()): Promise<Ended> =>
  launch('cli/start', args, { env: { TMPDIR: temporary } }).ended;

const tiny = ['--troops', '2', '--warriors', '2', '--groups', '2', '--environments', '4'];

type Json = {
  complete: boolean;
  apiCalls: number;
  rate: { set: unknown; used: number; fullestSecond: number };
  dataDir: string | null;
  levels: { level: string; items: number; done: number; failed: number; open: number }[];
  failures: { code: string; count: number }[];
};

describe('npm start', () => {
  test('ends with a page for people, is quiet in a pipe, and leaves nothing behind', async () => {
    const temporary = folder();
    const { status, stdout, stderr } = await run([...tiny, '--run', 'r1'], temporary);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Run r1 is complete: 8 results in /);
    expect(stdout).toContain('/data/r1/_SUCCESS says that the run is complete.');
    expect(status).toBe(0);
    expect(readdirSync(temporary).filter((name) => name.startsWith('s3-cascade-'))).toEqual([]);
  });

  test('--json prints one object and nothing else, every call made once', async () => {
    const { status, stdout, stderr } = await run([...tiny, '--json']);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    const summary = JSON.parse(stdout) as Json;
    expect(summary).toMatchObject({ complete: true, apiCalls: 15, dataDir: null, failures: [] });
    expect(summary.rate).toEqual({ set: 'unlimited', used: expect.any(Number), fullestSecond: expect.any(Number) });
    const { used, fullestSecond } = summary.rate;
    expect(used).toBeGreaterThan(0);
    // They are fewer than a second holds, or fill it.
    expect(fullestSecond).toBeGreaterThanOrEqual(Math.min(15, Math.floor(used)));
    expect(fullestSecond).toBeLessThanOrEqual(15);
    expect(summary.levels.map(({ items, done, failed, open }) => [items, done, failed, open])).toEqual([
      [1, 1, 0, 0],
      [2, 2, 0, 0],
      [4, 4, 0, 0],
      [8, 8, 0, 0],
    ]);
  });

  test('exits with 1 for a run that is not complete, and says why', async () => {
    const args = [...tiny, '--json', '--fail-forever', '1', '--time-scale', '100000'];
    const { status, stdout } = await run(args);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      complete: false,
      deadLetters: 1,
      failures: [{ code: 'HTTP_500', count: 1 }],
    });
  });

  test('drops a seed file as it is: a bad one is the chain’s to refuse', async () => {
    const file = join(folder(), 'seed.json');
    writeFileSync(file, 'not JSON');
    const { status, stdout } = await run([...tiny, '--json', '--seed-file', file]);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ apiCalls: 0, failures: [{ level: 'troops', code: 'BAD_SEED' }] });
  });

  test('continues where it was after SIGKILL, and fetches nothing again that was done', async () => {
    const dataDir = join(folder(), 'data');
    const args = ['--data-dir', dataDir, '--troops', '3', '--warriors', '8', '--groups', '8', '--latency-ms', '20'];
    const killed = launch('cli/start', args);
    await untilLogged(dataDir, 'fetchData.log');
    killed.child.kill('SIGKILL');
    await killed.ended;

    const { status, stdout } = await run(['--data-dir', dataDir, '--json']);
    expect(status).toBe(0);
    const { apiCalls, levels } = JSON.parse(stdout) as Json;
    expect(levels.at(-1)).toMatchObject({ items: 192, done: 192 });
    expect(apiCalls).toBeLessThan(1 + 3 + 24 + 192);

    const again = await run(['--data-dir', dataDir, '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ complete: true, apiCalls: 0 });
    expect((JSON.parse(again.stdout) as Json).levels.at(-1)).toMatchObject({ done: 192, children: 192 });
    const other = await run(['--data-dir', dataDir, '--warriors', '9']);
    expect([other.status, other.stderr.split('\n').length]).toEqual([2, 2]);
    expect(other.stderr).toContain('holds a run with --warriors 8, not 9');
  });

  test('stops at Ctrl-C, says how it stands and how to continue', async () => {
    const dataDir = join(folder(), 'data');
    const running = launch('cli/start', ['--data-dir', dataDir, '--latency-ms', '50']);
    await untilLogged(dataDir, 'fetchWarriors.log');
    running.child.kill('SIGINT');
    const { status, stdout } = await running.ended;
    expect(status).toBe(1);
    expect(stdout).toMatch(/^Run \S+ was interrupted: /);
    expect(stdout).toContain(`npm start -- --data-dir ${dataDir}`);
  });

  test('refuses a wrong option, a port in use and a folder that can not be, in one line, with 2', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    closing.push(() => void server.close());
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const file = join(folder(), 'file');
    writeFileSync(file, '');
    const mistakes: [string[], string][] = [
      [['--trops', '1'], 'Unknown option --trops'],
      [['--run', 'a/b'], '--run must be'],
      [['--seed-file', '/not/there'], '--seed-file /not/there can not be read'],
      [['--data-dir', join(file, 'x')], 'can not be made or written to'],
      [['--port', port], `Port ${port} on 127.0.0.1 is in use`],
      [['--source', 'nope'], 'There is no source "nope": sources/nope/chain.ts does not exist. The sources are hermes'],
      [['--url', 'http://127.0.0.1:1', '--troops', '1'], '--troops is an option of the fake Hermes'],
      [['--url', 'http://127.0.0.1:1?key=1'], '--url must be an http:// or https:// address'],
    ];
    for (const [args, message] of mistakes) {
      const { status, stdout, stderr } = await run(args);
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toContain(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
  });

  test('is the source that serverless.yml selects, and fetches those ids alone that --only names', async () => {
    const { stdout } = await run([...tiny, '--json', '--only', 'warrior=x']);
    const { levels } = JSON.parse(stdout) as Json;
    expect(levels.map(({ level, items, done }) => [level, items, done])).toEqual([
      ['troops', 1, 1],
      ['warriors', 2, 2],
      ['data_groups', 0, 0],
      ['data', 0, 0],
    ]);
  });

  test('--help tells every option, those of the fake too', async () => {
    const { status, stdout } = await run(['--help']);
    expect(status).toBe(0);
    for (const option of ['--troops', '--fail-forever', '--data-dir', '--json']) expect(stdout).toContain(option);
  });
});

describe('npm run local', () => {
  test('prints what to export, runs a seed that is dropped, sweeps by itself, and npm run status watches it', async () => {
    const dataDir = join(folder(), 'data');
    const args = ['--port', '0', '--data-dir', dataDir, '--time-scale', '900', ...tiny.slice(0, 6)];
    const running = launch('cli/local', args);
    await running.until('Functions:');
    expect(running.stdout()).toContain('s3-cascade-dev-sweep runs by itself, every 1.0 s.');
    const exported = exportedBy(running.stdout());
    await dropSeed(exported);

    const watched = await launch('cli/status', ['--run', 'r1', '--watch'], { env: exported }).ended;
    expect([watched.status, watched.stderr]).toEqual([0, '']);
    expect(watched.stdout).toMatch(/r1: complete, 15 of 15 items done, 0 failed, 0 lost, 15 API calls\n$/);
    await untilLogged(dataDir, 'sweep.log');
    const unknown = await launch('cli/status', ['--run', 'r2'], { env: exported }).ended;
    expect([unknown.status, unknown.stdout]).toEqual([3, '']);
    expect(unknown.stderr).toMatch(/^there is no run r2: [^\n]+\n$/);
    running.child.kill('SIGINT');
    expect((await running.ended).status).toBe(0);
  });

  test('recommends a rate only where one can be set, and npm run rate says what to do where not', async () => {
    const unlimited = launch('cli/local', ['--port', '0', ...tiny.slice(0, 6)]);
    await unlimited.until('Functions:');
    expect(unlimited.stdout()).toContain('npm run rate -- pause');
    expect(unlimited.stdout()).not.toMatch(/npm run rate -- \d/);
    const exported = exportedBy(unlimited.stdout());
    const refused = await launch('cli/rate', ['5'], { env: exported }).ended;
    expect(refused.status).toBe(3);
    expect(refused.stderr).toContain('start npm run local with --rate NUMBER');
    const paused = await launch('cli/rate', ['pause'], { env: exported }).ended;
    expect([paused.status, paused.stdout]).toEqual([0, 'PAUSED; after that unlimited, as deployed.\n']);
  });

  test('ends when npm, which started it, has been killed alone', async () => {
    const dataDir = join(folder(), 'data');
    mkdirSync(dataDir);
    const npm = spawn('npm', ['run', 'local', '--', '--port', '0', '--data-dir', dataDir, ...tiny.slice(0, 6)], {
      cwd: root,
      env: process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const running = watch(npm);
    const pid = async (): Promise<number> => {
      await running.until('Functions:');
      return Number(readFileSync(join(dataDir, 'lock.pid'), 'utf8').trim());
    };
    const child = await pid();
    closing.push(() => void endProcess(child));
    npm.kill('SIGKILL');
    // Its pipes are closed when the last process that has them is gone.
    await running.ended;
    expect(running.stderr()).toContain('Stopped');
    expect(endProcess(child)).toBe('gone');
  });
});

function endProcess(pid: number): 'gone' | 'ended now' {
  try {
    process.kill(pid, 'SIGKILL');
    return 'ended now';
  } catch {
    return 'gone';
  }
}

async function dropSeed(exported: Record<string, string>): Promise<void> {
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = exported;
  const client = new S3Client({
    endpoint: exported['AWS_ENDPOINT_URL'] ?? '',
    region: exported['AWS_REGION'] ?? '',
    credentials: { accessKeyId, secretAccessKey },
  });
  await client.send(new PutObjectCommand({ Bucket: exported['BUCKET'], Key: 'seeds/r1.json', Body: '{}' }));
  client.destroy();
}

/** Resolves when the function has written to its log: it has been run. */
async function untilLogged(dataDir: string, nameEnd: string): Promise<void> {
  const logs = join(dataDir, 'logs');
  const isThere = (): boolean => existsSync(logs) && readdirSync(logs).some((name) => name.endsWith(nameEnd));
  const parent = join(dataDir, '..');
  const watcher = watchFolder(parent, { recursive: true });
  try {
    while (!isThere()) {
      // Node's recursive watch can miss what happens in a folder that has only just been made: look again in any case.
      await once(watcher, 'change', { signal: AbortSignal.timeout(250) }).catch(() => undefined);
    }
  } finally {
    watcher.close();
  }
}
