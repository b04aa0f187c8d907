import { describe, expect, test } from '@jest/globals';
import { retryWaitMs, throttleWaitMs } from '../lambda/async-rules.ts';
import { bareFunctionName, regionOf } from '../lambda/definition.ts';
import type { QueuedEvent } from '../lambda/event-queue.ts';
import { failureMessages } from '../lambda/failure-delivery.ts';
import { InvocationLog } from '../lambda/invocation-log.ts';
import { functionOf } from './lambda-service.ts';

test('a failed event waits one minute, then two, and no more often than its retries allow', () => {
  expect([1, 2, 3].map((failedRuns) => retryWaitMs(failedRuns, 2))).toEqual([60_000, 120_000, undefined]);
  expect([1, 2].map((failedRuns) => retryWaitMs(failedRuns, 1))).toEqual([60_000, undefined]);
  expect(retryWaitMs(1, 0)).toBeUndefined();
});

test('a throttled event waits from one second, doubling, to five minutes', () => {
  const waits = Array.from({ length: 11 }, (_, index) => throttleWaitMs(index + 1) / 1_000);
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
});

test.each([
  ['name', 'name'],
  ['name:live', 'name'],
  ['name:$LATEST', 'name'],
  ['000000000000:function:name', 'name'],
  ['arn:aws:lambda:us-east-1:000000000000:function:name', 'name'],
  ['arn:aws:lambda:us-east-1:000000000000:function:name:7', 'name'],
  ['arn:aws:lambda:us-east-1:000000000000:function:function', 'function'],
  ['function', 'function'],
  ['function:live', 'function'],
  ['name:function', 'name'],
])('%s means the function %s', (reference, name) => {
  expect(bareFunctionName(reference)).toBe(name);
});

test('the region of an ARN is its fourth part', () => {
  expect(regionOf('arn:aws:lambda:eu-west-3:1:function:f')).toBe('eu-west-3');
});

describe("a dead letter's error message", () => {
  const definition = functionOf('work.echo', '/nowhere', { async: { deadLetterQueueArn: 'arn:aws:sqs:::dlq' } });
  const messageOf = (errorMessage: string) => {
    const lastResponse = JSON.stringify({ errorType: 'E', errorMessage });
    const event: QueuedEvent = {
      id: 1,
      requestId: 'r',
      payload: '{}',
      failedRuns: 3,
      throttles: 0,
      ageMs: 0,
      readyAtMs: 0,
      lastResponse,
    };
    const messages = failureMessages(definition, event, 'RetriesExhausted', 0);
    return messages.find(({ attributes }) => attributes)?.attributes?.ErrorMessage?.StringValue ?? '';
  };

  test('is cut after 1 KB, between two characters', () => {
    const cut = messageOf('🌱'.repeat(400) + 'end');
    expect(cut).toBe('🌱'.repeat(256));
    expect(messageOf(`a${'🌱'.repeat(400)}`)).toBe(`a${'🌱'.repeat(255)}`);
  });

  test('is never empty, which SQS would refuse', () => {
    expect(messageOf('')).toBe('Unknown error');
  });
});

test('a log line that never ends is cut and does not grow the memory', () => {
  const lines: number[] = [];
  const log = new InvocationLog((line) => lines.push(line.length));
  for (let n = 0; n < 30; n++) log.write('x'.repeat(100_000));
  expect(lines.length).toBeGreaterThan(0);
  expect(Math.max(...lines)).toBeLessThanOrEqual(1_150_000);
});
