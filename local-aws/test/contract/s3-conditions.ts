/** The contract of conditional writes and reads, and of ranges. */
import { describe, expect } from '@jest/globals';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { GetObjectCommandInput, PutObjectCommandInput } from '@aws-sdk/client-s3';
import { refusalOf } from './s3-contract.ts';
import type { S3Contract } from './s3-contract.ts';

export function conditionContract({ client, bucket, newPrefix, promise }: S3Contract): void {
  const put = (Key: string, Body: string, rest: Partial<PutObjectCommandInput> = {}) =>
    client().send(new PutObjectCommand({ ...rest, Bucket: bucket(), Key, Body }));
  const get = (Key: string, rest: Partial<GetObjectCommandInput> = {}) =>
    client().send(new GetObjectCommand({ ...rest, Bucket: bucket(), Key }));
  const head = (Key: string, rest: Partial<GetObjectCommandInput> = {}) =>
    client().send(new HeadObjectCommand({ ...rest, Bucket: bucket(), Key }));
  const textAt = async (Key: string) => (await get(Key)).Body?.transformToString();

  describe('conditions', () => {
    promise('If-None-Match: * creates, and over an existing object is 412 and changes nothing', async () => {
      const key = `${newPrefix()}a`;
      await put(key, 'first', { IfNoneMatch: '*' });
      expect(await refusalOf(put(key, 'second', { IfNoneMatch: '*' }))).toEqual({
        code: 'PreconditionFailed',
        status: 412,
      });
      expect(await textAt(key)).toBe('first');
    });

    promise('of 20 racing puts with If-None-Match: * exactly one wins, and its body stays', async () => {
      const key = `${newPrefix()}a`;
      const refusals = await Promise.all(
        Array.from({ length: 20 }, (_, index) => refusalOf(put(key, `writer ${index}`, { IfNoneMatch: '*' }))),
      );
      const winners = refusals.flatMap((refusal, index) => (refusal === undefined ? [index] : []));
      expect(winners).toHaveLength(1);
      // AWS may answer some of the losers 409 while the winner is being written.
      for (const refusal of refusals) expect([undefined, 412, 409]).toContain(refusal?.status);
      expect(await textAt(key)).toBe(`writer ${winners[0] ?? ''}`);
    });

    promise('If-Match writes over the version that it names only, and not where there is nothing', async () => {
      const prefix = newPrefix();
      const { ETag } = await put(`${prefix}a`, 'one');
      await put(`${prefix}a`, 'two', { IfMatch: ETag });
      expect(await refusalOf(put(`${prefix}a`, 'three', { IfMatch: ETag }))).toEqual({
        code: 'PreconditionFailed',
        status: 412,
      });
      expect(await textAt(`${prefix}a`)).toBe('two');
      expect(await refusalOf(put(`${prefix}b`, 'x', { IfMatch: ETag }))).toMatchObject({ status: 404 });
    });

    promise('a get with If-None-Match of the same version is 304, with If-Match of another is 412', async () => {
      const key = `${newPrefix()}a`;
      const { ETag } = await put(key, 'one');
      expect(await refusalOf(get(key, { IfNoneMatch: ETag }))).toMatchObject({ status: 304 });
      expect(await refusalOf(head(key, { IfNoneMatch: ETag }))).toMatchObject({ status: 304 });
      expect(await refusalOf(get(key, { IfMatch: `"${'0'.repeat(32)}"` }))).toEqual({
        code: 'PreconditionFailed',
        status: 412,
      });
      expect(await refusalOf(get(key, { IfMatch: ETag, IfNoneMatch: '"other"' }))).toBeUndefined();
    });

    promise('a get with dates is 304 when nothing changed since, 412 when something did', async () => {
      const key = `${newPrefix()}a`;
      await put(key, 'one');
      const { LastModified = new Date(0) } = await head(key);
      expect(await refusalOf(get(key, { IfModifiedSince: LastModified }))).toMatchObject({ status: 304 });
      expect(await refusalOf(get(key, { IfUnmodifiedSince: new Date(0) }))).toMatchObject({ status: 412 });
      expect(await refusalOf(get(key, { IfUnmodifiedSince: LastModified }))).toBeUndefined();
    });
  });

  describe('ranges', () => {
    promise('a range gives those bytes, 206 and where they are', async () => {
      const key = `${newPrefix()}a`;
      await put(key, '0123456789');
      const cases = { 'bytes=2-4': '234', 'bytes=7-': '789', 'bytes=-3': '789', 'bytes=8-99': '89', 'bytes=0-0': '0' };
      for (const [Range, expected] of Object.entries(cases)) {
        const part = await get(key, { Range });
        expect(await part.Body?.transformToString()).toBe(expected);
        expect(part.$metadata.httpStatusCode).toBe(206);
        expect(part.ContentLength).toBe(expected.length);
      }
      expect((await get(key, { Range: 'bytes=2-4' })).ContentRange).toBe('bytes 2-4/10');
    });

    promise('a range beyond the end is 416', async () => {
      const key = `${newPrefix()}a`;
      await put(key, '0123456789');
      expect(await refusalOf(get(key, { Range: 'bytes=10-' }))).toEqual({ code: 'InvalidRange', status: 416 });
    });
  });
}
