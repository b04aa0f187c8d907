import { describe, expect, test } from '@jest/globals';
import { ConfigError } from '../../../shared/engine/errors.ts';
import { readFetchConfig } from '../../../shared/lambda/config.ts';

const good = {
  BUCKET: 'b',
  RATE: '20',
  MINIMUM_RATE: '0.5',
  RATE_SHARE: '0.8',
  ENVIRONMENTS: '4',
  MAX_FREEZE_SECONDS: '900',
  DEAD_LETTER_QUEUE_URL: 'http://127.0.0.1:4566/000000000000/q',
  WAITING_QUEUE_URL: 'http://127.0.0.1:4566/000000000000/w',
  TRIGGER_QUEUE_URL: '',
  HERMES_URL: 'https://hermes.example.com/v1',
  HERMES_TOKEN_SECRET: '',
  CALL_RETRIES: '0',
  CALL_TIMEOUT_MS: '20000',
  MAX_BODY_BYTES: '10000000',
  MAX_CHILDREN: '100000',
  WRITE_CONCURRENCY: '32',
};

function problems(env: Record<string, string | undefined>): readonly string[] {
  try {
    readFetchConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the settings of a function', () => {
  test('are read from the environment', () => {
    expect(readFetchConfig(good)).toEqual({
      bucket: 'b',
      rate: { deployed: 20, minimumPerSecond: 0.5, share: 0.8, environments: 4 },
      maxFreezeMs: 900_000,
      waitingQueueUrl: good.WAITING_QUEUE_URL,
      triggerQueueUrl: undefined,
      deadLetterQueueUrl: good.DEAD_LETTER_QUEUE_URL,
      hermesUrl: good.HERMES_URL,
      hermesTokenSecret: undefined,
      callRetries: 0,
      callTimeoutMs: 20_000,
      maxBodyBytes: 10_000_000,
      maxChildren: 100_000,
      writeConcurrency: 32,
      lambdaTimeScale: 1,
    });
  });

  test('report all mistakes at once', () => {
    expect(problems({})).toHaveLength(Object.keys(good).length);
    expect(problems({ ...good, BUCKET: '', HERMES_URL: 'hermes', CALL_RETRIES: '-1', MAX_CHILDREN: '' })).toEqual([
      'BUCKET is empty',
      'HERMES_URL must be an http:// or https:// address',
      'CALL_RETRIES must be a whole number from 0 to 10',
      'MAX_CHILDREN is empty',
    ]);
  });

  test('never show a value, which could be a secret in the wrong place', () => {
    expect(problems({ ...good, HERMES_URL: 'ftp://user:hunter2@host' }).join()).not.toContain('hunter2');
  });

  test('a rate may be unlimited, and then nothing need bound the environments', () => {
    const unlimited = { ...good, RATE: 'unlimited', ENVIRONMENTS: '' };
    expect(readFetchConfig(unlimited).rate).toMatchObject({ deployed: 'unlimited', environments: undefined });
    for (const RATE of ['none', '0', '-1', '']) expect(problems({ ...good, RATE })).toHaveLength(1);
  });

  test.each(['', ' ', '1.5', '1e3', 'many', '99999999999'])('a number that is %j is refused', (value) => {
    expect(problems({ ...good, WRITE_CONCURRENCY: value })).toHaveLength(1);
  });
});
