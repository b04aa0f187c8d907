/** The contract of multipart uploads. */
import { describe, expect } from '@jest/globals';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import type { CompletedPart, CreateMultipartUploadCommandInput } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { refusalOf } from './s3-contract.ts';
import type { S3Contract } from './s3-contract.ts';

const fiveMib = 5 * 1024 * 1024;

export function multipartContract({ client, bucket, newPrefix, promise }: S3Contract): void {
  const begin = async (Key: string, rest: Partial<CreateMultipartUploadCommandInput> = {}) => {
    const created = await client().send(new CreateMultipartUploadCommand({ Bucket: bucket(), Key, ...rest }));
    return { Bucket: bucket(), Key, UploadId: created.UploadId };
  };
  type Upload = Awaited<ReturnType<typeof begin>>;
  const upload = async (to: Upload, PartNumber: number, Body: Buffer): Promise<CompletedPart> => {
    const part = await client().send(new UploadPartCommand({ ...to, PartNumber, Body }));
    return { PartNumber, ETag: part.ETag, ...(part.ChecksumCRC32 && { ChecksumCRC32: part.ChecksumCRC32 }) };
  };
  const complete = (to: Upload, Parts: CompletedPart[], rest: { IfNoneMatch?: string } = {}) =>
    client().send(new CompleteMultipartUploadCommand({ ...to, MultipartUpload: { Parts }, ...rest }));
  const bytesAt = async (Key: string) => {
    const read = await client().send(new GetObjectCommand({ Bucket: bucket(), Key }));
    return Buffer.from((await read.Body?.transformToByteArray()) ?? []);
  };
  const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest();

  describe('multipart uploads', () => {
    promise('parts sent in any order become one object in the order of their numbers', async () => {
      const key = `${newPrefix()}a b`;
      const bodies = [Buffer.alloc(fiveMib, 'a'), Buffer.alloc(fiveMib, 'b'), Buffer.from('the rest')];
      const to = await begin(key, { ContentType: 'text/plain', Metadata: { run: 'r1' } });
      const last = await upload(to, 7, bodies[2] ?? Buffer.alloc(0));
      const first = await upload(to, 1, bodies[0] ?? Buffer.alloc(0));
      const middle = await upload(to, 2, bodies[1] ?? Buffer.alloc(0));
      expect(await refusalOf(client().send(new HeadObjectCommand({ Bucket: bucket(), Key: key })))).toMatchObject({
        status: 404,
      });
      const done = await complete(to, [first, middle, last]);
      const eTag = `"${md5(Buffer.concat(bodies.map(md5))).toString('hex')}-3"`;
      expect(done.ETag).toBe(eTag);
      expect((await bytesAt(key)).equals(Buffer.concat(bodies))).toBe(true);
      const head = await client().send(new HeadObjectCommand({ Bucket: bucket(), Key: key }));
      expect(head).toMatchObject({ ETag: eTag, ContentType: 'text/plain', Metadata: { run: 'r1' } });
    });

    promise('a part sent again replaces the one before, and parts are listed', async () => {
      const to = await begin(`${newPrefix()}a`);
      await upload(to, 1, Buffer.from('first'));
      const second = await upload(to, 1, Buffer.from('second'));
      await upload(to, 2, Buffer.from('unused'));
      const listed = await client().send(new ListPartsCommand(to));
      expect(listed.Parts?.map(({ PartNumber, Size }) => ({ PartNumber, Size }))).toEqual([
        { PartNumber: 1, Size: 6 },
        { PartNumber: 2, Size: 6 },
      ]);
      const page = await client().send(new ListPartsCommand({ ...to, MaxParts: 1 }));
      expect(page).toMatchObject({ IsTruncated: true, NextPartNumberMarker: '1' });
      await complete(to, [second]);
      expect((await bytesAt(to.Key)).toString()).toBe('second');
    });

    promise('an aborted upload is gone, and so is a completed one', async () => {
      const prefix = newPrefix();
      const aborted = await begin(`${prefix}a`);
      const part = await upload(aborted, 1, Buffer.from('x'));
      await client().send(new AbortMultipartUploadCommand(aborted));
      expect(await refusalOf(complete(aborted, [part]))).toEqual({ code: 'NoSuchUpload', status: 404 });
      expect(await refusalOf(upload(aborted, 1, Buffer.from('x')))).toEqual({ code: 'NoSuchUpload', status: 404 });
      const done = await begin(`${prefix}b`);
      await complete(done, [await upload(done, 1, Buffer.from('y'))]);
      expect(await refusalOf(upload(done, 1, Buffer.from('z')))).toEqual({ code: 'NoSuchUpload', status: 404 });
    });

    promise('parts that are unknown or too small are refused', async () => {
      const to = await begin(`${newPrefix()}a`);
      const one = await upload(to, 1, Buffer.from('small'));
      const two = await upload(to, 2, Buffer.from('small too'));
      const unknown = { PartNumber: 3, ETag: '"00000000000000000000000000000000"' };
      expect(await refusalOf(complete(to, [unknown]))).toEqual({ code: 'InvalidPart', status: 400 });
      expect(await refusalOf(complete(to, [one, two]))).toEqual({ code: 'EntityTooSmall', status: 400 });
    });

    promise('parts out of order are refused', async () => {
      const to = await begin(`${newPrefix()}a`);
      const one = await upload(to, 1, Buffer.from('one'));
      const two = await upload(to, 2, Buffer.from('two'));
      expect(await refusalOf(complete(to, [two, one]))).toEqual({ code: 'InvalidPartOrder', status: 400 });
    });

    promise('a completion with If-None-Match: * over an existing object is 412', async () => {
      const key = `${newPrefix()}a`;
      await client().send(new PutObjectCommand({ Bucket: bucket(), Key: key, Body: 'first' }));
      const to = await begin(key);
      const part = await upload(to, 1, Buffer.from('second'));
      expect(await refusalOf(complete(to, [part], { IfNoneMatch: '*' }))).toEqual({
        code: 'PreconditionFailed',
        status: 412,
      });
      expect((await bytesAt(key)).toString()).toBe('first');
    });

    promise('a part may be a range of another object', async () => {
      const prefix = newPrefix();
      await client().send(new PutObjectCommand({ Bucket: bucket(), Key: `${prefix}from`, Body: '0123456789' }));
      const to = await begin(`${prefix}to`);
      const CopySource = `${bucket()}/${prefix}from`;
      const copied = await client().send(
        new UploadPartCopyCommand({ ...to, PartNumber: 1, CopySource, CopySourceRange: 'bytes=2-5' }),
      );
      await complete(to, [{ PartNumber: 1, ETag: copied.CopyPartResult?.ETag }]);
      expect((await bytesAt(to.Key)).toString()).toBe('2345');
    });

    promise('the checksum of the whole is that of the parts, counted', async () => {
      const key = `${newPrefix()}a`;
      const to = await begin(key, { ChecksumAlgorithm: 'CRC32' });
      const parts = [await upload(to, 1, Buffer.alloc(fiveMib, 'a')), await upload(to, 2, Buffer.from('b'))];
      expect(parts.every(({ ChecksumCRC32 }) => ChecksumCRC32 !== undefined)).toBe(true);
      const done = await complete(to, parts);
      expect(done.ChecksumCRC32).toMatch(/==-2$/);
      const head = await client().send(new HeadObjectCommand({ Bucket: bucket(), Key: key, ChecksumMode: 'ENABLED' }));
      expect(head.ChecksumCRC32).toBe(done.ChecksumCRC32);
    });
  });
}
