/**
 * How many environments each level has. Those at work share the rate by themselves (docs/decisions/0018-rate-leases.md), so a
 * level has as many as use the whole of it while each call takes `expectedCallMs`: it may be the only one at work. Fewer sleep
 * less.
 */
import type { Chain, Level } from '../shared/engine/chain/chain.ts';
import { DeploymentError } from './mistakes.ts';
import type { ParameterValues } from './parameters.ts';

/** SQS as a trigger: "MaximumConcurrency 2-1,000" (page services-sqs-scaling). */
const queueEnvironments = { least: 2, most: 1000 };

/** No turns of an environment are further apart than this part of its function's timeout, so that each invocation has one. */
const longestSpacing = 0.8;

/** The messages of a batch take their turns in one environment, while another may be idle: no more than come up this soon. */
const longestBatchSeconds = 2;

/** Environments of a new account. With as many places, none of them ever waits for one. */
const newAccount = 10;

export type SharedRate = {
  /** Slower than this, turns are further apart than a function may run. */
  minimumPerSecond: number;
  /** That may run at once, of all levels; undefined: nothing bounds them. */
  environments: number | undefined;
  /** That may have a share of the rate at once; undefined: AWS bounds them, or there is no rate to share. */
  places: number | undefined;
  /** By the level's name. */
  levels: ReadonlyMap<string, Capacity>;
};

export type Capacity = {
  /** undefined: nothing bounds them. */
  environments: number | undefined;
  batchSize: number;
};

type RateParameters = Pick<ParameterValues, 'trigger' | 'expectedCallMs' | 'batchSize' | 'reserve'> & {
  /** The most that it may be. */
  rate: number | 'unlimited';
};

/** @throws DeploymentError with a line for each level whose environments AWS refuses, or for a rate that is too slow */
export function shareRate({
  chain,
  parameters: given,
  timeoutSeconds,
}: {
  chain: Chain;
  parameters: Omit<RateParameters, 'rate'> & Pick<ParameterValues, 'rate' | 'autoRateMost'>;
  timeoutSeconds: number;
}): SharedRate {
  const rate = given.rate === 'auto' ? given.autoRateMost : given.rate;
  const parameters: RateParameters = { ...given, rate };
  const problems: string[] = [];
  const levels = chain.levels.map((level): [string, Capacity] => {
    const capacity = capacityFor(level, parameters);
    if (parameters.trigger === 'queue' && (capacity.environments ?? 0) > queueEnvironments.most)
      problems.push(
        `The level ${level.name} would need ${capacity.environments} environments; a queue's trigger has at most ${queueEnvironments.most}. Lower rate or expectedCallMs, or use trigger=direct.`,
      );
    return [level.name, capacity];
  });
  if (problems.length > 0) throw new DeploymentError(problems);
  const all = levels.map(([, { environments }]) => environments);
  const wanted = all.every((count) => count !== undefined) ? all.reduce((sum, count) => sum + count, 0) : undefined;
  const isReserved = parameters.trigger === 'queue' || parameters.reserve;
  const places = isReserved || rate === 'unlimited' || wanted === undefined ? undefined : Math.max(wanted, newAccount);
  const environments = places ?? (isReserved ? wanted : undefined);
  return {
    minimumPerSecond: minimumRate(
      given.rate === 'auto' ? 'autoRateMost' : 'rate',
      rate,
      environments ?? 0,
      timeoutSeconds,
    ),
    environments,
    places,
    levels: new Map(isReserved ? levels : levels.map(([name, level]) => [name, { ...level, environments: undefined }])),
  };
}

function capacityFor(level: Level, { rate, trigger, expectedCallMs, batchSize: most }: RateParameters): Capacity {
  const atOnce = rate === 'unlimited' ? undefined : (rate * expectedCallMs) / 1000;
  if (trigger === 'direct')
    return { environments: level.environments ?? (atOnce && Math.ceil(atOnce / level.callsInFlight)), batchSize: most };
  const soon = rate === 'unlimited' ? most : Math.floor((longestBatchSeconds * rate) / level.batch);
  const batchSize = Math.min(most, Math.max(1, soon));
  // The messages of a batch are worked on side by side.
  const wanted = level.environments ?? (atOnce && Math.ceil(atOnce / batchSize / level.callsInFlight));
  return { environments: wanted && Math.max(queueEnvironments.least, wanted), batchSize };
}

/**
 * When all environments work, each has an equal share.
 * @throws DeploymentError when the rate is below it
 */
function minimumRate(
  name: 'rate' | 'autoRateMost',
  rate: number | 'unlimited',
  environments: number,
  timeoutSeconds: number,
): number {
  if (rate === 'unlimited') return 0;
  const minimum = Math.ceil((1000 * environments) / (timeoutSeconds * longestSpacing)) / 1000;
  if (rate >= minimum) return minimum;
  throw new DeploymentError([
    `${name} must be at least ${minimum}: slower, the turns of the ${environments} environments of all levels are further apart than a function may run. Lower the chain's environments, or make the functions' timeout longer.`,
  ]);
}

/** @returns a level's; all levels have one */
export function capacityOf({ levels }: SharedRate, { name }: { name: string }): Capacity {
  const capacity = levels.get(name);
  if (capacity === undefined) throw new Error(`The rate knows no level ${name}.`);
  return capacity;
}
