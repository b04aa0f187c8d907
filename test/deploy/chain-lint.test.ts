/** Each rule that a package is checked with, broken; and what is derived from a chain of any depth, which breaks none. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { packageService } from '../../local-aws/index.ts';
import { secretProblems, urlProblems } from '../../infra/api-rules.ts';
import { chainProblems, chainWarnings } from '../../infra/chain-rules.ts';
import type { Template } from '../../infra/compiled.ts';
import { overlap } from '../../infra/key-patterns.ts';
import { bucketNameProblems, nameProblems } from '../../infra/name-rules.ts';
import { functionId } from '../../infra/names.ts';
import { settingsProblems } from '../../infra/settings-rules.ts';
import { loadChain } from '../../infra/source.ts';
import type { Chain } from '../../shared/engine/chain/chain.ts';
import { chainOf, compile, deploymentOf, depths } from './neutral.ts';
import { packageVariant, serviceDir, variantNames } from './variants.ts';

/** top → level_2 → level_3 → leaf */
const chain = chainOf(4);
const direct = compile(deploymentOf(chain));
const queue = compile(deploymentOf(chain, { trigger: 'queue' }));

const allProblems = (template: Template, of: Chain): string[] => [
  ...chainProblems(template, of),
  ...chainWarnings(template),
  ...settingsProblems(template, of),
  ...nameProblems(template, 'dev'),
];

test.each(depths.flatMap((depth) => ['direct', 'queue'].map((trigger) => ({ depth, trigger }))))(
  'nothing is wrong with a chain of $depth levels, trigger $trigger',
  ({ depth, trigger }) => {
    const deep = chainOf(depth);
    expect(allProblems(compile(deploymentOf(deep, { trigger })), deep)).toEqual([]);
  },
);

describe('the example, as it is packaged', () => {
  let hermes: Chain;
  beforeAll(async () => {
    hermes = await loadChain('hermes');
  });

  test.each(variantNames)('nothing is wrong with: %s', async (name) => {
    expect(allProblems((await packageVariant(name)).template, hermes)).toEqual([]);
  });

  test('a package that breaks rules is not made, and each is said in a line', async () => {
    const packaged = packageService({ serviceDir, stage: 'Prod', params: { callTimeoutMs: '299000' } });
    await expect(packaged).rejects.toThrow(/^fetchData runs for 300 s at most.*callTimeoutMs=299000/m);
    await expect(packaged).rejects.toThrow(/^The bucket name s3-cascade-Prod-\d+ may have lower-case letters/m);
  });
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

const problemsOf = (template: Template, of: Chain = chain): string => chainProblems(template, of).join('\n');
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
    const template = changed(direct, (of) => (of('FetchLeafLambdaFunction')['Timeout'] = 25));
    expect(problemsOf(template)).toMatch(/^fetchLeaf runs for 25 s .* callTimeoutMs=20000: lower that below 20000,/m);
  });

  test('a message stays hidden for six times the timeout of its function', () => {
    const template = changed(queue, (of) => (of('LeafTrigger')['VisibilityTimeout'] = 1799));
    expect(problemsOf(template)).toMatch(/^LeafTrigger hides a message for 1799 s; .* 1800 s/m);
  });

  test.each([
    ['event age', 'FETCH_MAX_EVENT_AGE_SECONDS', '3600'],
    ['timeout', 'FETCH_TIMEOUT_SECONDS', '30'],
    ['retries', 'FETCH_RETRY_ATTEMPTS', '0'],
  ])("the sweep does not take an item for lost within the %s of its function's events", (_, name, value) => {
    const template = changed(direct, (of) => (variables(of('SweepLambdaFunction'))[name] = value));
    expect(problemsOf(template)).toMatch(
      /^The sweep takes an item of the level leaf for lost after .* give the sweep/m,
    );
  });

  test("nor within the retention of its function's queue", () => {
    const template = changed(queue, (of) => (of('LeafTrigger')['MessageRetentionPeriod'] = 200_000));
    expect(problemsOf(template)).toMatch(/^The sweep takes an item of the level leaf for lost after 87000 s/m);
  });

  test('an event lives long enough for all its tries', () => {
    const short = changed(direct, (of) => {
      of('FetchLeafLambdaEvConf')['MaximumEventAgeInSeconds'] = 600;
    });
    expect(problemsOf(short)).toMatch(/^maximumEventAge is 600 s, .* level leaf may take 780 s/m);
    const shortQueue = changed(queue, (of) => (of('LeafTrigger')['MessageRetentionPeriod'] = '1800'));
    expect(problemsOf(shortQueue)).toMatch(/^queueRetention is 1800 s, but the attempts .* level leaf .* maxReceives/m);
  });
});

describe('loops', () => {
  test.each([
    ['s3:PutObject', 'things_3/*'],
    ['s3:*', '*'],
    [['s3:GetObject', 's3:Put*'], 'things_*'],
  ])('no function may write what triggers it: %p on %s', (action, key) => {
    for (const template of [direct, queue])
      expect(problemsOf(changed(template, (of) => allow(of('FetchLeafRole'), action, keyArn(key))))).toMatch(
        /^FetchLeafLambdaFunction may write under things_3\/, which triggers it/m,
      );
  });

  test('nor by way of another', () => {
    const template = changed(direct, (of) => allow(of('FetchLeafRole'), 's3:PutObject', keyArn('things_1/*')));
    expect(problemsOf(template)).toMatch(/^What FetchLeafLambdaFunction writes starts it again through/m);
  });

  test('reading there, and writing beside it, is no loop', () => {
    const template = changed(direct, (of) => {
      allow(of('FetchLeafRole'), 's3:GetObject', keyArn('things_3/*'));
      allow(of('FetchLeafRole'), 's3:PutObject', keyArn('results/*'));
      allow(of('RateRole'), 's3:PutObject', keyArn('control/r*.txt'));
    });
    expect(problemsOf(template)).toBe('');
  });

  test('dead letters do not feed the function that they come from', () => {
    const template = changed(queue, (of) => (of('LeafTriggerMapping')['EventSourceArn'] = arnOf('LeafDeadLetters')));
    expect(problemsOf(template)).toMatch(
      /^LeafDeadLetters is where FetchLeafLambdaFunction's failures go, and it feeds/m,
    );
    const own = changed(queue, (of) => {
      (of('LeafTrigger')['RedrivePolicy'] as Record<string, unknown>)['deadLetterTargetArn'] = arnOf('LeafTrigger');
    });
    expect(problemsOf(own)).toMatch(/^LeafTrigger is its own dead-letter queue/m);
  });
});

describe('each level', () => {
  const changedChain = (change: Partial<Chain['levels'][number]>): Chain => ({
    ...chain,
    levels: chain.levels.map((level) => (level.name === 'leaf' ? { ...level, ...change } : level)),
  });

  test('has a function', () => {
    expect(problemsOf(direct, changedChain({ function: 'fetchResults' }))).toMatch(
      /^The level leaf has no function fetchResults: serverless.yml must list/m,
    );
  });

  test('has its trigger, and may write where it does', () => {
    const problems = problemsOf(direct, changedChain({ reads: 'groups', writes: 'other' }));
    expect(problems).toMatch(/^fetchLeaf must be triggered by groups\/ and by nothing else, not by things_3\/\./m);
    expect(problems).toMatch(/^fetchLeaf may not write under other\/: its role lacks s3:PutObject there\./m);
  });

  test('has a dead-letter queue', () => {
    const template = changed(direct, (of) => delete of('FetchLeafLambdaEvConf')['DestinationConfig']);
    expect(problemsOf(template)).toMatch(/^fetchLeaf has no dead-letter queue/m);
  });

  test('has dead letters that live on when their message was old', () => {
    const template = changed(queue, (of) => (of('LeafTrigger')['MessageRetentionPeriod'] = 1_209_600));
    expect(problemsOf(template)).toMatch(
      /^LeafTrigger keeps a message for 1209600 s and its dead-letter queue LeafDeadLetters for 1209600 s.*Lower queueRetention to 1123200 at most/m,
    );
    const longest = { trigger: 'queue', queueRetention: '1123200' };
    expect(problemsOf(compile(deploymentOf(chain, longest)))).toBe('');
  });
});

describe('the settings of the functions', () => {
  const problems = (template: Template): string => settingsProblems(template, chain).join('\n');

  test.each([
    [
      'FetchLeafLambdaFunction',
      'CALL_RETRIES',
      '20',
      /^fetchLeaf would not start: CALL_RETRIES must be a whole number from 0 to 10\.$/m,
    ],
    [
      'FetchTopLambdaFunction',
      'API_URL',
      'https://api.example.com/?key=1',
      /^fetchTop would not start: API_URL must not contain a query/m,
    ],
    [
      'FetchTopLambdaFunction',
      'LEVEL',
      'bottom',
      /^fetchTop would not start: LEVEL must be one of top, level_2, level_3, leaf, not "bottom"\.$/m,
    ],
    ['SweepLambdaFunction', 'MAX_REFIRES', '0', /^sweep would not start: MAX_REFIRES must be/m],
  ])('are read as the functions read them: %s %s=%s', (id, name, value, expected) => {
    expect(problems(changed(direct, (of) => (variables(of(id))[name] = value)))).toMatch(expected);
  });

  test('that are missing are found', () => {
    const template = changed(direct, (of) => delete variables(of('ReplayLambdaFunction'))['TARGET_LEAF']);
    expect(problems(template)).toBe('replay would not start: TARGET_LEAF is not set.');
  });

  test('fit into what Lambda takes', () => {
    const template = changed(direct, (of) => (variables(of('StatusLambdaFunction'))['NOTE'] = 'x'.repeat(4096)));
    expect(problems(template)).toMatch(/^The environment of status has \d+ bytes; Lambda allows 4096/);
  });

  test('and the inputs of schedules are understood', () => {
    const template = changed(direct, (of) => {
      of('ReplaySchedule')['Targets'] = [{ Arn: arnOf(functionId('replay')), Input: '{"rate":"5","limt":3}' }];
    });
    expect(problems(template)).toMatch(
      /^The schedule of replay asks with .*rate must be a number above 0; limt is not known/,
    );
  });
});

test('prefixes that begin alike are told of, those that only look alike are not', () => {
  const template = changed(direct, (of) => {
    const { LambdaConfigurations: rules } = of('S3BucketCascade')['NotificationConfiguration'] as {
      LambdaConfigurations: { Filter: { S3Key: { Rules: { Value: string }[] } } }[];
    };
    const prefix = rules[3]?.Filter.S3Key.Rules[0];
    if (prefix !== undefined) prefix.Value = 'things_1/x/';
  });
  expect(problemsOf(template)).toMatch(/^The prefixes things_1\/ and things_1\/x\/ overlap, which S3 refuses/m);
});

test('patterns of keys overlap when there is a key that both stand for', () => {
  expect(overlap('things_3/*', 'data/*.json')).toBe(false);
  expect(overlap('data*', 'data_groups/*.json')).toBe(true);
  expect(overlap('control/last-good-rate.json', 'control/rate*.json')).toBe(false);
  expect(overlap('data/*/_SUCCESS', 'data/*.json')).toBe(false);
  expect(overlap('*a*a*a*a*a*a*a*a*b', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa*c')).toBe(false);
  expect(overlap('?/*', 'a/b')).toBe(true);
});

test('more environments than an account may reserve are a warning, which knows of new accounts', () => {
  const reserving = (count: number): Template =>
    changed(direct, (of) => {
      for (const { function: name } of chain.levels) of(functionId(name))['ReservedConcurrentExecutions'] = count / 4;
    });
  expect(chainWarnings(reserving(900))).toEqual([]);
  expect(chainWarnings(reserving(904)).join()).toMatch(/^904 environments .* 900, and a new account may have only 10/);
});

describe('names', () => {
  const problems = (stage: string): string[] => nameProblems(compile(deploymentOf(chain, {}, stage)), stage);

  test('are as long as AWS takes: the stage that just fits, and one more letter', () => {
    const fits = 's'.repeat(39);
    expect(problems(fits)).toEqual([]);
    expect(problems(`${fits}s`)).toEqual([
      expect.stringMatching(/^The bucket name \S+ has 64 letters; AWS allows 63\.$/),
      `The stage ${fits}s has 40 letters; at most 39 fit.`,
    ]);
  });

  test("of the bucket are checked by all of AWS's rules", () => {
    expect(problems('Prod').join()).toMatch(/may have lower-case letters/);
    const longEnough = 'b'.repeat(63);
    for (const name of [longEnough, 'a.b-c', '1st', 'xn-bucket']) expect(bucketNameProblems(name)).toEqual([]);
    const refused = [
      ...['ab', 'under_score', '-first', 'last-', '.first', 'two..periods', '192.168.5.4', 'xn--name', 'sthree-name'],
      ...['amzn-s3-demo-bucket', 'name-s3alias', 'name--ol-s3', 'name.mrap', 'name--x-s3', 'name--table-s3'],
      'name-123456789012-us-east-1-an',
    ];
    for (const name of refused) expect([name, bucketNameProblems(name)]).toEqual([name, [expect.any(String)]]);
  });

  test('of two resources never are the same', () => {
    const levels = chain.levels.map((level) => (level.name === 'leaf' ? { ...level, name: 'lost' } : level));
    expect(() => compile(deploymentOf({ ...chain, levels }))).toThrow(
      'Two resources would have the logical id LostDeadLettersAlarm: give a level of the chain another name.',
    );
  });
});

describe('the API', () => {
  test.each(['', 'api.example.com', 'ftp://api.example.com', 's3://bucket'])('can not be at %p', (url) => {
    expect(urlProblems(url).join()).toMatch(/^apiUrl (is not set|must be an http)/);
  });

  test.each([
    ...['https://user:hunter2@api.example.com', 'https://hunter2@api.example.com', 'https://@api.example.com'],
    ...['https://api.example.com/v1?key=hunter2', 'https://api.example.com/?', 'https://api.example.com/#hunter2'],
  ])('has no credentials in its address, which are not shown: %s', (url) => {
    expect(urlProblems(url)).toEqual([expect.stringMatching(/^apiUrl must not contain a (user|query)/)]);
    expect(urlProblems(url).join()).not.toContain('hunter2');
  });

  test.each(['https://api.example.com/v1', 'http://10.0.0.1:8080'])('can be at %p', (url) => {
    expect(urlProblems(url)).toEqual([]);
  });

  test.each([
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.abc',
    'Bearer abc',
    'ghp_16C7e42F292c6912E7710c838347Ae178B4a',
    'has a space',
    'arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf',
  ])("has no token where its secret's name belongs, and the token is not shown: %s", (value) => {
    const { problems } = secretProblems(value);
    expect(problems).toHaveLength(1);
    expect(problems.join()).not.toContain(value);
  });

  test('may have a key there, which is asked about and not shown', () => {
    const { problems, warnings } = secretProblems('9f86d081884c7d659a2feaa0c55ad015');
    expect(problems).toEqual([]);
    expect(warnings.join()).toMatch(/If what is given is the token, revoke it/);
    expect(warnings.join()).not.toContain('9f86');
  });

  test.each(['', 'api-token', 'prod/api/token', 'a-rather-long-name-of-a-secret-of-2026-for-the-api', 'Team@api'])(
    'has a secret that is named %p',
    (name) => expect(secretProblems(name)).toEqual({ problems: [], warnings: [] }),
  );
});
