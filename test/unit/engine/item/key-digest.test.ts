import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { KeyDigest, textHash } from '../../../../shared/engine/item/key-digest.ts';
import { digestOf } from '../../../memory/run.ts';

const keys = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 40 }), { maxLength: 30 });

describe('the digest of a set of keys', () => {
  test('does not depend on their order', () => {
    fc.assert(
      fc.property(keys, fc.nat(), (some, seed) => {
        const shuffled = [...some].sort((a, b) => textHash(a + String(seed)) - textHash(b + String(seed)));
        expect(digestOf(shuffled)).toBe(digestOf(some));
      }),
    );
  });

  test('is another when one is missing, added or replaced', () => {
    fc.assert(
      fc.property(keys, fc.string({ minLength: 1 }), (some, other) => {
        fc.pre(some.length > 0 && !some.includes(other));
        expect(digestOf(some.slice(1))).not.toBe(digestOf(some));
        expect(digestOf([...some, other])).not.toBe(digestOf(some));
        expect(digestOf([...some.slice(1), other])).not.toBe(digestOf(some));
      }),
    );
  });

  test('of a hundred thousand keys that differ in a digit is one for each', () => {
    const digests = new Set(Array.from({ length: 100_000 }, (_, i) => digestOf([`shops/r/${i}.json`])));
    expect(digests.size).toBe(100_000);
  });

  test('of all pairs of similar keys is one for each', () => {
    const some = Array.from({ length: 200 }, (_, i) => `shops/r/${i.toString(36)}.json`);
    const digests = new Set<string>();
    for (const [index, one] of some.entries())
      for (const other of some.slice(0, index)) digests.add(digestOf([one, other]));
    expect(digests.size).toBe((200 * 199) / 2);
  });

  test('is sixteen hexadecimal digits, of nothing too', () => {
    expect(new KeyDigest().toString()).toBe('0'.repeat(16));
    fc.assert(fc.property(keys, (some) => expect(digestOf(some)).toMatch(/^[0-9a-f]{16}$/)));
  });

  test('stays what it was: buckets are full of receipts that hold one', () => {
    const digest = new KeyDigest();
    digest.add('shops/r/a.json');
    expect(digest.toString()).toBe('db3cda006b1a8b90');
    digest.add('shops/r/b.json');
    expect(digest.toString()).toBe('ead83036264c06e6');
    expect(digestOf(['k5'])).toBe('04db9a845fc64070');
  });
});
