/** The contract of listings: order, pages, prefixes, delimiters, where to go on. */
import { beforeAll, describe, expect } from '@jest/globals';
import { ListObjectsCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import type { ListObjectsV2CommandInput, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { refusalOf } from './s3-contract.ts';
import type { S3Contract } from './s3-contract.ts';

const many = 1_003;

export function listingContract({ client, bucket, newPrefix, promise }: S3Contract): void {
  const list = (rest: Partial<ListObjectsV2CommandInput>) =>
    client().send(new ListObjectsV2Command({ Bucket: bucket(), ...rest }));
  const put = (Key: string) => client().send(new PutObjectCommand({ Bucket: bucket(), Key, Body: Key }));
  const putAll = async (prefix: string, names: readonly string[]) => {
    for (let at = 0; at < names.length; at += 16) {
      await Promise.all(names.slice(at, at + 16).map((name) => put(prefix + name)));
    }
  };
  const allPages = async (rest: Partial<ListObjectsV2CommandInput>) => {
    const pages: ListObjectsV2CommandOutput[] = [];
    let token: string | undefined;
    do {
      const page = await list({ ...rest, ...(token === undefined ? {} : { ContinuationToken: token }) });
      pages.push(page);
      token = page.NextContinuationToken;
    } while (token !== undefined && pages.length < 100);
    return pages;
  };
  const keysOf = (prefix: string, ...pages: ListObjectsV2CommandOutput[]) =>
    pages.flatMap(({ Contents = [] }) => Contents.map(({ Key = '' }) => Key.slice(prefix.length)));
  const prefixesOf = (prefix: string, ...pages: ListObjectsV2CommandOutput[]) =>
    pages.flatMap(({ CommonPrefixes = [] }) => CommonPrefixes.map(({ Prefix = '' }) => Prefix.slice(prefix.length)));

  describe('listings', () => {
    promise('keys come in the order of their UTF-8 bytes, also where UTF-16 has another', async () => {
      const prefix = newPrefix();
      const inByteOrder = ['A', 'Z', '_', 'a', 'a-', 'a.b', 'a/b', 'aa', 'é', '\uff5e', '\ufffd', '😀', '\u{10fffd}'];
      expect([...inByteOrder].sort()).not.toEqual(inByteOrder);
      await putAll(prefix, [...inByteOrder].reverse());
      expect(keysOf(prefix, await list({ Prefix: prefix }))).toEqual(inByteOrder);
      for (const [index, name] of inByteOrder.entries()) {
        expect(keysOf(prefix, await list({ Prefix: prefix, StartAfter: prefix + name }))).toEqual(
          inByteOrder.slice(index + 1),
        );
      }
    });

    promise('an object is listed with its size, ETag and time, and its owner when asked', async () => {
      const prefix = newPrefix();
      const { ETag } = await put(`${prefix}a`);
      const page = await list({ Prefix: prefix });
      expect(page).toMatchObject({ KeyCount: 1, IsTruncated: false, MaxKeys: 1000, Prefix: prefix, Name: bucket() });
      expect(page.Contents).toMatchObject([
        { Key: `${prefix}a`, Size: prefix.length + 1, ETag, StorageClass: 'STANDARD' },
      ]);
      expect(page.Contents?.[0]?.LastModified).toBeInstanceOf(Date);
      expect(page.Contents?.[0]?.Owner).toBeUndefined();
      expect((await list({ Prefix: prefix, FetchOwner: true })).Contents?.[0]?.Owner?.ID).toEqual(expect.any(String));
    });

    promise('nothing under a prefix is an empty page', async () => {
      const page = await list({ Prefix: newPrefix() });
      expect(page).toMatchObject({ KeyCount: 0, IsTruncated: false });
      expect(page.Contents).toBeUndefined();
    });

    promise('a prefix is text, not a folder', async () => {
      const prefix = newPrefix();
      await putAll(prefix, ['data/x', 'data_sets/x', 'data', 'dat']);
      expect(keysOf(prefix, await list({ Prefix: `${prefix}data` }))).toEqual(['data', 'data/x', 'data_sets/x']);
      expect(keysOf(prefix, await list({ Prefix: `${prefix}data/` }))).toEqual(['data/x']);
    });

    promise('start-after may name a key that was never written, and one outside the prefix', async () => {
      const prefix = newPrefix();
      await putAll(prefix, ['a', 'c', 'e']);
      expect(keysOf(prefix, await list({ Prefix: prefix, StartAfter: `${prefix}b` }))).toEqual(['c', 'e']);
      expect(keysOf(prefix, await list({ Prefix: prefix, StartAfter: `${prefix}c` }))).toEqual(['e']);
      expect(keysOf(prefix, await list({ Prefix: prefix, StartAfter: '!' }))).toEqual(['a', 'c', 'e']);
      expect(keysOf(prefix, await list({ Prefix: prefix, StartAfter: '~' }))).toEqual([]);
    });

    describe(`${many} keys`, () => {
      let prefix: string;
      const names = Array.from({ length: many }, (_, index) => String(index).padStart(5, '0'));
      beforeAll(async () => {
        prefix = newPrefix();
        await putAll(prefix, names);
      });

      promise('come in pages of a thousand, each key once', async () => {
        const pages = await allPages({ Prefix: prefix });
        expect(pages.map(({ KeyCount, IsTruncated }) => ({ KeyCount, IsTruncated }))).toEqual([
          { KeyCount: 1_000, IsTruncated: true },
          { KeyCount: many - 1_000, IsTruncated: false },
        ]);
        expect(keysOf(prefix, ...pages)).toEqual(names);
      });

      promise('more than a thousand keys a page can be asked for and are not given', async () => {
        const page = await list({ Prefix: prefix, MaxKeys: 5_000 });
        expect(page).toMatchObject({ KeyCount: 1_000, IsTruncated: true });
        expect(page.MaxKeys).toBe(1_000);
      });

      promise('a page may be any smaller size, and a token continues after any of them', async () => {
        const pages = await allPages({ Prefix: prefix, MaxKeys: 100 });
        expect(pages.map(({ KeyCount }) => KeyCount)).toEqual([...Array<number>(10).fill(100), 3]);
        expect(keysOf(prefix, ...pages)).toEqual(names);
      });

      promise('a page that ends with the last key says that there is no more', async () => {
        const page = await list({ Prefix: prefix, StartAfter: `${prefix}01000`, MaxKeys: 2 });
        expect(page).toMatchObject({ KeyCount: 2, IsTruncated: false });
        expect(page.NextContinuationToken).toBeUndefined();
      });

      promise('the older listing continues after a marker', async () => {
        const first = await client().send(new ListObjectsCommand({ Bucket: bucket(), Prefix: prefix }));
        expect(first.IsTruncated).toBe(true);
        const Marker = first.Contents?.at(-1)?.Key;
        const second = await client().send(new ListObjectsCommand({ Bucket: bucket(), Prefix: prefix, Marker }));
        expect(second.IsTruncated).toBe(false);
        expect([...(first.Contents ?? []), ...(second.Contents ?? [])].map(({ Key }) => Key)).toEqual(
          names.map((name) => prefix + name),
        );
      });
    });

    promise('no keys at all can be asked for', async () => {
      const prefix = newPrefix();
      await putAll(prefix, ['a', 'b']);
      expect(await list({ Prefix: prefix, MaxKeys: 0 })).toMatchObject({ KeyCount: 0, IsTruncated: false });
    });

    promise('with a delimiter, what is behind it is rolled up into common prefixes', async () => {
      const prefix = newPrefix();
      await putAll(prefix, ['a', 'b/1', 'b/2', 'b/c/3', 'b0', 'é/x', '😀/x', '😀']);
      const page = await list({ Prefix: prefix, Delimiter: '/' });
      expect(keysOf(prefix, page)).toEqual(['a', 'b0', '😀']);
      expect(prefixesOf(prefix, page)).toEqual(['b/', 'é/', '😀/']);
      expect(page.KeyCount).toBe(6);
      const deeper = await list({ Prefix: `${prefix}b/`, Delimiter: '/' });
      expect([keysOf(prefix, deeper), prefixesOf(prefix, deeper)]).toEqual([['b/1', 'b/2'], ['b/c/']]);
      const long = await list({ Prefix: prefix, Delimiter: '/c/' });
      expect(prefixesOf(prefix, long)).toEqual(['b/c/']);
    });

    promise('keys and common prefixes share the pages, in one order, each once', async () => {
      const prefix = newPrefix();
      const folders = Array.from({ length: 7 }, (_, index) => `t${index}`);
      await putAll(prefix, [...folders.flatMap((folder) => [`${folder}/1`, `${folder}/2`, `${folder}/3`]), 't3', 't9']);
      const pages = await allPages({ Prefix: prefix, Delimiter: '/', MaxKeys: 2 });
      expect(pages.map(({ KeyCount }) => KeyCount)).toEqual([2, 2, 2, 2, 1]);
      expect(keysOf(prefix, ...pages)).toEqual(['t3', 't9']);
      expect(prefixesOf(prefix, ...pages)).toEqual(folders.map((folder) => `${folder}/`));
    });

    promise('the older listing with a delimiter names the next marker', async () => {
      const prefix = newPrefix();
      await putAll(prefix, ['a/1', 'a/2', 'b', 'c/1']);
      const query = { Bucket: bucket(), Prefix: prefix, Delimiter: '/', MaxKeys: 1 };
      const seen: string[] = [];
      let Marker: string | undefined;
      do {
        const page = await client().send(new ListObjectsCommand({ ...query, Marker }));
        seen.push(...(page.Contents ?? []).map(({ Key = '' }) => Key.slice(prefix.length)));
        seen.push(...(page.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix.slice(prefix.length)));
        Marker = page.NextMarker;
      } while (Marker !== undefined && seen.length < 10);
      expect(seen).toEqual(['a/', 'b', 'c/']);
    });

    promise('a token that was never given out is refused', async () => {
      expect(await refusalOf(list({ ContinuationToken: 'made-up' }))).toEqual({ code: 'InvalidArgument', status: 400 });
    });

    promise('a negative page size is refused', async () => {
      expect(await refusalOf(list({ MaxKeys: -1 }))).toEqual({ code: 'InvalidArgument', status: 400 });
    });
  });
}
