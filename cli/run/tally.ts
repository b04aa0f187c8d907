/**
 * Counts a run's objects by level as they are stored: cheap, for the live lines. The final figures come from the sweep's
 * census, not from here.
 */
import type { Chain } from '../../shared/engine/chain/chain.ts';
import { listingsOf, type Listing } from '../../shared/engine/chain/keys.ts';

export type LevelTally = { level: string; items: number; done: number; failed: number };

export type Tally = {
  /** An object has been stored. */
  add: (key: string) => void;
  levels: () => LevelTally[];
};

type Counter = {
  level: string;
  items: number;
  results: number;
  /** Both can be written more than once for one item. */
  receipts: Set<string>;
  failures: Set<string>;
};

export function createTally({ levels }: Pick<Chain, 'levels'>, run: string): Tally {
  const counters: Counter[] = levels.map(({ name }) => ({
    level: name,
    items: 0,
    results: 0,
    receipts: new Set(),
    failures: new Set(),
  }));
  const rules = levels.flatMap((level, at): { listing: Listing; count: (path: string) => void }[] => {
    const counter = counters[at];
    if (counter === undefined) return [];
    const { items, done, failures } = listingsOf(level, run);
    const failed = (path: string): void => {
      if (!counter.receipts.has(path)) counter.failures.add(path);
    };
    const receipt = (path: string): void => {
      counter.receipts.add(path);
      counter.failures.delete(path);
    };
    const result = (path: string): void => {
      counter.results += 1;
      counter.failures.delete(path);
    };
    return [
      { listing: items, count: () => void (counter.items += 1) },
      { listing: failures, count: failed },
      { listing: done, count: level.children === 'one' ? result : receipt },
    ];
  });
  return {
    add(key) {
      for (const { listing, count } of rules) {
        const path = pathIn(listing, key);
        if (path !== undefined) count(path);
      }
    },
    levels: () =>
      counters.map(({ level, items, results, receipts, failures }) => ({
        level,
        items,
        done: results + receipts.size,
        failed: failures.size,
      })),
  };
}

/** What tells a listing's keys apart; a seed's is the whole key. undefined: the key is not of the listing. */
function pathIn({ prefix, suffix }: Listing, key: string): string | undefined {
  if (suffix === '') return key === prefix ? '' : undefined;
  return key.startsWith(prefix) && key.endsWith(suffix) ? key.slice(prefix.length, -suffix.length) : undefined;
}
