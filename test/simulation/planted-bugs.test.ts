/** The checker is checked: each bug that is planted must be found, by the promise that it breaks. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { projectFolder } from './core.ts';
import { plant, plantedBugs, withBug, type PlantedBug } from './planted-bugs.ts';

const mostSchedules = 4_000;

let folder: string;
let waiting: { bug: PlantedBug; tell: (found: Promise<Found>) => void }[] = [];
const found = new Map<string, Promise<Found>>();

type Found = { promise: string | undefined; schedules: number; stderr: string };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 's3-cascade-bugs-'));
  for (const bug of plantedBugs) found.set(bug.bug, new Promise((tell) => waiting.push({ bug, tell })));
  // As many at a time as a small machine has cores.
  void Promise.all([hunt(), hunt()]);
});

afterAll(() => {
  waiting = [];
  rmSync(folder, { recursive: true, force: true });
});

async function hunt(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const simulation = simulate(next.bug);
    next.tell(simulation);
    await Promise.allSettled([simulation]);
  }
}

// Async, so that a bug that can't be planted fails its own test.
async function simulate(bug: PlantedBug): Promise<Found> {
  const home = join(folder, bug.bug.replace(/\W+/g, '-'));
  plant(bug, home);
  const args = [
    '--core',
    home,
    '--schedules',
    String(mostSchedules),
    '--threads',
    '1',
    '--json',
    ...(bug.faults === undefined ? [] : ['--fault', bug.faults]),
  ];
  return await new Promise((resolve) => {
    execFile(process.execPath, [join(projectFolder, 'test/simulation/main.ts'), ...args], (_, stdout, stderr) => {
      const { failures = [], schedules = 0 } = (stdout === '' ? {} : JSON.parse(stdout)) as {
        failures?: { promise: string }[];
        schedules?: number;
      };
      resolve({ promise: failures[0]?.promise, schedules, stderr });
    });
  });
}

// Told at once, and not after the hunt for the others.
test('every bug applies to the source as it is', () => {
  const problems = plantedBugs.flatMap((bug) => {
    try {
      withBug(bug);
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
  expect(problems).toEqual([]);
});

test.each(plantedBugs.map(({ bug, breaks }) => [bug, breaks] as const))('%s: found', async (bug, breaks) => {
  const { promise, schedules, stderr } = (await found.get(bug)) ?? {
    promise: undefined,
    schedules: 0,
    stderr: 'not tried',
  };
  expect({ promise, stderr }).toEqual({ promise: expect.stringMatching(breaks.join('|')), stderr: '' });
  expect(schedules).toBeLessThanOrEqual(mostSchedules);
});
