/** Tries mutants, several at a time. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineProgram } from './engine-program.ts';
import type { Mutant } from './mutants.ts';
import { RelatedTests } from './related-tests.ts';
import { SimulationTrial } from './simulation-trial.ts';
import { BrokenBaseError, isNoticed, type Trial } from './trial.ts';
import { UnitTrial } from './unit-trial.ts';

export type RunOptions = {
  program: EngineProgram;
  projectFolder: string;
  /** In the order in which they are taken. */
  mutants: readonly Mutant[];
  /** Most that are tried. */
  sample: number;
  workers: number;
  schedules: number;
  onTrial?: (trial: Trial, done: number) => void;
  /** No further mutant is begun; those that are being tried are tried to their end. */
  stop?: AbortSignal;
};

/**
 * @returns what was tried, in the order of the mutants, and how many the compiler refused
 * @throws BrokenBaseError when the unit tests or a schedule fail without a mutant
 */
export async function tryMutants(options: RunOptions): Promise<{ trials: Trial[]; illTyped: number }> {
  const { program, projectFolder, workers, onTrial } = options;
  const folder = mkdtempSync(join(tmpdir(), 's3-cascade-mutants-'));
  const related = new RelatedTests(projectFolder);
  const queue = new TypedMutants(options);
  const trials = new Map<Mutant, Trial>();
  const work = async (index: number): Promise<void> => {
    const home = join(folder, String(index));
    mkdirSync(home);
    const unitTests = new UnitTrial(join(folder, 'jest'));
    const simulation = new SimulationTrial(home, options.schedules);
    try {
      for (let mutant = queue.next(); mutant !== undefined; mutant = queue.next()) {
        const changed = { file: mutant.file, text: program.textWith(mutant) };
        const unit = await unitTests.run(changed, related.of(mutant.file));
        const trial: Trial = { mutant, unit, simulation: await simulation.run(changed) };
        trials.set(mutant, trial);
        onTrial?.(trial, trials.size);
      }
    } catch (error) {
      queue.stop();
      throw error;
    } finally {
      await Promise.all([unitTests.close(), simulation.close()]);
    }
  };
  try {
    await checkBase(folder, related, options);
    const ends = await Promise.allSettled(Array.from({ length: workers }, (_, index) => work(index)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const tried = options.mutants.flatMap((mutant) => trials.get(mutant) ?? []);
  return { trials: tried, illTyped: queue.illTyped };
}

/** Without a mutant all unit tests pass that may have to kill one; the simulation looks at its schedules by itself. */
async function checkBase(folder: string, related: RelatedTests, { mutants }: RunOptions): Promise<void> {
  const unitTests = new UnitTrial(join(folder, 'jest'));
  const files = [...new Set(mutants.map(({ file }) => file))];
  const verdict = await unitTests.run(undefined, [...new Set(files.flatMap((file) => related.of(file)))]);
  await unitTests.close();
  if (isNoticed(verdict)) throw new BrokenBaseError(`A unit test fails without a mutant: ${verdict.by ?? ''}`);
}

/** The mutants that the compiler takes, until the sample is full. The others are of no interest: nobody could commit them. */
class TypedMutants {
  illTyped = 0;
  readonly #options: RunOptions;
  #at = 0;
  #given = 0;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  next(): Mutant | undefined {
    const { program, mutants, sample, stop } = this.#options;
    while (this.#given < sample && stop?.aborted !== true) {
      const mutant = mutants[this.#at];
      this.#at += 1;
      if (mutant === undefined) return undefined;
      if (program.isTypedRight(mutant)) {
        this.#given += 1;
        return mutant;
      }
      this.illTyped += 1;
    }
    return undefined;
  }

  stop(): void {
    this.#given = Infinity;
  }
}
