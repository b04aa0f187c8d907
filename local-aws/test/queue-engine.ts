/**
 * An engine for tests whose bucket sends the events of `in/` to a queue that a function is fed from. The function notes each
 * event, and does what the messages tell it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { SQSClient } from '@aws-sdk/client-sqs';
import { peoplesCredentials } from '../account.ts';
import { startLocalAws } from '../engine.ts';
import type { LocalAws, LocalAwsOptions } from '../local-aws.ts';
import { almightyRole } from './almighty-role.ts';
import { notes } from './lambda-service.ts';

export const queueArn = 'arn:aws:sqs:us-east-1:000000000000:work';
export const deadArn = 'arn:aws:sqs:us-east-1:000000000000:dead';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
export function cleanUp(work: () => Promise<void> | void): void {
  cleanups.push(work);
}

export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'local-aws-queue-'));
  cleanUp(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A message's first word is an order: say TEXT, throw, fail (each time), once (fail the first time), kill (the engine, once), visit URL, answer JSON. */
const handler = `
import { appendFileSync } from 'node:fs';
export const handler = async (event) => {
  appendFileSync(process.env.NOTES, JSON.stringify(event) + '\\n');
  if (!event.Records) return await (await fetch(event.url)).text();
  const failed = [];
  for (const { messageId, body, attributes } of event.Records) {
    const [order, ...rest] = body.split(' ');
    const isFirst = attributes.ApproximateReceiveCount === '1';
    if (order === 'say') console.log(rest.join(' '));
    if (order === 'throw') throw new Error('told to');
    if (order === 'kill' && isFirst) process.kill(process.pid, 'SIGKILL');
    if (order === 'visit') await fetch(rest[0]);
    if (order === 'answer') return JSON.parse(rest.join(' '));
    if (order === 'fail' || (order === 'once' && isFirst)) failed.push({ itemIdentifier: messageId });
  }
  return { batchItemFailures: failed };
};`;

export type Setup = {
  mapping?: Record<string, unknown>;
  work?: Record<string, unknown>;
  queue?: Record<string, unknown>;
};

/** Messages that are not deleted come back within the test; by default nothing comes back by itself, however slow a machine is. */
export const quick = (seconds: number): Setup => ({
  queue: { VisibilityTimeout: seconds },
  work: { Timeout: 1 },
});

export type QueuePackage = { packageDir: string; notesFile: string };

const arnOf = (name: string) => ({ 'Fn::GetAtt': [name, 'Arn'] });

export function makePackage({ mapping = {}, work = {}, queue = {} }: Setup = {}): QueuePackage {
  const packageDir = folder();
  const notesFile = join(packageDir, 'notes');
  mkdirSync(join(packageDir, 'code', 'work'), { recursive: true });
  writeFileSync(join(packageDir, 'code', 'work', 'index.mjs'), handler);
  writeFileSync(notesFile, '');
  const filter = { S3Key: { Rules: [{ Name: 'prefix', Value: 'in/' }] } };
  const resources = {
    Bucket: {
      Type: 'AWS::S3::Bucket',
      Properties: {
        BucketName: 'bucket',
        NotificationConfiguration: {
          QueueConfigurations: [{ Event: 's3:ObjectCreated:*', Queue: arnOf('Queue'), Filter: filter }],
        },
      },
    },
    Queue: {
      Type: 'AWS::SQS::Queue',
      Properties: {
        QueueName: 'work',
        VisibilityTimeout: 600,
        RedrivePolicy: { deadLetterTargetArn: arnOf('Dead'), maxReceiveCount: 2 },
        ...queue,
      },
    },
    Dead: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'dead' } },
    MaySend: {
      Type: 'AWS::SQS::QueuePolicy',
      Properties: {
        Queues: [{ Ref: 'Queue' }],
        PolicyDocument: {
          Statement: [
            {
              Effect: 'Allow',
              Principal: { Service: 's3.amazonaws.com' },
              Action: 'sqs:SendMessage',
              Resource: arnOf('Queue'),
              Condition: { ArnLike: { 'aws:SourceArn': 'arn:aws:s3:::bucket' } },
            },
          ],
        },
      },
    },
    Work: {
      Type: 'AWS::Lambda::Function',
      Properties: {
        FunctionName: 'work',
        Runtime: 'nodejs24.x',
        Handler: 'index.handler',
        Timeout: 60,
        Role: arnOf('Role'),
        Environment: { Variables: { NOTES: notesFile } },
        Code: { S3Key: 'x/work.zip' },
        ...work,
      },
    },
    Role: almightyRole,
    Mapping: {
      Type: 'AWS::Lambda::EventSourceMapping',
      Properties: {
        EventSourceArn: arnOf('Queue'),
        FunctionName: arnOf('Work'),
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ...mapping,
      },
    },
  };
  const template = JSON.stringify({ Resources: resources });
  writeFileSync(join(packageDir, 'cloudformation-template-update-stack.json'), template);
  return { packageDir, notesFile };
}

export async function start({ packageDir, ...options }: LocalAwsOptions & { packageDir: string }): Promise<LocalAws> {
  const engine = await startLocalAws(packageDir, { timeScale: 10_000, maxEnvironments: 4, ...options });
  cleanUp(() => engine.stop());
  return engine;
}

/** All in one turn: the poller sees them together. */
export function send(engine: LocalAws, ...bodies: string[]): void {
  for (const body of bodies) engine.sqs.sendMessage(queueArn, body);
}

export function sqsClient(endpoint: string): SQSClient {
  const client = new SQSClient({ endpoint, region: 'us-east-1', credentials: peoplesCredentials });
  cleanUp(() => client.destroy());
  return client;
}

export type SqsRecord = {
  messageId: string;
  receiptHandle: string;
  body: string;
  attributes: { ApproximateReceiveCount: string };
};

/** The batches that the function got, in order; not what else it was called with. */
export function batches(notesFile: string): SqsRecord[][] {
  return notes<{ Records?: SqsRecord[] }>(notesFile).flatMap(({ Records: records }) =>
    records === undefined || records.length === 0 ? [] : [records],
  );
}

/** Body and receive count of all messages that the function got, batch by batch. */
export function told(notesFile: string): string[][] {
  return batches(notesFile).map((records) =>
    records.map(({ body, attributes }) => `${body} ${attributes.ApproximateReceiveCount}`),
  );
}
