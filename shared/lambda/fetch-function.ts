/**
 * The Lambda around a level's fetch: reads the settings, connects the engine to S3, SQS and the API, and puts run, level,
 * key and attempt on every log line. It decides nothing about an item.
 */
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { SQSBatchResponse } from 'aws-lambda';
import { parseS3Event, type ParsedEvent } from '../aws/event-codec.ts';
import { withCode } from '../aws/letter-codec.ts';
import { createFailureSink } from '../aws/message-queue.ts';
import { createStageStore } from '../aws/object-store.ts';
import { limited, requestHandlerOptions } from '../aws/request-limits.ts';
import { createS3Client } from '../aws/s3-client.ts';
import { createSecret } from '../aws/secret.ts';
import { createPostpone, isQueueEvent } from '../aws/trigger-queue.ts';
import type { ItemEvent } from '../engine/events.ts';
import { createFailureWatch } from '../engine/item/failure-watch.ts';
import type { Fetch } from '../engine/item/fetch.ts';
import type { ItemCounts, ItemDeps, Outcome } from '../engine/item/attempt.ts';
import { processItem } from '../engine/item/item.ts';
import type { Log } from '../engine/ports.ts';
import { createRateControl } from '../engine/rate/rate-control.ts';
import { createShareLease } from '../engine/rate/share-lease.ts';
import { createTurns, type Turns } from '../engine/rate/turns.ts';
import { createRunControls } from '../engine/runs/run-control.ts';
import { createRunParamsReader } from '../engine/runs/run-params.ts';
import type { SourceChain } from '../source/define.ts';
import { createLevelFetch } from '../source/level-fetch.ts';
import { systemClock } from './clock.ts';
import { firstRetryMs, queueWaitMs } from './event-life.ts';
import { createFunction, fetchReserveMs } from './lambda-function.ts';
import { takeMessages } from './message-batch.ts';
import { readFetchSettings, type FetchSettings } from './settings.ts';

/** How long the API's token is kept before it is read again, so that a rotated one is taken up. */
const tokenMaxAgeMs = 300_000;

/** As many as a batch of messages has. */
const sqsSockets = 10;

/**
 * Makes the handler of the level that the environment names. It takes the events that S3 sends, one by one or in messages of
 * the level's trigger queue.
 * @throws ConfigError at once, so that a function with invalid settings does not start
 */
export function fetchFunction(source: SourceChain) {
  const settings = readFetchSettings(source);
  const { level } = settings;
  const metrics = new Metrics({
    namespace: 's3-cascade',
    serviceName: level.function,
    defaultDimensions: { level: level.name },
  });
  return createFunction<Outcome[] | SQSBatchResponse>({
    name: level.function,
    reserveMs: fetchReserveMs,
    middlewares: [logMetrics(metrics)],
    start(log) {
      const sqs = limited(new SQSClient({ requestHandler: requestHandlerOptions(sqsSockets) }));
      const shared = openFetch(source, settings, { sqs, log, metrics });
      const postpone = createPostpone(sqs, settings.triggerQueueUrl ?? '');
      return async (event, { context, deadlineMs, workMs }) => {
        const invocation = {
          requestId: context.awsRequestId,
          deadlineMs,
          signal: AbortSignal.timeout(workMs),
          onCall(durationMs: number) {
            metrics.addMetric('ApiCalls', MetricUnit.Count, 1);
            metrics.addMetric('ApiLatency', MetricUnit.Milliseconds, durationMs);
          },
        };
        const takeItem = async (item: ItemEvent): Promise<Outcome> => {
          let items: ItemCounts | undefined;
          const onBatch = (counts: ItemCounts): void => void (items = counts);
          try {
            const outcome = await processItem(item, { ...shared, ...invocation, onBatch });
            if (items === undefined) countOutcome(metrics, outcome);
            return outcome;
          } catch (error) {
            if (items === undefined) metrics.addMetric('Failures', MetricUnit.Count, 1);
            throw withCode(error);
          } finally {
            if (items !== undefined) countItems(metrics, items);
          }
        };
        try {
          if (!isQueueEvent(event)) return await takeRecords(parseS3Event(event, settings.bucket), takeItem, log);
          const waitMs = (delivery: number): number => queueWaitMs(delivery, settings);
          return await takeMessages(event, context, { bucket: settings.bucket, takeItem, postpone, waitMs, log });
        } finally {
          await shared.turns.settle(deadlineMs);
        }
      };
    },
  });
}

type Services = { sqs: SQSClient; log: Log; metrics: Metrics };

/** What an environment keeps from one invocation to the next. */
function openFetch(source: SourceChain, settings: FetchSettings, { sqs, log, metrics }: Services) {
  const { level, bucket, rate, maxFreezeMs, callRetries } = settings;
  // Children are written side by side; with fewer sockets than that they would queue up in the client.
  const store = createStageStore(createS3Client(settings.writeConcurrency + 2), bucket, settings.ratePlace);
  const turns = createTurns({
    control: createRateControl({ store, clock: systemClock, log, limits: rate, maxFreezeMs }),
    openLease: (onChange) =>
      createShareLease({
        ...{ store, clock: systemClock, random: Math.random, log, onChange },
        ...{ bucket, level: level.name, environments: settings.environments, places: settings.places },
      }),
    clock: systemClock,
    random: Math.random,
    onSleep: (ms) => metrics.addMetric('WaitedForTurn', MetricUnit.Milliseconds, ms),
  });
  return {
    chain: source,
    level,
    fetch: openApi(source, settings, turns, log),
    store,
    runParams: createRunParamsReader(source, store),
    runControls: createRunControls({ store, clock: systemClock, log }),
    deadLetters: createFailureSink(sqs, { queueUrl: settings.deadLetterQueueUrl, bucket }),
    waiting: createFailureSink(sqs, { queueUrl: settings.waitingQueueUrl, bucket }),
    turns,
    hasFailures: createFailureWatch(level, store, systemClock, firstRetryMs(settings) / 2),
    clock: systemClock,
    random: Math.random,
    log,
    settings: {
      retry: {
        retries: callRetries,
        baseMs: 200,
        maxMs: 5_000,
        maxFreezeMs,
        maxItemFreezeMs: settings.maxItemFreezeMs,
        maxWaitMs: settings.maxWaitMs,
      },
      writeConcurrency: settings.writeConcurrency,
      maxChildren: settings.maxChildren,
      maxItemBytes: settings.maxBodyBytes,
      maxBatchBytes: settings.maxBatchBytes,
      maxPartBytes: settings.maxPartBytes,
      firstRetryMs: firstRetryMs(settings),
    },
  } satisfies Partial<ItemDeps>;
}

function openSecrets(): SecretsManagerClient {
  return limited(new SecretsManagerClient({ requestHandler: requestHandlerOptions(1) }));
}

function openApi(source: SourceChain, settings: FetchSettings, turns: Turns, log: Log): Fetch {
  const { level, apiUrl, apiTokenSecret: secretId, callTimeoutMs: timeoutMs, maxBodyBytes } = settings;
  const secret = secretId === undefined ? undefined : createSecret(openSecrets(), secretId, tokenMaxAgeMs, systemClock);
  return createLevelFetch(source, level, {
    apiUrl,
    ...(secret && { secret: () => secret.read(), onSecretRefused: () => secret.forget() }),
    timeoutMs,
    maxBodyBytes,
    clock: systemClock,
    onLimit: (limit) => turns.told(limit),
    onLimitWithoutWindow: settings.rate.deployed === 'auto' ? logLimitWithoutWindow(log) : () => undefined,
  });
}

/** Once in each environment: it says so in every answer. */
function logLimitWithoutWindow(log: Log): (calls: number) => void {
  let isLogged = false;
  return (calls) => {
    if (isLogged) return;
    isLogged = true;
    log.warn(
      `The API allows ${calls} calls and does not say in which time, so the rate stays where it begins. Declare it in the chain: api: { limit: { windowSeconds: 60 } }.`,
    );
  };
}

/**
 * S3 sends one record an event. Should it send more, one that fails, or that can't be understood, does not keep the others
 * from being done.
 */
async function takeRecords(
  { items, problems }: ParsedEvent,
  takeItem: (item: ItemEvent) => Promise<Outcome>,
  log: Log,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const errors: unknown[] = [];
  for (const item of items) {
    try {
      outcomes.push(await takeItem(item));
    } catch (error) {
      errors.push(error);
    }
  }
  for (const problem of problems)
    log.error('A record of the event is no item of this deployment; it goes to the dead-letter queue.', {
      error: problem,
    });
  errors.push(...problems.map(withCode));
  if (errors.length > 0) throw errors[0];
  return outcomes;
}

function countItems(metrics: Metrics, { done, failed, deferred, cancelled = 0 }: ItemCounts): void {
  if (done > 0) metrics.addMetric('ItemsDone', MetricUnit.Count, done);
  if (failed > 0) metrics.addMetric('Failures', MetricUnit.Count, failed);
  if (deferred > 0) metrics.addMetric('Deferred', MetricUnit.Count, deferred);
  if (cancelled > 0) metrics.addMetric('Cancelled', MetricUnit.Count, cancelled);
}

function countOutcome(metrics: Metrics, { outcome, written }: Outcome): void {
  if (outcome === 'expanded') metrics.addMetric('ItemsDone', MetricUnit.Count, 1);
  if (outcome === 'duplicate') metrics.addMetric('Duplicates', MetricUnit.Count, 1);
  if (outcome === 'deferred') metrics.addMetric('Deferred', MetricUnit.Count, 1);
  if (outcome === 'cancelled') metrics.addMetric('Cancelled', MetricUnit.Count, 1);
  if (outcome === 'failed') metrics.addMetric('Failures', MetricUnit.Count, 1);
  if (written > 0) metrics.addMetric('ChildrenWritten', MetricUnit.Count, written);
}
