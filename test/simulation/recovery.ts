/** Sweep, replay, status and the applying of the rate as the deployment runs them, connected to the world in memory. It decides nothing. */
import type { EventSink } from '../../shared/engine/ports.ts';
import type { ReplayReport } from '../../shared/engine/recovery/replay-report.ts';
import type { ReplayRequest } from '../../shared/engine/recovery/replay-request.ts';
import type { ExplainRequest } from '../../shared/engine/report/explain.ts';
import type { Explanation } from '../../shared/engine/report/explanation.ts';
import type { Status, StatusRequest } from '../../shared/engine/report/status.ts';
import type { SweepReport, SweepRequest } from '../../shared/engine/recovery/sweep.ts';
import type { UsingLevel } from '../../shared/engine/rate/rate-use.ts';
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import { noLog, type LevelParts, type World } from './deployment.ts';
import { bucketName } from './core.ts';
import type { Life } from './life.ts';

/** What is kept at an invocation's end, as `shared/lambda` does. */
const reserveMs = 15_000;

/** Gives an event to what triggers the level, as an invocation's call. */
function refireOf(world: World, { level, trigger }: LevelParts, life: Life): EventSink {
  const { core } = world;
  return {
    send: (event) => {
      const payload = JSON.stringify(core.buildS3Event(event, bucketName));
      const refusal = world.refuses?.(event.key);
      if (refusal !== undefined) return Promise.reject(refusal);
      return life.operate({
        name: `invoke ${level.name} ${event.key}`,
        act: () => {
          world.onRefire(level.name, payload, life);
          trigger.accept(payload, true);
        },
        mutates: true,
        failures: {
          before: 'invoke-fails',
          answerLost: 'invoke-answer-lost',
          error: () => {
            const error = new core.TransientError('NETWORK', 'Lambda did not answer.');
            life.refusals.add(error);
            return error;
          },
        },
        latencyMs: [5, 50],
      });
    },
  };
}

/** When a person's or a schedule's function has to stop. */
function deadlineOf(life: Life): number {
  return life.clock.now() + Math.max(life.remainingMs - reserveMs, Math.floor(life.remainingMs / 2));
}

export function runSweep(world: World, request: SweepRequest, life: Life): Promise<SweepReport> {
  const { core, chain, bucket, settings, levels } = world;
  const store = bucket.storeFor(life);
  const { deployment } = settings;
  return core.sweep(request, {
    chain,
    store,
    refires: new Map([...levels].map(([name, parts]) => [name, refireOf(world, parts, life)])),
    clock: life.clock,
    log: noLog,
    lostAfterMs: () => core.lostAfterMs(deployment),
    stoppedUntilMs: () => core.stoppedUntilMs(store, settings.limits, settings.maxFreezeMs),
    retryingForMs: core.retryingForMs(deployment),
    settleMs: core.settleMs(deployment),
    maxRefires: settings.maxRefires,
    deadlineMs: deadlineOf(life),
  });
}

export function runReplay(world: World, request: ReplayRequest, life: Life): Promise<ReplayReport> {
  const { core, bucket, settings, levels } = world;
  return core.replay(request, {
    levels: [...levels.values()].map((parts) => ({
      level: parts.level,
      queue: parts.deadLetters.queueFor(life),
      refire: refireOf(world, parts, life),
    })),
    store: bucket.storeFor(life),
    clock: life.clock,
    log: noLog,
    maxReplays: settings.maxReplays,
    retryingForMs: core.retryingForMs(settings.deployment),
    deadlineMs: deadlineOf(life),
  });
}

export function runStatus(world: World, request: StatusRequest, life: Life): Promise<Status> {
  const { core, chain, bucket, settings } = world;
  const store = bucket.storeFor(life);
  const { deployment, limits, maxFreezeMs } = settings;
  return core.status(request, {
    chain,
    store,
    clock: life.clock,
    lostAfterMs: () => core.lostAfterMs(deployment),
    stoppedUntilMs: () => core.stoppedUntilMs(store, settings.limits, settings.maxFreezeMs),
    readRate: () =>
      core.readRateNow({
        ...{ store, clock: life.clock, bucket: bucketName, limits, maxFreezeMs },
        levels: usingLevels(world),
      }),
    retryingForMs: core.retryingForMs(deployment),
  });
}

export function runExplain(world: World, request: ExplainRequest, life: Life): Promise<Explanation> {
  const { core, chain, bucket, settings } = world;
  const store = bucket.storeFor(life);
  return core.explain(request, {
    chain,
    store,
    clock: life.clock,
    lostAfterMs: () => core.lostAfterMs(settings.deployment),
    stoppedUntilMs: () => core.stoppedUntilMs(store, settings.limits, settings.maxFreezeMs),
    retryingForMs: core.retryingForMs(settings.deployment),
  });
}

function usingLevels({ levels, settings }: World): UsingLevel[] {
  return [...levels.values()].map(({ level }) => ({ ...level, environments: settings.environments.get(level.name) }));
}

export function runRate(world: World, life: Life): Promise<RateReport> {
  const { core, bucket, settings, levels } = world;
  return core.applyRate({
    bucket: bucketName,
    maxFreezeMs: settings.maxFreezeMs,
    store: bucket.storeFor(life),
    limits: settings.limits,
    levels: [...levels.values()].map((parts) => ({
      level: parts.level,
      environments: settings.environments.get(parts.level.name),
      waiting: parts.waiting.queueFor(life),
      refire: refireOf(world, parts, life),
    })),
    clock: life.clock,
    log: noLog,
    deadlineMs: deadlineOf(life),
  });
}
