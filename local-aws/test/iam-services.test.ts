/** SQS, Lambda and the small services hold functions to their roles, each in its own shape; and so is AWS's own side held. */
import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvokeCommand, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import {
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import type { LocalAws } from '../local-aws.ts';
import {
  allow,
  clientsOf,
  closing,
  credentialsOf,
  documentOf,
  folder,
  functionNamed,
  getAtt,
  refusalOf,
  roleWith,
  session,
  start,
  stderr,
  templateWith,
  type Resources,
} from './iam-engine.ts';

describe('SQS', () => {
  const queueUrl = (engine: LocalAws, name: string): string => `${engine.endpoint}/000000000000/${name}`;

  test('takes what the role allows, whole, and refuses the rest as SQS does', async () => {
    const engine = await start(templateWith([allow(['sqs:SendMessage', 'sqs:GetQueueUrl'], getAtt('Other'))]));
    const { sqs } = await clientsOf(engine);
    const MessageBody = 'x'.repeat(200_000);
    await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl(engine, 'other'), MessageBody }));
    await sqs.send(
      new SendMessageBatchCommand({ QueueUrl: queueUrl(engine, 'other'), Entries: [{ Id: '1', MessageBody: 'x' }] }),
    );
    await sqs.send(new GetQueueUrlCommand({ QueueName: 'other' }));
    expect(engine.sqs.depths()['other']?.visible).toBe(2);
    const dead = { QueueUrl: queueUrl(engine, 'dead') };
    const refused = await refusalOf(sqs.send(new SendMessageCommand({ ...dead, MessageBody })));
    expect(refused).toEqual({
      name: 'AccessDenied',
      status: 403,
      message: `User: ${session} is not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:us-east-1:000000000000:dead because no identity-based policy allows the sqs:sendmessage action`,
    });
    const batch = new SendMessageBatchCommand({ ...dead, Entries: [{ Id: '1', MessageBody: 'x' }] });
    expect((await refusalOf(sqs.send(batch)))?.message).toContain('sqs:sendmessage on');
    expect(await refusalOf(sqs.send(new ReceiveMessageCommand({ QueueUrl: queueUrl(engine, 'other') })))).toMatchObject(
      { status: 403 },
    );
    expect(engine.sqs.depths()['dead']?.visible).toBe(0);
  });

  test('is bound by the queue’s policy too', async () => {
    const policy = {
      Type: 'AWS::SQS::QueuePolicy',
      Properties: {
        Queues: [{ Ref: 'Other' }],
        PolicyDocument: documentOf({
          ...allow('sqs:SendMessage', getAtt('Other')),
          Principal: { AWS: getAtt('Role') },
        }),
      },
    };
    const engine = await start(templateWith([allow('s3:GetObject', '*')], { Policy: policy }));
    const { sqs } = await clientsOf(engine);
    await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl(engine, 'other'), MessageBody: 'x' }));
    expect(engine.sqs.depths()['other']?.visible).toBe(1);
  });
});

describe('the other services', () => {
  test('Lambda lets a function invoke what its role names', async () => {
    const engine = await start(templateWith([allow('lambda:InvokeFunction', getAtt('Elsewhere'))]));
    const { lambda } = await clientsOf(engine);
    expect((await lambda.send(new InvokeCommand({ FunctionName: 'elsewhere' }))).StatusCode).toBe(200);
    expect(await refusalOf(lambda.send(new InvokeCommand({ FunctionName: 'tell' })))).toEqual({
      name: 'AccessDeniedException',
      status: 403,
      message: `User: ${session} is not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:000000000000:function:tell because no identity-based policy allows the lambda:InvokeFunction action`,
    });
    expect(await refusalOf(lambda.send(new ListFunctionsCommand({})))).toMatchObject({ name: 'AccessDeniedException' });
  });

  test('Secrets Manager gives a secret by its ARN with the six characters', async () => {
    const secret = 'arn:aws:secretsmanager:us-east-1:000000000000:secret:token-??????';
    const engine = await start(templateWith([allow('secretsmanager:GetSecretValue', secret)]));
    const { secrets } = await clientsOf(engine);
    expect((await secrets.send(new GetSecretValueCommand({ SecretId: 'token' }))).SecretString).toBe('open sesame');
    for (const SecretId of ['other', 'missing']) {
      const refused = await refusalOf(secrets.send(new GetSecretValueCommand({ SecretId })));
      expect(refused).toMatchObject({ name: 'AccessDeniedException', status: 400 });
      expect(refused?.message).toContain(
        `secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:us-east-1:000000000000:secret:${SecretId}`,
      );
    }
  });

  test('STS tells every function its role, whatever that may', async () => {
    const engine = await start(templateWith([]));
    const { accessKeyId } = await credentialsOf(engine);
    const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/20261120/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0`;
    const answer = await fetch(engine.endpoint, {
      method: 'POST',
      headers: { authorization },
      body: 'Action=GetCallerIdentity',
    });
    expect(await answer.text()).toContain(`<Arn>${session}</Arn>`);
  });
});

describe('credentials', () => {
  test('are each function’s own and new at every start; an old key may nothing, and any other everything', async () => {
    const engine = await start(templateWith([]));
    const keys = [await credentialsOf(engine), await credentialsOf(engine, 'elsewhere')].map(
      ({ accessKeyId }) => accessKeyId,
    );
    const other = await start(templateWith([]));
    keys.push((await credentialsOf(other)).accessKeyId);
    expect(new Set(keys).size).toBe(3);
    const list = (accessKeyId: string) => {
      const s3 = new S3Client({
        endpoint: other.endpoint,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials: { accessKeyId, secretAccessKey: 'x' },
      });
      closing.push(() => s3.destroy());
      return s3.send(new ListObjectsV2Command({ Bucket: 'bucket' }));
    };
    for (const key of keys) expect(await refusalOf(list(key))).toMatchObject({ name: 'AccessDenied' });
    expect((await list('person')).KeyCount).toBe(0);
  });
});

describe('what AWS does in a function’s name', () => {
  test('a failure destination that its role may not send to loses the event, which is counted', async () => {
    const engine = await start(templateWith([allow('sqs:SendMessage', getAtt('Other'))]));
    engine.s3.put('bucket', 'in/1', Buffer.from('x'));
    await engine.idle();
    expect(engine.sqs.depths()['dead']?.visible).toBe(0);
    expect(engine.lambda.stats()).toMatchObject({ errors: 1, deadLetters: 0, destinationDeliveryFailures: 1 });

    const permitted = await start(templateWith([allow('sqs:SendMessage', getAtt('Dead'))]));
    permitted.s3.put('bucket', 'in/1', Buffer.from('x'));
    await permitted.idle();
    expect(permitted.sqs.depths()['dead']?.visible).toBe(1);
  });

  test.each([
    ['both rights', ['logs:CreateLogStream', 'logs:PutLogEvents'], true],
    ['no right to make a stream', ['logs:PutLogEvents'], false],
    ['no right to write', ['logs:CreateLogStream'], false],
  ])('with %s for its log group, its log is kept: %j', async (_, actions, isKept) => {
    const dataDir = folder();
    const logGroup = 'arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/tell:*';
    const engine = await start(templateWith([allow(actions, logGroup)]), { dataDir });
    for (let call = 0; call < 3; call += 1) await credentialsOf(engine);
    await engine.stop();
    const read = (): string => readFileSync(join(dataDir, 'logs', 'tell.log'), 'utf8');
    if (isKept) expect(read()).toContain('a line\n');
    else expect(read).toThrow('ENOENT');
    const lost = stderr.mock.calls.filter(([line]) => String(line).includes('What tell logs is lost'));
    expect(lost).toHaveLength(isKept ? 0 : 1);
  });

  test('a queue that its role may not poll can not feed it', async () => {
    const mapping = {
      Type: 'AWS::Lambda::EventSourceMapping',
      Properties: { EventSourceArn: getAtt('Other'), FunctionName: 'tell' },
    };
    const actions = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'];
    for (const lacking of actions) {
      const rights = allow(
        actions.filter((action) => action !== lacking),
        getAtt('Other'),
      );
      await expect(start(templateWith([rights], { Mapping: mapping }))).rejects.toThrow(
        `does not have permissions to call ${lacking.slice(4)} on SQS`,
      );
    }
    await start(templateWith([allow(actions, getAtt('Other'))], { Mapping: mapping }));
  });
});

describe('a template is refused', () => {
  const withRole = (properties: Record<string, unknown>): Partial<Resources> => {
    const role = roleWith();
    return { Role: { ...role, Properties: { ...role.Properties, ...properties } } };
  };
  test.each<[string, Partial<Resources>, string]>([
    [
      'when Lambda may not take on the role',
      withRole({
        AssumeRolePolicyDocument: documentOf({
          Effect: 'Allow',
          Principal: { Service: 'ec2.amazonaws.com' },
          Action: 'sts:AssumeRole',
        }),
      }),
      'cannot be assumed by Lambda',
    ],
    [
      'when a function has no role of the template',
      {
        Elsewhere: {
          ...functionNamed('elsewhere'),
          Properties: { ...functionNamed('elsewhere').Properties, Role: 'arn:aws:iam::000000000000:role/x' },
        },
      },
      'needs a role of this template',
    ],
    [
      'when a role has a policy of AWS that is not known',
      withRole({ ManagedPolicyArns: ['arn:aws:iam::aws:policy/AmazonS3FullAccess'] }),
      'does not know what arn:aws:iam::aws:policy/AmazonS3FullAccess allows',
    ],
    [
      'when a role has a boundary',
      withRole({ PermissionsBoundary: 'arn:aws:iam::000000000000:policy/x' }),
      'knows no boundaries',
    ],
    [
      'when a policy has a condition that is not known',
      withRole({
        Policies: [
          {
            PolicyDocument: documentOf({
              ...allow('s3:*', '*'),
              Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } },
            }),
          },
        ],
      }),
      'condition key aws:SourceIp',
    ],
  ])('%s', async (_, more, message) => {
    await expect(start(templateWith([], more))).rejects.toThrow(message);
  });
});

test('policies of their own and managed ones count where they are attached', async () => {
  const role = roleWith();
  const attached = (type: string, action: string) => ({
    Type: type,
    Properties: { PolicyName: 'p', Roles: [{ Ref: 'Role' }], PolicyDocument: documentOf(allow(action, '*')) },
  });
  const named = {
    Type: 'AWS::IAM::ManagedPolicy',
    Properties: { ManagedPolicyName: 'named', PolicyDocument: documentOf(allow('s3:DeleteObject', '*')) },
  };
  const basic = 'arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole';
  const engine = await start(
    templateWith([], {
      Role: { ...role, Properties: { ...role.Properties, ManagedPolicyArns: [{ Ref: 'Named' }, basic] } },
      Named: named,
      Own: attached('AWS::IAM::Policy', 's3:GetObject'),
      Managed: attached('AWS::IAM::ManagedPolicy', 's3:PutObject'),
    }),
  );
  const { s3 } = await clientsOf(engine);
  const object = { Bucket: 'bucket', Key: 'out/1' };
  await s3.send(new PutObjectCommand({ ...object, Body: 'x' }));
  await s3.send(new GetObjectCommand(object));
  await s3.send(new DeleteObjectCommand(object));
  expect(await refusalOf(s3.send(new ListObjectsV2Command({ Bucket: 'bucket' })))).toMatchObject({
    name: 'AccessDenied',
  });
});
