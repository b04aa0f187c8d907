/** The Lambda around the sweep: checks what is asked, connects the core to S3 and Lambda, and answers with the report. */
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { SQSClient } from '@aws-sdk/client-sqs';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import * as v from 'valibot';
import { createObjectStore } from '../aws/object-store.ts';
import { censusSockets, createS3Client } from '../aws/s3-client.ts';
import { makeS3Record, withReplays } from '../aws/s3-event.ts';
import { stoppedUntilMs } from '../engine/rate/rate-control.ts';
import { sweep, type SweepDeps, type SweepReport, type SweepRequest } from '../engine/recovery/sweep.ts';
import { systemClock } from './clock.ts';
import { readRecoveryConfig } from './config.ts';
import { deadlineOf } from './deadline.ts';
import { lostAfterMs, retryingForMs, settleMs } from './event-life.ts';
import { flagField, levelField, runField, secondsField } from './fields.ts';
import { readInput } from './input.ts';
import { logTo } from './log.ts';
import { createRefires } from './refires.ts';
import { publishRuns } from './run-metrics.ts';

const input = v.strictObject({ run: runField, level: levelField, olderThan: secondsField, dryRun: flagField });

/** What is kept at the end of an invocation to finish what is under way. */
const reserveMs = 15_000;

/** @throws ConfigError at once, so that a function with bad settings does not start */
export function sweepFunction() {
  const config = readRecoveryConfig();
  const logger = new Logger({ serviceName: 'sweep' });
  const metrics = new Metrics({ namespace: 's3-cascade', serviceName: 'sweep' });
  const refireOf = createRefires(config, new SQSClient());
  const store = createObjectStore(createS3Client(censusSockets), config.bucket);
  const shared = {
    store,
    refires: new Map(config.levels.map(({ level, target }) => [level.level, refireOf(target)])),
    recordFor: (key, { replays, refires, again }) =>
      withReplays(makeS3Record(config.bucket, key, systemClock.now()), replays, again, refires),
    clock: systemClock,
    log: logTo(logger),
    lostAfterMs: () => lostAfterMs(config),
    retryingForMs: retryingForMs(config),
    settleMs: settleMs(config),
    maxRefires: config.maxRefires,
  } satisfies Partial<SweepDeps>;

  return middy<unknown, SweepReport>({ timeoutEarlyInMillis: 0 })
    .use(injectLambdaContext(logger))
    .handler(async (event: unknown, context: Context): Promise<SweepReport> => {
      const request: SweepRequest = readInput(input, event);
      const { deadlineMs } = deadlineOf(context, reserveMs);
      let stopped: Promise<number> | undefined;
      const stoppedOnce = (): Promise<number> => (stopped ??= stoppedUntilMs(store, config.rate));
      const report = await sweep(request, { ...shared, stoppedUntilMs: stoppedOnce, deadlineMs });
      logger.info('Sweep ended.', { request, report });
      // What is asked for by hand is not all there is.
      if (request.run === undefined && !report.dryRun) {
        const isStopped = (await stoppedOnce()) > systemClock.now();
        publishRuns(metrics, report, { functionName: context.functionName, isStopped });
      }
      return report;
    });
}
