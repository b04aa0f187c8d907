/**
 * Counts a run's items by level as their objects are stored: cheap, for the live lines. The final figures come from the sweep's
 * census, not from here.
 */
import type { Chain } from '../../shared/engine/chain/chain.ts';
import { isBatched } from '../../shared/engine/chain/chain.ts';
import { listingsOf, type Listing } from '../../shared/engine/chain/keys.ts';
import { itemsIn } from '../../shared/engine/item/batch.ts';
import { partFacts } from '../../shared/engine/item/result-parts.ts';
import type { Metadata } from '../../shared/engine/ports.ts';

export type LevelTally = { level: string; items: number; done: number; failed: number };

/** @param metadata asked for only where an object holds several items */
export type Counted = { key: string; metadata: () => Metadata };

/** The user metadata among an object's headers. */
export function metadataIn(headers: Readonly<Record<string, string>>): Metadata {
  const prefix = 'x-amz-meta-';
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
    ),
  );
}

export type Tally = {
  /** An object has been stored. */
  add: (object: Counted) => void;
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
  const rules = levels.flatMap(
    (level, at): { listing: Listing; count: (path: string, metadata: Counted['metadata']) => void }[] => {
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
      const result = (path: string, metadata: Counted['metadata']): void => {
        counter.results += isBatched(level) ? (partFacts(metadata())?.has.size ?? 0) : 1;
        counter.failures.delete(path);
      };
      const item = (_path: string, metadata: Counted['metadata']): void => {
        counter.items += isBatched(level) ? (itemsIn(metadata()) ?? 1) : 1;
      };
      return [
        { listing: items, count: item },
        { listing: failures, count: failed },
        { listing: done, count: level.children === 'one' ? result : receipt },
      ];
    },
  );
  return {
    add({ key, metadata }) {
      for (const { listing, count } of rules) {
        const path = pathIn(listing, key);
        if (path !== undefined) count(path, metadata);
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
