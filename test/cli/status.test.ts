/** How a run's status is drawn, what the command exits with, and what it says when there is no answer. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { bar } from '../../cli/terminal/drawing.ts';
import { exitOf, statusLine, statusPage } from '../../cli/terminal/status-page.ts';
import type { LevelReport } from '../../shared/engine/report/run-report.ts';
import type { RunStatus } from '../../shared/engine/report/status.ts';

const none = { retrying: 0, dead: 0, parked: 0 };
const clear = { failed: none, open: 0, lost: 0, short: 0, stray: 0 };

const status = (last: Partial<LevelReport>, more: Partial<RunStatus> = {}): RunStatus => ({
  run: 'r1',
  at: '2026-11-20T00:00:00.000Z',
  complete: false,
  levels: [
    { level: 'regions', items: 1, done: 1, ...clear },
    { level: 'shops', items: 20, done: 20, ...clear },
    { level: 'shelf_rows', items: 1_000, done: 1_000, ...clear },
    { level: 'data', items: 10_000, done: 10_000, ...clear, ...last },
  ],
  reasons: [],
  apiCalls: 11_021,
  ageSeconds: 0,
  from: 'census',
  ...more,
});

describe('the exit status is', () => {
  test.each<[string, number, RunStatus]>([
    ['0 for a complete run', 0, status({}, { complete: true })],
    ['1 when items failed and a person has to act', 1, status({ done: 9_999, failed: { ...none, dead: 1 } })],
    ['1 when items are parked', 1, status({ done: 9_999, failed: { ...none, parked: 1 } })],
    ['1 when only a stray object is in the way', 1, status({ stray: 1 })],
    ['2 while an item is open, whatever failed', 2, status({ open: 1, failed: { ...none, dead: 1 } })],
    ['2 while a failed item is being retried', 2, status({ failed: { ...none, dead: 1, retrying: 1 } })],
    ['2 while the sweep has short parents to expand', 2, status({ short: 1 })],
  ])('%s', (_, exit, given) => {
    expect(exitOf(given)).toBe(exit);
  });

  test('0 for the list of runs', () => expect(exitOf({ runs: [] })).toBe(0));
});

describe('a bar', () => {
  test('shows what is done, failed and neither', () => {
    expect(bar({ items: 10, done: 5, failed: 2 }, 12)).toBe('[#####xx...]');
    expect(bar({ items: 0, done: 0, failed: 0 }, 6)).toBe('[....]');
  });

  test('is full only when all is done, and shows one failure among a million', () => {
    expect(bar({ items: 1_000_000, done: 999_999, failed: 0 }, 12)).toBe('[#########.]');
    expect(bar({ items: 1_000_000, done: 999_999, failed: 1 }, 12)).toBe('[#########x]');
    expect(bar({ items: 3, done: 3, failed: 0 }, 12)).toBe('[##########]');
  });
});

describe('the page', () => {
  const sample = { key: 'shelf_rows/r1/t/w/g.json', message: `The API sent\n${'<html>'.repeat(40)}`, at: '' };
  const troubled = status(
    { items: 1_000_000, done: 600_000, failed: { retrying: 3, dead: 2, parked: 1 }, open: 399_994, lost: 4 },
    {
      reasons: [{ level: 'data', code: 'NOT_JSON', count: 6, sample }],
      itemsPerSecond: 12.34,
      secondsLeft: 32_413,
      from: 'report',
      ageSeconds: 31.4,
    },
  );

  test('shows a bar a level, the calls, the pace, how old the figures are, and why items failed', () => {
    expect(statusPage(troubled)).toBe(`Run r1 is open.

level                                      items     done  failed     open  lost
regions     [#######################]          1        1       0        0     0
shops       [#######################]         20       20       0        0     0
shelf_rows  [#######################]      1,000    1,000       0        0     0
data        [#############x.........]  1,000,000  600,000       6  399,994     4

API calls 11,021, 12.3 items a second, about 9.0 h left for the items known now.
The figures are 31 s old, from the last sweep; --fresh counts now.

data: failed: 3 retrying, 2 dead, 1 parked
data: 4 lost items: the next sweep re-fires what it may

Why, the most frequent first:
  6 x NOT_JSON at level data: The API sent <html><html><html><html><html><html>…
      for one: failures/data/r1/t/w/g.json
`);
  });

  test('fits 80 columns at ten million items, and a narrow terminal without the bars', () => {
    const large = status({ items: 10_000_000, done: 9_000_000, open: 1_000_000 }, { apiCalls: 10_000_000 });
    for (const width of [80, 60]) {
      for (const line of statusPage(large, width).split('\n')) expect(line.length).toBeLessThanOrEqual(width);
    }
  });

  test('names what is in the way when nothing failed and nothing is open', () => {
    const page = statusPage(status({ short: 1, stray: 2 }));
    expect(page).toContain('data: 1 item with fewer children than the receipt counts\n');
    expect(page).toContain('data: 2 objects under its prefix that are not items\n');
  });

  test('says why the last sweep of the run failed', () => {
    const problem = { code: 'BAD_RECEIPT', message: `A receipt\n${'x'.repeat(200)}`, at: '2026-11-20T00:00:00.000Z' };
    const page = statusPage(status({ open: 1 }, { problem }));
    expect(page).toContain('The sweep of 2026-11-20T00:00:00.000Z failed: BAD_RECEIPT\n  A receipt xxx');
    for (const line of page.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('in a line is for logs', () => {
    expect(statusLine(troubled)).toBe(
      'r1: has failures, 601021 of 1001021 items done, 6 failed, 4 lost, 11021 API calls',
    );
  });
});

describe('npm run status', () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  /** A Lambda that gives these answers one after the other, and the last one from then on. */
  async function lambda(...answers: { status?: number; error?: string; body: object }[]) {
    const asked: { url: string | undefined; input: unknown }[] = [];
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        asked.push({ url: request.url, input: JSON.parse(Buffer.concat(parts).toString()) });
        const { status = 200, error, body } = answers[Math.min(asked.length, answers.length) - 1] ?? { body: {} };
        const type = status === 200 ? {} : { 'x-amzn-errortype': 'ResourceNotFoundException' };
        const failed = error === undefined ? {} : { 'x-amz-function-error': error };
        response.writeHead(status, { 'content-type': 'application/json', ...type, ...failed });
        response.end(JSON.stringify(body));
      });
    }).listen(0, '127.0.0.1');
    closing.push(() => server.close());
    await once(server, 'listening');
    return { asked, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  async function command(endpoint: string, args: string[], env: Record<string, string> = {}) {
    const keys = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_REGION: 'eu-west-1' };
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../cli/status.ts'), ...args], {
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', AWS_ENDPOINT_URL: endpoint, ...keys, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    closing.push(() => void child.kill('SIGKILL'));
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (part: string) => (output.stdout += part));
    child.stderr.setEncoding('utf8').on('data', (part: string) => (output.stderr += part));
    const [exit] = (await once(child, 'close')) as [number | null];
    return { exit, ...output };
  }

  test('asks the function of the stage, and --json prints its answer as one object', async () => {
    const failed = status({ done: 9_999, failed: { ...none, dead: 1 } });
    const { asked, endpoint } = await lambda({ body: failed });
    const { exit, stdout, stderr } = await command(endpoint, ['--run', 'r1', '--json', '--fresh', '--stage', 'prod']);
    expect([exit, JSON.parse(stdout), stderr]).toEqual([1, failed, '']);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(asked).toEqual([
      { url: '/2015-03-31/functions/s3-cascade-prod-status/invocations', input: { run: 'r1', fresh: true } },
    ]);
  });

  test('lists the latest runs when it is given none', async () => {
    const runs = [{ run: 'r1', line: 'r1: no report yet' }];
    const { endpoint } = await lambda({ body: { runs } });
    expect(await command(endpoint, [])).toEqual({ exit: 0, stdout: 'r1: no report yet\n', stderr: '' });
  });

  test('--watch in a pipe prints a line whenever something changes, until the run has ended', async () => {
    const open = { body: status({ done: 9_999, open: 1 }) };
    const { asked, endpoint } = await lambda(open, open, { body: status({}, { complete: true }) });
    const { exit, stdout } = await command(endpoint, ['--run', 'r1', '--watch']);
    expect(exit).toBe(0);
    expect(stdout.trim().split('\n')).toEqual([
      'r1: open, 11020 of 11021 items done, 0 failed, 0 lost, 11021 API calls',
      'r1: complete, 11021 of 11021 items done, 0 failed, 0 lost, 11021 API calls',
    ]);
    expect(asked).toHaveLength(3);
  });

  test('says in one line why there is no answer, with 3', async () => {
    const absent = await lambda({ status: 404, body: { Message: 'Function not found' } });
    const unknown = { errorType: 'InputError', errorMessage: 'Bad input: there is no run r1' };
    const noRun = await lambda({ error: 'Unhandled', body: unknown });
    const broken = await lambda({ error: 'Unhandled', body: { errorType: 'Error', errorMessage: 'No\nbucket' } });
    const noKeys = { AWS_ACCESS_KEY_ID: '', AWS_EC2_METADATA_DISABLED: 'true' };
    const mistakes: [string, string[], Record<string, string>, string][] = [
      [absent.endpoint, [], {}, 'There is no function s3-cascade-dev-status in eu-west-1: deploy it with'],
      [noRun.endpoint, ['--run', 'r1'], {}, 'there is no run r1\n'],
      [broken.endpoint, [], {}, 's3-cascade-dev-status failed: No bucket (its log: npx sls logs -f status'],
      ['http://127.0.0.1:1', [], {}, 'nothing answers there (ECONNREFUSED)'],
      [absent.endpoint, [], noKeys, 'There are no AWS credentials'],
      [absent.endpoint, [], { AWS_REGION: '' }, 'There is no region'],
      [absent.endpoint, ['--watch'], {}, '--watch needs --run NAME.'],
      [absent.endpoint, ['--run', 'a/b'], {}, '--run must be'],
    ];
    for (const [endpoint, args, env, message] of mistakes) {
      const { exit, stdout, stderr } = await command(endpoint, args, env);
      expect([exit, stdout]).toEqual([3, '']);
      expect(stderr).toContain(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
  });
});
