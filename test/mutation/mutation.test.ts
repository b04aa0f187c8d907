/** The whole tool on a few mutants: those that the tests notice are told of as killed, and by which of them. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectFolder } from '../simulation/core.ts';

type Printed = {
  total: { mutants: number; byBoth: number };
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

// Its tests are quick, and any schedule shows what is wrong with it.
const file = 'shared/engine/chain/chain-problems.ts';

test('mutants of what refuses a bad chain are killed by the unit tests and by the simulation, each by one that is named', async () => {
  const { stdout, stderr } = await mutate(
    ...['--file', file, '--sample', '4', '--schedules', '3', '--workers', '1', '--json'],
  );
  const { total, survivors, trials } = JSON.parse(stdout) as Printed;
  expect({ stderr, survivors, total }).toEqual({
    stderr: '',
    survivors: [],
    total: expect.objectContaining({ mutants: 4, byBoth: 4 }),
  });
  for (const { id, unit, simulation } of trials) {
    expect(id).toMatch(/^shared\/engine\/chain\/chain-problems\.ts:\d+:[a-z-]+:\d+$/);
    expect(unit).toEqual({ outcome: 'killed', by: expect.stringMatching('a chain') });
    expect(simulation).toEqual({ outcome: 'killed', by: expect.stringMatching('^truth, seed 1: the chain ') });
  }
});

test('--list prints the mutants and tries none', async () => {
  const { code, stdout } = await mutate('--file', file, '--list');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ {2}shared\/engine\/chain\/chain-problems\.ts:\d+:[a-z-]+:1\n {4}- .+\n {4}\+ /);
});

test('a file that the engine does not have is told of in one line', async () => {
  const { code, stderr } = await mutate('--file', 'shared/engine/none.ts');
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: '--file shared/engine/none.ts matches no file of shared/engine.\n',
  });
});
