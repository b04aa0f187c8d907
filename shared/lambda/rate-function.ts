/** The Lambda around the rate: connects the core to S3, SQS and Lambda, and answers with what holds. */
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { SQSClient } from '@aws-sdk/client-sqs';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import * as v from 'valibot';
import { readDeadLetter } from '../aws/dead-letter-message.ts';
import { createMessageQueue } from '../aws/message-queue.ts';
import { createObjectStore } from '../aws/object-store.ts';
import { isS3Event } from '../aws/s3-event.ts';
import { createS3Client } from '../aws/s3-client.ts';
import { takeUpRate, type RateReport, type TakeUpRateDeps } from '../engine/recovery/apply-rate.ts';
import { systemClock } from './clock.ts';
import { readRecoveryConfig } from './config.ts';
import { deadlineOf } from './deadline.ts';
import { readInput } from './input.ts';
import { logTo } from './log.ts';
import { createRefires, refireSockets } from './refires.ts';

/** People ask what holds with nothing; S3 tells with an event that somebody has set it. */
const input = v.strictObject({});

/** What is kept at the end of an invocation to finish what is under way. */
const reserveMs = 15_000;

/** @throws ConfigError at once, so that a function with bad settings does not start */
export function rateFunction() {
  const config = readRecoveryConfig();
  const logger = new Logger({ serviceName: 'rate' });
  const sqs = new SQSClient({ requestHandler: refireSockets });
  const refireOf = createRefires(config, sqs);
  const shared = {
    store: createObjectStore(createS3Client(4), config.bucket),
    limits: config.rate,
    levels: config.levels.map(({ level, waitingQueueUrl, target }) => ({
      level,
      waiting: createMessageQueue(sqs, waitingQueueUrl),
      refire: refireOf(target),
    })),
    understand: readDeadLetter,
    clock: systemClock,
    log: logTo(logger),
  } satisfies Partial<TakeUpRateDeps>;

  return middy<unknown, RateReport & { bucket: string }>({ timeoutEarlyInMillis: 0 })
    .use(injectLambdaContext(logger))
    .handler(async (event: unknown, context: Context) => {
      if (!isS3Event(event)) readInput(input, event);
      const { deadlineMs } = deadlineOf(context, reserveMs);
      return { bucket: config.bucket, ...(await takeUpRate({ ...shared, deadlineMs })) };
    });
}
