/**
 * What is derived from a chain: for chains of any depth, in memory. And what `sls package` makes of the example, Hermes: that
 * it is the same, and what only the framework adds.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { at, environmentOf, listOf, ofType, propertiesOf, type Template } from '../../infra/compiled.ts';
import {
  functionId,
  functionName,
  invokeConfigId,
  logicalId,
  permissionId,
  queueId,
  roleId,
} from '../../infra/names.ts';
import { loadChain } from '../../infra/source.ts';
import type { Level } from '../../shared/engine/chain/chain.ts';
import { failurePrefix, receiptPrefix } from '../../shared/engine/chain/keys.ts';
import { readFetchSettings, readRecoverySettings } from '../../shared/lambda/settings.ts';
import { chainOf, compile, deploymentOf, depths } from './neutral.ts';
import { packageVariant, serviceDir } from './variants.ts';

type Statement = { Sid: string; Action: string | string[]; Resource: unknown; Effect: string; Condition?: unknown };

const statementsOf = (template: Template, role: string): Statement[] =>
  listOf(propertiesOf(template, role)['Policies']).flatMap(
    (policy) => at(policy, 'PolicyDocument', 'Statement') as Statement[],
  );
/** The keys that a statement of a role names, without the bucket. */
const keysOf = (template: Template, role: string, sid: string): string[] =>
  listOf(statementsOf(template, role).find(({ Sid }) => Sid === sid)?.Resource).map((resource) =>
    String(at(resource, 'Fn::Sub')).split('/').slice(1).join('/'),
  );
const arnOf = (id: string): object => ({ 'Fn::GetAtt': [id, 'Arn'] });
/** As Lambda gives them: what CloudFormation resolves is some URL. */
const resolved = (variables: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : 'https://sqs.example.com/resolved',
    ]),
  );

describe.each(depths.map((depth) => ({ depth })))('a chain of $depth levels', ({ depth }) => {
  const chain = chainOf(depth);
  const direct = compile(deploymentOf(chain, { apiUrl: 'https://api.example.com', apiTokenSecret: 'token' }));
  const queue = compile(deploymentOf(chain, { apiUrl: 'https://api.example.com', trigger: 'queue', rate: '20' }));
  const filterOf = (prefix: string): object => ({
    S3Key: {
      Rules: [
        { Name: 'prefix', Value: `${prefix}/` },
        { Name: 'suffix', Value: '.json' },
      ],
    },
  });
  const rulesOf = (template: Template, kind: string): unknown[] =>
    listOf(at(propertiesOf(template, 'S3BucketCascade'), 'NotificationConfiguration', kind));

  test('each level is triggered by the objects under the prefix that it reads, and by nothing else', () => {
    const rules = rulesOf(direct, 'LambdaConfigurations');
    // Those of control/rate.json and control/runs/.
    expect(rules).toHaveLength(depth + 2);
    for (const level of chain.levels) {
      const id = functionId(level.function);
      expect(rules.filter((rule) => at(rule, 'Function', 'Fn::GetAtt', 0) === id)).toEqual([
        { Event: 's3:ObjectCreated:*', Function: arnOf(id), Filter: filterOf(level.reads) },
      ]);
      expect(propertiesOf(direct, permissionId(level.function))).toMatchObject({
        FunctionName: arnOf(id),
        Principal: 's3.amazonaws.com',
        SourceAccount: { Ref: 'AWS::AccountId' },
      });
    }
  });

  test('with queues, by batches of its queue, whose failures are named', () => {
    expect(rulesOf(queue, 'LambdaConfigurations')).toHaveLength(2);
    expect(rulesOf(queue, 'QueueConfigurations')).toEqual(
      chain.levels.map((level) => ({
        Event: 's3:ObjectCreated:*',
        Queue: arnOf(queueId(level, 'trigger')),
        Filter: filterOf(level.reads),
      })),
    );
    for (const level of chain.levels) {
      const id = queueId(level, 'trigger');
      expect(propertiesOf(queue, id)).toMatchObject({
        VisibilityTimeout: 1800,
        RedrivePolicy: { deadLetterTargetArn: arnOf(queueId(level, 'dead-letters')), maxReceiveCount: 5 },
      });
      const mapping = propertiesOf(queue, `${id}Mapping`);
      expect(mapping).toMatchObject({
        EventSourceArn: arnOf(id),
        FunctionName: arnOf(functionId(level.function)),
        FunctionResponseTypes: ['ReportBatchItemFailures'],
      });
      expect(propertiesOf(queue, functionId(level.function))['ReservedConcurrentExecutions']).toBeUndefined();
    }
  });

  test('each level has three attempts, six hours, and then its own dead-letter queue, with an alarm', () => {
    for (const level of chain.levels) {
      const id = queueId(level, 'dead-letters');
      expect(propertiesOf(direct, invokeConfigId(level.function))).toMatchObject({
        MaximumRetryAttempts: 2,
        MaximumEventAgeInSeconds: 21_600,
        DestinationConfig: { OnFailure: { Destination: arnOf(id) } },
      });
      expect(statementsOf(direct, roleId(level.function))).toContainEqual({
        Sid: 'SendDeadLetters',
        Effect: 'Allow',
        Action: 'sqs:SendMessage',
        Resource: arnOf(id),
      });
      expect(propertiesOf(direct, id)).toMatchObject({ MessageRetentionPeriod: 1_209_600, SqsManagedSseEnabled: true });
      expect(propertiesOf(direct, `${id}Alarm`)).toMatchObject({
        MetricName: 'ApproximateNumberOfMessagesVisible',
        Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [id, 'QueueName'] } }],
      });
    }
  });

  test('each level starts with the settings that it is given, and knows which level it is', () => {
    for (const template of [direct, queue])
      for (const level of chain.levels)
        expect(readFetchSettings(chain, resolved(environmentOf(template, functionId(level.function))))).toMatchObject({
          level: { name: level.name },
          apiUrl: 'https://api.example.com',
          lambdaTimeScale: 1,
        });
  });

  test('each level reads its items, what is known of them and the rate; and writes what it makes and no more', () => {
    for (const [index, level] of chain.levels.entries()) {
      const role = roleId(level.function);
      const isLast = index === depth - 1;
      const failures = failurePrefix(level);
      const done = isLast ? level.writes : receiptPrefix(level);
      expect(keysOf(direct, role, 'ReadItems').sort()).toEqual(
        [...new Set([level.reads, done, failures, 'params', 'control'])].map((prefix) => `${prefix}/*`).sort(),
      );
      expect(keysOf(direct, role, 'WriteChildren')).toEqual([
        isLast ? 'results/*.csv' : `${level.writes}/*.json`,
        ...(index === 0 ? ['params/*.json'] : []),
      ]);
      expect(keysOf(direct, role, 'WriteRecords')).toEqual([
        ...(isLast ? [] : [`${done}/*.json`]),
        `${failures}/*.json`,
        'control/freeze.json',
        'control/shares.json',
        'control/api-limit.json',
      ]);
    }
  });

  test('children, results and params are only ever created, and no level may write a success marker', () => {
    for (const level of chain.levels) {
      const writing = statementsOf(direct, roleId(level.function)).filter(({ Action }) => Action === 's3:PutObject');
      expect(writing.map(({ Sid, Condition }) => [Sid, Condition])).toEqual([
        ['WriteChildren', { Null: { 's3:if-none-match': 'false' } }],
        ['WriteRecords', undefined],
      ]);
      expect(JSON.stringify(writing)).not.toMatch(/_SUCCESS|results\/\*"/);
    }
    expect(keysOf(direct, 'SweepRole', 'WriteReportsAndMarkers')).toContain('results/*/_SUCCESS');
  });

  test('at a rate, no more environments run than all of them are told', () => {
    const bound = {
      direct: (level: Level) => propertiesOf(direct, functionId(level.function))['ReservedConcurrentExecutions'],
      queue: (level: Level) =>
        at(propertiesOf(queue, `${queueId(level, 'trigger')}Mapping`), 'ScalingConfig', 'MaximumConcurrency'),
    };
    for (const [template, boundOf] of [[direct, bound.direct] as const, [queue, bound.queue] as const]) {
      const all = chain.levels.reduce((sum, level) => sum + Number(boundOf(level)), 0);
      for (const level of chain.levels) {
        expect(boundOf(level)).toBeGreaterThan(0);
        expect(environmentOf(template, functionId(level.function))['ENVIRONMENTS']).toBe(String(all));
      }
    }
  });

  test('without a reservation, as many may have a share of the rate, and all environments of a new account', () => {
    const shared = (rate: string): [unknown, unknown][] => {
      const template = compile(deploymentOf(chain, { rate, reserve: 'false' }));
      return chain.levels.map((level) => {
        const id = functionId(level.function);
        expect(propertiesOf(template, id)['ReservedConcurrentExecutions']).toBeUndefined();
        return [environmentOf(template, id)['ENVIRONMENTS'], environmentOf(template, id)['PLACES']];
      });
    };
    const reserved = (rate: string): string =>
      String(
        environmentOf(compile(deploymentOf(chain, { rate })), functionId(chain.levels[0]?.function ?? ''))[
          'ENVIRONMENTS'
        ],
      );
    expect(shared('1')).toEqual(chain.levels.map(() => ['10', '10']));
    expect(shared('100')).toEqual(chain.levels.map(() => [reserved('100'), reserved('100')]));
    expect(shared('unlimited')).toEqual(chain.levels.map(() => ['', '']));
  });

  test('with a bucket for the rate, each function gets and puts its three objects there, and no other', () => {
    const template = compile(deploymentOf(chain, { rateBucket: 'my-rates', ratePrefix: 'apis/shop/' }));
    const objects = ['freeze', 'shares', 'api-limit'].map(
      (name) => `arn:\${AWS::Partition}:s3:::my-rates/apis/shop/control/${name}.json`,
    );
    const there = (name: string): [unknown, string[]][] =>
      statementsOf(template, roleId(name))
        .filter(({ Resource }) => JSON.stringify(Resource).includes(':my-rates'))
        .map(({ Action, Resource }) => [Action, listOf(Resource).map((arn) => String(at(arn, 'Fn::Sub')))]);
    const reads: [unknown, string[]][] = [
      ['s3:GetObject', objects],
      ['s3:ListBucket', ['arn:${AWS::Partition}:s3:::my-rates']],
    ];
    for (const level of chain.levels) {
      expect(there(level.function)).toEqual([...reads, ['s3:PutObject', objects]]);
      expect(keysOf(template, roleId(level.function), 'WriteRecords')).not.toContain('control/shares.json');
      const { RATE_BUCKET, RATE_PREFIX } = environmentOf(template, functionId(level.function));
      expect([RATE_BUCKET, RATE_PREFIX]).toEqual(['my-rates', 'apis/shop/']);
    }
    for (const name of ['sweep', 'rate', 'status']) expect(there(name)).toEqual(reads);
    expect(there('replay')).toEqual([]);
  });

  test('with auto, the environments are those of the most that it may be', () => {
    const bounds = (params: Record<string, string>): unknown[] =>
      chain.levels.flatMap((level) => {
        const template = compile(deploymentOf(chain, params));
        const { ENVIRONMENTS, MINIMUM_RATE } = environmentOf(template, functionId(level.function));
        return [ENVIRONMENTS, MINIMUM_RATE];
      });
    expect(bounds({ rate: 'auto', autoRateMost: '50' })).toEqual(bounds({ rate: '50' }));
    expect(bounds({ rate: 'auto' })).toEqual(bounds({ rate: '20' }));
  });

  test.each(['replay', 'sweep', 'rate', 'status'])('%s knows the deployment by its own numbers', (name) => {
    const variables = environmentOf(direct, functionId(name));
    const settings = readRecoverySettings(chain, resolved(variables));
    expect(settings.levels.map(({ level }) => level)).toEqual(chain.levels);
    for (const level of chain.levels) {
      const config = propertiesOf(direct, invokeConfigId(level.function));
      expect(settings.fetchTimeoutMs / 1000).toBe(propertiesOf(direct, functionId(level.function))['Timeout']);
      expect(settings.fetchRetryAttempts).toBe(config['MaximumRetryAttempts']);
      expect(settings.fetchMaxEventAgeMs / 1000).toBe(config['MaximumEventAgeInSeconds']);
      expect(variables[`TARGET_${level.name.toUpperCase()}`]).toEqual({ Ref: functionId(level.function) });
      expect(variables[`DEAD_LETTER_QUEUE_URL_${level.name.toUpperCase()}`]).toEqual({
        Ref: queueId(level, 'dead-letters'),
      });
    }
  });

  test("replay may drain every level's dead letters and invoke every level's function", () => {
    const rights = (sid: string): unknown =>
      statementsOf(direct, 'ReplayRole').find(({ Sid }) => Sid === sid)?.Resource;
    expect(rights('DrainDeadLetters')).toEqual(chain.levels.map((level) => arnOf(queueId(level, 'dead-letters'))));
    expect(rights('RefireItems')).toEqual(chain.levels.map((level) => arnOf(functionId(level.function))));
  });

  test('status may write nothing', () => {
    const actions = new Set(statementsOf(direct, 'StatusRole').flatMap(({ Action }) => Action));
    expect([...actions].sort()).toEqual(['logs:CreateLogStream', 'logs:PutLogEvents', 's3:GetObject', 's3:ListBucket']);
  });

  test("no function's variables hold a secret: only the secret's name", () => {
    const names = ofType(direct, 'AWS::Lambda::Function').flatMap(([id]) => Object.keys(environmentOf(direct, id)));
    expect([...new Set(names)].filter((name) => /TOKEN|SECRET|PASSWORD|KEY/.test(name))).toEqual(['API_TOKEN_SECRET']);
    expect(keysOf(direct, roleId(chain.levels[0]?.function ?? ''), 'ReadTheToken')).toBeDefined();
  });
});

describe('the example, as it is packaged', () => {
  const stack = { service: 's3-cascade', stage: 'dev' };
  let packageDir: string;
  let template: Template;
  beforeAll(async () => {
    ({ packageDir, template } = await packageVariant('direct'));
  });

  test('has the 70 resources of version 0.1, by the same logical ids: a deployed stack is updated in place', async () => {
    const levels = ['Troops', 'Warriors', 'DataGroups', 'Data'];
    const { levels: chain } = await loadChain('hermes');
    expect(chain.map(({ name }) => logicalId(name))).toEqual(levels);
    const functions = [...levels.map((level) => `Fetch${level}`), 'Replay', 'Sweep', 'Rate', 'Status'];
    const recovery = ['Replay', 'Sweep', 'Rate'];
    const expected = [
      ...['ServerlessDeploymentBucket', 'ServerlessDeploymentBucketPolicy', 'S3BucketCascade', 'CascadeBucketPolicy'],
      ...functions.flatMap((name) => [`${name}LogGroup`, `${name}LambdaFunction`, `${name}Role`]),
      ...levels.map((level) => `Fetch${level}LambdaEvConf`),
      ...[...levels.map((level) => `Fetch${level}`), 'Rate'].map((name) => `${name}LambdaPermissionCascadeS3`),
      ...levels.flatMap((level) =>
        ['DeadLetters', 'Waiting'].flatMap((kind) => [`${level}${kind}`, `${level}${kind}Policy`]),
      ),
      ...levels.map((level) => `${level}DeadLettersAlarm`),
      ...recovery.flatMap((name) => [
        `${name}EventsRuleSchedule1`,
        `${name}LambdaPermissionEventsRuleSchedule1`,
        `${name}ErrorsAlarm`,
      ]),
      ...['LostDeadLettersAlarm', 'NoSweepAlarm', 'StuckRunAlarm', 'CascadeDashboard'],
    ];
    expect(expected).toHaveLength(70);
    // What came since: complete runs are verified, and runs that changed or can't be swept are told of.
    const added = [
      'SweepEventsRuleSchedule2',
      'SweepLambdaPermissionEventsRuleSchedule2',
      'UnsweepableRunAlarm',
      'ChangedRunAlarm',
      // Complete runs are published as tables.
      ...['Publish', 'PublishPiece'].flatMap((name) => [
        ...['LogGroup', 'LambdaFunction', 'Role', 'LambdaEvConf', 'LambdaPermissionCascadeS3'].map((end) => name + end),
        ...['DeadLetters', 'DeadLettersPolicy', 'DeadLettersAlarm'].map((end) => name + end),
      ]),
    ];
    expect(Object.keys(template.Resources).sort()).toEqual([...expected, ...added].sort());
  });

  test('is what is derived in memory: functions, how their events are treated, and all other resources', async () => {
    const chain = await loadChain('hermes');
    const inMemory = compile(deploymentOf(chain, { apiUrl: 'https://api.example.com' }));
    for (const [id, { Type: type, Properties: properties }] of Object.entries(inMemory.Resources)) {
      if (type === 'AWS::Events::Rule') continue;
      // The framework adds what it makes itself, such as where the code is.
      expect({ id, ...template.Resources[id] }).toMatchObject({ id, Type: type, Properties: properties });
    }
  });

  test('runs on Node 24 on arm64, each function under a role of its own', () => {
    for (const [id, properties] of ofType(template, 'AWS::Lambda::Function'))
      expect([id, properties]).toMatchObject([id, { Runtime: 'nodejs24.x', Architectures: ['arm64'] }]);
    const roles = ofType(template, 'AWS::Lambda::Function').map(([, { Role: role }]) => JSON.stringify(role));
    expect(new Set(roles).size).toBe(roles.length);
  });

  test('has schedules that ask with numbers, also where a parameter is given as a text', async () => {
    const { template: queue } = await packageVariant('queue');
    const scheduleOf = (from: Template, name: string) => propertiesOf(from, `${name}EventsRuleSchedule1`);
    expect(scheduleOf(template, 'Replay')).toMatchObject({
      State: 'DISABLED',
      Targets: [{ Input: '{"rate":5,"limit":1000}' }],
    });
    expect(scheduleOf(queue, 'Replay')).toMatchObject({
      State: 'ENABLED',
      Targets: [{ Input: '{"rate":7,"limit":1000}' }],
    });
    expect(scheduleOf(template, 'Sweep')).toMatchObject({
      State: 'ENABLED',
      ScheduleExpression: 'rate(15 minutes)',
      Targets: [{ Input: '{}' }],
    });
  });

  test('has a private, encrypted bucket over TLS only, that outlives the stack', () => {
    expect(template.Resources['S3BucketCascade']).toMatchObject({
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
    const [statement] = listOf(at(propertiesOf(template, 'CascadeBucketPolicy'), 'PolicyDocument', 'Statement'));
    expect(statement).toMatchObject({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': false } } });
  });

  test('has bundles under 550 kB, one file in each', () => {
    for (const name of readdirSync(join(packageDir, 'code'))) {
      const folder = join(packageDir, 'code', name, 'functions');
      const [file = '', ...others] = readdirSync(folder);
      expect([name, others]).toEqual([name, []]);
      expect(statSync(join(folder, file)).size).toBeLessThan(550_000);
    }
    expect(functionName(stack, 'sweep')).toBe(propertiesOf(template, 'SweepLambdaFunction')['FunctionName']);
  });

  test('shows in serverless.yml that no level is named there', () => {
    const written = readFileSync(join(serviceDir, 'serverless.yml'), 'utf8');
    expect(written).not.toMatch(/troop|warrior|data.?group/i);
  });
});
