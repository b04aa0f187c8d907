/** The shares of the rate, with everything that can go wrong around them; and the checker is checked by planted bugs. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { projectFolder } from './core.ts';
import { plant } from './planted-bugs.ts';
import { plantedRateBugs } from './planted-rate-bugs.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 's3-cascade-rate-bugs-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** @returns what rate-worlds.ts says is wrong; nothing when all seeds hold */
function tryWorlds(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const script = join(projectFolder, 'test/simulation/rate-worlds.ts');
  return new Promise((resolve) =>
    execFile(process.execPath, [script, ...args], (_, stdout, stderr) => resolve({ stdout, stderr })),
  );
}

describe('environments that stop, die, are cut off or replaced, and whose clocks differ', () => {
  test('never use more than all of the rate, and never make more than R·t + C calls', async () => {
    expect(await tryWorlds('--seeds', '200')).toEqual({ stdout: '', stderr: '' });
  });

  test.each(plantedRateBugs.map((bug) => [bug.bug, bug] as const))('%s: found', async (_, bug) => {
    const home = join(folder, bug.bug.replace(/\W+/g, '-'));
    plant(bug, home);
    const { stdout, stderr } = await tryWorlds('--seeds', '400', '--from', String(bug.firstSeed ?? 1), '--core', home);
    expect({ stdout, stderr }).toEqual({ stdout: expect.stringMatching(/^Seed \d+: /), stderr: '' });
  });
});
