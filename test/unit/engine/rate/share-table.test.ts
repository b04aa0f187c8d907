import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  fairParts,
  longestLeaseMs,
  parseShareTable,
  readShareTable,
  savesFor,
  shareFor,
  sharesOf,
  shareTableText,
  type ShareEntry,
} from '../../../../shared/engine/rate/share-table.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

const clock = new TestClock();
const key = 'control/shares.json';
const entry = (more: Partial<ShareEntry> = {}): ShareEntry => ({
  id: 'a',
  bucket: 'own',
  rate: 20,
  level: 'leaf',
  share: 0.25,
  saves: 0,
  wants: 0.25,
  perSecond: 4,
  waited: 0,
  inFlight: 0,
  untilMs: clock.nowMs + 5_000,
  ...more,
});

describe('a whole that is divided', () => {
  test('gives those that want little what they want, and the others equal parts of what is left', () => {
    expect(fairParts([0.1, 1, 1], 1)).toEqual([0.1, 0.45, 0.45]);
    expect(fairParts([1, 0.2, 0.9, 0.1], 1)).toEqual([0.35, 0.2, 0.35, 0.1]);
    expect(fairParts([0.1, 0.2], 1)).toEqual([0.1, 0.2]);
  });
});

describe('the share of an environment', () => {
  const wish = fc.record({ wants: fc.double({ min: 0, max: 1, noNaN: true }), held: fc.constant(0) });

  test('never makes more than all of the rate, whoever asks in which order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(9), wish), { minLength: 1, maxLength: 200 }),
        fc.nat(30),
        (wishes, environments) => {
          const table = new Map<number, ShareEntry>();
          for (const [id, { wants }] of wishes) {
            const held = table.get(id)?.share ?? 0;
            const others = [...table].filter(([other]) => other !== id).map(([, each]) => each);
            const share = shareFor({ wants, held }, others);
            const saves = savesFor(share, 20, environments, others);
            table.set(id, entry({ share: saves === undefined ? 0 : share, saves: saves ?? 0, wants }));
            expect(sharesOf([...table.values()])).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });

  test('is all but the reserve for the only one that wants all, and half for one of two', () => {
    expect(shareFor({ wants: 1, held: 0.2 }, [])).toBeCloseTo(1 - 1 / 64, 5);
    const greedy = entry({ share: 63 / 64, wants: 1 });
    expect(shareFor({ wants: 1, held: 63 / 64 }, [entry({ share: 0.001, wants: 1 })])).toBeCloseTo(63 / 128, 5);
    // The newcomer has a little at once, from the reserve.
    expect(shareFor({ wants: 1, held: 0 }, [greedy])).toBeCloseTo(1 / 256, 5);
  });

  test('stays when nobody else is short of its own', () => {
    expect(shareFor({ wants: 0.5, held: 0.5 }, [entry({ share: 0.1, wants: 0.1 })])).toBe(0.5);
  });
});

describe('the calls that may be saved up', () => {
  test('are those of the environments that are not at work, by the shares; half of them, for those that begin', () => {
    expect(savesFor(1, 20, 9, [])).toBe(4);
    expect(savesFor(0.5, 20, 9, [entry()])).toBe(1.75);
    // No more than is earned between two invocations.
    expect(savesFor(1, 2, 9, [])).toBe(0.5);
    expect(savesFor(1, 20, 1, [])).toBe(0);
    expect(savesFor(1, 20, undefined, [])).toBe(0);
  });

  test('are given back before another may begin', () => {
    expect(savesFor(0.1, 20, 3, [entry({ saves: 1.5 })])).toBeUndefined();
    expect(savesFor(0.1, 20, 4, [entry({ saves: 1.5 })])).toBeCloseTo(0.1, 5);
  });
});

describe('the table', () => {
  test('is read as it was written', () => {
    const table = { version: 7, entries: [entry(), entry({ id: 'b', share: 0.5, saves: 1.5 })] };
    expect(parseShareTable(shareTableText(table))).toEqual(table);
  });

  test.each([
    '',
    '[]',
    '{"version":1}',
    '{"version":1,"environments":[{}]}',
    shareTableText({ version: 1, entries: [entry({ share: 2 })] }),
    shareTableText({ version: 1, entries: [entry({ share: 0.6 }), entry({ share: 0.6 })] }),
  ])('is not read from %j', (body) => {
    expect(parseShareTable(body)).toBeUndefined();
  });

  test('loses those whose time is over by every clock', async () => {
    const store = new MemoryObjectStore(clock);
    const entries = [entry({ id: 'over', untilMs: clock.nowMs - 1_000 }), entry({ untilMs: clock.nowMs - 999 })];
    store.drop(key, shareTableText({ version: 1, entries }));
    const { table } = await readShareTable(store, clock.nowMs);
    expect(table.entries.map(({ id }) => id)).toEqual(['a']);
  });

  test.each(['{"hello":"world"}', 'x'.repeat(600_000)])(
    'that something else has written over gives nothing away until all that it may have given is over (%#)',
    async (body) => {
      const store = new MemoryObjectStore(clock);
      store.drop(key, body);
      const now = await readShareTable(store, clock.nowMs);
      expect(shareFor({ wants: 1, held: 0 }, now.table.entries)).toBe(0);
      const later = await readShareTable(store, clock.nowMs + longestLeaseMs + 3_000);
      expect(later.table.entries).toEqual([]);
      expect(later.eTag).toBe(store.objects.get(key)?.eTag);
    },
  );
});
