import { describe, expect, test } from '@jest/globals';
import type { Context } from 'aws-lambda';
import { ConfigError } from '../../../shared/engine/errors.ts';
import { createFunction, workTimeMs, type Invocation } from '../../../shared/lambda/lambda-function.ts';

describe('the time to work of an invocation', () => {
  test.each([
    [300_000, 5_000, 295_000],
    [12_000, 5_000, 7_000],
    [10_000, 5_000, 5_000],
    [6_000, 5_000, 3_000],
    [1_001.5, 5_000, 500],
    [0, 5_000, 0],
  ])('of %i ms, with %i ms kept back, is %i ms: never less than half', (remainingMs, reserveMs, workMs) => {
    expect(workTimeMs(remainingMs, reserveMs)).toBe(workMs);
  });
});

/** Without the callbacks that Node 24's runtime no longer has. */
const contextOf = (remainingMs: number): Context =>
  ({
    callbackWaitsForEmptyEventLoop: false,
    functionName: 'replay',
    functionVersion: '1',
    invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:replay',
    memoryLimitInMB: '256',
    awsRequestId: 'request-1',
    logGroupName: 'group',
    logStreamName: 'stream',
    getRemainingTimeInMillis: () => remainingMs,
  }) as Partial<Context> as Context;

describe('a function', () => {
  test('starts once, and gives each invocation its event, its deadline and its context', async () => {
    let starts = 0;
    const handler = createFunction<{ event: unknown; invocation: Invocation }>({
      name: 'replay',
      reserveMs: 15_000,
      start() {
        starts += 1;
        return (event, invocation) => Promise.resolve({ event, invocation });
      },
    });
    const beforeMs = Date.now();
    const { event, invocation } = await handler({ run: 'r' }, contextOf(60_000));
    expect(event).toEqual({ run: 'r' });
    expect(invocation).toMatchObject({ workMs: 45_000, context: { awsRequestId: 'request-1' } });
    expect(invocation.deadlineMs).toBeGreaterThanOrEqual(beforeMs + 45_000);
    await handler({}, contextOf(60_000));
    expect(starts).toBe(1);
  });

  test('with invalid settings does not start', () => {
    const start = (): never => {
      throw new ConfigError(['BUCKET is missing']);
    };
    expect(() => createFunction({ name: 'replay', reserveMs: 15_000, start })).toThrow(ConfigError);
  });

  test('fails with what its work throws', async () => {
    const handler = createFunction({
      name: 'replay',
      reserveMs: 15_000,
      start: () => () => Promise.reject(new Error('S3 is away')),
    });
    await expect(handler({}, contextOf(60_000))).rejects.toThrow('S3 is away');
  });
});
