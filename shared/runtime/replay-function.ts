/** The Lambda around replay: checks what is asked, connects the core to SQS, S3 and Lambda, and answers with the report. */
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import * as v from 'valibot';
import { readDeadLetter } from '../aws/dead-letter-message.ts';
import { createDeadLetterQueue } from '../aws/dead-letter-queue.ts';
import { createObjectStore } from '../aws/object-store.ts';
import { createRefire } from '../aws/refire.ts';
import { makeS3Record, withReplays } from '../aws/s3-event.ts';
import { chain } from '../chain.ts';
import { isRunName } from '../core/keys.ts';
import { replay, type ReplayDeps, type ReplayRequest } from '../core/replay.ts';
import type { ReplayReport } from '../core/replay-report.ts';
import { systemClock } from './clock.ts';
import { readReplayConfig } from './config.ts';
import { readInput } from './input.ts';
import { logTo } from './log.ts';

const levels = chain.map(({ level }) => level);

const input = v.strictObject({
  level: v.optional(v.picklist(levels, `must be one of ${levels.join(', ')}`)),
  run: v.optional(v.pipe(v.string('must be the name of a run'), v.check(isRunName, 'must be the name of a run'))),
  limit: v.optional(
    v.pipe(
      v.number('must be a whole number from 1'),
      v.safeInteger('must be a whole number from 1'),
      v.minValue(1, 'must be a whole number from 1'),
    ),
  ),
  rate: v.optional(
    v.pipe(
      v.number('must be a number of items a second above 0'),
      v.finite('must be finite'),
      v.gtValue(0, 'must be a number of items a second above 0'),
    ),
  ),
  dryRun: v.optional(v.boolean('must be true or false')),
  from: v.optional(v.picklist(['dead-letters', 'failures'], 'must be "dead-letters" or "failures"')),
  force: v.optional(v.boolean('must be true or false')),
});

/** What is kept at the end of an invocation to let go of messages and count what is left. */
const reserveMs = 15_000;

/** Two retries, one and two minutes after a failure (page invocation-async-error-handling), and a minute to spare. */
const lambdaRetryWaitsMs = 240_000;

/** More connections than replay makes at once: its lanes, each with the messages of a receive. */
const maxSockets = 200;

/** @throws ConfigError at once, so that a function with bad settings does not start */
export function replayFunction() {
  const config = readReplayConfig();
  const logger = new Logger({ serviceName: 'replay' });
  const requestHandler = { httpsAgent: { maxSockets }, httpAgent: { maxSockets } };
  const sqs = new SQSClient({ requestHandler });
  const lambda = new LambdaClient({ requestHandler });
  const shared = {
    levels: config.levels.map(({ level, functionName, deadLetterQueueUrl }) => ({
      level,
      queue: createDeadLetterQueue(sqs, deadLetterQueueUrl),
      refire: createRefire(lambda, functionName),
    })),
    store: createObjectStore(new S3Client({ requestHandler }), config.bucket),
    understand: readDeadLetter,
    recordFor: (key) => makeS3Record(config.bucket, key, systemClock.now()),
    withReplays,
    clock: systemClock,
    log: logTo(logger),
    maxReplays: config.maxReplays,
    retryingForMs: lambdaRetryWaitsMs / config.lambdaTimeScale + 3 * config.fetchTimeoutMs,
  } satisfies Partial<ReplayDeps>;

  return middy<unknown, ReplayReport>({ timeoutEarlyInMillis: 0 })
    .use(injectLambdaContext(logger))
    .handler(async (event: unknown, context: Context): Promise<ReplayReport> => {
      const request: ReplayRequest = readInput(input, event);
      const remainingMs = context.getRemainingTimeInMillis();
      const workMs = Math.max(remainingMs - reserveMs, Math.floor(remainingMs / 2));
      const report = await replay(request, { ...shared, deadlineMs: systemClock.now() + workMs });
      logger.info('Replay ended.', { request, report });
      return report;
    });
}
