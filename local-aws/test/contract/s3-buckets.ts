/** The contract of buckets: making, finding and deleting them. */
import { describe, expect } from '@jest/globals';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { randomUUID } from 'node:crypto';
import { refusalOf } from './s3-contract.ts';
import type { S3Contract } from './s3-contract.ts';

export function bucketContract({ client, bucket, promise }: S3Contract): void {
  const newName = () => `bucket-${randomUUID()}`;
  const abroad = { CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' as const } };

  describe('buckets', () => {
    promise('a bucket that was made is found, listed and located', async () => {
      const Bucket = newName();
      await client().send(new CreateBucketCommand({ Bucket, ...abroad }));
      await client().send(new HeadBucketCommand({ Bucket }));
      const { Buckets = [] } = await client().send(new ListBucketsCommand({}));
      expect(Buckets.map(({ Name }) => Name)).toEqual(expect.arrayContaining([Bucket, bucket()]));
      expect((await client().send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint).toBe('eu-west-1');
      const home = await client().send(new GetBucketLocationCommand({ Bucket: bucket() }));
      expect(home.LocationConstraint).toBeUndefined();
    });

    promise('a bucket that is there already is BucketAlreadyOwnedByYou, but in us-east-1 no error', async () => {
      const Bucket = newName();
      await client().send(new CreateBucketCommand({ Bucket, ...abroad }));
      expect(await refusalOf(client().send(new CreateBucketCommand({ Bucket, ...abroad })))).toEqual({
        code: 'BucketAlreadyOwnedByYou',
        status: 409,
      });
      expect(await refusalOf(client().send(new CreateBucketCommand({ Bucket: bucket() })))).toBeUndefined();
    });

    promise('a name that no bucket can have is refused', async () => {
      for (const Bucket of ['Ab', 'under_score', '-dash']) {
        expect(await refusalOf(client().send(new CreateBucketCommand({ Bucket })))).toEqual({
          code: 'InvalidBucketName',
          status: 400,
        });
      }
    });

    promise('whatever is asked of a bucket that is not there is NoSuchBucket', async () => {
      const Bucket = newName();
      const expected = { code: 'NoSuchBucket', status: 404 };
      expect(await refusalOf(client().send(new GetObjectCommand({ Bucket, Key: 'a' })))).toEqual(expected);
      expect(await refusalOf(client().send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' })))).toEqual(expected);
      expect(await refusalOf(client().send(new ListObjectsV2Command({ Bucket })))).toEqual(expected);
      expect(await refusalOf(client().send(new DeleteBucketCommand({ Bucket })))).toEqual(expected);
      expect(await refusalOf(client().send(new HeadBucketCommand({ Bucket })))).toMatchObject({ status: 404 });
    });

    promise('a bucket is deleted when it is empty and not before', async () => {
      const Bucket = newName();
      await client().send(new CreateBucketCommand({ Bucket }));
      await client().send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }));
      expect(await refusalOf(client().send(new DeleteBucketCommand({ Bucket })))).toEqual({
        code: 'BucketNotEmpty',
        status: 409,
      });
      await client().send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
      await client().send(new DeleteBucketCommand({ Bucket }));
      expect(await refusalOf(client().send(new HeadBucketCommand({ Bucket })))).toMatchObject({ status: 404 });
    });

    promise('versioning was never switched on', async () => {
      const { Status } = await client().send(new GetBucketVersioningCommand({ Bucket: bucket() }));
      expect(Status).toBeUndefined();
    });
  });
}
