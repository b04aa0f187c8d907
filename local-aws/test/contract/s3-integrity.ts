/** The contract of checksums: a body that is not what it says is not stored; what was verified can be verified again. */
import { describe, expect } from '@jest/globals';
import { DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { refusalOf } from './s3-contract.ts';
import type { S3Contract } from './s3-contract.ts';

export function integrityContract({ client, bucket, newPrefix, promise }: S3Contract): void {
  describe('integrity', () => {
    promise('a body that is not what its Content-MD5 says is refused and not stored', async () => {
      const key = `${newPrefix()}a`;
      const ContentMD5 = createHash('md5').update('other').digest('base64');
      const put = new PutObjectCommand({ Bucket: bucket(), Key: key, Body: 'body', ContentMD5 });
      expect(await refusalOf(client().send(put))).toEqual({ code: 'BadDigest', status: 400 });
      const get = new GetObjectCommand({ Bucket: bucket(), Key: key });
      expect(await refusalOf(client().send(get))).toEqual({ code: 'NoSuchKey', status: 404 });
    });

    promise('a body that is not what its checksum says is refused and not stored', async () => {
      const prefix = newPrefix();
      const wrong = {
        ChecksumCRC32: 'AAAAAA==',
        ChecksumSHA256: createHash('sha256').update('other').digest('base64'),
        ChecksumCRC64NVME: 'AAAAAAAAAAA=',
      };
      for (const [name, value] of Object.entries(wrong)) {
        const put = new PutObjectCommand({ Bucket: bucket(), Key: prefix + name, Body: 'body', [name]: value });
        expect(await refusalOf(client().send(put))).toEqual({ code: 'BadDigest', status: 400 });
        const head = new HeadObjectCommand({ Bucket: bucket(), Key: prefix + name });
        expect(await refusalOf(client().send(head))).toMatchObject({ status: 404 });
      }
    });

    promise('a checksum that was sent is told again to who asks for it', async () => {
      const prefix = newPrefix();
      const algorithms = ['CRC32', 'CRC32C', 'SHA1', 'SHA256'] as const;
      for (const ChecksumAlgorithm of algorithms) {
        const put = { Bucket: bucket(), Key: prefix + ChecksumAlgorithm, Body: '123456789', ChecksumAlgorithm };
        const written = await client().send(new PutObjectCommand(put));
        const read = await client().send(
          new GetObjectCommand({ Bucket: bucket(), Key: put.Key, ChecksumMode: 'ENABLED' }),
        );
        expect(await read.Body?.transformToString()).toBe('123456789');
        const field = `Checksum${ChecksumAlgorithm}` as const;
        expect(read[field]).toMatch(/=$/);
        expect(written[field]).toBe(read[field]);
      }
    });

    promise('a body sent as a stream, in chunks with a trailing checksum, is stored without them', async () => {
      const key = `${newPrefix()}a`;
      const text = 'horse '.repeat(50_000);
      await client().send(
        new PutObjectCommand({
          Bucket: bucket(),
          Key: key,
          Body: Readable.from([Buffer.from(text.slice(0, 1_000)), Buffer.from(text.slice(1_000))]),
          ContentLength: text.length,
          ContentEncoding: 'gzip',
        }),
      );
      const read = await client().send(new GetObjectCommand({ Bucket: bucket(), Key: key }));
      expect(await read.Body?.transformToString()).toBe(text);
      expect(read.ContentEncoding).toBe('gzip');
    });

    promise('more than 1,000 keys to delete at once are refused', async () => {
      const Objects = Array.from({ length: 1_001 }, (_, index) => ({ Key: `${newPrefix()}${index}` }));
      const call = client().send(new DeleteObjectsCommand({ Bucket: bucket(), Delete: { Objects } }));
      expect(await refusalOf(call)).toEqual({ code: 'MalformedXML', status: 400 });
    });
  });
}
