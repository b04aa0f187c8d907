import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, openDatabase } from '../database.ts';
import { S3Error } from '../s3/errors.ts';
import { firstAfterPrefix } from '../s3/listing.ts';
import { S3Store } from '../s3/store.ts';
import type { ObjectCreated, S3StoreOptions } from '../s3/store.ts';

const bucket = 'bucket';
const minPartBytes = 5 * 1024 * 1024;

function storeIn(db: DatabaseSync, options: S3StoreOptions = {}): S3Store {
  const store = new S3Store(db, options);
  if (!store.hasBucket(bucket)) store.createBucket(bucket);
  return store;
}

function codeOf(fn: () => unknown): string | undefined {
  try {
    fn();
    return undefined;
  } catch (error) {
    if (error instanceof S3Error) return error.code;
    throw error;
  }
}

const bytes = (text: string) => Buffer.from(text);
const textOf = (store: S3Store, key: string) => Buffer.from(store.get(bucket, key).body).toString();
const keysOf = (store: S3Store) => store.list(bucket).contents.map(({ key }) => key);

function multipart(store: S3Store, key: string): void {
  const address = { bucket, key, uploadId: store.uploads.create(bucket, key, {}) };
  const { eTag } = store.uploads.putPart(address, 1, bytes('part'));
  store.uploads.complete(address, [{ number: 1, eTag }]);
}

describe('the listener', () => {
  test('is told of every object that comes to be, in order, with its size, ETag, kind and time', () => {
    const created: ObjectCreated[] = [];
    const store = storeIn(openDatabase(), {
      now: () => 1_700_000_000_123,
      onObjectCreated: (event) => created.push(event),
    });
    store.put(bucket, 'a', bytes('hello'));
    store.put(bucket, 'a', bytes('hello'));
    store.copy({ bucket, key: 'a' }, { bucket, key: 'b' });
    multipart(store, 'c');
    expect(created.map(({ key, eventName }) => [key, eventName])).toEqual([
      ['a', 'ObjectCreated:Put'],
      ['a', 'ObjectCreated:Put'],
      ['b', 'ObjectCreated:Copy'],
      ['c', 'ObjectCreated:CompleteMultipartUpload'],
    ]);
    expect(created[0]).toMatchObject({
      bucket,
      sizeBytes: 5,
      eTag: '5d41402abc4b2a76b9719d911017c592',
      eventTimeMs: 1_700_000_000_123,
    });
    expect(created[3]?.eTag).toMatch(/^[0-9a-f]{32}-1$/);
    const sequencers = created.map(({ sequencer }) => sequencer);
    expect(new Set(sequencers).size).toBe(4);
    expect([...sequencers].sort()).toEqual(sequencers);
    expect(sequencers.every((sequencer) => /^[0-9A-F]{16}$/.test(sequencer))).toBe(true);
  });

  test('hears nothing of a write that was refused, of a read, or of a deletion', () => {
    let told = 0;
    const store = storeIn(openDatabase(), { onObjectCreated: () => told++ });
    store.put(bucket, 'a', bytes('one'), { ifNoneMatch: '*' });
    expect(codeOf(() => store.put(bucket, 'a', bytes('two'), { ifNoneMatch: '*' }))).toBe('PreconditionFailed');
    expect(codeOf(() => store.put(bucket, 'a', bytes('two'), { ifMatch: 'other' }))).toBe('PreconditionFailed');
    expect(codeOf(() => store.put('nowhere', 'a', bytes('two')))).toBe('NoSuchBucket');
    store.get(bucket, 'a');
    store.delete(bucket, 'a');
    expect(told).toBe(1);
  });

  test.each<[string, (store: S3Store) => void]>([
    ['a put', (store) => store.put(bucket, 'new', bytes('x'))],
    ['a copy', (store) => store.copy({ bucket, key: 'old' }, { bucket, key: 'new' })],
    ['a multipart upload', (store) => multipart(store, 'new')],
  ])('when it throws, %s leaves neither an object nor what the listener wrote', (_, write) => {
    const db = openDatabase();
    db.exec('CREATE TABLE queue (key TEXT)');
    let refuses = false;
    const store = storeIn(db, {
      onObjectCreated: ({ key }) => {
        db.prepare('INSERT INTO queue VALUES (?)').run(key);
        if (refuses) throw new Error('the queue is full');
      },
    });
    store.put(bucket, 'old', bytes('old'));
    refuses = true;
    expect(() => write(store)).toThrow('the queue is full');
    expect(keysOf(store)).toEqual(['old']);
    expect(db.prepare('SELECT key FROM queue').all()).toEqual([expect.objectContaining({ key: 'old' })]);
    refuses = false;
    write(store);
    expect(keysOf(store)).toEqual(['new', 'old']);
  });

  test('when it throws on an overwrite, the object is still the one before', () => {
    let refuses = false;
    const store = storeIn(openDatabase(), {
      onObjectCreated: () => {
        if (refuses) throw new Error('no');
      },
    });
    store.put(bucket, 'a', bytes('before'));
    refuses = true;
    expect(() => store.put(bucket, 'a', bytes('after'))).toThrow('no');
    expect(textOf(store, 'a')).toBe('before');
  });
});

describe('a store in a file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'local-aws-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('opened again has all it had, uploads in progress included, and its sequencers go on growing', () => {
    const file = join(folder, 's3.db');
    const created: ObjectCreated[] = [];
    const options = { onObjectCreated: (event: ObjectCreated) => created.push(event) };
    const before = openDatabase(file);
    const first = storeIn(before, options);
    const headers = { 'content-type': 'application/json', 'x-amz-meta-run': 'r1' };
    const written = first.put(bucket, 'a', bytes('kept'), { headers });
    const address = { bucket, key: 'b', uploadId: first.uploads.create(bucket, 'b', {}) };
    const part = first.uploads.putPart(address, 1, bytes('part'));
    before.close();

    const after = openDatabase(file);
    const second = storeIn(after, options);
    expect(second.head(bucket, 'a')).toEqual(written);
    expect(textOf(second, 'a')).toBe('kept');
    second.uploads.complete(address, [{ number: 1, eTag: part.eTag }]);
    expect(textOf(second, 'b')).toBe('part');
    expect(created.map(({ sequencer }) => Number.parseInt(sequencer, 16))).toEqual([1, 2]);
    after.close();
  });

  test('keeps no body that no object or part needs', () => {
    const db = openDatabase(join(folder, 's3.db'));
    const store = storeIn(db);
    const bodies = () => db.prepare('SELECT count(*) AS count FROM s3_bodies').get()?.count;
    store.put(bucket, 'a', bytes('one'));
    store.put(bucket, 'a', bytes('two'));
    multipart(store, 'a');
    expect(bodies()).toBe(1);
    const address = { bucket, key: 'b', uploadId: store.uploads.create(bucket, 'b', {}) };
    store.uploads.putPart(address, 1, bytes('one'));
    store.uploads.putPart(address, 1, bytes('two'));
    expect(bodies()).toBe(2);
    store.uploads.abort(address);
    store.deleteMany(bucket, [{ key: 'a' }, { key: 'never' }]);
    expect(bodies()).toBe(0);
    store.uploads.putPart({ ...address, uploadId: store.uploads.create(bucket, 'b', {}) }, 1, bytes('left'));
    store.deleteBucket(bucket);
    expect(bodies()).toBe(0);
    db.close();
  });
});

describe('writes', () => {
  test('a refused one among others in a transaction leaves the others stored', () => {
    const db = openDatabase();
    const store = storeIn(db);
    store.put(bucket, 'b', bytes('before'));
    inTransaction(db, () => {
      for (const key of ['a', 'b', 'c']) codeOf(() => store.put(bucket, key, bytes('new'), { ifNoneMatch: '*' }));
    });
    expect(keysOf(store).map((key) => textOf(store, key))).toEqual(['new', 'before', 'new']);
  });

  test('many deleted at once: the refusal of one is told in its place, the others go', () => {
    const store = storeIn(openDatabase());
    const { eTag } = store.put(bucket, 'a', bytes('a'));
    store.put(bucket, 'b', bytes('b'));
    const results = store.deleteMany(bucket, [
      { key: 'b', ifMatch: eTag },
      { key: 'x'.repeat(1_025) },
      { key: 'a', ifMatch: eTag },
    ]);
    expect(results.map(({ error }) => error?.code)).toEqual(['PreconditionFailed', 'KeyTooLongError', undefined]);
    expect(keysOf(store)).toEqual(['b']);
  });

  test('the smallest part that is not the last is 5 MiB to the byte', () => {
    const store = storeIn(openDatabase());
    const upload = (sizeBytes: number) => {
      const address = { bucket, key: 'a', uploadId: store.uploads.create(bucket, 'a', {}) };
      const parts = [Buffer.alloc(sizeBytes), bytes('z')].map((body, index) => {
        const { number, eTag } = store.uploads.putPart(address, index + 1, body);
        return { number, eTag };
      });
      return codeOf(() => store.uploads.complete(address, parts));
    };
    expect(upload(minPartBytes - 1)).toBe('EntityTooSmall');
    expect(upload(minPartBytes)).toBeUndefined();
    expect(store.head(bucket, 'a').sizeBytes).toBe(minPartBytes + 1);
  });
});

describe('listings', () => {
  const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const names = fc.uniqueArray(
    fc.string({
      unit: fc.constantFrom('a', 'b', '/', '\u0000', 'é', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}'),
      minLength: 1,
      maxLength: 5,
    }),
    { maxLength: 30 },
  );
  const text = fc.string({ unit: fc.constantFrom('a', '/', '\ud7ff', '\uffff', '\u{10ffff}'), maxLength: 3 });

  test('for any keys, prefix, delimiter, start and page size: the pages are what the definition says', () => {
    fc.assert(
      fc.property(names, text, fc.constantFrom('', '/', 'a/'), text, fc.integer({ min: 1, max: 4 }), (...input) => {
        const [keys, prefix, delimiter, startAfter, maxKeys] = input;
        const store = storeIn(openDatabase());
        for (const key of keys) store.put(bucket, key, bytes(''));
        const seen: string[] = [];
        let continuationToken: string | undefined;
        do {
          const page = store.list(bucket, { prefix, delimiter, startAfter, maxKeys, continuationToken });
          const entries = [...page.contents.map(({ key }) => key), ...page.commonPrefixes].sort(byBytes);
          expect(entries.length).toBeLessThanOrEqual(maxKeys);
          seen.push(...entries);
          continuationToken = page.nextContinuationToken;
          if (continuationToken !== undefined) expect(entries).toHaveLength(maxKeys);
        } while (continuationToken !== undefined);
        expect(seen).toEqual(listedByDefinition(keys, { prefix, delimiter, startAfter }));
      }),
      { numRuns: 300 },
    );
  });

  function listedByDefinition(
    keys: string[],
    { prefix, delimiter, startAfter }: { prefix: string; delimiter: string; startAfter: string },
  ): string[] {
    const entryOf = (key: string) => {
      const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      return at === -1 ? key : key.slice(0, at + delimiter.length);
    };
    const entries = keys.filter((key) => key.startsWith(prefix)).map(entryOf);
    const isBehind = (entry: string) => startAfter === '' || byBytes(entry, startAfter) > 0;
    return [...new Set(entries)].sort(byBytes).filter(isBehind);
  }

  test('the first key after a prefix sorts behind all that have it and before all else', () => {
    expect(firstAfterPrefix('data/')).toBe('data0');
    expect(firstAfterPrefix('a\ud7ff')).toBe('a\ue000');
    expect(firstAfterPrefix('a\uffff')).toBe('a\u{10000}');
    expect(firstAfterPrefix('a\u{10ffff}\u{10ffff}')).toBe('b');
    expect(firstAfterPrefix('')).toBeUndefined();
    expect(firstAfterPrefix('\u{10ffff}')).toBeUndefined();
  });
});
