/** The functions, triggers and queues of a schedule's deployment, level by level. */
import type { Checker } from './checker.ts';
import { fetchHandler, type LevelParts, type World } from './deployment.ts';
import { Environments } from './environments.ts';
import type { Message } from './queue.ts';
import { Queue } from './queue.ts';
import type { RateWatch } from './rate-watch.ts';
import { createDirectTrigger, createQueueTrigger, type TriggerOptions } from './triggers.ts';
import type { Life } from './life.ts';
import type { Level } from './core.ts';

export type BuiltLevel = LevelParts & { environments: Environments };

export type LevelOptions = {
  world: World;
  checker: Checker;
  rateWatch: RateWatch;
  /** Events of these items are lost each time. */
  isLost: (payload: string) => boolean;
  onWaiting: () => void;
  /** An invocation of the function begins. */
  onBegin: (life: Life) => void;
  say: (line: string) => void;
};

export function buildLevel(level: Level, options: LevelOptions): BuiltLevel {
  const { world, checker, rateWatch, isLost, onWaiting, onBegin, say } = options;
  const { core, time, faults, settings } = world;
  const { name } = level;
  const environments = new Environments({
    name,
    limit: settings.environments.get(name) ?? 1,
    time,
    faults,
    timeoutMs: settings.deployment.fetchTimeoutMs,
    onWorkBehindAnswer: checker.onWorkBehindAnswer,
    onLost: () => rateWatch.crash(),
  });
  const onRemove = (message: Message, by: Life): void => checker.onRemove(message, by);
  const base = { core, time, faults, onRemove };
  const deadLetters = new Queue({ ...base, name: `${name}-dead`, onSent: checker.onDeadLetter });
  const waitingItems = new Queue({ ...base, name: `${name}-waiting`, onAdd: onWaiting });
  const handle = fetchHandler(world, level);
  const trigger = createTrigger({
    level: name,
    time,
    faults,
    environments,
    deadLetters,
    handler: (payload) => (environment) => {
      onBegin(environment.life);
      return handle(payload)(environment);
    },
    patienceMs: patienceOf(world),
    onConsumed: checker.onConsumed,
    say,
  });
  const open = {
    accept(payload: string, isRefired?: boolean): void {
      if (!isLost(payload)) trigger.accept(payload, isRefired);
    },
  };
  return { level, trigger: open, deadLetters, waiting: waitingItems, environments };

  function createTrigger(its: TriggerOptions): LevelParts['trigger'] {
    const { batchSize, deployment, plainLetters } = settings;
    if (deployment.trigger === 'direct') return createDirectTrigger(its, plainLetters);
    const visibilityMs = 6 * deployment.fetchTimeoutMs;
    return createQueueTrigger(its, { batchSize, maxReceives: deployment.queueMaxReceives, visibilityMs });
  }
}

function patienceOf({ settings: { deployment } }: World): number {
  return deployment.trigger === 'queue' ? deployment.queueRetentionMs : deployment.fetchMaxEventAgeMs;
}
