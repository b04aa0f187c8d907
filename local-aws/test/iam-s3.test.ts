/** S3 holds functions to their roles and to the bucket's policy, over HTTP and over the port alike. */
import { describe, expect, test } from '@jest/globals';
import { MessageChannel } from 'node:worker_threads';
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { LocalAws } from '../local-aws.ts';
import { readIdentities } from '../iam/identities.ts';
import { readPolicies } from '../iam/template-policies.ts';
import { portClientConfig } from '../s3/port-client.ts';
import { servePort } from '../s3/port-server.ts';
import {
  allow,
  clientsOf,
  closing,
  documentOf,
  getAtt,
  objects,
  refusalOf,
  session,
  start,
  templateWith,
} from './iam-engine.ts';

type Face = { s3: S3Client; engine: LocalAws };
const faces: [string, (template: Record<string, unknown>) => Promise<Face>][] = [
  [
    'over HTTP',
    async (template) => {
      const engine = await start(template);
      return { engine, s3: (await clientsOf(engine)).s3 };
    },
  ],
  [
    'over the port',
    async (template) => {
      const engine = await start(template);
      const place = { ...engine.model, endpoint: engine.endpoint };
      const { refusal } = readIdentities(engine.model, readPolicies(template, place)).ofFunction('tell');
      const { port1, port2 } = new MessageChannel();
      closing.push(() => port1.close());
      servePort(port1, engine.s3, () => undefined, refusal);
      const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
      const endpoint = 'http://127.0.0.1:1';
      return {
        engine,
        s3: new S3Client({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1, ...portClientConfig(port2) }),
      };
    },
  ],
];

describe.each(faces)('S3 %s', (_, open) => {
  const in1 = { Bucket: 'bucket', Key: 'seed/1' };
  const openWith = async (...statements: object[]): Promise<Face> => {
    const face = await open(templateWith(statements));
    face.engine.s3.put('bucket', 'seed/1', Buffer.from('one'));
    return face;
  };

  test('gives and takes what the role allows, and refuses the rest in the words of S3', async () => {
    const { s3 } = await openWith(allow('s3:GetObject', objects('seed')), allow('s3:PutObject', objects('out')));
    expect(await (await s3.send(new GetObjectCommand(in1))).Body?.transformToString()).toBe('one');
    await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'out/1', Body: 'x', IfNoneMatch: '*' }));
    expect(await refusalOf(s3.send(new PutObjectCommand({ ...in1, Body: 'x' })))).toEqual({
      name: 'AccessDenied',
      status: 403,
      message: `User: ${session} is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::bucket/seed/1" because no identity-based policy allows the s3:PutObject action`,
    });
    const head = { Bucket: 'bucket', Key: 'out/1' };
    for (const command of [s3.send(new DeleteObjectCommand(in1)), s3.send(new HeadObjectCommand(head))]) {
      expect(await refusalOf(command)).toMatchObject({ status: 403 });
    }
    expect(await refusalOf(s3.send(new ListBucketsCommand({})))).toMatchObject({ name: 'AccessDenied' });
    expect(await refusalOf(s3.send(new HeadBucketCommand({ Bucket: 'bucket' })))).toMatchObject({ status: 403 });
  });

  test('tells what is missing only to those who may list', async () => {
    const read = allow('s3:GetObject', objects('seed'));
    const nothing = { Bucket: 'bucket', Key: 'seed/nothing' };
    const blind = await openWith(read, allow('s3:PutObject', objects('out')));
    expect(await refusalOf(blind.s3.send(new GetObjectCommand(nothing)))).toMatchObject({
      name: 'AccessDenied',
      status: 403,
    });
    // A HEAD's answer has no body, so no code.
    expect(await refusalOf(blind.s3.send(new HeadObjectCommand(nothing)))).toMatchObject({ status: 403 });
    const copy = new CopyObjectCommand({ Bucket: 'bucket', Key: 'out/1', CopySource: 'bucket/seed/nothing' });
    expect(await refusalOf(blind.s3.send(copy))).toMatchObject({ status: 403 });
    const seeing = await openWith(read, allow('s3:ListBucket', 'arn:aws:s3:::bucket'));
    expect(await refusalOf(seeing.s3.send(new GetObjectCommand(nothing)))).toMatchObject({
      name: 'NoSuchKey',
      status: 404,
    });
    expect(await refusalOf(seeing.s3.send(new HeadObjectCommand(nothing)))).toMatchObject({ status: 404 });
  });

  test('copies for those who may read the one and write the other', async () => {
    const copy = (from: string, Key: string) =>
      new CopyObjectCommand({ Bucket: 'bucket', Key, CopySource: `bucket/${from}` });
    const { s3, engine } = await openWith(
      allow('s3:GetObject', objects('seed')),
      allow('s3:PutObject', objects('out')),
    );
    engine.s3.put('bucket', 'secret/1', Buffer.from('x'));
    await s3.send(copy('seed/1', 'out/1'));
    expect((await refusalOf(s3.send(copy('secret/1', 'out/1'))))?.message).toContain(
      's3:GetObject on resource: "arn:aws:s3:::bucket/secret/1"',
    );
    expect((await refusalOf(s3.send(copy('seed/1', 'secret/1'))))?.message).toContain('s3:PutObject');
  });

  test('judges each key of DeleteObjects by itself', async () => {
    const { s3, engine } = await openWith(allow('s3:DeleteObject', objects('out')));
    engine.s3.put('bucket', 'out/1', Buffer.from('x'));
    const keys = { Objects: [{ Key: 'out/1' }, { Key: 'seed/1' }] };
    const { Deleted, Errors } = await s3.send(new DeleteObjectsCommand({ Bucket: 'bucket', Delete: keys }));
    expect(Deleted).toEqual([{ Key: 'out/1' }]);
    expect(Errors).toMatchObject([{ Key: 'seed/1', Code: 'AccessDenied' }]);
    expect(engine.s3.list('bucket', {}).contents.map(({ key }) => key)).toEqual(['seed/1']);
  });

  test('knows the prefix that is listed', async () => {
    const condition = { StringLike: { 's3:prefix': 'seed/*' } };
    const { s3 } = await openWith({ ...allow('s3:ListBucket', 'arn:aws:s3:::bucket'), Condition: condition });
    const list = (Prefix?: string) => s3.send(new ListObjectsV2Command({ Bucket: 'bucket', Prefix }));
    expect((await list('seed/')).KeyCount).toBe(1);
    expect(await refusalOf(list('out/'))).toMatchObject({ name: 'AccessDenied' });
    expect(await refusalOf(list())).toMatchObject({ name: 'AccessDenied' });
  });

  test('knows whether a write is conditional', async () => {
    const condition = { Null: { 's3:if-none-match': 'false' } };
    const { s3 } = await openWith({ ...allow('s3:PutObject', objects('out')), Condition: condition });
    const put = (more: { IfNoneMatch?: string }) =>
      s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'out/new', Body: '{}', ...more }));
    expect(await refusalOf(put({}))).toMatchObject({ name: 'AccessDenied' });
    expect(await put({ IfNoneMatch: '*' })).toMatchObject({ ETag: expect.any(String) });
    expect(await refusalOf(put({ IfNoneMatch: '*' }))).toMatchObject({ name: 'PreconditionFailed' });
  });

  test('asks for s3:GetObject too when an ETag is compared', async () => {
    const { s3 } = await openWith(allow(['s3:PutObject', 's3:DeleteObject'], objects('seed')));
    const entry = { Key: 'seed/1', ETag: 'x' };
    const many = await s3.send(new DeleteObjectsCommand({ Bucket: 'bucket', Delete: { Objects: [entry] } }));
    const said = [
      await refusalOf(s3.send(new PutObjectCommand({ ...in1, Body: 'x', IfMatch: '"x"' }))),
      await refusalOf(s3.send(new DeleteObjectCommand({ ...in1, IfMatch: '"x"' }))),
    ].map((refused) => refused?.message);
    for (const message of [...said, many.Errors?.[0]?.Message]) expect(message).toContain('s3:GetObject');
  });

  test('takes an upload in parts as writing, and its end and its list as rights of their own', async () => {
    const { s3 } = await openWith(allow('s3:PutObject', objects('out')));
    const upload = { Bucket: 'bucket', Key: 'out/big' };
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(upload));
    await s3.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: 'x' }));
    expect((await refusalOf(s3.send(new ListPartsCommand({ ...upload, UploadId }))))?.message).toContain(
      's3:ListMultipartUploadParts',
    );
    expect((await refusalOf(s3.send(new AbortMultipartUploadCommand({ ...upload, UploadId }))))?.message).toContain(
      's3:AbortMultipartUpload',
    );
    expect(await refusalOf(s3.send(new CreateMultipartUploadCommand(in1)))).toMatchObject({ name: 'AccessDenied' });
  });

  test('is bound by the bucket’s policy too: it may allow, and it may deny', async () => {
    const policy = {
      Type: 'AWS::S3::BucketPolicy',
      Properties: {
        Bucket: { Ref: 'Bucket' },
        PolicyDocument: documentOf(
          { ...allow('s3:GetObject', objects('seed')), Principal: { AWS: getAtt('Role') } },
          { ...allow('s3:*', objects('out')), Effect: 'Deny', Principal: '*' },
          {
            ...allow('s3:*', objects('seed')),
            Effect: 'Deny',
            Principal: '*',
            Condition: { Bool: { 'aws:SecureTransport': false } },
          },
        ),
      },
    };
    const { s3, engine } = await open(templateWith([allow('s3:PutObject', '*')], { Policy: policy }));
    engine.s3.put('bucket', 'seed/1', Buffer.from('one'));
    await s3.send(new GetObjectCommand(in1));
    expect(
      (await refusalOf(s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'out/1', Body: 'x' }))))?.message,
    ).toContain('with an explicit deny in a resource-based policy');
  });
});
