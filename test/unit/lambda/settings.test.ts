import { describe, expect, test } from '@jest/globals';
import { checkedChain } from '../../../shared/engine/chain/chain-problems.ts';
import { ConfigError } from '../../../shared/engine/errors.ts';
import { readFetchSettings, readRecoverySettings } from '../../../shared/lambda/settings.ts';

const chain = checkedChain({
  levels: [
    { name: 'top', children: 'many', id: 'one' },
    { name: 'leaf_2', children: 'one' },
  ],
});

const good = {
  BUCKET: 'b',
  LEVEL: 'leaf_2',
  RATE: '20',
  RATE_BUCKET: 'rates',
  RATE_PREFIX: 'apis/',
  AUTO_RATE_MOST: '20',
  MINIMUM_RATE: '0.5',
  ENVIRONMENTS: '4',
  PLACES: '',
  MAX_FREEZE_SECONDS: '900',
  MAX_ITEM_FREEZE_SECONDS: '1800',
  MAX_WAIT_SECONDS: '86400',
  DEAD_LETTER_QUEUE_URL: 'http://127.0.0.1:4566/000000000000/q',
  WAITING_QUEUE_URL: 'http://127.0.0.1:4566/000000000000/w',
  TRIGGER_QUEUE_URL: '',
  API_URL: 'https://api.example.com/v1',
  API_TOKEN_SECRET: '',
  CALL_RETRIES: '0',
  CALL_TIMEOUT_MS: '20000',
  MAX_BODY_BYTES: '10000000',
  MAX_CHILDREN: '100000',
  MAX_BATCH_BYTES: '1000000',
  MAX_PART_BYTES: '8000000',
  WRITE_CONCURRENCY: '32',
};

function problems(env: Record<string, string | undefined>): readonly string[] {
  try {
    readFetchSettings(chain, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the settings of a function', () => {
  test('are read from the environment', () => {
    expect(readFetchSettings(chain, good)).toEqual({
      bucket: 'b',
      level: chain.levels[1],
      rate: { deployed: 20, minimumPerSecond: 0.5, autoMostPerSecond: 20 },
      ratePlace: { bucket: 'rates', prefix: 'apis/' },
      environments: 4,
      maxFreezeMs: 900_000,
      maxItemFreezeMs: 1_800_000,
      maxWaitMs: 86_400_000,
      waitingQueueUrl: good.WAITING_QUEUE_URL,
      triggerQueueUrl: undefined,
      deadLetterQueueUrl: good.DEAD_LETTER_QUEUE_URL,
      apiUrl: good.API_URL,
      apiTokenSecret: undefined,
      callRetries: 0,
      callTimeoutMs: 20_000,
      maxBodyBytes: 10_000_000,
      maxChildren: 100_000,
      maxBatchBytes: 1_000_000,
      maxPartBytes: 8_000_000,
      writeConcurrency: 32,
      lambdaTimeScale: 1,
    });
  });

  test('report all mistakes at once', () => {
    expect(problems({})).toHaveLength(Object.keys(good).length);
    expect(problems({ ...good, BUCKET: '', API_URL: 'somewhere', CALL_RETRIES: '-1', MAX_CHILDREN: '' })).toEqual([
      'BUCKET is empty',
      'API_URL must be an http:// or https:// address',
      'CALL_RETRIES must be a whole number from 0 to 10',
      'MAX_CHILDREN is empty',
    ]);
  });

  test('never show a value, which could be a secret in the wrong place', () => {
    expect(problems({ ...good, API_URL: 'ftp://user:hunter2@host' }).join()).not.toContain('hunter2');
  });

  test('a rate may be unlimited, and then nothing need bound the environments', () => {
    const unlimited = { ...good, RATE: 'unlimited', ENVIRONMENTS: '' };
    expect(readFetchSettings(chain, unlimited)).toMatchObject({
      rate: { deployed: 'unlimited' },
      environments: undefined,
    });
    for (const RATE of ['none', '0', '-1', '']) expect(problems({ ...good, RATE })).toHaveLength(1);
  });

  test.each(['', ' ', '1.5', '1e3', 'many', '99999999999'])('a number that is %j is refused', (value) => {
    expect(problems({ ...good, WRITE_CONCURRENCY: value })).toHaveLength(1);
  });

  test.each(['top_2', 'LEAF_2', ' leaf_2'])(
    'a level that is none of the chain, %j, is an error with those that are',
    (LEVEL) => {
      expect(problems({ ...good, LEVEL })).toEqual([`LEVEL must be one of top, leaf_2, not ${JSON.stringify(LEVEL)}`]);
    },
  );

  test.each([
    'https://user:hunter2@api.example.com',
    'https://@api.example.com',
    'https://api.example.com?key=hunter2',
    'https://api.example.com/#',
    'file:///etc/hosts',
  ])('an address that holds more than where the API is, %s, is refused', (API_URL) => {
    expect(problems({ ...good, API_URL })).toEqual([expect.stringMatching(/^API_URL must (not contain|be an http)/)]);
    expect(problems({ ...good, API_URL }).join()).not.toContain('hunter2');
  });
});

describe('the settings of the recovery functions', () => {
  const recovery = {
    BUCKET: 'b',
    TRIGGER: 'direct',
    RATE: '20',
    AUTO_RATE_MOST: '20',
    RATE_BUCKET: '',
    RATE_PREFIX: '',
    MINIMUM_RATE: '0.5',
    MAX_FREEZE_SECONDS: '900',
    MAX_REPLAYS: '3',
    MAX_REFIRES: '3',
    FETCH_TIMEOUT_SECONDS: '300',
    FETCH_RETRY_ATTEMPTS: '2',
    FETCH_MAX_EVENT_AGE_SECONDS: '21600',
    QUEUE_MAX_RECEIVES: '5',
    QUEUE_RETENTION_SECONDS: '86400',
    PUBLISH: 'true',
    ...Object.fromEntries(
      ['TOP', 'LEAF_2'].flatMap((level) => [
        [`ENVIRONMENTS_${level}`, level === 'TOP' ? '4' : ''],
        [`TARGET_${level}`, `fetch-${level}`],
        [`DEAD_LETTER_QUEUE_URL_${level}`, `https://sqs.example.com/${level}-dead`],
        [`WAITING_QUEUE_URL_${level}`, `https://sqs.example.com/${level}-waiting`],
      ]),
    ),
  };

  test('name what belongs to each level of the chain', () => {
    const settings = readRecoverySettings(chain, recovery);
    expect(settings).toMatchObject({ maxFreezeMs: 900_000, fetchMaxEventAgeMs: 21_600_000, lambdaTimeScale: 1 });
    expect(settings.levels).toEqual(
      ['TOP', 'LEAF_2'].map((level, index) => ({
        level: chain.levels[index],
        environments: level === 'TOP' ? 4 : undefined,
        target: `fetch-${level}`,
        deadLetterQueueUrl: `https://sqs.example.com/${level}-dead`,
        waitingQueueUrl: `https://sqs.example.com/${level}-waiting`,
      })),
    );
  });

  test('name the two levels that publish, unless nothing is published', () => {
    const results = { name: 'leaf', children: 'one', table: { name: 'leaf', columns: [], raw: true } } as const;
    const withTable = checkedChain({ levels: [{ name: 'top', children: 'many', id: 'top' }, results] });
    const environment = {
      ...recovery,
      ...Object.fromEntries(
        ['LEAF', 'PUBLISH', 'PUBLISH_PIECE'].flatMap((level) => [
          [`ENVIRONMENTS_${level}`, ''],
          [`TARGET_${level}`, `function-${level}`],
          [`DEAD_LETTER_QUEUE_URL_${level}`, `https://sqs.example.com/${level}-dead`],
          [`WAITING_QUEUE_URL_${level}`, `https://sqs.example.com/${level}-waiting`],
        ]),
      ),
    };
    const { publishLevels } = readRecoverySettings(withTable, environment);
    expect(publishLevels.map(({ level, target }) => [level.name, target])).toEqual([
      ['publish', 'function-PUBLISH'],
      ['publish_piece', 'function-PUBLISH_PIECE'],
    ]);
    expect(readRecoverySettings(withTable, { ...environment, PUBLISH: 'false' }).publishLevels).toEqual([]);
    expect(readRecoverySettings(chain, recovery).publishLevels).toEqual([]);
  });

  test('report all mistakes at once, those of every level among them', () => {
    expect(() => readRecoverySettings(chain, {})).toThrow(ConfigError);
    expect(() =>
      readRecoverySettings(chain, { ...recovery, MAX_REPLAYS: '0', TARGET_TOP: '', WAITING_QUEUE_URL_LEAF_2: 'q' }),
    ).toThrow(
      'MAX_REPLAYS must be a whole number from 1 to 1000; TARGET_TOP is empty; WAITING_QUEUE_URL_LEAF_2 must be an http:// or https:// address',
    );
  });
});
