/**
 * The rate, and how many environments keep it: at most so many of a level run at once, and each spaces its calls by
 * environments / (rate * share). Fewer sleep less, and too few can't make their share of the calls; so there are as many as it
 * takes while each call takes `expectedCallMs`.
 */
import { chain } from '../shared/engine/chain/chain.ts';
import { logicalId, mistake } from './names.js';

/** SQS as a trigger: "MaximumConcurrency 2-1,000" (page services-sqs-scaling). */
const queueEnvironments = { least: 2, most: 1000 };

/** No turns of an environment are further apart than this part of its function's timeout, so that each invocation has one. */
const longestSpacing = 0.8;

/** The messages of a batch take their turns in one environment, while another may be idle: no more than come up so soon. */
const longestBatchSeconds = 2;

/** @returns {Promise<{trigger: string, rate: number | 'unlimited', minimumRate: number, levels: Record<string, {share: number, environments: number | undefined, batchSize: number}>}>} */
export async function readRate({ resolveVariable, resolveConfigurationProperty }) {
  const trigger = await resolveVariable('param:trigger');
  if (trigger !== 'direct' && trigger !== 'queue') throw mistake(`trigger must be direct or queue, not ${trigger}.`);
  const rate = await resolveVariable('param:hermesRate');
  const isLimited = rate !== 'unlimited';
  if (isLimited && !(Number(rate) > 0))
    throw mistake(`hermesRate must be a number of requests a second, or unlimited, not ${rate}.`);
  const expectedCallMs = Number(await resolveVariable('param:expectedCallMs'));
  if (!(expectedCallMs > 0)) throw mistake('expectedCallMs must be a number of milliseconds above 0.');
  const most = Number(await resolveVariable('param:batchSize'));
  if (!(Number.isInteger(most) && most >= 1 && most <= 10))
    throw mistake('batchSize must be a whole number from 1 to 10.');
  const timeoutSeconds = await resolveConfigurationProperty(['provider', 'timeout']);

  const rows = [];
  for (const { level } of chain) {
    const id = logicalId(level);
    const weight = Number(await resolveVariable(`param:weight${id}`));
    if (!(weight > 0)) throw mistake(`weight${id} must be a number above 0.`);
    const given = await resolveVariable(`param:environments${id}, null`);
    if (given !== null && !(Number.isInteger(Number(given)) && Number(given) > 0))
      throw mistake(`environments${id} must be a whole number above 0, not ${given}.`);
    rows.push({ level, weight, given: given === null ? undefined : Number(given) });
  }
  const sum = rows.reduce((all, { weight }) => all + weight, 0);
  const levels = Object.fromEntries(
    rows.map(({ level, weight, given }) => {
      const share = weight / sum;
      const needed = isLimited ? Math.ceil((Number(rate) * share * expectedCallMs) / 1000) : undefined;
      const wanted = given ?? needed;
      if (trigger === 'direct' || wanted === undefined)
        return [level, { share, environments: wanted, batchSize: most }];
      if (wanted > queueEnvironments.most)
        throw mistake(`The level ${level} would need ${wanted} environments; a queue's trigger has at most 1000.`);
      const environments = Math.max(queueEnvironments.least, wanted);
      const soon = Math.floor((longestBatchSeconds * Number(rate) * share) / environments);
      return [level, { share, environments, batchSize: isLimited ? Math.min(most, Math.max(1, soon)) : most }];
    }),
  );
  const slowest = Object.values(levels).map(
    ({ share, environments }) => (environments ?? 0) / (share * timeoutSeconds * longestSpacing),
  );
  const minimumRate = isLimited ? Math.ceil(Math.max(...slowest) * 1000) / 1000 : 0;
  if (isLimited && Number(rate) < minimumRate) {
    throw mistake(
      `hermesRate must be at least ${minimumRate}: slower, the turns of the level with the least weight are further apart than its function may run. Make the weights more alike, or the functions' timeout longer.`,
    );
  }
  return { trigger, rate: isLimited ? Number(rate) : rate, minimumRate, levels };
}

/** For each function, the environments that are reserved for it. With queues their triggers bound them, and nothing is reserved. */
export async function reserved(framework) {
  const { trigger, levels } = await readRate(framework);
  return Object.fromEntries(
    chain.map((row) => [row.function, trigger === 'direct' ? (levels[row.level].environments ?? null) : null]),
  );
}
