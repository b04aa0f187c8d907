/** What all functions share: the log, the deadline of an invocation, and Lambda's own fields on every log line. */
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy, { type MiddlewareObj } from '@middy/core';
import type { Context } from 'aws-lambda';
import { beginInvocation } from '../aws/request-limits.ts';
import type { Log } from '../engine/ports.ts';
import { systemClock } from './clock.ts';
import { logTo } from './log.ts';

/** One invocation, as the work in it sees it. */
export type Invocation = {
  context: Context;
  /** Milliseconds since 1970 by which the work must end, so that there is time left to leave things in order. */
  deadlineMs: number;
  /** The same, in milliseconds from now. */
  workMs: number;
};

export type FunctionOptions<Answer> = {
  /** As serverless.yml calls it; on every log line. */
  name: string;
  /** What is kept back at the end of an invocation, in milliseconds; never more than half of the time that there is. */
  reserveMs: number;
  middlewares?: readonly MiddlewareObj<unknown, Answer>[];
  /** Called once, when the function starts. @throws ConfigError: then it does not start */
  start: (log: Log) => (event: unknown, invocation: Invocation) => Promise<Answer>;
};

/** What a fetch function keeps to note a failure and send a dead letter. */
export const fetchReserveMs = 5_000;

/** What a recovery function keeps to finish what is under way, release messages and count what is left. */
export const recoveryReserveMs = 15_000;

export function createFunction<Answer>({ name, reserveMs, middlewares = [], start }: FunctionOptions<Answer>) {
  const logger = new Logger({ serviceName: name });
  const handle = start(logTo(logger));
  const handler = middy<unknown, Answer>({ timeoutEarlyInMillis: 0 }).use(injectLambdaContext(logger));
  for (const middleware of middlewares) handler.use(middleware);
  return handler.handler((event: unknown, context: Context) => {
    const remainingMs = context.getRemainingTimeInMillis();
    const workMs = workTimeMs(remainingMs, reserveMs);
    beginInvocation(remainingMs, workMs);
    return handle(event, { context, workMs, deadlineMs: systemClock.now() + workMs });
  });
}

/** @returns how long an invocation may work that has `remainingMs` left, in whole milliseconds */
export function workTimeMs(remainingMs: number, reserveMs: number): number {
  return Math.floor(Math.max(remainingMs - reserveMs, remainingMs / 2));
}
