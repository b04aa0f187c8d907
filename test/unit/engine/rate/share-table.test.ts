import { describe, expect, test } from '@jest/globals';
import {
  longestLeaseMs,
  parseShareTable,
  readShareTable,
  shareTableText,
  type ShareEntry,
} from '../../../../shared/engine/rate/share-table.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { shareEntry } from '../../../memory/share-entry.ts';

const clock = new TestClock();
const key = 'control/shares.json';
const entry = (more: Partial<ShareEntry> = {}): ShareEntry => shareEntry({ untilMs: clock.nowMs + 5_000, ...more });

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
      expect(now.table.entries).toMatchObject([{ share: 1 }]);
      const later = await readShareTable(store, clock.nowMs + longestLeaseMs + 3_000);
      expect(later.table.entries).toEqual([]);
      expect(later.eTag).toBe(store.objects.get(key)?.eTag);
    },
  );
});
