import { describe, expect, test } from '@jest/globals';
import { createChain, firstLevel, functionName, lastLevel, levelNamed } from '../../../../shared/engine/chain/chain.ts';
import { everyDepth, fourLevels, oneLevel } from '../../../chains.ts';

describe.each(everyDepth)('a chain of %i', (depth, chain) => {
  test('begins at the seeds, and each level reads what the one above writes, with one id more', () => {
    expect(firstLevel(chain)).toMatchObject({ reads: 'seeds', ids: [] });
    for (const [index, level] of chain.levels.entries()) {
      const below = chain.levels[index + 1];
      expect(level.ids).toHaveLength(index);
      expect(level.next).toBe(below?.name);
      if (below === undefined) continue;
      expect(below.reads).toBe(level.writes);
      expect(below.ids.slice(0, -1)).toEqual(level.ids);
    }
    expect(lastLevel(chain)).toMatchObject({ children: 'one', next: undefined });
    expect(chain.levels).toHaveLength(depth);
  });
});

test('a level is found by its name; an unknown name is answered with those that there are', () => {
  expect(levelNamed(fourLevels, 'shops')).toMatchObject({ name: 'shops', reads: 'regions', writes: 'local_shops' });
  expect(() => levelNamed(fourLevels, 'cities')).toThrow(
    'There is no level cities; the levels are regions, shops, shelves, stock.',
  );
});

test('a function is named after its level', () => {
  expect(functionName('stock_items_2')).toBe('fetchStockItems2');
  expect(oneLevel.levels.map((level) => level.function)).toEqual(['fetchSummary']);
});

test('what is declared stands; the rest follows', () => {
  const { levels } = createChain({
    levels: [
      { name: 'shops', children: 'many', id: 'shop', environments: 2 },
      { name: 'sales', children: 'one', suffix: '.csv' },
    ],
  });
  expect(levels).toMatchObject([
    { environments: 2, suffix: '.json' },
    { environments: undefined, suffix: '.csv' },
  ]);
});
