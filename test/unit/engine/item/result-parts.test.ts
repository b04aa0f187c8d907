import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { batchBody, batchElement } from '../../../../shared/engine/item/batch.ts';
import {
  countHeld,
  idsInPart,
  partFacts,
  partKeysOf,
  PartWriter,
  readParts,
  resultLine,
  type PartLimits,
  type PartsOf,
} from '../../../../shared/engine/item/result-parts.ts';
import { batchKey, BatchWorld, pages, partKey } from '../../../memory/batch-world.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

const path = { run: 'r', ids: ['s', '00000'] };
const limits: PartLimits = { maxPartBytes: 1_000, maxBodyBytes: 1_000 };
const fetchedAt = '2026-11-20T00:00:00.000Z';

const batchOf = (ids: readonly string[], eTag = 'tag'): PartsOf => ({
  level: pages,
  path,
  eTag,
  items: ids.map((id) => ({ id, body: '1' })),
});
const lineOf = (id: string, json = '1'): string => resultLine(pages, ['s', id], { fetchedAt, json });

async function writerOf(store: MemoryObjectStore, batch: PartsOf): Promise<PartWriter> {
  const parts = await readParts(batch, { ...limits, isFirst: false }, store);
  return new PartWriter(batch, parts, limits, store, () => ({ run: 'r' }));
}

describe('a line', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', minLength: 1 }),
    fc.constantFrom('\n', '\r', '\u2028', '\u2029', '"', '\\', '\u0000', '..', '{}'),
  );
  const json = fc
    .tuple(fc.jsonValue(), fc.constantFrom('', '\n', '\r\n', '\r', '\t'), text)
    .map(([value, gap, separators]) => `${gap}${JSON.stringify({ value, separators }, undefined, gap)}${gap}`);

  test('is one line, whatever ids and JSON the API has, and a reader finds both in it', async () => {
    await fc.assert(
      fc.asyncProperty(text, text, json, async (shelf, book, answer) => {
        const line = resultLine(pages, [shelf, book], { fetchedAt, json: answer });
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(line).not.toContain('\r');
        expect(JSON.parse(line)).toEqual({ shelf, book, fetched_at: fetchedAt, data: JSON.parse(answer) as unknown });
        const store = new MemoryObjectStore();
        store.drop(partKey, line);
        const large = { maxPartBytes: 1_000_000, maxBodyBytes: 1_000 };
        expect(await idsInPart(pages, { run: 'r', ids: [shelf, '00000'] }, partKey, large, store)).toEqual([book]);
        expect(await idsInPart(pages, { run: 'r', ids: [`${shelf}x`, '00000'] }, partKey, large, store)).toEqual([]);
      }),
    );
  });

  test('keeps the numbers and escapes of the API', () => {
    expect(lineOf('a', '{"n":1.0,"large":1e400,"text":"\\u00e9"}')).toContain(
      '"data":{"n":1.0,"large":1e400,"text":"\\u00e9"}}',
    );
  });
});

describe('the parts of a batch', () => {
  test('that two write at the same time hold each result once, and say what they hold', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
    const step = fc.record({
      who: fc.constantFrom(0, 1),
      index: fc.option(fc.integer({ min: 0, max: ids.length - 1 }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const store = new MemoryObjectStore();
        const batch = batchOf(ids);
        const writers = [await writerOf(store, batch), await writerOf(store, batch)] as const;
        const added = new Set<number>();
        for (const { who, index } of steps) {
          if (index === undefined) await writers[who].flush();
          else {
            added.add(index);
            await writers[who].add(index, lineOf(ids[index] ?? '', `"${'x'.repeat(300)}"`));
          }
        }
        await Promise.all(writers.map((writer) => writer.flush()));
        const keys = store.keys();
        const lines = keys.flatMap((key) => store.objects.get(key)?.body.split('\n').slice(0, -1) ?? []);
        const stored = lines.map((line) => ids.indexOf((JSON.parse(line) as { book: string }).book));
        expect(stored.toSorted((a, b) => a - b)).toEqual([...added].sort((a, b) => a - b));
        const { held, foreign } = await countHeld(keys, 'tag', store);
        expect(new Set(held)).toEqual(added);
        expect(foreign).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test('are asked for with one HEAD when the batch comes for the first time', async () => {
    const store = new MemoryObjectStore();
    expect(await readParts(batchOf(['a']), { ...limits, isFirst: true }, store)).toMatchObject({ held: new Set() });
    expect(store.lists).toEqual([]);
  });

  test('are all read when the first one is there, or something was given to the function before', async () => {
    const store = new MemoryObjectStore();
    const batch = batchOf(['a', 'b', 'c']);
    const writer = await writerOf(store, batch);
    for (const [index, id] of ['a', 'b'].entries()) {
      await writer.add(index, lineOf(id));
      await writer.flush();
    }
    expect((await readParts(batch, { ...limits, isFirst: true }, store)).held).toEqual(new Set([0, 1]));
    store.objects.delete(partKey);
    expect((await readParts(batch, { ...limits, isFirst: false }, store)).held).toEqual(new Set([1]));
  });

  test('get the next free number at the first attempt: those that are known to be taken are not asked for', async () => {
    const store = new MemoryObjectStore();
    const batch = batchOf(['a', 'b', 'c']);
    const created: string[] = [];
    const create = store.create.bind(store);
    store.create = (key, ...rest) => {
      created.push(key);
      return create(key, ...rest);
    };
    for (const [index, id] of ['a', 'b', 'c'].entries()) {
      const writer = await writerOf(store, batch);
      await writer.add(index, lineOf(id));
      await writer.flush();
    }
    expect(created).toEqual([partKey, 'pages/r/s/00000.1.ndjson', 'pages/r/s/00000.2.ndjson']);
  });

  test('that are of another batch hold what their lines say, by the ids', async () => {
    const store = new MemoryObjectStore();
    const before = await writerOf(store, batchOf(['a', 'b'], 'before'));
    await before.add(1, lineOf('b'));
    await before.flush();
    const batch = batchOf(['x', 'y', 'b'], 'after');
    const parts = await readParts(batch, { ...limits, isFirst: true }, store);
    expect([parts.held, [...parts.unrecorded.keys()]]).toEqual([new Set([2]), [2]]);
    expect((await countHeld(await partKeysOf(pages, path, store), 'after', store)).held).toEqual(new Set());
    await new PartWriter(batch, parts, limits, store, () => ({})).record();
    expect((await countHeld(await partKeysOf(pages, path, store), 'after', store)).held).toEqual(new Set([2]));
  });

  describe('that tell of lines in a part of an earlier batch hold nothing any more when that one', () => {
    const change: [string, (store: MemoryObjectStore) => unknown][] = [
      ['is deleted', (store) => store.objects.delete(partKey)],
      ['is overwritten', (store) => store.put(partKey, lineOf('c'), store.objects.get(partKey)?.metadata ?? {})],
    ];

    test.each(change)('%s', async (_how, act) => {
      const store = new MemoryObjectStore();
      const before = await writerOf(store, batchOf(['a', 'b'], 'before'));
      for (const [index, id] of ['a', 'b'].entries()) {
        await before.add(index, lineOf(id));
        await before.flush();
      }
      const batch = batchOf(['a', 'b'], 'after');
      const held = async () => {
        const counted = await countHeld(await partKeysOf(pages, path, store), 'after', store);
        return [counted.held, (await readParts(batch, { ...limits, isFirst: false }, store)).held];
      };
      await (await writerOf(store, batch)).record();
      expect(await held()).toEqual([new Set([0, 1]), new Set([0, 1])]);
      act(store);
      expect(await held()).toEqual([new Set(), new Set([1])]);
      // What the other parts still hold is told of by a new one.
      const writer = await writerOf(store, batch);
      await writer.record();
      await writer.add(0, lineOf('a'));
      await writer.flush();
      expect(await held()).toEqual([new Set([0, 1]), new Set([0, 1])]);
    });

    test('is one of more than have room in the metadata of one object', async () => {
      const store = new MemoryObjectStore();
      const ids = Array.from({ length: 50 }, (_, index) => `id-${index}`);
      const before = await writerOf(store, batchOf(ids, 'before'));
      for (const [index, id] of ids.entries()) {
        await before.add(index, lineOf(id));
        await before.flush();
      }
      await (await writerOf(store, batchOf(ids, 'after'))).record();
      const count = async () => (await countHeld(await partKeysOf(pages, path, store), 'after', store)).held.size;
      expect(await count()).toBe(50);
      for (const { metadata } of store.objects.values()) expect(JSON.stringify(metadata).length).toBeLessThan(1_000);
      store.objects.delete(partKey);
      // It is the last in the order of the keys, so that ten are told of together with it.
      expect(await count()).toBe(40);
    });
  });

  test('that are larger than any of the engine’s are not read', async () => {
    const store = new MemoryObjectStore();
    store.drop(partKey, `${lineOf('a')}${'x'.repeat(10_000)}`);
    expect(await idsInPart(pages, path, partKey, limits, store)).toEqual([]);
  });

  test('of which others write one after the other are given up for this attempt, and nothing is lost', async () => {
    const store = new MemoryObjectStore();
    const writer = await writerOf(store, batchOf(['a']));
    await writer.add(0, lineOf('a'));
    const create = store.create.bind(store);
    store.create = () => Promise.resolve('exists');
    await expect(writer.flush()).rejects.toMatchObject({ name: 'TransientError', code: 'PARTS_CONTESTED' });
    store.create = create;
    expect(await writer.flush()).toBe(1);
  });

  test.each<[string, Record<string, string>]>([
    ['no ETag', { items: '4', has: '01' }],
    ['no number', { 'batch-etag': 'e', has: '01' }],
    ['more items than it has', { 'batch-etag': 'e', items: '4', has: '10' }],
    ['no set', { 'batch-etag': 'e', items: '4', has: 'zz' }],
  ])('metadata with %s is none of the engine’s', (_what, metadata) => {
    expect(partFacts(metadata)).toBeUndefined();
  });
});

describe('a part that a person wrote', () => {
  let world: BatchWorld;

  beforeEach(async () => {
    world = new BatchWorld();
    await world.dropBatch(['a', 'b']);
  });

  test.each([
    ['of the right lines', `${lineOf('a')}${lineOf('b')}`],
    ['that is empty', ''],
    ['of junk', 'junk'],
  ])('%s holds nothing: all items are fetched, and it is a stray', async (_what, body) => {
    world.store.drop(partKey, body);
    expect(await world.fetchPages()).toMatchObject({ outcome: 'expanded', written: 2 });
    expect(world.calls).toEqual(['a', 'b']);
    expect(world.store.objects.get('pages/r/s/00000.1.ndjson')?.metadata).toMatchObject({ has: '03' });
    expect(await world.reportedPages()).toMatchObject({ items: 2, done: 2, stray: 1 });
    world.store.objects.delete(partKey);
    expect(await world.reportedPages()).toMatchObject({ items: 2, done: 2, stray: 0 });
  });

  test('in the place of the engine’s takes away what that held', async () => {
    await world.fetchPages();
    world.store.drop(partKey, lineOf('a'));
    world.calls = [];
    await world.fetchPages();
    expect(world.calls).toEqual(['a', 'b']);
    expect(await world.reportedPages()).toMatchObject({ items: 2, done: 2, stray: 1 });
  });
});

test('a batch that is written anew with the same bytes has the same parts', async () => {
  const world = new BatchWorld();
  await world.dropBatch(['a', 'b']);
  await world.fetchPages();
  world.store.drop(batchKey, batchBody(['a', 'b'].map((id) => batchElement(['s'], { id, body: `{"id":"${id}"}` }))));
  expect(await world.fetchPages()).toMatchObject({ outcome: 'duplicate' });
  // A person who writes it says nowhere how many items it has: the parts do.
  expect(await world.reportedPages()).toMatchObject({ items: 2, done: 2, open: 0, stray: 0 });
});
