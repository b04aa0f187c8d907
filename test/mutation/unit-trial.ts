/** Tries mutants with the unit tests of the engine, in a process that stays from one to the next. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectFolder } from '../simulation/core.ts';
import type { UnitTask, UnitWord } from './unit-process.ts';
import type { ChangedFile, Verdict } from './trial.ts';

/** Each run leaves something behind in the process. */
const runsOfAProcess = 60;
/** How long a file may take to come to its end after a test of it has failed; then it is ended. */
const patienceMs = 2_000;

export class UnitTrial {
  readonly #cacheFolder: string;
  #child: ChildProcess | undefined;
  #runs = 0;

  /** @param cacheFolder where jest may keep what it has stripped */
  constructor(cacheFolder: string) {
    this.#cacheFolder = cacheFolder;
  }

  /**
   * @param changed undefined: as the engine is
   * @param tests in the order in which they are run, up to the first that fails
   */
  async run(changed: ChangedFile | undefined, tests: readonly string[]): Promise<Verdict> {
    if (tests.length === 0) return { outcome: 'survived' };
    const child = this.#start();
    const task: UnitTask = {
      ...(changed && { changed }),
      tests: tests.map((path) => join(projectFolder, path)),
      cacheFolder: this.#cacheFolder,
    };
    const verdict = await new Promise<Verdict>((resolve) => {
      let failed: string | undefined;
      let patience: NodeJS.Timeout | undefined;
      const end = (verdict: Verdict, isOver: boolean): void => {
        clearTimeout(patience);
        child.off('message', hear).off('exit', onExit);
        if (isOver) this.#stop();
        resolve(verdict);
      };
      const onExit = (code: number | null): void => {
        const ending: Verdict =
          code === null
            ? { outcome: 'timeout', by: 'a test that has no end' }
            : { outcome: 'killed', by: `the process of the tests ended with ${code}` };
        end(failed === undefined ? ending : { outcome: 'killed', by: failed }, true);
      };
      const hear = (word: UnitWord): void => {
        if ('failed' in word && failed === undefined) {
          failed = word.failed;
          patience = setTimeout(() => end({ outcome: 'killed', by: word.failed }, true), patienceMs);
        } else if ('hangs' in word) end({ outcome: 'timeout', by: 'a test that waits for ever' }, true);
        else if ('ended' in word)
          end(failed === undefined ? { outcome: 'survived' } : { outcome: 'killed', by: failed }, false);
      };
      child.on('message', hear).on('exit', onExit);
      child.send(task);
    });
    this.#runs += 1;
    if (this.#runs >= runsOfAProcess) this.#stop();
    return verdict;
  }

  async close(): Promise<void> {
    const child = this.#child;
    this.#stop();
    if (child?.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  #start(): ChildProcess {
    this.#child ??= fork(join(import.meta.dirname, 'unit-process.ts'), {
      cwd: projectFolder,
      execArgv: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    return this.#child;
  }

  #stop(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
    this.#runs = 0;
  }
}
