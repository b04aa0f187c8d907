/** Chains of 1, 2, 4 and 8 levels that are no API's, for tests of the engine. */
import { checkedChain } from '../shared/engine/chain/chain-problems.ts';
import type { Chain, LevelSpec } from '../shared/engine/chain/chain.ts';

/** The seed becomes the result. */
export const oneLevel: Chain = checkedChain({ levels: [{ name: 'summary', children: 'one' }] });

/** Its results have another suffix than its items. */
export const twoLevels: Chain = checkedChain({
  levels: [
    { name: 'shops', children: 'many', id: 'shop' },
    { name: 'sales', children: 'one', suffix: '.csv' },
  ],
});

/** Of one level the prefix is not the name. */
export const fourLevels: Chain = checkedChain({
  levels: [
    { name: 'regions', children: 'many', id: 'region' },
    { name: 'shops', prefix: 'local_shops', children: 'many', id: 'shop' },
    { name: 'shelves', children: 'many', id: 'shelf' },
    { name: 'stock', children: 'one' },
  ],
});

const places = ['continents', 'countries', 'towns', 'streets', 'houses', 'floors', 'rooms'];

/** The most that a chain may have. */
export const eightLevels: Chain = checkedChain({
  levels: [
    ...places.map((name): LevelSpec => ({ name, children: 'many', id: `${name}Id` })),
    { name: 'readings', prefix: 'room-readings', children: 'one', suffix: '.csv.gz' },
  ],
});

/** One parameter of each type; all but one have a default. */
export const withParams: Chain = checkedChain({
  levels: [
    { name: 'shops', children: 'many', id: 'shop' },
    { name: 'sales', children: 'many', id: 'sale' },
    { name: 'receipt_texts', children: 'one', suffix: '.txt' },
  ],
  params: {
    from: { type: 'timestamp', default: 'now-1h' },
    currency: { type: 'text', default: 'EUR' },
    least: { type: 'number', default: 0 },
    returns: { type: 'boolean', default: false },
    owner: { type: 'text' },
  },
});

/** For `describe.each`: what does not depend on the depth holds on all of them. */
export const everyDepth: [depth: number, chain: Chain][] = [oneLevel, twoLevels, fourLevels, eightLevels].map(
  (chain) => [chain.levels.length, chain],
);

/** Those with items beneath the seed. */
export const everyTree: [depth: number, chain: Chain][] = everyDepth.filter(([depth]) => depth > 1);
