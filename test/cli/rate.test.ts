/** `npm run rate` against the local engine, as a person with the exported variables runs it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startWorld, type World } from '../engine/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ troops: 1, warriors: 1, groups: 1 }, {}, { hermesRate: '20' });
});
afterAll(() => world.stop());

async function rate(...args: string[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../cli/rate.ts'), ...args], {
    env: {
      PATH: process.env['PATH'],
      AWS_ENDPOINT_URL: world.engine.endpoint,
      AWS_ACCESS_KEY_ID: 'person',
      AWS_SECRET_ACCESS_KEY: 'person',
      AWS_REGION: 'us-east-1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (part: string) => (output.stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (output.stderr += part));
  const [exit] = (await once(child, 'close')) as [number | null];
  return { exit, ...output };
}

test('shows, sets, pauses and resumes; a pause keeps the rate', async () => {
  expect(await rate()).toEqual({ exit: 0, stdout: '20 requests a second, as deployed.\n', stderr: '' });
  expect((await rate('5')).stdout).toBe('5 requests a second; deployed with 20.\n');
  expect(world.json('control/rate.json')).toEqual({ requestsPerSecond: 5 });
  expect((await rate('pause')).stdout).toBe('PAUSED; after that 5 requests a second; deployed with 20.\n');
  expect(world.json('control/rate.json')).toEqual({ requestsPerSecond: 5, paused: true });

  await world.run('r1');
  expect(world.hermes.calls()).toEqual([]);
  expect((await rate()).stdout).toContain('Waiting: troops 1.\n');
  const { stdout } = await rate('resume', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ paused: false, requestsPerSecond: 5 });
  await world.engine.idle();
  expect(world.hermes.calls()).toHaveLength(4);
  expect((await rate('default')).stdout).toBe('20 requests a second, as deployed.\n');
});

test('refuses what it can not do in one line, and changes nothing', async () => {
  const before = world.json('control/rate.json');
  for (const [args, message] of [
    [['fast'], 'The rate must be a number of requests a second, pause, resume or default, not "fast".'],
    [['0.01'], 'requestsPerSecond must be at least 0.'],
    [['5', '6'], '"6" is no option.'],
    [['--stage', 'prod'], 'There is no function s3-cascade-prod-rate in us-east-1'],
  ] as const) {
    const { exit, stdout, stderr } = await rate(...args);
    expect([exit, stdout]).toEqual([3, '']);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  }
  expect(world.json('control/rate.json')).toEqual(before);
});
