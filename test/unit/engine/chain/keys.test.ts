import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { levelNamed, nextIdOf } from '../../../../shared/engine/chain/chain.ts';
import {
  childKey,
  childrenPrefix,
  decodeSegment,
  encodeSegment,
  failureKey,
  failureKeyOf,
  isRunName,
  itemKey,
  listingsOf,
  maxKeyBytes,
  paramsKey,
  parseItemKey,
  receiptKey,
  reportKey,
  resultKey,
  runOfKey,
  seedKey,
  successKey,
  finishedKey,
} from '../../../../shared/engine/chain/keys.ts';
import { eightLevels, everyDepth, fourLevels, oneLevel, twoLevels } from '../../../chains.ts';
import { pages } from '../../../memory/batch-world.ts';

const id = fc.oneof(
  fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }),
  fc.constantFrom(
    '../',
    '..',
    '.',
    ' ',
    'a+b',
    '100%',
    '%2F',
    'a/b',
    'שלום',
    '🏹',
    '-',
    '_',
    "it's",
    '*()!~',
    '\u0000',
    'é',
  ),
);
const run = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/);

describe('segments', () => {
  test.each([
    ['checkout-eu-1', 'checkout-eu-1'],
    ['../etc', '%2E%2E%2Fetc'],
    ['a b+c', 'a%20b%2Bc'],
    ['100%', '100%25'],
    ["it's (*!~)", 'it%27s%20%28%2A%21%7E%29'],
    ['日', '%E6%97%A5'],
    ['🏹', '%F0%9F%8F%B9'],
  ])('the id %j is the segment %s', (plain, segment) => {
    expect(encodeSegment(plain)).toBe(segment);
    expect(decodeSegment(segment)).toBe(plain);
  });

  test('any id comes back from its segment, which holds only bytes that need no care anywhere', () => {
    fc.assert(
      fc.property(id, (plain) => {
        const segment = encodeSegment(plain);
        expect(segment).toMatch(/^(?:[A-Za-z0-9_-]|%[0-9A-F]{2})+$/);
        expect(decodeSegment(segment)).toBe(plain);
      }),
    );
  });

  test('two ids never make one segment', () => {
    fc.assert(fc.property(id, id, (a, b) => a === b || encodeSegment(a) !== encodeSegment(b)));
  });

  test.each(['', 'a b', 'a.b', '%2e', '%', '%zz', 'a+b', '%41', '%ED%A0%80', 'ü'])('%j is no segment', (segment) => {
    expect(decodeSegment(segment)).toBeUndefined();
  });

  test('an empty id and half a surrogate pair are item errors', () => {
    expect(() => encodeSegment('')).toThrow(expect.objectContaining({ name: 'ItemError', code: 'EMPTY_ID' }));
    expect(() => encodeSegment('\uD83C')).toThrow(expect.objectContaining({ name: 'ItemError', code: 'BAD_ID' }));
  });
});

describe('runs', () => {
  test.each(['2026-11-20', 'r', 'R_1', '0'.repeat(64)])('%s names a run', (name) => expect(isRunName(name)).toBe(true));
  test.each(['', '-a', '_a', 'a.b', 'a b', 'a/b', '0'.repeat(65), 'é', 'a\n'])('%j does not', (name) => {
    expect(isRunName(name)).toBe(false);
  });
});

const shopsOf = levelNamed(fourLevels, 'shops');

describe.each(everyDepth)('the keys of a chain of %i', (_depth, chain) => {
  const itemPath = fc
    .constantFrom(...chain.levels)
    .chain((level) => fc.record({ level: fc.constant(level), run, ids: fc.tuple(...level.ids.map(() => id)) }));

  test('the path of an item comes back from its key', () => {
    fc.assert(
      fc.property(itemPath, ({ level, run, ids }) => {
        expect(parseItemKey(level, itemKey(level, { run, ids }))).toEqual({ run, ids });
      }),
    );
  });

  test("a child's key is the item key of the level below", () => {
    fc.assert(
      fc.property(itemPath, id, ({ level, run, ids }, child) => {
        const next = chain.levels.find(({ name }) => name === level.next);
        if (next === undefined) return;
        const key = childKey(level, { run, ids }, child);
        expect(key).toBe(itemKey(next, { run, ids: [...ids, child] }));
        expect(key.startsWith(childrenPrefix(level, { run, ids }))).toBe(true);
        expect(nextIdOf(chain, level)).toBe(next.ids.at(-1));
      }),
    );
  });

  test("a result's key is its item's path under the last prefix, with the last level's suffix", () => {
    const last = chain.levels.at(-1);
    if (last === undefined) return;
    fc.assert(
      fc.property(run, fc.tuple(...last.ids.map(() => id)), (name, ids) => {
        const path = { run: name, ids };
        const pathOf = (key: string, prefix: string, suffix: string): string =>
          key.slice(prefix.length, -suffix.length);
        expect(resultKey(last, path).endsWith(last.suffix)).toBe(true);
        expect(pathOf(resultKey(last, path), last.writes, last.suffix)).toBe(
          pathOf(itemKey(last, path), last.reads, '.json'),
        );
      }),
    );
    expect(nextIdOf(chain, last)).toBe('result');
  });

  test("every object of a run is in its level's listings, and no object of another run", () => {
    fc.assert(
      fc.property(itemPath, ({ level, run, ids }) => {
        const { items, done, failures } = listingsOf(level, run);
        const isIn = (key: string, { prefix, suffix }: typeof items): boolean =>
          key.startsWith(prefix) && key.endsWith(suffix);
        const keysOf = (name: string): [string, typeof items][] => [
          [itemKey(level, { run: name, ids }), items],
          [
            level.children === 'one' ? resultKey(level, { run: name, ids }) : receiptKey(level, { run: name, ids }),
            done,
          ],
          [failureKey(level, { run: name, ids }), failures],
        ];
        for (const [key, listing] of keysOf(run)) expect(isIn(key, listing)).toBe(true);
        for (const other of [`${run}x`, `${run}-`, `x${run}`])
          for (const [key, listing] of keysOf(other)) expect(isIn(key, listing)).toBe(false);
      }),
    );
  });
});

describe('item keys', () => {
  test("a level's items and what they become list in one order, so that the census can merge them as it reads", () => {
    fc.assert(
      fc.property(fc.uniqueArray(id, { minLength: 2, maxLength: 20 }), id, (ids, child) => {
        const byItem = [...ids].sort((a, b) =>
          compare(itemKey(shopsOf, { run: 'r', ids: [a] }), itemKey(shopsOf, { run: 'r', ids: [b] })),
        );
        const byReceipt = [...ids].sort((a, b) =>
          compare(receiptKey(shopsOf, { run: 'r', ids: [a] }), receiptKey(shopsOf, { run: 'r', ids: [b] })),
        );
        const byChild = [...ids].sort((a, b) =>
          compare(childKey(shopsOf, { run: 'r', ids: [a] }, child), childKey(shopsOf, { run: 'r', ids: [b] }, child)),
        );
        expect(byReceipt).toEqual(byItem);
        expect(byChild).toEqual(byItem);
        const sales = levelNamed(twoLevels, 'sales');
        const byResult = [...ids].sort((a, b) =>
          compare(resultKey(sales, { run: 'r', ids: [a] }), resultKey(sales, { run: 'r', ids: [b] })),
        );
        expect(byResult).toEqual(byItem);
      }),
    );
  });

  test('every kind of key, as people read them', () => {
    const run = '2026-11-20';
    const path = { run, ids: ['checkout.eu', 'i-1', 'cpu'] };
    const stock = levelNamed(fourLevels, 'stock');
    expect(itemKey(stock, path)).toBe('shelves/2026-11-20/checkout%2Eeu/i-1/cpu.json');
    expect(resultKey(stock, path)).toBe('stock/2026-11-20/checkout%2Eeu/i-1/cpu.json');
    expect(receiptKey(stock, path)).toBe('receipts/stock/2026-11-20/checkout%2Eeu/i-1/cpu.json');
    expect(failureKey(stock, path)).toBe('failures/stock/2026-11-20/checkout%2Eeu/i-1/cpu.json');
    expect(itemKey(levelNamed(fourLevels, 'regions'), { run, ids: [] })).toBe('seeds/2026-11-20.json');
    expect(itemKey(levelNamed(fourLevels, 'shelves'), { run, ids: ['a', 'b'] })).toBe(
      'local_shops/2026-11-20/a/b.json',
    );
    expect(resultKey(levelNamed(twoLevels, 'sales'), { run, ids: ['a.b'] })).toBe('sales/2026-11-20/a%2Eb.csv');
    expect(resultKey(levelNamed(oneLevel, 'summary'), { run, ids: [] })).toBe('summary/2026-11-20.json');
    expect(seedKey(run)).toBe('seeds/2026-11-20.json');
    expect(paramsKey(run)).toBe('params/2026-11-20.json');
    expect(reportKey(run)).toBe('runs/2026-11-20.json');
    expect(successKey(eightLevels, run)).toBe('room-readings/2026-11-20/_SUCCESS');
    expect(finishedKey(run, 'abc-2')).toBe('finished/2026-11-20/abc-2.json');
  });

  test.each([
    ['seeds/r1.json', 'r1'],
    ['seeds/r1.json.bak', undefined],
    ['seeds/r1.json\uFFFD', undefined],
    ['seeds/r1.json😀', undefined],
    ['seeds/r1', undefined],
    ['seeds/.json', undefined],
    ['seeds/a/b.json', undefined],
    ['seeds/_x.json', undefined],
  ])('of the key %j the run is %s', (key, name) => expect(runOfKey('seeds', key)).toBe(name));

  test.each([
    ['seeds/a/b.json', 'regions', 'has 1 id after the run, not 0'],
    ['seeds/bad run.json', 'regions', 'has the bad run name "bad run"'],
    ['seeds/.json', 'regions', 'has the bad run name ""'],
    ['regions/r/a.txt', 'shops', 'does not end with .json'],
    ['regions/junk.json', 'shops', 'has 0 ids after the run, not 1'],
    ['regions/r/a/b.json', 'shops', 'has 2 ids after the run, not 1'],
    ['regions/r/a b.json', 'shops', 'has the segment "a b", which is not an encoded id'],
    ['regions/r/.json', 'shops', 'has the segment "", which is not an encoded id'],
    ['shelves/r/a.json', 'shops', 'is not under regions/'],
  ] as const)('%s is no item of %s: it %s', (key, level, why) => {
    expect(() => parseItemKey(levelNamed(fourLevels, level), key)).toThrow(
      expect.objectContaining({ name: 'ItemError', code: 'BAD_KEY', message: expect.stringContaining(why) }),
    );
  });

  test('what is no item of a level is told how the keys of its items are', () => {
    expect(() => parseItemKey(levelNamed(fourLevels, 'shelves'), 'x')).toThrow(
      /local_shops\/<run>\/<[a-z]+>\/<[a-z]+>\.json/,
    );
    expect(() => parseItemKey(pages, 'books/r/s/first.json')).toThrow(/books\/<run>\/<shelf>\/<00000>\.json/);
  });

  test('a child whose failure note could not be written is refused, and the longest that fits is not', () => {
    const left = maxKeyBytes - 'failures/shelves/r/t/.json'.length;
    expect(childKey(shopsOf, { run: 'r', ids: ['t'] }, 'x'.repeat(left))).toHaveLength(
      maxKeyBytes - 'failures/shelves'.length + 'local_shops'.length,
    );
    expect(() => childKey(shopsOf, { run: 'r', ids: ['t'] }, 'x'.repeat(left + 1))).toThrow(
      expect.objectContaining({ code: 'KEY_TOO_LONG' }),
    );
  });

  test("a stray object's note has a key of its own, which fits", () => {
    expect(failureKeyOf(shopsOf, 'regions/junk.json')).toBe('failures/shops/_stray/regions%2Fjunk%2Ejson.json');
    expect(failureKeyOf(shopsOf, 'é'.repeat(500)).length).toBeLessThanOrEqual(maxKeyBytes);
  });
});

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
