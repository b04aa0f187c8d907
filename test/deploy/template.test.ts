/** What `sls deploy` would deploy: the compiled template, compared with the level table and with AWS's rules. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { packageService } from '../../local-aws/package/package-service.ts';
import { chain } from '../../shared/engine/chain/chain.ts';
import { readFetchConfig, readRecoveryConfig } from '../../shared/lambda/config.ts';

type Resource = { Type: string; Properties: Record<string, unknown>; DeletionPolicy?: string };
type Statement = { Sid: string; Action: string | string[]; Resource: unknown; Effect: string; Condition?: unknown };

const serviceDir = join(import.meta.dirname, '../..');
let packageDir: string;
let resources: Record<string, Resource>;

beforeAll(async () => {
  ({ packageDir } = await packageService({ serviceDir, params: { hermesUrl: 'https://hermes.example.com' } }));
  const template = readFileSync(join(packageDir, 'cloudformation-template-update-stack.json'), 'utf8');
  ({ Resources: resources } = JSON.parse(template) as { Resources: Record<string, Resource> });
});

const startCase = (name: string): string =>
  name.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
const properties = (logicalId: string): Record<string, unknown> => {
  const resource = resources[logicalId];
  if (resource === undefined) throw new Error(`The template has no ${logicalId}.`);
  return resource.Properties;
};
const variablesOf = (logicalId: string): Record<string, unknown> =>
  (properties(logicalId) as { Environment: { Variables: Record<string, unknown> } }).Environment.Variables;
const statementsOf = (role: string): Statement[] =>
  (properties(role) as { Policies: { PolicyDocument: { Statement: Statement[] } }[] }).Policies.flatMap(
    (policy) => policy.PolicyDocument.Statement,
  );
const statement = (role: string, sid: string): Statement | undefined =>
  statementsOf(role).find(({ Sid }) => Sid === sid);

describe.each(chain)('the level $level', (row) => {
  const functionId = `${startCase(row.function)}LambdaFunction`;
  const queueId = `${startCase(row.level)}DeadLetters`;
  const roleId = `${startCase(row.function)}Role`;
  const arnOf = (logicalId: string): object => ({ 'Fn::GetAtt': [logicalId, 'Arn'] });

  test('is triggered by every object that is created under the prefix it reads, and by nothing else', () => {
    const { LambdaConfigurations: rules } = (
      properties('S3BucketCascade') as { NotificationConfiguration: { LambdaConfigurations: { Function: object }[] } }
    ).NotificationConfiguration;
    expect(rules.filter((rule) => JSON.stringify(rule.Function).includes(`"${functionId}"`))).toEqual([
      {
        Event: 's3:ObjectCreated:*',
        Function: arnOf(functionId),
        Filter: {
          S3Key: {
            Rules: [
              { Name: 'prefix', Value: `${row.reads}/` },
              { Name: 'suffix', Value: '.json' },
            ],
          },
        },
      },
    ]);
  });

  test('may be invoked by that bucket of that account only', () => {
    expect(properties(`${startCase(row.function)}LambdaPermissionCascadeS3`)).toMatchObject({
      FunctionName: arnOf(functionId),
      Action: 'lambda:InvokeFunction',
      Principal: 's3.amazonaws.com',
      SourceAccount: { Ref: 'AWS::AccountId' },
      SourceArn: {
        'Fn::Sub': expect.stringMatching(/^arn:\$\{AWS::Partition\}:s3:::s3-cascade-dev-\$\{AWS::AccountId\}$/),
      },
    });
  });

  test('is tried three times, for six hours at most, and then goes to its own dead-letter queue', () => {
    expect(properties(`${startCase(row.function)}LambdaEvConf`)).toMatchObject({
      MaximumRetryAttempts: 2,
      MaximumEventAgeInSeconds: 21_600,
      DestinationConfig: { OnFailure: { Destination: arnOf(queueId) } },
    });
    expect(statement(roleId, 'SendDeadLetters')).toMatchObject({
      Effect: 'Allow',
      Action: 'sqs:SendMessage',
      Resource: arnOf(queueId),
    });
    expect(variablesOf(functionId)['DEAD_LETTER_QUEUE_URL']).toEqual({ Ref: queueId });
  });

  test('has a queue that keeps letters fourteen days, encrypted, over TLS only, with an alarm when it is not empty', () => {
    expect(properties(queueId)).toMatchObject({ MessageRetentionPeriod: 1_209_600, SqsManagedSseEnabled: true });
    expect(properties(`${queueId}Policy`)).toMatchObject({
      PolicyDocument: {
        Statement: [
          { Effect: 'Deny', Principal: '*', Action: 'sqs:*', Condition: { Bool: { 'aws:SecureTransport': false } } },
        ],
      },
    });
    expect(properties(`${queueId}Alarm`)).toMatchObject({
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [queueId, 'QueueName'] } }],
      Threshold: 0,
    });
  });

  test('runs on Node 24 on arm64, under a role of its own, and starts with the settings that it is given', () => {
    expect(properties(functionId)).toMatchObject({
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Role: { 'Fn::Sub': `\${${roleId}.Arn}` },
      Handler: `functions/${row.function.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}.handler`,
    });
    const text = (value: unknown): string => (typeof value === 'string' ? value : 'https://sqs.example.com/resolved');
    const variables = Object.entries(variablesOf(functionId)).map(([name, value]) => [name, text(value)] as const);
    expect(readFetchConfig(Object.fromEntries(variables))).toMatchObject({
      hermesUrl: 'https://hermes.example.com',
      lambdaTimeScale: 1,
    });
  });

  test('reads its own prefix and the rate, and writes the next, its receipts, its failures and a freeze, and nothing else', () => {
    const under = (sid: string): unknown[] =>
      (statement(roleId, sid)?.Resource as { 'Fn::Sub': string }[]).map((arn) =>
        arn['Fn::Sub'].split('/').slice(1).join('/'),
      );
    const receipts = row.children === 'many' ? [`receipts/${row.level}/*`] : [];
    expect(under('WriteChildren').sort()).toEqual(
      [...receipts, `${row.writes}/*`, `failures/${row.level}/*`, 'control/freeze.json'].sort(),
    );
    expect(under('ReadItems').sort()).toEqual(
      [
        row.children === 'many' ? `receipts/${row.level}/*` : `${row.writes}/*`,
        `${row.reads}/*`,
        `failures/${row.level}/*`,
        'control/*',
      ].sort(),
    );
    expect(under('WriteChildren')).not.toContain(`${row.reads}/*`);
  });

  test('has a bundle under 520 kB', () => {
    const file = `${row.function.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}.mjs`;
    expect(statSync(join(packageDir, 'code', row.function, 'functions', file)).size).toBeLessThan(520_000);
  });
});

test('no prefix is the beginning of another, and none feeds itself', () => {
  const prefixes = [
    ...chain.map(({ reads }) => `${reads}/`),
    `${chain[chain.length - 1]?.writes}/`,
    'receipts/',
    'failures/',
  ];
  for (const a of prefixes) for (const b of prefixes) expect(a === b || !a.startsWith(b)).toBe(true);
  for (const { reads, writes } of chain) expect(writes).not.toBe(reads);
});

test("each level reads what the level above writes, and its function in the template is the table's", () => {
  for (const [index, row] of chain.entries()) {
    if (index > 0) expect(row.reads).toBe(chain[index - 1]?.writes);
    expect(resources[`${startCase(row.function)}LambdaFunction`]?.Type).toBe('AWS::Lambda::Function');
  }
  const fetchers = Object.keys(resources).filter((id) => /^Fetch.*LambdaFunction$/.test(id));
  expect(fetchers).toHaveLength(chain.length);
});

test('the bucket is private, encrypted, over TLS only, named by stage and account, and outlives the stack', () => {
  expect(resources['S3BucketCascade']).toMatchObject({
    DeletionPolicy: 'Retain',
    Properties: {
      BucketName: { 'Fn::Sub': 's3-cascade-dev-${AWS::AccountId}' },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
    },
  });
  expect(properties('CascadeBucketPolicy')).toMatchObject({
    PolicyDocument: {
      Statement: [
        { Effect: 'Deny', Principal: '*', Action: 's3:*', Condition: { Bool: { 'aws:SecureTransport': false } } },
      ],
    },
  });
});

describe('with trigger=queue, at a rate', () => {
  let queued: Record<string, Resource>;
  beforeAll(async () => {
    const params = { hermesUrl: 'https://hermes.example.com', trigger: 'queue', hermesRate: '20' };
    const { packageDir: dir } = await packageService({ serviceDir, params });
    const template = readFileSync(join(dir, 'cloudformation-template-update-stack.json'), 'utf8');
    ({ Resources: queued } = JSON.parse(template) as { Resources: Record<string, Resource> });
  });

  test.each(chain)('the level $level gets its events from a queue, in batches whose failures are named', (row) => {
    const queueId = `${startCase(row.level)}Trigger`;
    const functionId = `${startCase(row.function)}LambdaFunction`;
    const timeout = properties(functionId)['Timeout'] as number;
    expect(queued[queueId]?.Properties).toMatchObject({
      SqsManagedSseEnabled: true,
      VisibilityTimeout: 6 * timeout,
      RedrivePolicy: {
        deadLetterTargetArn: { 'Fn::GetAtt': [`${startCase(row.level)}DeadLetters`, 'Arn'] },
        maxReceiveCount: 5,
      },
    });
    expect(queued[`${queueId}Mapping`]?.Properties).toMatchObject({
      EventSourceArn: { 'Fn::GetAtt': [queueId, 'Arn'] },
      FunctionName: { 'Fn::GetAtt': [functionId, 'Arn'] },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
    const { ScalingConfig: scaling } = queued[`${queueId}Mapping`]?.Properties as {
      ScalingConfig: { MaximumConcurrency: number };
    };
    const { Variables: variables } = queued[functionId]?.Properties['Environment'] as { Variables: object };
    // The bound that its calls are spaced by is the bound that AWS keeps.
    expect(variables).toMatchObject({ ENVIRONMENTS: String(scaling.MaximumConcurrency), RATE: '20' });
    expect(queued[functionId]?.Properties['ReservedConcurrentExecutions']).toBeUndefined();
  });

  test('S3 tells the queues of the same prefixes, and invokes only what looks after the rate', () => {
    type Rule = { Queue: { 'Fn::GetAtt': [string] }; Filter: { S3Key: { Rules: { Value: string }[] } } };
    const { QueueConfigurations: queues, LambdaConfigurations: functions } = queued['S3BucketCascade']?.Properties[
      'NotificationConfiguration'
    ] as { QueueConfigurations: Rule[]; LambdaConfigurations: unknown[] };
    expect(queues.map((rule) => [rule.Queue['Fn::GetAtt'][0], rule.Filter.S3Key.Rules[0]?.Value])).toEqual(
      chain.map(({ level, reads }) => [`${startCase(level)}Trigger`, `${reads}/`]),
    );
    expect(functions).toHaveLength(1);
  });

  test('the bucket keeps its logical id: another would be another bucket', () => {
    expect(queued['S3BucketCascade']?.Type).toBe('AWS::S3::Bucket');
  });
});

test('at a rate, as many environments are reserved for each level as its calls are spaced by', async () => {
  const params = { hermesUrl: 'https://hermes.example.com', hermesRate: '20' };
  const { packageDir: dir } = await packageService({ serviceDir, params });
  const template = readFileSync(join(dir, 'cloudformation-template-update-stack.json'), 'utf8');
  const { Resources: limited } = JSON.parse(template) as { Resources: Record<string, Resource> };
  const reserved = chain.map((row) => {
    const of = limited[`${startCase(row.function)}LambdaFunction`]?.Properties ?? {};
    const { Variables: variables } = of['Environment'] as { Variables: Record<string, string> };
    expect(variables['ENVIRONMENTS']).toBe(String(of['ReservedConcurrentExecutions']));
    return of['ReservedConcurrentExecutions'];
  });
  // 85 of 100 parts of 20 a second, each call a quarter of a second: 4.25.
  expect(reserved).toEqual([1, 1, 1, 5]);
});

test.each([
  ['hermesRate', 'many', 'hermesRate must be a number of requests a second, or unlimited, not many'],
  ['hermesRate', '0.01', 'hermesRate must be at least'],
  ['trigger', 'sns', 'trigger must be direct or queue, not sns'],
  ['weightData', '0', 'weightData must be a number above 0'],
  ['environmentsData', 'few', 'environmentsData must be a whole number above 0, not few'],
])('a deployment with %s=%s is refused, saying what is allowed', async (name, value, message) => {
  await expect(packageService({ serviceDir, params: { [name]: value } })).rejects.toThrow(message);
});

test.each(['Replay', 'Sweep', 'Rate', 'Status'])('%s knows the deployment by its own numbers', (name) => {
  const text = (value: unknown): string => (typeof value === 'string' ? value : 'https://sqs.example.com/resolved');
  const variables = Object.entries(variablesOf(`${name}LambdaFunction`)).map(
    ([key, value]) => [key, text(value)] as const,
  );
  const config = readRecoveryConfig(Object.fromEntries(variables));
  for (const row of chain) {
    const invoke = properties(`${startCase(row.function)}LambdaEvConf`);
    expect(config.fetchTimeoutMs / 1000).toBe(properties(`${startCase(row.function)}LambdaFunction`)['Timeout']);
    expect(config.fetchRetryAttempts).toBe(invoke['MaximumRetryAttempts']);
    expect(config.fetchMaxEventAgeMs / 1000).toBe(invoke['MaximumEventAgeInSeconds']);
    expect(variablesOf(`${name}LambdaFunction`)[`TARGET_${row.level.toUpperCase()}`]).toEqual({
      Ref: `${startCase(row.function)}LambdaFunction`,
    });
    expect(variablesOf(`${name}LambdaFunction`)[`DEAD_LETTER_QUEUE_URL_${row.level.toUpperCase()}`]).toEqual({
      Ref: `${startCase(row.level)}DeadLetters`,
    });
  }
});

test("replay may drain every level's queue and invoke every level's function, and its schedule is off", () => {
  expect(statement('ReplayRole', 'DrainDeadLetters')?.Resource).toEqual(
    chain.map(({ level }) => ({ 'Fn::GetAtt': [`${startCase(level)}DeadLetters`, 'Arn'] })),
  );
  expect(statement('ReplayRole', 'GiveItemsAgain')?.Resource).toEqual(
    chain.map((row) => ({ 'Fn::GetAtt': [`${startCase(row.function)}LambdaFunction`, 'Arn'] })),
  );
  expect(properties('ReplayEventsRuleSchedule1')).toMatchObject({
    State: 'DISABLED',
    Targets: [{ Input: '{"rate":5,"limit":1000}' }],
  });
});

test('the sweep runs every fifteen minutes; status may write nothing', () => {
  expect(properties('SweepEventsRuleSchedule1')).toMatchObject({
    State: 'ENABLED',
    ScheduleExpression: 'rate(15 minutes)',
    Targets: [{ Input: '{}' }],
  });
  const actions = statementsOf('StatusRole').flatMap(({ Action }) => Action);
  expect(actions.sort()).toEqual([
    'logs:CreateLogStream',
    'logs:PutLogEvents',
    's3:GetObject',
    's3:GetObject',
    's3:GetObject',
    's3:GetObject',
    's3:ListBucket',
  ]);
});

test("no function's variables hold a secret: only the secret's name", () => {
  const names = Object.values(resources)
    .filter(({ Type }) => Type === 'AWS::Lambda::Function')
    .flatMap((resource) =>
      Object.keys((resource.Properties as { Environment: { Variables: object } }).Environment.Variables),
    );
  expect([...new Set(names)].filter((name) => /TOKEN|SECRET|PASSWORD|KEY/.test(name))).toEqual(['HERMES_TOKEN_SECRET']);
});
