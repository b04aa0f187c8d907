/**
 * The levels' functions as the deployment runs them: what `shared/lambda` connects to AWS's clients is connected here to the world
 * in memory. It decides nothing.
 */
import type { ItemEvent } from '../../shared/engine/events.ts';
import type { ItemDeps, Outcome } from '../../shared/engine/item/attempt.ts';
import type { Clock, Log, ObjectStore } from '../../shared/engine/ports.ts';
import type { Api } from './api.ts';
import type { Bucket } from './bucket.ts';
import type { ChainPlan, Row } from './chain-plan.ts';
import { bucketName, type Chain, type Core, type Level } from './core.ts';
import type { Environment } from './environments.ts';
import type { Faults } from './faults.ts';
import type { Life } from './life.ts';
import type { ApiNode } from './model.ts';
import { unit, hashText } from './random.ts';
import type { Queue } from './queue.ts';
import { backoff, type Settings } from './settings.ts';
import { fetchOf } from './source.ts';
import type { Trigger } from './triggers.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a trigger runs on an environment. */
export type Handler = (payload: unknown) => (environment: Environment) => Promise<unknown>;

/** A level's parts of the world. */
export type LevelParts = { level: Level; trigger: Trigger; deadLetters: Queue; waiting: Queue };

export type World = {
  core: Core;
  plan: ChainPlan;
  chain: Chain;
  time: VirtualTime;
  faults: Faults;
  settings: Settings;
  bucket: Bucket;
  api: Api;
  /** The API's own node for ids that the engine decoded; undefined: the API has no such thing. */
  nodeOf: (ids: readonly string[]) => ApiNode | undefined;
  levels: Map<string, LevelParts>;
  onOutcome: (life: Life, outcome: Outcome) => void;
  onRefire: (level: string, payload: string, life: Life) => void;
  /** Lambda refuses all events of these objects; absent: of none. */
  refuses?: ((key: string) => Error | undefined) | undefined;
};

/** What is kept at an invocation's end, as `shared/lambda` does. */
const fetchReserveMs = 5_000;

export const noLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** What an environment keeps; its ports are those of the invocation that it works on. */
type Memory = { environment: Environment } & Pick<ItemDeps, 'turns' | 'hasFailures' | 'runParams' | 'runControls'>;

type QueueRecord = {
  eventSource: string;
  messageId: string;
  body: string;
  attributes: { ApproximateReceiveCount: string };
  postpone: (forMs: number) => void;
};

export function fetchHandler(world: World, level: Level): Handler {
  const { core } = world;
  return (payload) => async (environment) => {
    const { life } = environment;
    environment.memory ??= { environment, ...memoryOf(world, level, environment) } satisfies Memory;
    const { turns, hasFailures, runParams, runControls } = environment.memory as Memory;
    const workMs = Math.max(life.remainingMs - fetchReserveMs, Math.floor(life.remainingMs / 2));
    const deadlineMs = life.clock.now() + workMs;
    const deadline = new AbortController();
    const cancel = world.time.at(deadlineMs, () => deadline.abort());
    const deps: ItemDeps = {
      ...portsOf(world, level, life),
      turns,
      hasFailures,
      runParams,
      runControls,
      requestId: life.name,
      deadlineMs,
      signal: deadline.signal,
      onCall: () => undefined,
      onBatch: () => undefined,
    };
    const takeItem = async (item: ItemEvent): Promise<Outcome> => {
      try {
        const outcome = await core.processItem(item, deps);
        world.onOutcome(life, outcome);
        return outcome;
      } catch (error) {
        throw core.withCode(error);
      }
    };
    try {
      const records = (payload as { Records?: unknown[] }).Records ?? [];
      if ((records[0] as Partial<QueueRecord> | undefined)?.eventSource === 'aws:sqs')
        return await takeMessages(records as QueueRecord[], takeItem, world, life);
      const errors: unknown[] = [];
      const outcomes: Outcome[] = [];
      const { items, problems } = core.parseS3Event(payload, bucketName);
      for (const item of items)
        await takeItem(item).then(
          (outcome) => outcomes.push(outcome),
          (error: unknown) => errors.push(error),
        );
      errors.push(...problems.map(core.withCode));
      if (errors.length > 0) throw errors[0];
      return outcomes;
    } finally {
      await turns.settle(deadlineMs);
      cancel();
    }
  };
}

async function takeMessages(
  records: QueueRecord[],
  takeItem: (item: ItemEvent) => Promise<Outcome>,
  { core, settings }: World,
  life: Life,
): Promise<{ batchItemFailures: string[] }> {
  const taken = await Promise.allSettled(
    records.map(async ({ messageId, body, attributes, postpone }) => {
      const delivery = Number(attributes.ApproximateReceiveCount);
      try {
        const { items, problems } = core.parseS3Event(core.eventIn(JSON.parse(body)), bucketName);
        for (const item of items) await takeItem({ ...item, delivery });
        if (problems[0] !== undefined) throw problems[0];
      } catch (error) {
        const forMs = core.queueWaitMs(delivery, settings.deployment);
        const failures = { before: 'sqs-fails', error: () => new Error('SQS failed') } as const;
        await life
          .operate({
            name: `postpone ${messageId}`,
            act: () => postpone(forMs),
            mutates: true,
            failures,
            latencyMs: [5, 30],
          })
          .catch(() => undefined);
        throw error;
      }
    }),
  );
  return {
    batchItemFailures: records.filter((_, at) => taken[at]?.status === 'rejected').map(({ messageId }) => messageId),
  };
}

function memoryOf(
  { core, chain, bucket, settings }: World,
  level: Level,
  environment: Environment,
): Omit<Memory, 'environment'> {
  const memory = { environment };
  // Whoever waits, waits within the invocation that the environment works on.
  const now = (): Life => (environment.memory as Memory | undefined)?.environment.life ?? memory.environment.life;
  const clock: Clock = { now: () => now().clock.now(), wait: (ms: number) => now().clock.wait(ms) };
  const store: ObjectStore = {
    get: (key, maxBytes) => bucket.storeFor(now()).get(key, maxBytes),
    head: (key) => bucket.storeFor(now()).head(key),
    create: (key, body, metadata) => bucket.storeFor(now()).create(key, body, metadata),
    list: (prefix) => bucket.storeFor(now()).list(prefix),
    put: (key, body, metadata) => bucket.storeFor(now()).put(key, body, metadata),
    replace: (key, body, metadata, eTag) => bucket.storeFor(now()).replace(key, body, metadata, eTag),
    remove: (key) => bucket.storeFor(now()).remove(key),
  };
  const hasFailures = core.createFailureWatch(level, store, clock, core.firstRetryMs({ lambdaTimeScale: 1 }) / 2);
  const { limits, maxFreezeMs } = settings;
  const environments = [...settings.environments.values()].reduce((sum, count) => sum + count, 0);
  const random = randomOf(now());
  const turns = core.createTurns({
    control: core.createRateControl({ store, clock, log: noLog, limits, maxFreezeMs }),
    openLease: (onChange) =>
      core.createShareLease({
        store,
        clock,
        random,
        log: noLog,
        bucket: bucketName,
        level: level.name,
        environments,
        onChange,
      }),
    clock,
    random,
    onSleep: () => undefined,
  });
  return {
    turns,
    hasFailures,
    runParams: core.createRunParamsReader(chain, store),
    runControls: core.createRunControls({ store, clock, log: noLog }),
  };
}

function randomOf({ name, startedMs }: Life): () => number {
  let drawn = 0;
  return () => unit(hashText(`${name} ${startedMs}`, (drawn += 1)));
}

function portsOf(world: World, level: Level, life: Life) {
  const { core, plan, chain, bucket, settings, levels, time } = world;
  const parts = levels.get(level.name);
  const row = plan.rows.find((each): each is Row => each.level === level.name);
  if (parts === undefined || row === undefined) throw new Error(`There is no level ${level.name}.`);
  return {
    chain,
    level,
    fetch: fetchOf(row, { ...world, nowMs: () => time.nowMs }, life),
    store: bucket.storeFor(life),
    deadLetters: parts.deadLetters.sinkFor(life),
    waiting: parts.waiting.sinkFor(life),
    clock: life.clock,
    random: randomOf(life),
    log: noLog,
    settings: {
      retry: {
        retries: settings.callRetries,
        ...backoff,
        maxFreezeMs: settings.maxFreezeMs,
        maxItemFreezeMs: settings.maxItemFreezeMs,
        maxWaitMs: settings.maxWaitMs,
      },
      writeConcurrency: settings.writeConcurrency,
      maxChildren: 1_000,
      maxItemBytes: 100_000,
      maxBatchBytes: settings.maxBatchBytes,
      maxPartBytes: settings.maxPartBytes,
      firstRetryMs: core.firstRetryMs(settings.deployment),
    },
  };
}
