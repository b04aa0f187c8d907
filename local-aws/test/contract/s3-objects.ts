/** The contract of single objects: what is put is got, whatever its key; copies, deletions. */
import { describe, expect } from '@jest/globals';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import { refusalOf } from './s3-contract.ts';
import type { S3Contract } from './s3-contract.ts';

export function objectContract({ client, bucket, newPrefix, promise }: S3Contract): void {
  const put = (Key: string, Body: string | Uint8Array, rest: Partial<PutObjectCommandInput> = {}) =>
    client().send(new PutObjectCommand({ ...rest, Bucket: bucket(), Key, Body }));
  const get = (Key: string) => client().send(new GetObjectCommand({ Bucket: bucket(), Key }));
  const head = (Key: string) => client().send(new HeadObjectCommand({ Bucket: bucket(), Key }));
  const deleteMany = (keys: string[], Quiet = false) => {
    const Objects = keys.map((Key) => ({ Key }));
    return client().send(new DeleteObjectsCommand({ Bucket: bucket(), Delete: { Objects, Quiet } }));
  };
  const textAt = async (Key: string) => (await get(Key)).Body?.transformToString();
  const sourceOf = (key: string) => encodeURI(`${bucket()}/${key}`);

  describe('objects', () => {
    promise('what was put is got: bytes, ETag, length, type, user metadata, encodings', async () => {
      const key = `${newPrefix()}a.json`;
      const body = Buffer.from('{"name":"Ἱππολύτη"}');
      const written = await put(key, body, {
        ContentType: 'application/json',
        ContentEncoding: 'identity',
        CacheControl: 'no-store',
        ContentDisposition: 'attachment; filename="a.json"',
        Metadata: { run: 'r1', 'parent-key': 'seeds/r1.json' },
      });
      const read = await get(key);
      expect(Buffer.from((await read.Body?.transformToByteArray()) ?? [])).toEqual(body);
      expect(written.ETag).toMatch(/^"[0-9a-f]{32}"$/);
      expect(read).toMatchObject({
        ETag: written.ETag,
        ContentLength: body.length,
        ContentType: 'application/json',
        ContentEncoding: 'identity',
        CacheControl: 'no-store',
        ContentDisposition: 'attachment; filename="a.json"',
        Metadata: { run: 'r1', 'parent-key': 'seeds/r1.json' },
        AcceptRanges: 'bytes',
      });
      expect(read.LastModified).toBeInstanceOf(Date);
    });

    promise('every byte value and an empty body come back as they were', async () => {
      const prefix = newPrefix();
      const bytes = Uint8Array.from({ length: 256 }, (_, value) => value);
      await put(`${prefix}bytes`, bytes);
      await put(`${prefix}empty`, Buffer.alloc(0));
      expect(await (await get(`${prefix}bytes`)).Body?.transformToByteArray()).toEqual(bytes);
      const empty = await get(`${prefix}empty`);
      expect(empty.ContentLength).toBe(0);
      expect(await empty.Body?.transformToString()).toBe('');
    });

    promise('a head tells what a get tells', async () => {
      const key = `${newPrefix()}a`;
      await put(key, 'hello', { ContentType: 'text/plain', Metadata: { color: 'green' } });
      const { ETag, ContentLength, ContentType, LastModified, Metadata } = await get(key);
      expect(await head(key)).toMatchObject({ ETag, ContentLength, ContentType, LastModified, Metadata });
    });

    promise('a second put replaces body, type and metadata', async () => {
      const key = `${newPrefix()}a`;
      await put(key, 'one', { ContentType: 'text/plain', Metadata: { a: '1' } });
      await put(key, 'two', { Metadata: { b: '2' } });
      const read = await get(key);
      expect(await read.Body?.transformToString()).toBe('two');
      expect(read.Metadata).toEqual({ b: '2' });
      expect(read.ContentType).not.toBe('text/plain');
    });

    for (const [what, name] of Object.entries(hostileNames)) {
      promise(`a key may hold ${what}`, async () => {
        const prefix = newPrefix();
        await put(prefix + name, what);
        expect(await textAt(prefix + name)).toBe(what);
        const plain = await client().send(new ListObjectsV2Command({ Bucket: bucket(), Prefix: prefix }));
        expect(plain.Contents?.map(({ Key }) => Key)).toEqual([prefix + name]);
        const encoded = await client().send(
          new ListObjectsV2Command({ Bucket: bucket(), Prefix: prefix + name, EncodingType: 'url' }),
        );
        expect(encoded.EncodingType).toBe('url');
        expect(encoded.Contents?.map(({ Key = '' }) => decodeURIComponent(Key.replaceAll('+', ' ')))).toEqual([
          prefix + name,
        ]);
        await deleteMany([prefix + name]);
        expect(await refusalOf(get(prefix + name))).toEqual({ code: 'NoSuchKey', status: 404 });
      });
    }

    promise('keys that percent-decoding twice would confuse stay apart', async () => {
      const prefix = newPrefix();
      const names = ['a b', 'a+b', 'a%20b', 'a%2Bb', 'a%252Bb'];
      for (const name of names) await put(prefix + name, name);
      for (const name of names) expect(await textAt(prefix + name)).toBe(name);
    });

    promise('a key of 1,024 bytes is taken and one of 1,025 is refused', async () => {
      const prefix = newPrefix();
      const longest = prefix + 'é'.repeat((1024 - prefix.length) / 2) + 'x'.repeat((1024 - prefix.length) % 2);
      await put(longest, 'fits');
      expect(await textAt(longest)).toBe('fits');
      expect(await refusalOf(put(`${longest}x`, 'x'))).toEqual({ code: 'KeyTooLongError', status: 400 });
    });

    promise('what is not there is NoSuchKey, a plain 404 to a head, and no error to a delete', async () => {
      const key = `${newPrefix()}missing`;
      expect(await refusalOf(get(key))).toEqual({ code: 'NoSuchKey', status: 404 });
      expect(await refusalOf(head(key))).toMatchObject({ status: 404 });
      await client().send(new DeleteObjectCommand({ Bucket: bucket(), Key: key }));
    });
  });

  describe('copies', () => {
    promise('a copy takes bytes and metadata along; with REPLACE it takes new metadata', async () => {
      const prefix = newPrefix();
      const from = `${prefix}from ü+%`;
      const { ETag } = await put(from, 'body', { ContentType: 'text/plain', Metadata: { a: '1' } });
      const source = { Bucket: bucket(), CopySource: sourceOf(from).replaceAll('+', '%2B') };
      const copied = await client().send(new CopyObjectCommand({ ...source, Key: `${prefix}same` }));
      expect(copied.CopyObjectResult?.ETag).toBe(ETag);
      const replaced = { MetadataDirective: 'REPLACE' as const, Metadata: { b: '2' }, ContentType: 'text/css' };
      await client().send(new CopyObjectCommand({ ...source, ...replaced, Key: `${prefix}other` }));
      expect(await textAt(`${prefix}same`)).toBe('body');
      expect(await head(`${prefix}same`)).toMatchObject({ ContentType: 'text/plain', Metadata: { a: '1' } });
      expect(await head(`${prefix}other`)).toMatchObject({ ContentType: 'text/css', Metadata: { b: '2' }, ETag });
    });

    promise('a copy onto itself that changes nothing is refused, with new metadata it is done', async () => {
      const key = `${newPrefix()}a`;
      await put(key, 'body', { Metadata: { a: '1' } });
      const itself = { Bucket: bucket(), Key: key, CopySource: sourceOf(key) };
      expect(await refusalOf(client().send(new CopyObjectCommand(itself)))).toEqual({
        code: 'InvalidRequest',
        status: 400,
      });
      await client().send(new CopyObjectCommand({ ...itself, MetadataDirective: 'REPLACE', Metadata: { a: '2' } }));
      expect(await head(key)).toMatchObject({ Metadata: { a: '2' } });
      expect(await textAt(key)).toBe('body');
    });

    promise('a copy of what is not there is NoSuchKey', async () => {
      const prefix = newPrefix();
      const copy = new CopyObjectCommand({ Bucket: bucket(), Key: `${prefix}b`, CopySource: sourceOf(`${prefix}a`) });
      expect(await refusalOf(client().send(copy))).toEqual({ code: 'NoSuchKey', status: 404 });
    });
  });

  describe('deletions', () => {
    promise('a deleted object is gone', async () => {
      const key = `${newPrefix()}a`;
      await put(key, 'x');
      await client().send(new DeleteObjectCommand({ Bucket: bucket(), Key: key }));
      expect(await refusalOf(get(key))).toEqual({ code: 'NoSuchKey', status: 404 });
    });

    promise('many are deleted at once, and what was not there counts as deleted', async () => {
      const prefix = newPrefix();
      const keys = ['<a>&"b"', ' spaces ', 'c\td', 'e'].map((name) => prefix + name);
      for (const key of keys) await put(key, 'x');
      const gone = [...keys.slice(1), `${prefix}never`];
      const answer = await deleteMany(gone);
      expect(answer.Deleted?.map(({ Key }) => Key).sort()).toEqual([...gone].sort());
      expect(answer.Errors).toBeUndefined();
      const left = await client().send(new ListObjectsV2Command({ Bucket: bucket(), Prefix: prefix }));
      expect(left.Contents?.map(({ Key }) => Key)).toEqual([keys[0]]);
    });

    promise('a quiet deletion of many tells of errors only', async () => {
      const key = `${newPrefix()}a`;
      await put(key, 'x');
      expect((await deleteMany([key], true)).Deleted).toBeUndefined();
      expect(await refusalOf(get(key))).toEqual({ code: 'NoSuchKey', status: 404 });
    });
  });
}

const hostileNames: Record<string, string> = {
  spaces: ' a  b ',
  'a plus and a percent': '1+1=100%',
  'what looks percent-encoded': 'a%2Fb%zz%C3%A9',
  'two slashes in a row': 'a//b///c',
  'dots that look like a path': '../a/./b/..',
  'a question mark, a hash and an ampersand': 'a?b=c&d#e',
  quotes: `it's "quoted" \\ \``,
  'angle brackets': '<a>&amp;</a>',
  accents: 'Ωμέγα-é-e\u0301',
  emoji: '🏹🐎',
  'right-to-left text': 'שלום-مرحبا',
  'a tab': 'a\tb',
};
