/** The reader of compiled templates: what it understands, and what it refuses by name. */
import { describe, expect, test } from '@jest/globals';
import { readTemplate } from '../package/template.ts';
import type { Properties } from '../package/shape.ts';

const place = { accountId: '000000000000', region: 'us-east-1', stackName: 'stack', endpoint: 'http://127.0.0.1:4566' };
const codeDirs = new Map([['fetch.zip', '/code/fetch']]);
const functionArn = 'arn:aws:lambda:us-east-1:000000000000:function:stack-fetch';

type Resources = Record<string, { Type: string; Properties?: Properties; Condition?: string }>;

const fetchFunction = (more: Properties = {}): Resources[string] => ({
  Type: 'AWS::Lambda::Function',
  Properties: {
    FunctionName: 'stack-fetch',
    Runtime: 'nodejs24.x',
    Handler: 'functions/fetch.handler',
    Role: { 'Fn::GetAtt': ['Role', 'Arn'] },
    Code: { S3Bucket: { Ref: 'Bucket' }, S3Key: 'serverless/stack/dev/1-2026/fetch.zip' },
    ...more,
  },
});

const notifying = (configuration: Properties): Resources[string] => ({
  Type: 'AWS::S3::Bucket',
  Properties: {
    BucketName: { 'Fn::Sub': 'stack-${AWS::AccountId}' },
    NotificationConfiguration: configuration,
  },
});

const onSeeds = (prefix = 'seeds/', event = 's3:ObjectCreated:*'): Properties => ({
  Event: event,
  Function: { 'Fn::GetAtt': ['Fetch', 'Arn'] },
  Filter: {
    S3Key: {
      Rules: [
        { Name: 'prefix', Value: prefix },
        { Name: 'suffix', Value: '.json' },
      ],
    },
  },
});

const permission: Resources[string] = {
  Type: 'AWS::Lambda::Permission',
  Properties: {
    FunctionName: { 'Fn::GetAtt': ['Fetch', 'Arn'] },
    Action: 'lambda:InvokeFunction',
    Principal: 's3.amazonaws.com',
    SourceArn: { 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':s3:::stack-', { Ref: 'AWS::AccountId' }]] },
  },
};

const base: Resources = {
  Bucket: notifying({ LambdaConfigurations: [onSeeds()] }),
  Fetch: fetchFunction(),
  Permission: permission,
  Role: { Type: 'AWS::IAM::Role', Properties: { Policies: [{ PolicyName: 'p' }] } },
};

const read = (resources: Resources, more: Properties = {}) =>
  readTemplate({ Resources: { ...base, ...resources }, ...more }, place, codeDirs);

describe('the template reader', () => {
  test('gives buckets with their rules, and functions with Lambda’s defaults', () => {
    const model = read({});
    expect(model.buckets).toEqual([
      {
        logicalId: 'Bucket',
        name: 'stack-000000000000',
        notifications: [
          {
            id: 'function-1',
            event: 's3:ObjectCreated:*',
            prefix: 'seeds/',
            suffix: '.json',
            target: { kind: 'function', arn: functionArn },
          },
        ],
      },
    ]);
    expect(model.functions).toEqual([
      {
        logicalId: 'Fetch',
        name: 'stack-fetch',
        arn: functionArn,
        codeDir: '/code/fetch',
        handler: 'functions/fetch.handler',
        environment: {},
        memoryMb: 128,
        timeoutMs: 3000,
        async: { maximumRetryAttempts: 2, maximumEventAgeMs: 21_600_000 },
        roleLogicalId: 'Role',
      },
    ]);
    expect(model.roles.map(({ properties }) => properties)).toEqual([{ Policies: [{ PolicyName: 'p' }] }]);
  });

  test('resolves references, and the asynchronous settings with their queue', () => {
    const { queues, functions } = read({
      Fetch: fetchFunction({
        MemorySize: '512',
        Timeout: 300,
        ReservedConcurrentExecutions: 0,
        DeadLetterConfig: { TargetArn: { 'Fn::GetAtt': ['Dead', 'Arn'] } },
        Environment: { Variables: { QUEUE: { Ref: 'Dead' }, LIMIT: 3, NAME: { 'Fn::GetAtt': 'Dead.QueueName' } } },
      }),
      Dead: {
        Type: 'AWS::SQS::Queue',
        Properties: {
          QueueName: 'dead',
          MessageRetentionPeriod: 1209600,
          SqsManagedSseEnabled: true,
          RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': ['Deader', 'Arn'] }, maxReceiveCount: 3 },
        },
      },
      Deader: { Type: 'AWS::SQS::Queue' },
      InvokeConfig: {
        Type: 'AWS::Lambda::EventInvokeConfig',
        Properties: {
          FunctionName: { Ref: 'Fetch' },
          Qualifier: '$LATEST',
          MaximumRetryAttempts: 1,
          MaximumEventAgeInSeconds: 600,
          DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': ['Dead', 'Arn'] } } },
        },
      },
    });
    const deadArn = 'arn:aws:sqs:us-east-1:000000000000:dead';
    expect(functions[0]).toMatchObject({
      memoryMb: 512,
      timeoutMs: 300_000,
      reservedConcurrency: 0,
      environment: { QUEUE: 'http://127.0.0.1:4566/000000000000/dead', LIMIT: '3', NAME: 'dead' },
      async: {
        maximumRetryAttempts: 1,
        maximumEventAgeMs: 600_000,
        onFailureQueueArn: deadArn,
        deadLetterQueueArn: deadArn,
      },
    });
    expect(queues.map(({ name, attributes }) => ({ name, attributes }))).toEqual([
      {
        name: 'dead',
        attributes: {
          MessageRetentionPeriod: '1209600',
          SqsManagedSseEnabled: 'true',
          RedrivePolicy:
            '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:stack-Deader","maxReceiveCount":3}',
        },
      },
      { name: 'stack-Deader', attributes: {} },
    ]);
  });

  test('honours conditions, AWS::NoValue and the functions of texts', () => {
    const variables = {
      JOINED: { 'Fn::Join': ['-', ['a', { Ref: 'AWS::Region' }]] },
      PICKED: { 'Fn::Select': [1, { 'Fn::Split': ['/', 'x/y/z'] }] },
      GIVEN: { 'Fn::Sub': ['${Bucket}/${What}/${!Literal}', { What: { Ref: 'Stage' } }] },
      MAPPED: { 'Fn::FindInMap': ['Sizes', { Ref: 'Stage' }, 'memory'] },
      GONE: { 'Fn::If': ['IsProd', 'never', { Ref: 'AWS::NoValue' }] },
      CHOSEN: { 'Fn::If': ['IsDev', 'dev', { Ref: 'NotThere' }] },
    };
    const model = read(
      {
        Fetch: fetchFunction({ Environment: { Variables: variables } }),
        ProdOnly: { Type: 'AWS::SQS::Queue', Condition: 'IsProd' },
      },
      {
        Parameters: { Stage: { Type: 'String', Default: 'dev' } },
        Mappings: { Sizes: { dev: { memory: 256 } } },
        Conditions: {
          IsProd: { 'Fn::Equals': [{ Ref: 'Stage' }, 'prod'] },
          IsDev: { 'Fn::And': [{ 'Fn::Not': [{ Condition: 'IsProd' }] }, { 'Fn::Equals': ['a', 'a'] }] },
        },
      },
    );
    expect(model.functions[0]?.environment).toEqual({
      JOINED: 'a-us-east-1',
      PICKED: 'y',
      GIVEN: 'stack-000000000000/dev/${Literal}',
      MAPPED: '256',
      CHOSEN: 'dev',
    });
    expect(model.queues).toEqual([]);
  });

  test('reads schedules, with their state and input', () => {
    const { schedules } = read({
      Rule: {
        Type: 'AWS::Events::Rule',
        Properties: {
          ScheduleExpression: 'rate(15 minutes)',
          State: 'DISABLED',
          Targets: [{ Id: '1', Arn: { 'Fn::GetAtt': ['Fetch', 'Arn'] }, Input: '{"a":1}' }],
        },
      },
      MayRule: {
        Type: 'AWS::Lambda::Permission',
        Properties: {
          FunctionName: { Ref: 'Fetch' },
          Action: 'lambda:InvokeFunction',
          Principal: 'events.amazonaws.com',
          SourceArn: { 'Fn::GetAtt': ['Rule', 'Arn'] },
        },
      },
      Schedule: {
        Type: 'AWS::Scheduler::Schedule',
        Properties: { ScheduleExpression: 'rate(1 hour)', Target: { Arn: functionArn, RoleArn: 'r' } },
      },
    });
    expect(schedules).toEqual([
      {
        logicalId: 'Rule',
        expression: 'rate(15 minutes)',
        everyMs: 900_000,
        enabled: false,
        functionArn,
        input: '{"a":1}',
      },
      {
        logicalId: 'Schedule',
        expression: 'rate(1 hour)',
        everyMs: 3_600_000,
        enabled: true,
        functionArn,
        input: undefined,
      },
    ]);
  });
});

/** A queue that S3 may send to, and that feeds the function. */
const queueMode = (
  change: {
    queue?: Properties;
    condition?: Properties;
    principal?: unknown;
    mapping?: Properties;
    fetch?: Properties;
  } = {},
): Resources => ({
  Bucket: notifying({
    QueueConfigurations: [{ ...onSeeds(), Function: undefined, Queue: { 'Fn::GetAtt': ['Queue', 'Arn'] } }],
  }),
  Fetch: fetchFunction(change.fetch),
  Queue: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'queue', VisibilityTimeout: 30, ...change.queue } },
  MaySend: {
    Type: 'AWS::SQS::QueuePolicy',
    Properties: {
      Queues: [{ Ref: 'Queue' }],
      PolicyDocument: {
        Statement: [
          {
            Effect: 'Allow',
            Principal: change.principal ?? { Service: 's3.amazonaws.com' },
            Action: 'sqs:SendMessage',
            Resource: { 'Fn::GetAtt': ['Queue', 'Arn'] },
            Condition: change.condition ?? { ArnLike: { 'aws:SourceArn': 'arn:aws:s3:::stack-*' } },
          },
        ],
      },
    },
  },
  Mapping: {
    Type: 'AWS::Lambda::EventSourceMapping',
    Properties: {
      EventSourceArn: { 'Fn::GetAtt': ['Queue', 'Arn'] },
      FunctionName: { Ref: 'Fetch' },
      ...change.mapping,
    },
  },
});
const queueArn = 'arn:aws:sqs:us-east-1:000000000000:queue';

describe('the template reader, of queues', () => {
  test('gives rules that name a queue', () => {
    expect(read(queueMode()).buckets[0]?.notifications).toMatchObject([
      { id: 'queue-1', prefix: 'seeds/', target: { kind: 'queue', arn: queueArn } },
    ]);
  });

  test('gives event source mappings, with Lambda’s defaults', () => {
    expect(read(queueMode()).eventSourceMappings).toEqual([
      {
        logicalId: 'Mapping',
        sourceArn: queueArn,
        functionName: 'stack-fetch',
        enabled: true,
        batchSize: 10,
        batchingWindowMs: 0,
        reportsBatchItemFailures: false,
      },
    ]);
    const mapping = {
      FunctionName: functionArn,
      Enabled: 'false',
      BatchSize: '50',
      MaximumBatchingWindowInSeconds: 1,
      ScalingConfig: { MaximumConcurrency: 2 },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    };
    expect(read(queueMode({ mapping })).eventSourceMappings).toEqual([
      {
        logicalId: 'Mapping',
        sourceArn: queueArn,
        functionName: 'stack-fetch',
        enabled: false,
        batchSize: 50,
        batchingWindowMs: 1000,
        maximumConcurrency: 2,
        reportsBatchItemFailures: true,
      },
    ]);
  });

  const refusals: [string, Parameters<typeof queueMode>[0], RegExp][] = [
    [
      'a policy for another bucket',
      { condition: { ArnEquals: { 'aws:SourceArn': 'arn:aws:s3:::other' } } },
      /no AWS::SQS::QueuePolicy .*"Unable to validate the following destination configurations"/,
    ],
    ['a policy for another account', { condition: { StringEquals: { 'aws:SourceAccount': '1' } } }, /no AWS::SQS::Qu/],
    ['a policy for another service', { principal: { Service: 'sns.amazonaws.com' } }, /no AWS::SQS::QueuePolicy/],
    ['a FIFO queue', { queue: { FifoQueue: true } }, /not to the FIFO queue/],
    ['a filter', { mapping: { FilterCriteria: {} } }, /Mapping\.Properties\.FilterCriteria: .*no such/],
    ['a destination', { mapping: { DestinationConfig: {} } }, /Mapping\.Properties\.DestinationConfig/],
    ['another source', { mapping: { EventSourceArn: 'arn:aws:kinesis:x' } }, /polls SQS queues, not arn:aws:kinesis/],
    ['a function that is not there', { mapping: { FunctionName: 'missing' } }, /no function missing/],
    ['a visibility below the timeout', { fetch: { Timeout: 31 } }, /visibility timeout: 30 seconds is less than .* 31/],
    ['a concurrency of 1', { mapping: { ScalingConfig: { MaximumConcurrency: 1 } } }, /takes 2 to 1000, not 1/],
    ['too large a batch', { mapping: { BatchSize: 10_001 } }, /takes 1 to 10000/],
    ['a large batch without a window', { mapping: { BatchSize: 11 } }, /needs a window of at least 1 second/],
    ['another response type', { mapping: { FunctionResponseTypes: ['Other'] } }, /ReportBatchItemFailures, not Other/],
  ];
  test.each(refusals)('refuses %s', (_, change, message) => expect(() => read(queueMode(change))).toThrow(message));

  test('refuses to map a queue to a function twice', () => {
    const { Mapping: mapping, ...more } = queueMode();
    const again = mapping ?? { Type: 'none' };
    expect(() => read({ ...more, Mapping: again, Again: again })).toThrow(
      /Mapping maps .*queue to stack-fetch already/,
    );
  });
});

describe('the template reader refuses', () => {
  const cases: [string, () => unknown, RegExp][] = [
    [
      'a type that it does not know',
      () => read({ Table: { Type: 'AWS::DynamoDB::Table' } }),
      /Resources\.Table: .*knows no AWS::DynamoDB::Table/,
    ],
    [
      'an intrinsic that it does not know',
      () => read({ Fetch: fetchFunction({ MemorySize: { 'Fn::ImportValue': 'x' } }) }),
      /Resources\.Fetch\.Properties\.MemorySize: .*Fn::ImportValue/,
    ],
    [
      'a reference to nothing',
      () => read({ Fetch: fetchFunction({ Timeout: { Ref: 'Missing' } }) }),
      /no resource Missing/,
    ],
    [
      'a dynamic reference',
      () => read({ Fetch: fetchFunction({ Environment: { Variables: { A: '{{resolve:ssm:a}}' } } }) }),
      /Variables\.A: the dynamic reference/,
    ],
    [
      'a bucket that may not invoke its target',
      () => read({ Permission: { Type: 'AWS::Logs::LogGroup' } }),
      /no AWS::Lambda::Permission that lets s3\.amazonaws\.com/,
    ],
    [
      'a permission for another bucket',
      () =>
        read({
          Permission: { ...permission, Properties: { ...permission.Properties, SourceArn: 'arn:aws:s3:::other' } },
        }),
      /Unable to validate the following destination configurations/,
    ],
    [
      'rules that overlap',
      () =>
        read({
          Bucket: notifying({
            LambdaConfigurations: [onSeeds('data'), onSeeds('data_sets/', 's3:ObjectCreated:Put')],
          }),
        }),
      /overlap for one event type: .*"data".*"data_sets\/"/,
    ],
    [
      'an event that is not sent here',
      () => read({ Bucket: notifying({ LambdaConfigurations: [onSeeds('a', 's3:ObjectRemoved:*')] }) }),
      /sends no s3:ObjectRemoved/,
    ],
    ['layers', () => read({ Fetch: fetchFunction({ Layers: ['arn'] }) }), /loads no layers/],
    ['another runtime', () => read({ Fetch: fetchFunction({ Runtime: 'python3.13' }) }), /runs Node, not python3\.13/],
    [
      'an artifact that is not in the package',
      () => read({ Fetch: fetchFunction({ Code: { S3Key: 'x/other.zip' } }) }),
      /holds no other\.zip/,
    ],
    [
      'a cron schedule that is on',
      () =>
        read({
          Schedule: {
            Type: 'AWS::Scheduler::Schedule',
            Properties: { ScheduleExpression: 'cron(0 6 * * ? *)', Target: { Arn: functionArn } },
          },
        }),
      /fires rate\(\.\.\.\) schedules, not cron/,
    ],
  ];
  test.each(cases)('%s', (_, act, message) => expect(act).toThrow(message));

  test('nothing for rules whose prefixes only look alike', () => {
    const rules = [onSeeds('data/'), onSeeds('data_sets/')];
    expect(read({ Bucket: notifying({ LambdaConfigurations: rules }) }).buckets[0]?.notifications).toHaveLength(2);
  });
});
