/** What a mutation run comes to. */
import { dirname } from 'node:path';
import { explainedSurvivors, explanationOf, isExplainedBy, type Explanation } from './explained-survivors.ts';
import type { Mutant } from './mutants.ts';
import { isNoticed, type Trial } from './trial.ts';

/** Shares of the mutants that have to be killed. */
export const aims = { together: 0.95, simulation: 0.8 };

export type Counts = {
  mutants: number;
  /** By the simulation and by the unit tests, each. */
  byBoth: number;
  bySimulationAlone: number;
  byUnitTestsAlone: number;
  survivors: number;
};

/** Shares from 0 to 1; 1 of nothing. Explained survivors are in none. */
export type Score = Counts & { together: number; simulation: number; unit: number };

export type Result = {
  /** Tried, without those that are explained. */
  total: Score;
  folders: Readonly<Record<string, Score>>;
  survivors: readonly Trial[];
  /** Killed by the unit tests, and not by the simulation. */
  missedBySimulation: readonly Trial[];
  /** Survivors with a reason. */
  explained: number;
  /** Explanations of mutants that were killed. */
  refuted: readonly { explanation: Explanation; trial: Trial }[];
  /** Explanations of mutants that do not exist. */
  obsolete: readonly Explanation[];
};

/** @param mutants all that the engine has, whether they were tried or not */
export function scoreOf(
  trials: readonly Trial[],
  mutants: readonly Mutant[],
  explanations: readonly Explanation[] = explainedSurvivors,
): Result {
  const survived = trials.filter((trial) => !isKilled(trial));
  const isExplained = ({ mutant }: Trial): boolean => explanationOf(mutant, explanations) !== undefined;
  const counted = trials.filter((trial) => isKilled(trial) || !isExplained(trial));
  const folders = [...new Set(counted.map(({ mutant }) => dirname(mutant.file)))].sort();
  return {
    total: score(counted),
    folders: Object.fromEntries(
      folders.map((folder) => [folder, score(counted.filter(({ mutant }) => dirname(mutant.file) === folder))]),
    ),
    survivors: survived.filter((trial) => !isExplained(trial)),
    missedBySimulation: counted.filter(({ unit, simulation }) => isNoticed(unit) && !isNoticed(simulation)),
    explained: survived.filter(isExplained).length,
    refuted: trials.filter(isKilled).flatMap((trial) => {
      const explanation = explanationOf(trial.mutant, explanations);
      return explanation === undefined ? [] : [{ explanation, trial }];
    }),
    obsolete: explanations.filter((explanation) => !mutants.some((mutant) => isExplainedBy(mutant, explanation))),
  };
}

export function isGoodEnough({ total, refuted, obsolete }: Result): boolean {
  const isReached = total.together >= aims.together && total.simulation >= aims.simulation;
  return isReached && refuted.length === 0 && obsolete.length === 0;
}

function isKilled({ unit, simulation }: Trial): boolean {
  return isNoticed(unit) || isNoticed(simulation);
}

function score(trials: readonly Trial[]): Score {
  const count = (isCounted: (bySimulation: boolean, byUnit: boolean) => boolean): number =>
    trials.filter(({ unit, simulation }) => isCounted(isNoticed(simulation), isNoticed(unit))).length;
  const counts: Counts = {
    mutants: trials.length,
    byBoth: count((bySimulation, byUnit) => bySimulation && byUnit),
    bySimulationAlone: count((bySimulation, byUnit) => bySimulation && !byUnit),
    byUnitTestsAlone: count((bySimulation, byUnit) => !bySimulation && byUnit),
    survivors: count((bySimulation, byUnit) => !bySimulation && !byUnit),
  };
  const share = (killed: number): number => (trials.length === 0 ? 1 : killed / trials.length);
  return {
    ...counts,
    together: share(trials.length - counts.survivors),
    simulation: share(counts.byBoth + counts.bySimulationAlone),
    unit: share(counts.byBoth + counts.byUnitTestsAlone),
  };
}
