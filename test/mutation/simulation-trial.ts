/** Tries mutants in the simulation, in a thread that stays from one to the next: what it is made of is loaded once. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { projectFolder } from '../simulation/core.ts';
import { copyCore } from '../simulation/planted-bugs.ts';
import type { SimulationTask, SimulationWord } from './simulation-thread.ts';
import { BrokenBaseError, type ChangedFile, type Verdict } from './trial.ts';

/** Only what is in it can be noticed where there is nothing but the rate. */
const rateFolder = 'shared/engine/rate/';
/** What was loaded for one stays loaded. */
const runsOfAThread = 50;
/** Seconds of the processor's time: a schedule takes a twentieth of one. */
const mostSecondsASchedule = 10;
const lookEveryMs = 500;
const mostMegabytes = 1_500;

export class SimulationTrial {
  readonly #folder: string;
  readonly #schedules: number;
  #worker: Worker | undefined;
  #runs = 0;
  #copies = 0;
  /** Seeds whose schedule breaks no promise with the engine as it is. */
  readonly #soundSeeds = new Set<number>();

  /** @param folder for the copies of the engine */
  constructor(folder: string, schedules: number) {
    this.#folder = folder;
    this.#schedules = schedules;
  }

  /** @throws BrokenBaseError when the schedule that kills it breaks a promise without it, too */
  async run(changed: ChangedFile): Promise<Verdict> {
    this.#copies += 1;
    const coreFolder = join(this.#folder, String(this.#copies));
    copyCore(coreFolder, changed);
    try {
      const hasRateWorlds = changed.file.startsWith(rateFolder);
      const { verdict, seed } = await this.#try({ coreFolder, from: 1, to: 1 + this.#schedules, hasRateWorlds });
      if (seed !== undefined) await this.#checkSeed(seed);
      return verdict;
    } finally {
      rmSync(coreFolder, { recursive: true, force: true });
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  async #checkSeed(seed: number): Promise<void> {
    if (this.#soundSeeds.has(seed)) return;
    const { verdict } = await this.#try({
      coreFolder: projectFolder,
      from: seed,
      to: seed + 1,
      hasRateWorlds: true,
    });
    if (verdict.outcome !== 'survived')
      throw new BrokenBaseError(
        `The simulation breaks a promise without a mutant, at seed ${seed}: ${verdict.by ?? ''}`,
      );
    this.#soundSeeds.add(seed);
  }

  /** @returns with the seed of the schedule that broke a promise */
  #try(task: SimulationTask): Promise<{ verdict: Verdict; seed?: number }> {
    const worker = this.#start();
    return new Promise((resolve) => {
      let schedules = 0;
      const last = { schedules: -1, seconds: 0 };
      const end = (result: { verdict: Verdict; seed?: number }, isOver = false): void => {
        clearInterval(watch);
        worker.off('message', hear).off('error', onError);
        if (isOver) this.#drop(worker);
        resolve(result);
      };
      const onError = (error: unknown): void => end({ verdict: { outcome: 'killed', by: String(error) } }, true);
      const hear = (word: SimulationWord): void => {
        if ('schedules' in word) schedules = word.schedules;
        else if ('thrown' in word) end({ verdict: { outcome: 'killed', by: word.thrown } }, true);
        else if (word.failure === undefined) end({ verdict: { outcome: 'survived' } });
        else {
          const { seed, promise, what } = word.failure;
          end({ verdict: { outcome: 'killed', by: `${promise}, seed ${seed}: ${what}` }, seed });
        }
      };
      const look = async (): Promise<void> => {
        const { user, system } = await worker.cpuUsage();
        const seconds = (user + system) / 1e6;
        if (schedules !== last.schedules) Object.assign(last, { schedules, seconds });
        else if (seconds - last.seconds > mostSecondsASchedule)
          end({ verdict: { outcome: 'timeout', by: `schedule ${schedules + 1} has no end` } }, true);
      };
      // A thread that is gone has told why.
      const watch = setInterval(() => void look().catch(() => undefined), lookEveryMs);
      worker.on('message', hear).on('error', onError);
      worker.postMessage(task);
    });
  }

  #start(): Worker {
    if (this.#runs >= runsOfAThread && this.#worker !== undefined) this.#drop(this.#worker);
    this.#runs += 1;
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL('./simulation-thread.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: mostMegabytes },
    });
    worker.on('error', () => this.#drop(worker));
    this.#worker = worker;
    return worker;
  }

  #drop(worker: Worker): void {
    void worker.terminate();
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#runs = 0;
  }
}
