/**
 * A small hand-made package on an engine, whose functions' role a test chooses; clients that sign as a function does; and what
 * the SDK throws.
 */
import { afterAll, afterEach, beforeEach, jest } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SQSClient } from '@aws-sdk/client-sqs';
import { startLocalAws } from '../engine.ts';
import type { LocalAws, LocalAwsOptions } from '../local-aws.ts';

/** The engine says there whose log lines are lost: in most tests here, all. */
export const stderr = jest.spyOn(process.stderr, 'write');
beforeEach(() => void stderr.mockReset().mockReturnValue(true));
afterAll(() => stderr.mockRestore());

export const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'local-aws-iam-'));
  closing.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Tells its credentials to its caller; fails for an event of S3. */
const handler = `
export const handler = (event) => {
  console.log('a line');
  if (event.Records) throw new Error('always');
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
  return { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, sessionToken: AWS_SESSION_TOKEN };
};`;

export const getAtt = (name: string) => ({ 'Fn::GetAtt': [name, 'Arn'] });
export const allow = (Action: string | string[], Resource: unknown) => ({ Effect: 'Allow', Action, Resource });
export const documentOf = (...statements: object[]) => ({ Version: '2012-10-17', Statement: statements });
export const objects = (...prefixes: string[]) => prefixes.map((prefix) => `arn:aws:s3:::bucket/${prefix}/*`);

export type Resources = Record<string, { Type: string; Properties: Record<string, unknown> }>;

export const roleWith = (...statements: object[]) => ({
  Type: 'AWS::IAM::Role',
  Properties: {
    RoleName: 'the-role',
    AssumeRolePolicyDocument: documentOf({
      Effect: 'Allow',
      Principal: { Service: 'lambda.amazonaws.com' },
      Action: 'sts:AssumeRole',
    }),
    Policies: statements.length === 0 ? [] : [{ PolicyName: 'own', PolicyDocument: documentOf(...statements) }],
  },
});

export const functionNamed = (name: string) => ({
  Type: 'AWS::Lambda::Function',
  Properties: {
    FunctionName: name,
    Runtime: 'nodejs24.x',
    Handler: 'index.handler',
    Timeout: 10,
    Role: getAtt('Role'),
    Code: { S3Key: 'x/tell.zip' },
  },
});

/** A function `tell` that objects under `in/` start, its queue for failures, and another queue and function. */
export function templateWith(statements: object[], more: Partial<Resources> = {}): Record<string, unknown> {
  const rule = { Event: 's3:ObjectCreated:*', Function: getAtt('Tell') };
  const filter = { S3Key: { Rules: [{ Name: 'prefix', Value: 'in/' }] } };
  return {
    Resources: {
      Bucket: {
        Type: 'AWS::S3::Bucket',
        Properties: {
          BucketName: 'bucket',
          NotificationConfiguration: { LambdaConfigurations: [{ ...rule, Filter: filter }] },
        },
      },
      MayTell: {
        Type: 'AWS::Lambda::Permission',
        Properties: { FunctionName: 'tell', Action: 'lambda:InvokeFunction', Principal: 's3.amazonaws.com' },
      },
      Dead: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'dead' } },
      Other: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'other' } },
      Tell: functionNamed('tell'),
      Elsewhere: functionNamed('elsewhere'),
      TellAsync: {
        Type: 'AWS::Lambda::EventInvokeConfig',
        Properties: {
          FunctionName: 'tell',
          MaximumRetryAttempts: 0,
          DestinationConfig: { OnFailure: { Destination: getAtt('Dead') } },
        },
      },
      Role: roleWith(...statements),
      ...more,
    },
  };
}

export async function start(
  template: Record<string, unknown>,
  options: Partial<LocalAwsOptions> = {},
): Promise<LocalAws> {
  const packageDir = folder();
  mkdirSync(join(packageDir, 'code', 'tell'), { recursive: true });
  writeFileSync(join(packageDir, 'code', 'tell', 'index.mjs'), handler);
  writeFileSync(join(packageDir, 'cloudformation-template-update-stack.json'), '{}');
  const engine = await startLocalAws(packageDir, {
    timeScale: 10_000,
    maxEnvironments: 2,
    secrets: { token: 'open sesame', other: 'x' },
    ...options,
    template: () => template,
  });
  closing.push(() => engine.stop());
  return engine;
}

export async function credentialsOf(engine: LocalAws, name = 'tell') {
  const { payload } = await engine.lambda.invoke(name, '{}');
  return JSON.parse(payload) as { accessKeyId: string; secretAccessKey: string; sessionToken: string };
}

/** Clients that sign as the function does. */
export async function clientsOf(engine: LocalAws, name = 'tell') {
  const settings = {
    endpoint: engine.endpoint,
    region: 'us-east-1',
    credentials: await credentialsOf(engine, name),
    maxAttempts: 1,
  };
  const clients = {
    s3: new S3Client({ ...settings, forcePathStyle: true }),
    sqs: new SQSClient(settings),
    lambda: new LambdaClient(settings),
    secrets: new SecretsManagerClient(settings),
  };
  closing.push(() => Object.values(clients).forEach((client) => client.destroy()));
  return clients;
}

/** What the SDK throws. */
export async function refusalOf(sent: Promise<unknown>) {
  const error = (await sent.then(
    () => undefined,
    (reason: unknown) => reason,
  )) as { name: string; message: string; $metadata: { httpStatusCode: number } } | undefined;
  return error && { name: error.name, message: error.message, status: error.$metadata.httpStatusCode };
}

export const session = 'arn:aws:sts::000000000000:assumed-role/the-role/tell';
