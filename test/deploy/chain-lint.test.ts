/** Each rule that the package is held against, broken; and the package as it is, which breaks none. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { packageService } from '../../local-aws/package/package-service.ts';
import { secretProblems, urlProblems } from '../../infra/api-rules.ts';
import { chainProblems, chainWarnings, fetchReserveMs, nameProblems } from '../../infra/chain-rules.ts';
import type { Template } from '../../infra/compiled.ts';
import { overlap } from '../../infra/key-patterns.ts';
import { chain, type Level } from '../../shared/engine/chain/chain.ts';
import { packageVariant, serviceDir, variantNames } from './variants.ts';

let direct: Template;
let queue: Template;
beforeAll(async () => {
  ({ template: direct } = await packageVariant('direct'));
  ({ template: queue } = await packageVariant('queue'));
});

test.each(variantNames)('nothing is wrong with: %s', async (name) => {
  const { template } = await packageVariant(name);
  expect([...chainProblems(template, chain), ...chainWarnings(template), ...nameProblems(template, 'dev')]).toEqual([]);
});

test('a package that breaks rules is not made, and says each in a line', async () => {
  const params = { callTimeoutMs: '299000', hermesTokenSecret: 'Bearer abc' };
  const packaged = packageService({ serviceDir, stage: 'Prod', params });
  await expect(packaged).rejects.toThrow(/fetchData runs for 300 s at most.*callTimeoutMs=299000/);
  await expect(packaged).rejects.toThrow(/The bucket name s3-cascade-Prod-\d+ may have lower-case letters/);
  await expect(packaged).rejects.toThrow(/hermesTokenSecret is the name of a secret/);
});

/** The template with one thing in it changed. */
function changed(template: Template, change: (properties: (id: string) => Record<string, unknown>) => void): Template {
  const copy = structuredClone(template);
  change((id) => {
    const properties = copy.Resources[id]?.Properties;
    if (properties === undefined) throw new Error(`The template has no ${id}.`);
    return properties;
  });
  return copy;
}

const problemsOf = (template: Template, table: readonly Level[] = chain): string =>
  chainProblems(template, table).join('\n');
const arnOf = (id: string): object => ({ 'Fn::GetAtt': [id, 'Arn'] });
const variables = (properties: Record<string, unknown>): Record<string, string> =>
  (properties['Environment'] as { Variables: Record<string, string> }).Variables;
const allow = (properties: Record<string, unknown>, Action: unknown, Resource: unknown): void => {
  const [policy] = properties['Policies'] as { PolicyDocument: { Statement: object[] } }[];
  policy?.PolicyDocument.Statement.push({ Effect: 'Allow', Action, Resource });
};
const keyArn = (key: string): object => ({ 'Fn::Sub': `arn:\${AWS::Partition}:s3:::bucket/${key}` });

describe('time', () => {
  test('a call may not last until its function has none left to note a failure', () => {
    const template = changed(direct, (of) => (of('FetchDataLambdaFunction')['Timeout'] = 25));
    expect(problemsOf(template)).toMatch(/^fetchData runs for 25 s .* callTimeoutMs=20000: lower that below 20000,/m);
  });

  test('the reserve that is reckoned with is the one that the functions keep', () => {
    const source = readFileSync(join(serviceDir, 'shared/lambda/fetch-function.ts'), 'utf8');
    const [, reserve = ''] = /const reserveMs = ([\d_]+);/.exec(source) ?? [];
    expect(Number(reserve.replaceAll('_', ''))).toBe(fetchReserveMs);
  });

  test('a message stays hidden for six times the timeout of its function', () => {
    const template = changed(queue, (of) => (of('DataTrigger')['VisibilityTimeout'] = 1799));
    expect(problemsOf(template)).toMatch(/^DataTrigger hides a message for 1799 s; .* 1800 s/m);
  });

  test.each([
    ['event age', 'FETCH_MAX_EVENT_AGE_SECONDS', '3600'],
    ['timeout', 'FETCH_TIMEOUT_SECONDS', '30'],
    ['retries', 'FETCH_RETRY_ATTEMPTS', '0'],
  ])("the sweep does not take an item for lost within the %s of its function's events", (_, name, value) => {
    const template = changed(direct, (of) => (variables(of('SweepLambdaFunction'))[name] = value));
    expect(problemsOf(template)).toMatch(
      /^The sweep takes an item of the level data for lost after .* give the sweep/m,
    );
  });

  test("nor within the retention of its function's queue", () => {
    const template = changed(queue, (of) => (of('DataTrigger')['MessageRetentionPeriod'] = 200_000));
    expect(problemsOf(template)).toMatch(/^The sweep takes an item of the level data for lost after 87000 s/m);
  });

  test('an event lives long enough for all its tries', () => {
    const short = changed(direct, (of) => {
      of('FetchDataLambdaEvConf')['MaximumEventAgeInSeconds'] = 600;
    });
    expect(problemsOf(short)).toMatch(/^maximumEventAge is 600 s, .* level data may take 780 s/m);
    const shortQueue = changed(queue, (of) => (of('DataTrigger')['MessageRetentionPeriod'] = '1800'));
    expect(problemsOf(shortQueue)).toMatch(/^queueRetention is 1800 s, but the tries .* level data .* maxReceives/m);
  });
});

describe('loops', () => {
  test.each([
    ['s3:PutObject', 'data_groups/*'],
    ['s3:*', '*'],
    [['s3:GetObject', 's3:Put*'], 'data_*'],
  ])('no function may write what triggers it: %p on %s', (action, key) => {
    for (const template of [direct, queue])
      expect(problemsOf(changed(template, (of) => allow(of('FetchDataRole'), action, keyArn(key))))).toMatch(
        /^FetchDataLambdaFunction may write under data_groups\/, which triggers it/m,
      );
  });

  test('nor by way of another', () => {
    const template = changed(direct, (of) => allow(of('FetchDataRole'), 's3:PutObject', keyArn('troops/*')));
    expect(problemsOf(template)).toMatch(/^What FetchDataLambdaFunction writes comes back to it/m);
  });

  test('reading there, and writing beside it, is no loop', () => {
    const template = changed(direct, (of) => {
      allow(of('FetchDataRole'), 's3:GetObject', keyArn('data_groups/*'));
      allow(of('FetchDataRole'), 's3:PutObject', keyArn('data/*'));
      allow(of('RateRole'), 's3:PutObject', keyArn('control/r*.txt'));
    });
    expect(problemsOf(template)).toBe('');
  });

  test('dead letters do not feed the function that they come from', () => {
    const template = changed(queue, (of) => (of('DataTriggerMapping')['EventSourceArn'] = arnOf('DataDeadLetters')));
    expect(problemsOf(template)).toMatch(
      /^DataDeadLetters is where FetchDataLambdaFunction's failures go, and it feeds/m,
    );
    const own = changed(queue, (of) => {
      (of('DataTrigger')['RedrivePolicy'] as Record<string, unknown>)['deadLetterTargetArn'] = arnOf('DataTrigger');
    });
    expect(problemsOf(own)).toMatch(/^DataTrigger is its own dead-letter queue/m);
  });
});

describe('the level table', () => {
  const table = (change: (row: Level, index: number) => Partial<Level>): Level[] =>
    chain.map((row, index) => ({ ...row, ...change(row, index) }));

  test('names functions that are there', () => {
    const renamed = table(({ level }) => (level === 'data' ? { function: 'fetchResults' } : {}));
    expect(problemsOf(direct, renamed)).toMatch(
      /^The level data is for the function fetchResults, which serverless.yml/m,
    );
  });

  test('says what triggers each, and where it writes', () => {
    const moved = table(({ level }) => (level === 'data' ? { reads: 'groups', writes: 'results' } : {}));
    const problems = problemsOf(direct, moved);
    expect(problems).toMatch(/^fetchData must be triggered by groups\/ and by nothing else, not by data_groups\/\./m);
    expect(problems).toMatch(/^fetchData may not write under results\/: its role lacks s3:PutObject there\./m);
    expect(problems).toMatch(/^The level data reads groups\/, but the level above it writes data_groups\/\./m);
  });

  test('has a dead-letter queue for each', () => {
    const template = changed(direct, (of) => delete of('FetchDataLambdaEvConf')['DestinationConfig']);
    expect(problemsOf(template)).toMatch(/^fetchData has no dead-letter queue/m);
  });
});

test('prefixes that begin alike are told of, those that only look alike are not', () => {
  const template = changed(direct, (of) => {
    const { LambdaConfigurations: rules } = of('S3BucketCascade')['NotificationConfiguration'] as {
      LambdaConfigurations: { Filter: { S3Key: { Rules: { Value: string }[] } } }[];
    };
    const prefix = rules[3]?.Filter.S3Key.Rules[0];
    if (prefix !== undefined) prefix.Value = 'troops/x/';
  });
  expect(problemsOf(template)).toMatch(/^The prefixes troops\/ and troops\/x\/ overlap, which S3 refuses/m);
});

test('patterns of keys overlap when there is a key that both stand for', () => {
  expect(overlap('data_groups/*', 'data/*.json')).toBe(false);
  expect(overlap('data*', 'data_groups/*.json')).toBe(true);
  expect(overlap('control/last-good-rate.json', 'control/rate*.json')).toBe(false);
  expect(overlap('data/*/_SUCCESS', 'data/*.json')).toBe(false);
  expect(overlap('*a*a*a*a*a*a*a*a*b', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa*c')).toBe(false);
  expect(overlap('?/*', 'a/b')).toBe(true);
});

test('more environments than an account may reserve are a warning, which knows of new accounts', () => {
  const reserving = (count: number): Template =>
    changed(direct, (of) => {
      for (const { function: name } of chain)
        of(`${name.replace(/^f/, 'F')}LambdaFunction`)['ReservedConcurrentExecutions'] = count / 4;
    });
  expect(chainWarnings(reserving(900))).toEqual([]);
  expect(chainWarnings(reserving(904)).join()).toMatch(/^904 environments .* 900, and a new account may have only 10/);
});

describe('names', () => {
  const staged = (stage: string): Template =>
    JSON.parse(JSON.stringify(direct).replaceAll('s3-cascade-dev', `s3-cascade-${stage}`)) as Template;

  test('are as long as AWS takes: the stage that just fits, and one more letter', () => {
    const fits = 's'.repeat(37);
    expect(nameProblems(staged(fits), fits)).toEqual([]);
    expect(nameProblems(staged(`${fits}s`), `${fits}s`)).toEqual([
      expect.stringMatching(/^The function name \S+ has 65 letters; AWS allows 64\.$/),
      `The stage ${fits}s has 38 letters; at most 37 fit.`,
    ]);
  });

  test("know that a bucket's has no capitals", () => {
    expect(nameProblems(staged('Prod'), 'Prod').join()).toMatch(/lower-case letters/);
  });
});

describe('the API', () => {
  test.each(['', 'hermes.example.com', 'ftp://hermes.example.com', 's3://bucket'])('can not be at %p', (url) => {
    expect(urlProblems(url).join()).toMatch(/^hermesUrl is (not set|no http)/);
  });

  test.each(['https://hermes.example.com/v1', 'http://10.0.0.1:8080'])('can be at %p', (url) => {
    expect(urlProblems(url)).toEqual([]);
  });

  test.each([
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.abc',
    'Bearer abc',
    'ghp_16C7e42F292c6912E7710c838347Ae178B4a',
    'has a space',
    'arn:aws:secretsmanager:us-east-1:123456789012:secret:hermes-AbCdEf',
  ])("has no token where its secret's name belongs, and the token is not shown: %s", (value) => {
    const { problems } = secretProblems(value);
    expect(problems).toHaveLength(1);
    expect(problems.join()).not.toContain(value);
  });

  test('may have a key there, which is asked about and not shown', () => {
    const { problems, warnings } = secretProblems('9f86d081884c7d659a2feaa0c55ad015');
    expect(problems).toEqual([]);
    expect(warnings.join()).toMatch(/Is what is given not the token\?/);
    expect(warnings.join()).not.toContain('9f86');
  });

  test.each([
    '',
    'hermes-token',
    'prod/hermes/token',
    'a-rather-long-name-of-a-secret-of-2026-for-hermes',
    'Team@hermes',
  ])('has a secret that is named %p', (name) => expect(secretProblems(name)).toEqual({ problems: [], warnings: [] }));
});
