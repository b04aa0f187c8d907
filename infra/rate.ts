/**
 * The rate, and how many environments keep it: a level has at most this many at once, and each spaces its calls by
 * environments / (rate * share). Fewer sleep less, and too few can't make their share of the calls; so there are as many as it
 * takes while each call takes `expectedCallMs`.
 */
import type { Chain } from '../shared/engine/chain/chain.ts';
import { DeploymentError } from './mistakes.ts';
import type { ParameterValues } from './parameters.ts';

/** SQS as a trigger: "MaximumConcurrency 2-1,000" (page services-sqs-scaling). */
const queueEnvironments = { least: 2, most: 1000 };

/** No turns of an environment are further apart than this part of its function's timeout, so that each invocation has one. */
const longestSpacing = 0.8;

/** The messages of a batch take their turns in one environment, while another may be idle: no more than come up this soon. */
const longestBatchSeconds = 2;

export type SharedRate = {
  /** Slower than this, turns are further apart than a function may run. */
  minimumPerSecond: number;
  /** By the level's name. */
  levels: ReadonlyMap<string, LevelShare>;
};

export type LevelShare = {
  /** Above 0, at most 1. */
  share: number;
  /** undefined: nothing bounds them. */
  environments: number | undefined;
  batchSize: number;
};

/** @throws DeploymentError with a line for each level whose environments AWS refuses, or for a rate that is too slow */
export function shareRate({
  chain,
  parameters,
  timeoutSeconds,
}: {
  chain: Chain;
  parameters: Pick<ParameterValues, 'rate' | 'trigger' | 'expectedCallMs' | 'batchSize'>;
  timeoutSeconds: number;
}): SharedRate {
  const { rate, trigger, expectedCallMs, batchSize } = parameters;
  const weights = chain.levels.reduce((sum, { weight }) => sum + weight, 0);
  const problems: string[] = [];
  const levels = chain.levels.map(
    ({ name, weight, environments: given, callsInFlight, batch }): [string, LevelShare] => {
      const share = weight / weights;
      const needed =
        rate === 'unlimited' ? undefined : Math.ceil((rate * share * expectedCallMs) / 1000 / callsInFlight);
      const wanted = given ?? needed;
      if (trigger === 'direct' || wanted === undefined) return [name, { share, environments: wanted, batchSize }];
      if (wanted > queueEnvironments.most)
        problems.push(
          `The level ${name} would need ${wanted} environments; a queue's trigger has at most ${queueEnvironments.most}. Lower rate or expectedCallMs, or use trigger=direct.`,
        );
      const environments = Math.max(queueEnvironments.least, wanted);
      if (rate === 'unlimited') return [name, { share, environments, batchSize }];
      const soon = Math.floor((longestBatchSeconds * rate * share) / environments / batch);
      return [name, { share, environments, batchSize: Math.min(batchSize, Math.max(1, soon)) }];
    },
  );
  if (problems.length > 0) throw new DeploymentError(problems);
  return { minimumPerSecond: minimumRate(rate, new Map(levels), timeoutSeconds), levels: new Map(levels) };
}

/** @throws DeploymentError when the rate is below it */
function minimumRate(
  rate: number | 'unlimited',
  levels: ReadonlyMap<string, LevelShare>,
  timeoutSeconds: number,
): number {
  if (rate === 'unlimited') return 0;
  const slowest = [...levels.values()].map(
    ({ share, environments }) => (environments ?? 0) / (share * timeoutSeconds * longestSpacing),
  );
  const minimum = Math.ceil(Math.max(...slowest) * 1000) / 1000;
  if (rate >= minimum) return minimum;
  throw new DeploymentError([
    `rate must be at least ${minimum}: slower, the turns of the level with the least weight are further apart than its function may run. Make the weights in the chain more alike, or the functions' timeout longer.`,
  ]);
}

/** @returns a level's; all levels have one */
export function shareOf({ levels }: SharedRate, { name }: { name: string }): LevelShare {
  const share = levels.get(name);
  if (share === undefined) throw new Error(`The rate is not shared with a level ${name}.`);
  return share;
}
