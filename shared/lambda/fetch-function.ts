/**
 * The Lambda around a level's fetch: reads the settings, connects the core to S3, SQS and the API, and puts run, level,
 * key and attempt on every log line. It decides nothing about an item.
 */
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SQSClient } from '@aws-sdk/client-sqs';
import middy from '@middy/core';
import type { Context, SQSBatchResponse } from 'aws-lambda';
import { withCode } from '../aws/dead-letter-message.ts';
import { createMessageSink } from '../aws/message-queue.ts';
import { createObjectStore } from '../aws/object-store.ts';
import { createS3Client } from '../aws/s3-client.ts';
import { parseS3Event } from '../aws/s3-event.ts';
import { createSecret } from '../aws/secret.ts';
import { createPostpone, isQueueEvent } from '../aws/trigger-queue.ts';
import { levelNamed, type IdsOf, type LevelName } from '../engine/chain/chain.ts';
import { createFailureWatch } from '../engine/item/failure-watch.ts';
import {
  processItem,
  type Fetch,
  type ItemDeps,
  type ItemEvent,
  type Outcome,
  type ReadItem,
  type UnreadItem,
} from '../engine/item/item.ts';
import type { CallGate, Page } from '../engine/ports.ts';
import { createRateControl } from '../engine/rate/rate-control.ts';
import { createTurns } from '../engine/rate/turns.ts';
import { createHermes, type Hermes } from '../../sources/hermes/client.ts';
import { systemClock } from './clock.ts';
import { readFetchConfig } from './config.ts';
import { deadlineOf } from './deadline.ts';
import { firstRetryMs, queueWaitMs } from './event-life.ts';
import { logTo } from './log.ts';
import { takeMessages } from './message-batch.ts';

/** An item with as many ids as the level table says. */
type Of<Name extends LevelName, Item> = Item & { ids: Readonly<IdsOf<Name>> };

/** What a file in `functions/` says: how its level asks the API. Either a list page by page, or one result. */
export type LevelFetch<Name extends LevelName> =
  | { many: (item: Of<Name, ReadItem>, hermes: Hermes) => AsyncIterable<Page> }
  | { one: (item: Of<Name, UnreadItem>, hermes: Hermes) => Promise<string> };

/** What is kept at the end of an invocation to note a failure and send a dead letter. */
const reserveMs = 5_000;

/** How long the API's token is kept before it is read again, so that a rotated one is taken up. */
const tokenMaxAgeMs = 300_000;

/**
 * Makes a level's handler. It takes the events that S3 sends, one by one or in messages of the level's trigger queue.
 * @throws ConfigError at once, so that a function with bad settings does not start
 */
export function fetchFunction<Name extends LevelName>(levelName: Name, levelFetch: LevelFetch<Name>) {
  const config = readFetchConfig();
  const level = levelNamed(levelName);
  const logger = new Logger({ serviceName: level.function });
  const metrics = new Metrics({
    namespace: 's3-cascade',
    serviceName: level.function,
    defaultDimensions: { level: level.level },
  });
  // Children are written side by side; with fewer sockets than that they would queue up in the client.
  const s3 = createS3Client(config.writeConcurrency + 2);
  const { hermesTokenSecret: secretId } = config;
  const token =
    secretId === undefined ? undefined : createSecret(new SecretsManagerClient(), secretId, tokenMaxAgeMs, systemClock);

  const hermes = (gate: CallGate): Hermes =>
    createHermes({
      baseUrl: config.hermesUrl,
      ...(token && { token: () => token.read(), onTokenRefused: () => token.forget() }),
      gate,
      timeoutMs: config.callTimeoutMs,
      maxBodyBytes: config.maxBodyBytes,
    });
  // parseItemKey gives as many ids as the level's row names, which is what Of says.
  const fetch: Fetch =
    'one' in levelFetch
      ? { one: (item, gate) => levelFetch.one(item as Of<Name, UnreadItem>, hermes(gate)) }
      : { many: (item, gate) => levelFetch.many(item as Of<Name, ReadItem>, hermes(gate)) };

  const log = logTo(logger);
  const sqs = new SQSClient();
  const store = createObjectStore(s3, config.bucket);
  const { rate, maxFreezeMs } = config;
  // The turns are the environment's: kept from one invocation to the next.
  const turns = createTurns({
    control: createRateControl({ store, clock: systemClock, log, limits: rate, maxFreezeMs }),
    rate,
    clock: systemClock,
    random: Math.random,
    onSleep: (ms) => metrics.addMetric('WaitedForTurn', MetricUnit.Milliseconds, ms),
  });
  const postpone = createPostpone(sqs, config.triggerQueueUrl ?? '');
  const shared = {
    level,
    fetch,
    store,
    deadLetters: createMessageSink(sqs, config.deadLetterQueueUrl),
    waiting: createMessageSink(sqs, config.waitingQueueUrl),
    turns,
    hasFailures: createFailureWatch(level, store, systemClock, firstRetryMs(config) / 2),
    clock: systemClock,
    random: Math.random,
    log,
    settings: {
      retry: { retries: config.callRetries, baseMs: 200, maxMs: 5_000 },
      writeConcurrency: config.writeConcurrency,
      maxChildren: config.maxChildren,
      maxItemBytes: config.maxBodyBytes,
      firstRetryMs: firstRetryMs(config),
    },
  } satisfies Partial<ItemDeps>;

  return middy<unknown, Outcome[] | SQSBatchResponse>({ timeoutEarlyInMillis: 0 })
    .use(injectLambdaContext(logger))
    .use(logMetrics(metrics))
    .handler(async (event: unknown, context: Context): Promise<Outcome[] | SQSBatchResponse> => {
      const { deadlineMs, workMs } = deadlineOf(context, reserveMs);
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
        try {
          const outcome = await processItem(item, { ...shared, ...invocation });
          countOutcome(metrics, outcome);
          return outcome;
        } catch (error) {
          metrics.addMetric('Failures', MetricUnit.Count, 1);
          throw withCode(error);
        }
      };
      try {
        if (!isQueueEvent(event)) return await takeRecords(parseS3Event(event), takeItem);
        const waitMs = (delivery: number): number => queueWaitMs(delivery, config);
        return await takeMessages(event, context, { takeItem, postpone, waitMs, log });
      } finally {
        await turns.settle(deadlineMs);
      }
    });
}

/** S3 sends one record an event. Should it send more, one that fails does not keep the others from being done. */
async function takeRecords(
  items: readonly ItemEvent[],
  takeItem: (item: ItemEvent) => Promise<Outcome>,
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
  if (errors.length > 0) throw errors[0];
  return outcomes;
}

function countOutcome(metrics: Metrics, { outcome, written }: Outcome): void {
  if (outcome === 'expanded') metrics.addMetric('ItemsDone', MetricUnit.Count, 1);
  if (outcome === 'duplicate') metrics.addMetric('Duplicates', MetricUnit.Count, 1);
  if (outcome === 'deferred') metrics.addMetric('Deferred', MetricUnit.Count, 1);
  if (outcome === 'failed') metrics.addMetric('Failures', MetricUnit.Count, 1);
  if (written > 0) metrics.addMetric('ChildrenWritten', MetricUnit.Count, written);
}
