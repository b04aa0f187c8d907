import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chain, levelNamed, nextLevel } from '../../../../shared/engine/chain/chain.ts';
import {
  childKey,
  decodeSegment,
  encodeSegment,
  failureKey,
  isRunName,
  itemKey,
  maxKeyBytes,
  parseItemKey,
  receiptKey,
  resultKey,
  failureKeyOf,
} from '../../../../shared/engine/chain/keys.ts';

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

describe('item keys', () => {
  const itemPath = fc
    .constantFrom(...chain)
    .chain((level) => fc.record({ level: fc.constant(level), run, ids: fc.tuple(...level.ids.map(() => id)) }));

  test('the path of an item comes back from its key', () => {
    fc.assert(
      fc.property(itemPath, ({ level, run, ids }) => {
        expect(parseItemKey(level, itemKey(level, { run, ids }))).toEqual({ run, ids });
      }),
    );
  });

  test("a child's key is the item key of the level below, or the result of the leaf", () => {
    fc.assert(
      fc.property(itemPath, id, ({ level, run, ids }, child) => {
        const next = nextLevel(level);
        if (next === undefined) return;
        expect(childKey(level, { run, ids }, child)).toBe(itemKey(next, { run, ids: [...ids, child] }));
      }),
    );
  });

  test("a level's items and what they become list in one order, so that the census can merge them as it reads", () => {
    const warriors = levelNamed('warriors');
    fc.assert(
      fc.property(fc.uniqueArray(id, { minLength: 2, maxLength: 20 }), id, (ids, child) => {
        const byItem = [...ids].sort((a, b) =>
          compare(itemKey(warriors, { run: 'r', ids: [a] }), itemKey(warriors, { run: 'r', ids: [b] })),
        );
        const byReceipt = [...ids].sort((a, b) =>
          compare(receiptKey(warriors, { run: 'r', ids: [a] }), receiptKey(warriors, { run: 'r', ids: [b] })),
        );
        const byChild = [...ids].sort((a, b) =>
          compare(childKey(warriors, { run: 'r', ids: [a] }, child), childKey(warriors, { run: 'r', ids: [b] }, child)),
        );
        expect(byReceipt).toEqual(byItem);
        expect(byChild).toEqual(byItem);
      }),
    );
  });

  test('every kind of key, as people read them', () => {
    const path = { run: '2026-11-20', ids: ['checkout.eu', 'i-1', 'cpu'] };
    const data = levelNamed('data');
    expect(itemKey(data, path)).toBe('data_groups/2026-11-20/checkout%2Eeu/i-1/cpu.json');
    expect(resultKey(data, path)).toBe('data/2026-11-20/checkout%2Eeu/i-1/cpu.json');
    expect(receiptKey(data, path)).toBe('receipts/data/2026-11-20/checkout%2Eeu/i-1/cpu.json');
    expect(failureKey(data, path)).toBe('failures/data/2026-11-20/checkout%2Eeu/i-1/cpu.json');
    expect(itemKey(levelNamed('troops'), { run: '2026-11-20', ids: [] })).toBe('seeds/2026-11-20.json');
  });

  test.each([
    ['seeds/a/b.json', 'troops', 'has 1 id after the run, not 0'],
    ['seeds/bad run.json', 'troops', 'has the bad run name "bad run"'],
    ['seeds/.json', 'troops', 'has the bad run name ""'],
    ['troops/r/a.txt', 'warriors', 'does not end with .json'],
    ['troops/junk.json', 'warriors', 'has 0 ids after the run, not 1'],
    ['troops/r/a/b.json', 'warriors', 'has 2 ids after the run, not 1'],
    ['troops/r/a b.json', 'warriors', 'has the segment "a b", which is not an encoded id'],
    ['troops/r/.json', 'warriors', 'has the segment "", which is not an encoded id'],
    ['data_groups/r/a.json', 'warriors', 'is not under troops/'],
  ] as const)('%s is no item of %s: it %s', (key, level, why) => {
    expect(() => parseItemKey(levelNamed(level), key)).toThrow(
      expect.objectContaining({ name: 'ItemError', code: 'BAD_KEY', message: expect.stringContaining(why) }),
    );
  });

  test('a child whose failure note could not be written is refused, and the longest that fits is not', () => {
    const warriors = levelNamed('warriors');
    const left = maxKeyBytes - 'failures/data_groups/r/t/.json'.length;
    expect(childKey(warriors, { run: 'r', ids: ['t'] }, 'x'.repeat(left))).toHaveLength(
      maxKeyBytes - 'failures/data_groups'.length + 'amazon_warriors'.length,
    );
    expect(() => childKey(warriors, { run: 'r', ids: ['t'] }, 'x'.repeat(left + 1))).toThrow(
      expect.objectContaining({ code: 'KEY_TOO_LONG' }),
    );
  });

  test("a stray object's note is nobody else's, and fits", () => {
    const warriors = levelNamed('warriors');
    expect(failureKeyOf(warriors, 'troops/junk.json')).toBe('failures/warriors/_stray/troops%2Fjunk%2Ejson.json');
    expect(failureKeyOf(warriors, 'é'.repeat(500)).length).toBeLessThanOrEqual(maxKeyBytes);
  });
});

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
