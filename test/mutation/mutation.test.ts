/** The whole tool on a few mutants: those that the tests notice are told of as killed, and by which of them. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectFolder } from '../simulation/core.ts';

type Printed = {
  total: { mutants: number; survivors: number; together: number };
  survivors: { id: string }[];
  trials: { id: string; unit: { outcome: string; by?: string }; simulation: { outcome: string; by?: string } }[];
};

function mutate(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(projectFolder, 'test/mutation/main.ts'), ...args], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

// A file that all else depends on, so that few schedules and few tests are enough.
const file = 'shared/engine/item/key-digest.ts';

test('mutants of the digest that proves a run complete are killed, each by a test or a promise that is named', async () => {
  const { stdout, stderr } = await mutate(
    ...['--file', file, '--sample', '4', '--schedules', '10', '--workers', '1', '--json'],
  );
  const { total, survivors, trials } = JSON.parse(stdout) as Printed;
  expect({ stderr, survivors, tried: total.mutants }).toEqual({ stderr: '', survivors: [], tried: 4 });
  for (const { id, unit, simulation } of trials) {
    expect(id).toMatch(/^shared\/engine\/item\/key-digest\.ts:\d+:[a-z-]+:\d+$/);
    expect(unit.by ?? simulation.by).not.toBe('');
  }
});

test('--list prints the mutants and tries none', async () => {
  const { code, stdout } = await mutate('--file', file, '--list');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ {2}shared\/engine\/item\/key-digest\.ts:\d+:[a-z-]+:1\n {4}- .+\n {4}\+ /);
});

test('a file that the engine does not have is told of in one line', async () => {
  const { code, stderr } = await mutate('--file', 'shared/engine/none.ts');
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: '--file shared/engine/none.ts matches no file of shared/engine.\n',
  });
});
