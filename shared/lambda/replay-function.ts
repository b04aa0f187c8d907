/** The Lambda around replay: checks what is asked, connects the core to SQS, S3 and Lambda, and answers with the report. */
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { SQSClient } from '@aws-sdk/client-sqs';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import * as v from 'valibot';
import { readDeadLetter } from '../aws/dead-letter-message.ts';
import { createMessageQueue } from '../aws/message-queue.ts';
import { createObjectStore } from '../aws/object-store.ts';
import { createS3Client } from '../aws/s3-client.ts';
import { makeS3Record, withReplays } from '../aws/s3-event.ts';
import { replay, type ReplayDeps, type ReplayRequest } from '../engine/recovery/replay.ts';
import type { ReplayReport } from '../engine/recovery/replay-report.ts';
import { systemClock } from './clock.ts';
import { readRecoveryConfig } from './config.ts';
import { deadlineOf } from './deadline.ts';
import { retryingForMs } from './event-life.ts';
import { flagField, levelField, limitField, rateField, runField } from './fields.ts';
import { readInput } from './input.ts';
import { logTo } from './log.ts';
import { createRefires, refireSockets } from './refires.ts';

const input = v.strictObject({
  level: levelField,
  run: runField,
  limit: limitField,
  rate: rateField,
  dryRun: flagField,
  from: v.optional(v.picklist(['dead-letters', 'failures'], 'must be "dead-letters" or "failures"')),
  force: flagField,
});

/** What is kept at the end of an invocation to let go of messages and count what is left. */
const reserveMs = 15_000;

/** More connections than replay makes at once: two looks at each item of its lanes. */
const s3Sockets = 200;

/** @throws ConfigError at once, so that a function with bad settings does not start */
export function replayFunction() {
  const config = readRecoveryConfig();
  const logger = new Logger({ serviceName: 'replay' });
  const sqs = new SQSClient({ requestHandler: refireSockets });
  const refireOf = createRefires(config, sqs);
  const shared = {
    levels: config.levels.map(({ level, target, deadLetterQueueUrl }) => ({
      level,
      queue: createMessageQueue(sqs, deadLetterQueueUrl),
      refire: refireOf(target),
    })),
    store: createObjectStore(createS3Client(s3Sockets), config.bucket),
    understand: readDeadLetter,
    recordFor: (key) => makeS3Record(config.bucket, key, systemClock.now()),
    withReplays,
    clock: systemClock,
    log: logTo(logger),
    maxReplays: config.maxReplays,
    retryingForMs: retryingForMs(config),
  } satisfies Partial<ReplayDeps>;

  return middy<unknown, ReplayReport>({ timeoutEarlyInMillis: 0 })
    .use(injectLambdaContext(logger))
    .handler(async (event: unknown, context: Context): Promise<ReplayReport> => {
      const request: ReplayRequest = readInput(input, event);
      const { deadlineMs } = deadlineOf(context, reserveMs);
      const report = await replay(request, { ...shared, deadlineMs });
      logger.info('Replay ended.', { request, report });
      return report;
    });
}
