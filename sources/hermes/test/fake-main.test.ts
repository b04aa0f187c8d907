import { describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { hermesControl } from '../fake/control.ts';
import { startHermes } from '../fake/server.ts';

const file = fileURLToPath(new URL('../fake/main.ts', import.meta.url));

function start(...args: string[]) {
  return spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const child = start(...args);
  const [out, err, exit] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { status: exit[0] as number, out, err };
}

describe('the local Hermes by itself', () => {
  test('says where it listens, serves what it was told, and ends well on SIGTERM', async () => {
    const child = start('--port', '0', '--troops', '2', '--warriors', '1', '--groups', '1', '--fail-forever', '1');
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const url = /^Hermes listens on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line.toString())?.[1] ?? '';
    const answer = (await (await fetch(`${url}/troops`)).json()) as { items: unknown[] };
    expect(answer.items).toHaveLength(2);
    expect(await hermesControl(url).failForeverKeys()).toHaveLength(1);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  test('tells its options', async () => {
    const { status, out } = await run('--help');
    expect(status).toBe(0);
    expect(out).toContain('--fail-rate N');
  });

  test.each([
    [['--troups', '3'], /--troups/],
    [['--troops', 'many'], /--troops must be a number, not "many"/],
    [['--troops=-1'], /--troops must be a number/],
    [['--fail-rate', '1.5'], /failRate must be from 0 to 1/],
    [['--port', '70000'], /--port must be/],
    [['--log-file', '/nowhere/at/all'], /\/nowhere\/at\/all/],
    [['extra'], /extra/],
  ])('says in one line what is wrong with %j', async (args, reason) => {
    const { status, out, err } = await run(...args);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(reason);
    expect(err).toMatch(/^hermes: [^\n]+\n$/);
  });

  test('says in one line that its port is in use', async () => {
    const hermes = await startHermes();
    try {
      const { status, err } = await run('--port', String(hermes.port));
      expect(status).toBe(2);
      expect(err).toMatch(/^hermes: the port is in use; choose another with --port .*\n$/);
    } finally {
      await hermes.stop();
    }
  });
});
