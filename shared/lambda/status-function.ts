/** The Lambda around status: checks what is asked, connects the core to S3, and answers with the report. */
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import * as v from 'valibot';
import { createObjectStore } from '../aws/object-store.ts';
import { censusSockets, createS3Client } from '../aws/s3-client.ts';
import { stoppedUntilMs } from '../engine/rate/rate-control.ts';
import { status, type Status, type StatusDeps } from '../engine/report/status.ts';
import { systemClock } from './clock.ts';
import { readRecoveryConfig } from './config.ts';
import { lostAfterMs, retryingForMs } from './event-life.ts';
import { flagField, runField } from './fields.ts';
import { readInput } from './input.ts';

const input = v.strictObject({ run: runField, fresh: flagField });

/** @throws ConfigError at once, so that a function with bad settings does not start */
export function statusFunction() {
  const config = readRecoveryConfig();
  const store = createObjectStore(createS3Client(censusSockets), config.bucket);
  const deps: StatusDeps = {
    store,
    clock: systemClock,
    lostAfterMs: () => lostAfterMs(config),
    stoppedUntilMs: () => stoppedUntilMs(store, config.rate),
    retryingForMs: retryingForMs(config),
  };
  return middy<unknown, Status>({ timeoutEarlyInMillis: 0 })
    .use(injectLambdaContext(new Logger({ serviceName: 'status' })))
    .handler((event: unknown): Promise<Status> => status(readInput(input, event), deps));
}
