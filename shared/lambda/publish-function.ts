/**
 * The Lambdas around publishing: `publish` takes success markers, `publishPiece` the pieces that it makes of them. Each connects
 * the engine to S3, SQS and Parquet, and decides nothing.
 */
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import { SQSClient } from '@aws-sdk/client-sqs';
import { parseS3Event } from '../aws/event-codec.ts';
import { withCode } from '../aws/letter-codec.ts';
import { createFailureSink } from '../aws/message-queue.ts';
import { createObjectStore } from '../aws/object-store.ts';
import { limited, requestHandlerOptions } from '../aws/request-limits.ts';
import { createS3Client } from '../aws/s3-client.ts';
import type { Chain, Level } from '../engine/chain/chain.ts';
import { ConfigError } from '../engine/errors.ts';
import type { ItemEvent } from '../engine/events.ts';
import { isIncompatible } from '../engine/publish/drift.ts';
import { pieceLimits } from '../engine/publish/plan.ts';
import { readPublication } from '../engine/publish/publication.ts';
import { takePublishEvent } from '../engine/publish/publish-event.ts';
import { publishLevels, type PublishLevels } from '../engine/publish/publish-levels.ts';
import type { CreateTableFile, PublishDeps } from '../engine/publish/publish-ports.ts';
import { publishPiece } from '../engine/publish/publish-piece.ts';
import { publishRun } from '../engine/publish/publish-run.ts';
import { systemClock } from './clock.ts';
import { createFunction, recoveryReserveMs } from './lambda-function.ts';
import { readPublishSettings } from './settings.ts';

/** As many as a piece has reads side by side, and some. */
const s3Sockets = 40;

type Answer = { outcome: string }[];
type Work = (event: ItemEvent, deps: PublishDeps, metrics: Metrics) => Promise<{ outcome: string }>;

/** @throws ConfigError at once, so that a function with invalid settings does not start */
export function publishFunction(chain: Chain) {
  const levels = levelsOf(chain);
  return functionOf(chain, levels.publish, (event, deps) => publishRun(event, levels, deps));
}

/** @throws as `publishFunction` */
export function publishPieceFunction(chain: Chain, createTableFile: CreateTableFile) {
  const levels = levelsOf(chain);
  return functionOf(chain, levels.piece, async (event, deps, metrics) => {
    const done = await publishPiece(event, levels, { ...deps, createTableFile });
    if (done.outcome === 'written') metrics.addMetric('RowsPublished', MetricUnit.Count, done.rows);
    if (done.isPublished) await countDrift(event, levels, deps, metrics);
    return done;
  });
}

function levelsOf(chain: Chain): PublishLevels {
  const levels = publishLevels(chain);
  if (levels === undefined) throw new ConfigError(['the chain has no tables: nothing of it can be published']);
  return levels;
}

function functionOf(chain: Chain, level: Level, work: Work) {
  const settings = readPublishSettings();
  const { bucket } = settings;
  const metrics = new Metrics({ namespace: 's3-cascade', serviceName: level.function });
  return createFunction<Answer>({
    name: level.function,
    reserveMs: recoveryReserveMs,
    middlewares: [logMetrics(metrics)],
    start(log) {
      const sqs = limited(new SQSClient({ requestHandler: requestHandlerOptions(1) }));
      const store = createObjectStore(createS3Client(s3Sockets), bucket);
      const deadLetters = createFailureSink(sqs, { queueUrl: settings.deadLetterQueueUrl, bucket });
      const shared = { chain, store, clock: systemClock, log, limits: pieceLimits };
      return async (event, { context, deadlineMs }) => {
        const { items, problems } = parseS3Event(event, bucket);
        const deps = { ...shared, deadlineMs };
        const { awsRequestId: requestId } = context;
        metrics.addDimension('function_name', context.functionName);
        const life = { level, store, deadLetters, clock: systemClock, log, requestId };
        const answers: Answer = [];
        const errors: unknown[] = [...problems];
        for (const item of items) {
          try {
            answers.push(await takePublishEvent(item, () => work(item, deps, metrics), life));
          } catch (error) {
            errors.push(error);
          }
        }
        if (errors.length > 0) throw withCode(errors[0]);
        return answers;
      };
    },
  });
}

/** For the alarm that a deployment may have: a query that ran on the run before may fail on this one. */
async function countDrift(
  { key }: ItemEvent,
  { piece }: PublishLevels,
  { store }: PublishDeps,
  metrics: Metrics,
): Promise<void> {
  const run = key.slice(piece.reads.length + 1).split('/')[0] ?? '';
  const { publication } = await readPublication(run, store);
  const changed = (publication?.tables ?? []).filter(({ drift }) => drift !== undefined && isIncompatible(drift));
  metrics.addMetric('IncompatibleTables', MetricUnit.Count, changed.length);
}
