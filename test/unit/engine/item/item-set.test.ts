import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fromBitmap, toBitmap } from '../../../../shared/engine/item/item-set.ts';

test('item i is bit i mod 8, the lowest first, of byte i div 8', () => {
  expect(toBitmap([0], 8)).toBe('01');
  expect(toBitmap([7, 0], 8)).toBe('81');
  expect(toBitmap([8], 9)).toBe('0001');
  expect(toBitmap([], 17)).toBe('000000');
});

test('any set of any size comes back as it was', () => {
  const sets = fc
    .integer({ min: 1, max: 1000 })
    .chain((size) => fc.tuple(fc.constant(size), fc.uniqueArray(fc.integer({ min: 0, max: size - 1 }))));
  fc.assert(
    fc.property(sets, ([size, indexes]) => {
      const text = toBitmap(indexes, size);
      expect(text).toHaveLength(2 * Math.ceil(size / 8));
      expect([...(fromBitmap(text, size) ?? [])]).toEqual(indexes.toSorted((a, b) => a - b));
    }),
  );
});

test('any text is a set of items that there are, printed as it is, or none', () => {
  const texts = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-fA]{0,8}$/));
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 40 }), (text, size) => {
      const indexes = fromBitmap(text, size);
      if (indexes === undefined) return;
      expect(Math.max(-1, ...indexes)).toBeLessThan(size);
      expect(toBitmap(indexes, size)).toBe(text);
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ['too short', '01', 9],
  ['too long', '0100', 8],
  ['with an item beyond the size', '20', 5],
  ['in capitals', '0A', 8],
  ['of other letters', 'xy', 8],
  ['empty', '', 1],
])('a text that is %s is no set', (_what, text, size) => {
  expect(fromBitmap(text, size)).toBeUndefined();
});
