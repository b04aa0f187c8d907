/** What each function is told of the deployment beside `provider.environment`; shared/lambda/config.ts reads it. */
import { chain } from '../shared/engine/chain/chain.ts';
import { deadLettersOf, functionOf, ref, triggerOf, waitingOf } from './names.js';
import { readRate } from './rate.js';

/** For each level's function: its queues, and its part of the rate. */
export async function fetching(framework) {
  const { trigger, rate, minimumRate, levels } = await readRate(framework);
  return Object.fromEntries(
    chain.map(({ level, function: name }) => [
      name,
      {
        DEAD_LETTER_QUEUE_URL: ref(deadLettersOf(level)),
        WAITING_QUEUE_URL: ref(waitingOf(level)),
        TRIGGER_QUEUE_URL: trigger === 'queue' ? ref(triggerOf(level)) : '',
        RATE: String(rate),
        MINIMUM_RATE: String(minimumRate),
        RATE_SHARE: String(levels[level].share),
        ENVIRONMENTS: String(levels[level].environments ?? ''),
      },
    ]),
  );
}

/** For replay, sweep, rate and status: the deployment's numbers, and where each level's events and messages go. */
export async function recovery(framework) {
  const { trigger, rate, minimumRate } = await readRate(framework);
  return Object.assign(
    {
      TRIGGER: trigger,
      RATE: String(rate),
      MINIMUM_RATE: String(minimumRate),
      MAX_REPLAYS: '${param:maxReplays}',
      MAX_REFIRES: '${param:maxRefires}',
      FETCH_TIMEOUT_SECONDS: '${self:provider.timeout}',
      FETCH_RETRY_ATTEMPTS: '${self:custom.maximumRetryAttempts}',
      FETCH_MAX_EVENT_AGE_SECONDS: '${param:maximumEventAge}',
      QUEUE_MAX_RECEIVES: '${param:maxReceives}',
      QUEUE_RETENTION_SECONDS: '${param:queueRetention}',
    },
    ...chain.map(({ level, function: name }) => ({
      [`TARGET_${level.toUpperCase()}`]: ref(trigger === 'queue' ? triggerOf(level) : functionOf(name)),
      [`DEAD_LETTER_QUEUE_URL_${level.toUpperCase()}`]: ref(deadLettersOf(level)),
      [`WAITING_QUEUE_URL_${level.toUpperCase()}`]: ref(waitingOf(level)),
    })),
  );
}
