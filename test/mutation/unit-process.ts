/**
 * A process that runs jest again and again, each time with another change of the engine. It is a process of its own, since a
 * mutant may never give the thread back; what ends it then is the parent, or its own watch.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { runCLI } from 'jest';
import { projectFolder } from '../simulation/core.ts';
import { askInOrder } from './jest-order.ts';
import { tellTo } from './jest-watch.ts';
import type { ChangedFile } from './trial.ts';

export type UnitTask = { changed?: ChangedFile; tests: readonly string[]; cacheFolder: string };
export type UnitWord = { passed: true } | { failed: string } | { hangs: true } | { ended: true };

/** A test that waits for nothing any more. Unit tests of the engine have a clock of their own: none is idle for long. */
const idleMs = 4_000;
const lookEveryMs = 500;
/** Seconds of the processor's time after which a test that has not ended never will. */
const mostSecondsATest = 10;

const { default: jestConfig } = (await import(join(projectFolder, 'jest.config.js'))) as { default: object };

const say = (word: UnitWord): void => void process.send?.(word);
/** How many words there were: as long as it stays the same, one test runs. */
const words = new Int32Array(new SharedArrayBuffer(4));
let failures = 0;

/** Of the test files, in their order: as long as none fails, one portion after the other is run. */
const portions = [
  [0, 1],
  [1, 4],
  [4, Infinity],
] as const;

tellTo((word) => {
  Atomics.add(words, 0, 1);
  if ('failed' in word) failures += 1;
  say(word);
});
watchProcessor();
process.on('message', (task: UnitTask) => void run(task));
// During a test jest hears of these, and the test fails. What comes after it is of no use to anyone.
process.on('unhandledRejection', () => undefined);
process.on('disconnect', () => process.exit());

async function run(task: UnitTask): Promise<void> {
  Atomics.add(words, 0, 1);
  const stopWatching = watchIdleness();
  const before = failures;
  try {
    // Most mutants are killed by the test of their own file. (With its option `bail`, jest would end this process.)
    for (const [from, to] of portions) {
      const tests = task.tests.slice(from, to);
      if (failures === before && tests.length > 0) await runJest(tests, task);
    }
  } finally {
    stopWatching();
  }
  Atomics.add(words, 0, 1);
  say({ ended: true });
}

async function runJest(tests: readonly string[], { changed, cacheFolder }: UnitTask): Promise<void> {
  askInOrder(tests);
  const config = {
    ...jestConfig,
    rootDir: projectFolder,
    // What is not under test need not be looked through.
    roots: ['<rootDir>/test/unit', '<rootDir>/shared/engine'],
    transform: {
      '\\.ts$': ['<rootDir>/test/mutation/jest-transform.ts', { root: projectFolder, ...(changed && { changed }) }],
    },
    testSequencer: '<rootDir>/test/mutation/jest-order.ts',
    reporters: ['<rootDir>/test/mutation/jest-watch.ts'],
    cacheDirectory: cacheFolder,
  };
  const argv = { _: [...tests], $0: '', runTestsByPath: true, runInBand: true, silent: true, watchman: false };
  await runCLI({ ...argv, config: JSON.stringify(config) }, [projectFolder]);
}

/** A promise that never settles: nothing is left to do, and the test waits. */
function watchIdleness(): () => void {
  let last = performance.eventLoopUtilization();
  let idle = 0;
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    idle = utilization < 0.05 ? idle + lookEveryMs : 0;
    if (idle < idleMs) return;
    idle = 0;
    say({ hangs: true });
  }, lookEveryMs);
  return () => clearInterval(timer);
}

/** A loop without end: the thread can't tell of it itself, and ends the whole process. */
function watchProcessor(): void {
  const watch = `
    const { workerData: { words, mostSeconds } } = require('node:worker_threads');
    let [last, since] = [-1, 0];
    setInterval(() => {
      const { user, system } = process.cpuUsage();
      const seconds = (user + system) / 1e6;
      const now = Atomics.load(words, 0);
      if (now !== last) [last, since] = [now, seconds];
      else if (seconds - since > mostSeconds) process.kill(process.pid, 'SIGKILL');
    }, 500);`;
  new Worker(watch, { eval: true, workerData: { words, mostSeconds: mostSecondsATest } }).unref();
}
