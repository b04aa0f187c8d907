/**
 * Counts a run's objects by level as they are stored: cheap, for the live lines. The final figures come from the sweep's
 * census, not from here.
 */
import { chain } from '../../shared/engine/chain/chain.ts';

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

export function createTally(run: string): Tally {
  const counters: Counter[] = chain.map(({ level }) => ({
    level,
    items: 0,
    results: 0,
    receipts: new Set(),
    failures: new Set(),
  }));
  const rules = chain.flatMap((row, at) => {
    const counter = counters[at];
    if (counter === undefined) return [];
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
      { prefix: `${row.reads}/${run}`, count: () => void (counter.items += 1) },
      { prefix: `failures/${row.level}/${run}`, count: failed },
      row.children === 'one'
        ? { prefix: `${row.writes}/${run}`, count: result }
        : { prefix: `receipts/${row.level}/${run}`, count: receipt },
    ];
  });
  return {
    add(key) {
      for (const { prefix, count } of rules) {
        if (!key.startsWith(prefix)) continue;
        const path = key.slice(prefix.length);
        // `seeds/r1.json` and `troops/r1/…` are of the run r1; `seeds/r10.json` is not.
        if ((path.startsWith('/') || path === '.json') && path.endsWith('.json')) count(path);
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
