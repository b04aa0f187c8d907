import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  fairParts,
  fairPartsByLevel,
  savesFor,
  shareFor,
  type SavesWish,
  type ShareWish,
} from '../../../../shared/engine/rate/share-parts.ts';
import { sharesOf, type ShareEntry } from '../../../../shared/engine/rate/share-table.ts';
import { shareEntry } from '../../../memory/share-entry.ts';

const wishOf = (wants: number, held: number): ShareWish => ({ bucket: 'own', level: 'list', wants, held });
/** One that begins. */
const saver = (share: number, perSecond: number, environments: number | undefined): SavesWish => ({
  share,
  perSecond,
  environments,
  isAtWork: false,
});

describe('a whole that is divided', () => {
  test('gives those that want little what they want, and the others equal parts of what is left', () => {
    expect(fairParts([0.1, 1, 1], 1)).toEqual([0.1, 0.45, 0.45]);
    expect(fairParts([1, 0.2, 0.9, 0.1], 1)).toEqual([0.35, 0.2, 0.35, 0.1]);
    expect(fairParts([0.1, 0.2], 1)).toEqual([0.1, 0.2]);
  });
});

describe('a whole that is divided among levels', () => {
  const claims = (...of: [level: string, wants: number, bucket?: string][]): Parameters<typeof fairPartsByLevel>[0] =>
    of.map(([level, wants, bucket = 'own']) => ({ level, wants, bucket }));

  test('gives a level with one environment no less than one with three, and those equal parts of it', () => {
    const parts = fairPartsByLevel(claims(['list', 1], ['leaf', 1], ['list', 1], ['list', 1]), 0.9);
    [0.15, 0.45, 0.15, 0.15].forEach((part, index) => expect(parts[index]).toBeCloseTo(part, 9));
  });

  test('gives what a level does not want to the others, and keeps the levels of stages apart', () => {
    const parts = fairPartsByLevel(claims(['list', 0.1], ['leaf', 1], ['list', 0.1], ['leaf', 1, 'other']), 1);
    [0.1, 0.4, 0.1, 0.4].forEach((part, index) => expect(parts[index]).toBeCloseTo(part, 9));
  });

  test('gives no more than the whole, and no environment more than it wants', () => {
    const claim = fc.record({
      level: fc.constantFrom('a', 'b', 'c'),
      bucket: fc.constantFrom('own', 'other'),
      wants: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(claim, { maxLength: 30 }), (all) => {
        const parts = fairPartsByLevel(all, 1);
        expect(parts.reduce((sum, part) => sum + part, 0)).toBeLessThanOrEqual(1 + 1e-9);
        for (const [index, part] of parts.entries()) expect(part).toBeLessThanOrEqual(all[index]?.wants ?? 0);
      }),
    );
  });
});

describe('the share of an environment', () => {
  const wish = fc.record({ wants: fc.double({ min: 0, max: 1, noNaN: true }), held: fc.constant(0) });

  test('never makes more than all of the rate, in whatever order they ask', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(9), wish), { minLength: 1, maxLength: 200 }),
        fc.nat(30),
        (wishes, environments) => {
          const table = new Map<number, ShareEntry>();
          for (const [id, { wants }] of wishes) {
            const held = table.get(id)?.share ?? 0;
            const others = [...table].filter(([other]) => other !== id).map(([, each]) => each);
            const share = shareFor(
              { bucket: 'own', level: `level${id % 3}`, wants, held, isBack: id % 2 === 0 },
              others,
            );
            const saves = savesFor({ share, perSecond: 20, environments, isAtWork: held > 0 }, others);
            table.set(
              id,
              shareEntry({ level: `level${id % 3}`, share: saves === undefined ? 0 : share, saves: saves ?? 0, wants }),
            );
            expect(sharesOf([...table.values()])).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });

  test('is all but the reserve for the only one that wants all, and half for one of two', () => {
    expect(shareFor(wishOf(1, 0.2), [])).toBeCloseTo(1 - 1 / 64, 5);
    const greedy = shareEntry({ share: 63 / 64, wants: 1 });
    expect(shareFor(wishOf(1, 63 / 64), [shareEntry({ share: 0.001, wants: 1 })])).toBeCloseTo(63 / 128, 5);
    // The newcomer has a little at once, from the reserve.
    expect(shareFor(wishOf(1, 0), [greedy])).toBeCloseTo(1 / 256, 5);
  });

  test('that was given back is taken again at once, as far as it is free', () => {
    const parked = shareEntry({ id: 'b', share: 0, wants: 0 });
    expect(shareFor({ ...wishOf(1, 0), isBack: true }, [parked])).toBeCloseTo(1 - 1 / 64, 5);
    expect(shareFor(wishOf(1, 0), [parked])).toBe(0.25);
    expect(shareFor({ ...wishOf(1, 0), isBack: true }, [shareEntry({ share: 63 / 64, wants: 1 })])).toBeCloseTo(
      1 / 256,
      5,
    );
  });

  test('stays when nobody else is short of its own', () => {
    expect(shareFor(wishOf(0.5, 0.5), [shareEntry({ share: 0.1, wants: 0.1 })])).toBe(0.5);
    // Both lack a little of what they want, and neither is moved for that.
    expect(shareFor(wishOf(0.5, 0.5), [shareEntry({ share: 0.48, wants: 1 })])).toBe(0.5);
  });

  test('shrinks to its fair part for one that is short of its own, although others are not', () => {
    const content = shareEntry({ id: 'b', level: 'pages', share: 0.1, wants: 0.1 });
    const short = shareEntry({ share: 0.01, wants: 1 });
    expect(shareFor(wishOf(1, 0.6), [content, short])).toBeCloseTo((63 / 64 - 0.1) / 2, 5);
  });
});

describe('the calls that may be saved up', () => {
  test('are those of the environments that are not at work, by the shares; half of them, for those that begin', () => {
    expect(savesFor(saver(1, 20, 9), [])).toBe(4);
    expect(savesFor(saver(0.5, 20, 9), [shareEntry()])).toBe(1.75);
    // No more than is earned between two invocations.
    expect(savesFor(saver(1, 2, 9), [])).toBe(0.5);
    expect(savesFor(saver(1, 20, 1), [])).toBe(0);
    expect(savesFor(saver(1, 20, undefined), [])).toBe(0);
  });

  test('are all kept from one that is at work while others have too many, and its share is not', () => {
    expect(savesFor({ ...saver(0.1, 20, 3), isAtWork: true }, [shareEntry({ saves: 1.5 })])).toBe(0);
    expect(savesFor({ ...saver(0.1, 20, 4), isAtWork: true }, [shareEntry({ saves: 1.5 })])).toBeCloseTo(0.1, 5);
  });

  test('are given back before another may begin', () => {
    expect(savesFor(saver(0.1, 20, 3), [shareEntry({ saves: 1.5 })])).toBeUndefined();
    expect(savesFor(saver(0.1, 20, 4), [shareEntry({ saves: 1.5 })])).toBeCloseTo(0.1, 5);
  });
});
