/** What the engine may rely on in any bucket: one suite for every adapter of the port. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ItemError, TransientError } from '../../shared/engine/errors.ts';
import type { ObjectStore } from '../../shared/engine/ports.ts';

export type ObjectStoreUnderTest = { store: ObjectStore; stop: () => Promise<void> };

export function objectStoreContract(name: string, start: () => Promise<ObjectStoreUnderTest>): void {
  describe(`the bucket ${name}`, () => {
    let underTest: ObjectStoreUnderTest;
    let store: ObjectStore;
    beforeAll(async () => {
      underTest = await start();
      ({ store } = underTest);
    });
    afterAll(() => underTest.stop());

    test('has nothing under a key that nothing was written to', async () => {
      expect(await store.get('nothing/here.json', 1000)).toBeUndefined();
      expect(await store.head('nothing/here.json')).toBeUndefined();
    });

    test('gives an object back as it was written, with its metadata and one ETag for one content', async () => {
      const body = '{"name":"Tea & coffee 🏹","n":1.0}';
      expect(await store.create('items/a.json', body, { run: 'r', 'parent-key': 'shops/r/a%20b.json' })).toBe(
        'created',
      );
      const object = await store.get('items/a.json', 1000);
      expect(object).toMatchObject({ body, metadata: { run: 'r', 'parent-key': 'shops/r/a%20b.json' } });
      expect(object?.eTag).toMatch(/^[^"]+$/);
      expect(await store.head('items/a.json')).toMatchObject({ eTag: object?.eTag, metadata: object?.metadata });
    });

    test('creates an object once: the second time it leaves it as it is', async () => {
      await store.create('items/once.json', '1', {});
      expect(await store.create('items/once.json', '2', {})).toBe('exists');
      expect(await store.get('items/once.json', 1000)).toMatchObject({ body: '1' });
    });

    test('lets one of many creators win', async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store.create('items/race.json', String(i), {})),
      );
      expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1);
      expect((await store.get('items/race.json', 1000))?.body).toBe(String(outcomes.indexOf('created')));
    });

    test('gives text and bytes back untouched, a byte order mark included', async () => {
      const text = '\uFEFFid,name\r\n1,"é"\r\n';
      expect(await store.create('results/a.csv', text, {}, 'text/csv')).toBe('created');
      expect((await store.get('results/a.csv', 1000))?.body).toBe(text);
      expect(await store.create('results/b.csv', new TextEncoder().encode(text), {}, 'text/csv')).toBe('created');
      expect((await store.get('results/b.csv', 1000))?.body).toBe(text);
      expect((await store.head('results/b.csv'))?.eTag).toBe((await store.head('results/a.csv'))?.eTag);
    });

    test('says when an object was written, as its listing does', async () => {
      await store.put('times/a.json', '1', {});
      const [page] = await Array.fromAsync(store.list('times/'));
      expect((await store.get('times/a.json', 1000))?.modifiedMs).toBe(page?.[0]?.modifiedMs);
    });

    test.each(['get', 'head', 'create', 'put', 'replace'] as const)(
      'refuses %s of a key that is longer than S3 takes: no retry helps, and it is not missing',
      async (method) => {
        const key = 'k'.repeat(1500);
        const request = {
          get: [key, 1000],
          head: [key],
          create: [key, '{}', {}],
          put: [key, '{}', {}],
          replace: [key, '{}', {}],
        }[method];
        const ask = store[method].bind(store) as (...args: unknown[]) => Promise<unknown>;
        const refusal: unknown = await ask(...request).catch((error: unknown) => error);
        expect(refusal).toBeInstanceOf(Error);
        expect(refusal).not.toBeInstanceOf(TransientError);
        expect(refusal).not.toBeInstanceOf(ItemError);
      },
    );

    test('replaces what is put', async () => {
      await store.put('notes/a.json', '1', { attempts: '1' });
      const before = await store.head('notes/a.json');
      await store.put('notes/a.json', '2', { attempts: '2' });
      expect(await store.get('notes/a.json', 1000)).toMatchObject({ body: '2', metadata: { attempts: '2' } });
      expect((await store.head('notes/a.json'))?.eTag).not.toBe(before?.eTag);
    });

    test('replaces the version that was seen only, and nothing only while there is nothing', async () => {
      expect(await store.replace('control/a.json', '1', {}, 'another')).toBe('changed');
      expect(await store.head('control/a.json')).toBeUndefined();
      expect(await store.replace('control/a.json', '1', { n: '1' }, undefined)).toBe('replaced');
      expect(await store.replace('control/a.json', '2', {}, undefined)).toBe('changed');
      const seen = await store.head('control/a.json');
      expect(await store.replace('control/a.json', '2', {}, seen?.eTag)).toBe('replaced');
      expect(await store.replace('control/a.json', '3', {}, seen?.eTag)).toBe('changed');
      expect(await store.get('control/a.json', 1000)).toMatchObject({ body: '2', metadata: {} });
    });

    test('lets one of many who saw the same version replace it', async () => {
      await store.put('control/race.json', 'seen', {});
      const seen = await store.head('control/race.json');
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store.replace('control/race.json', String(i), {}, seen?.eTag)),
      );
      expect(outcomes.filter((outcome) => outcome === 'replaced')).toHaveLength(1);
      expect((await store.get('control/race.json', 1000))?.body).toBe(String(outcomes.indexOf('replaced')));
    });

    test('removes an object, and takes one that is not there for removed', async () => {
      await store.put('markers/a.json', '1', {});
      await store.remove('markers/a.json');
      await store.remove('markers/a.json');
      expect(await store.head('markers/a.json')).toBeUndefined();
    });

    test('does not read an object that is too large', async () => {
      await store.create('items/large.json', 'x'.repeat(1001), {});
      await expect(store.get('items/large.json', 1000)).rejects.toMatchObject({ name: 'ItemError', code: 'TOO_LARGE' });
      expect((await store.get('items/large.json', 1001))?.body).toHaveLength(1001);
    });

    test('lists the keys under a prefix in byte order, however many', async () => {
      const keys = Array.from({ length: 1234 }, (_, i) => `list/${i}.json`);
      const odd = [
        'list/\uFFFD.json',
        'list/🏹.json',
        'list/%F0%9F%8F%B9.json',
        'list/-.json',
        'list/A/b.json',
        'list/_.json',
        'list/a-b.json',
        'list/a.json',
      ];
      await Promise.all([...keys, ...odd, 'listless.json'].map((key) => store.create(key, '{}', {})));
      const pages = await Array.fromAsync(store.list('list/'));
      const byBytes = [...keys, ...odd].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(pages.flat().map(({ key }) => key)).toEqual(byBytes);
      const [first] = pages.flat();
      expect(first?.eTag).toBe((await store.head(first?.key ?? ''))?.eTag);
      expect(first?.modifiedMs).toEqual(expect.any(Number));
      expect(pages.every((page) => page.length <= 1000)).toBe(true);
      expect((await Array.fromAsync(store.list('nothing/'))).flat()).toEqual([]);
    });
  });
}
