/** A mutation run, for people and for programs. */
import { count, oneLine, plural, table } from '../../cli/terminal/format.ts';
import type { Mutant } from './mutants.ts';
import { aims, isGoodEnough, type Result, type Score } from './score.ts';
import type { Trial } from './trial.ts';

/** How it was made. */
export type Effort = {
  seconds: number;
  workers: number;
  schedules: number;
  /** All mutants of the chosen files. */
  made: number;
  /** Those that the compiler refuses, of the ones that were looked at. */
  illTyped: number;
  seed: number;
};

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export function resultPage(result: Result, effort: Effort): string {
  const { total, folders, survivors, missedBySimulation, explained, refuted, obsolete } = result;
  const { seconds, workers, schedules, made, illTyped, seed } = effort;
  return [
    `${plural(total.mutants + explained, 'mutant')} of ${count(made)} from seed ${seed} in ${count(seconds)} s with ${plural(workers, 'worker')}, up to ${plural(schedules, 'schedule')} each.`,
    `${plural(illTyped, 'more was', 'more were')} refused by the compiler; ${plural(explained, 'survivor is', 'survivors are')} explained, and not counted.`,
    '',
    ...table(
      [
        'folder',
        '>mutants',
        '>by both',
        '>simulation alone',
        '>unit tests alone',
        '>survivors',
        '>together',
        '>simulation',
      ],
      [...Object.entries(folders), ['all', total] as const].map(([folder, score]) => row(folder, score)),
    ),
    '',
    ...(missedBySimulation.length > 0
      ? ['Killed by unit tests alone:', ...missedBySimulation.flatMap(changeOf), '']
      : []),
    ...(survivors.length > 0 ? ['Survivors:', ...survivors.flatMap(changeOf), ''] : []),
    ...refuted.flatMap(({ explanation, trial: { mutant, unit, simulation } }) => [
      `${mutant.id} is explained as "${oneLine(explanation.why, 80)}", but is killed: ${oneLine(unit.by ?? simulation.by ?? '', 160)}`,
    ]),
    ...obsolete.map(
      ({ file, rule, was }) => `An explained survivor does not exist any more: ${file}, ${rule}, ${oneLine(was, 120)}`,
    ),
    `Aims: ${percent(aims.together)} together, ${percent(aims.simulation)} by the simulation. ${isGoodEnough(result) ? 'Reached.' : 'Not reached.'}`,
    '',
  ].join('\n');
}

function row(folder: string, score: Score): string[] {
  const { mutants, byBoth, bySimulationAlone, byUnitTestsAlone, survivors, together, simulation } = score;
  const counts = [mutants, byBoth, bySimulationAlone, byUnitTestsAlone, survivors].map(count);
  return [folder, ...counts, percent(together), percent(simulation)];
}

function changeOf({ mutant }: Pick<Trial, 'mutant'>): string[] {
  return mutantLines(mutant);
}

export function mutantLines({ id, was, now }: Mutant): string[] {
  return [`  ${id}`, `    - ${oneLine(was, 160)}`, `    + ${oneLine(now, 160)}`];
}

export function resultJson(result: Result, trials: readonly Trial[], effort: Effort): object {
  return {
    ...effort,
    ...result,
    isGoodEnough: isGoodEnough(result),
    survivors: result.survivors.map(({ mutant }) => mutant),
    missedBySimulation: result.missedBySimulation.map(({ mutant }) => mutant),
    trials: trials.map(trialJson),
  };
}

export function trialJson({ mutant: { id, was, now }, unit, simulation }: Trial): object {
  return { id, was, now, unit, simulation };
}
