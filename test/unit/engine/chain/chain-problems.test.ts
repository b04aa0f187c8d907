import { describe, expect, test } from '@jest/globals';
import { chainProblems, checkedChain } from '../../../../shared/engine/chain/chain-problems.ts';
import type { ChainSpec, LevelSpec } from '../../../../shared/engine/chain/chain.ts';

const shops: LevelSpec = { name: 'shops', children: 'many', id: 'shop' };
const sales: LevelSpec = { name: 'sales', children: 'one' };
/** Two levels, of which one is changed. */
const withShops = (change: Partial<LevelSpec>): ChainSpec => ({ levels: [{ ...shops, ...change }, sales] });
const withSales = (change: Partial<LevelSpec>): ChainSpec => ({ levels: [shops, { ...sales, ...change }] });
const list = (name: string, id = name): LevelSpec => ({ name, children: 'many', id });
const lists = (count: number): LevelSpec[] => Array.from({ length: count }, (_, index) => list(`list${index}`));

describe('a chain', () => {
  test.each<[string, ChainSpec]>([
    ['of one level', { levels: [sales] }],
    ['of eight', { levels: [...lists(7), sales] }],
    ['whose prefix is not the name', withShops({ prefix: 'Local-Shops_2' })],
    ['whose results have two suffixes', withSales({ suffix: '.csv.gz' })],
    ['with environments', withShops({ environments: 3 })],
    ['whose level has the name of its own prefix only', withShops({ prefix: 'shops' })],
    [
      'with parameters',
      { levels: [sales], params: { from: { type: 'timestamp', default: 'now-7d' }, size: { type: 'number' } } },
    ],
  ])('%s has no problem', (_what, spec) => expect(chainProblems(spec)).toEqual([]));

  test.each<[string, ChainSpec, string]>([
    ['no level', { levels: [] }, 'levels: a chain has 1 to 8 levels, not 0'],
    ['nine levels', { levels: [...lists(8), sales] }, 'levels: a chain has 1 to 8 levels, not 9'],
    ['an empty name', withSales({ name: '' }), 'level 2: name must be 1 to 32 of a-z 0-9 _, beginning with a letter'],
    ['a name with capitals', withSales({ name: 'Sales' }), 'level Sales: name must be 1 to 32 of a-z 0-9 _'],
    ['a name that is too long', withSales({ name: 'a'.repeat(33) }), 'name must be 1 to 32 of a-z 0-9 _'],
    ['a name twice', withSales({ name: 'shops' }), 'level shops: name is taken by a level above'],
    [
      'two names that make one function',
      { levels: [list('a1'), { ...sales, name: 'a_1' }] },
      'level a_1: name makes the function fetchA1, as a level above does',
    ],
    ['a bad prefix', withSales({ prefix: 'a/b' }), 'level sales: prefix must be 1 to 64 of A-Z a-z 0-9 _ -'],
    [
      'a prefix of the engine',
      withSales({ prefix: 'receipts' }),
      "prefix must not be receipts: that prefix is the engine's",
    ],
    [
      'a name that is such a prefix',
      withSales({ name: 'seeds' }),
      "level seeds: name must not be seeds: that prefix is the engine's",
    ],
    ['a prefix twice', withSales({ prefix: 'shops' }), 'level sales: prefix is the prefix of a level above: shops'],
    [
      'a name that is the prefix of a level above',
      { levels: [{ ...shops, prefix: 'sales' }, sales] },
      'level sales: name is the prefix of a level above: sales',
    ],
    [
      'a last level that is a list',
      { levels: [shops] },
      'level shops: kind must be a result: the last level writes the results',
    ],
    [
      'a result that is not the last',
      { levels: [{ ...sales, name: 'first' }, sales] },
      'level first: kind must be a list: only the last level is a result',
    ],
    ['a list without an id', withShops({ id: undefined }), "level shops: id is missing: the name of its children's id"],
    ['a bad id', withShops({ id: '1st' }), 'level shops: id must be 1 to 32 of A-Z a-z 0-9 _, beginning with a letter'],
    ['an id that means something else', withShops({ id: 'params' }), 'level shops: id must be'],
    [
      'an id twice',
      { levels: [shops, list('shelves', 'shop'), sales] },
      'level shelves: id is taken by a level above: shop',
    ],
    ['a result with an id', withSales({ id: 'sale' }), 'level sales: id is for lists only: a result has no children'],
    ['an id that every object has', withShops({ id: 'constructor' }), 'level shops: id must be'],
    [
      'a bad suffix',
      withSales({ suffix: 'csv' }),
      'level sales: suffix must be a dot and a-z 0-9, e.g. ".csv", not "csv"',
    ],
    ['a suffix of a list', withShops({ suffix: '.csv' }), 'level shops: suffix is for results only'],
    [
      'half an environment',
      withSales({ environments: 0.5 }),
      'level sales: environments must be a whole number above 0',
    ],
    [
      'a parameter with a bad name',
      { levels: [sales], params: { 'a-b': { type: 'text' } } },
      'params.a-b must be named with 1 to 32 of A-Z a-z 0-9 _, beginning with a letter',
    ],
    [
      'a parameter with a name that every object has',
      { levels: [sales], params: Object.fromEntries([['toString', { type: 'text' }]]) },
      'params.toString must be named with',
    ],
    [
      'a parameter of no type',
      { levels: [sales], params: { a: { type: 'date' as 'text' } } },
      'params.a type must be one of text, number, boolean, timestamp',
    ],
    [
      'a default of another type',
      { levels: [sales], params: { a: { type: 'number', default: '5' } } },
      'params.a default must be a number',
    ],
    [
      'a default that is no time',
      { levels: [sales], params: { a: { type: 'timestamp', default: 'now-1w' } } },
      'params.a default must be an ISO 8601 timestamp, e.g. "2026-11-20T00:00:00Z"',
    ],
  ])('with %s has one problem, which names the level, the field and what is allowed', (_what, spec, problem) => {
    expect(chainProblems(spec)).toEqual([expect.stringContaining(problem)]);
  });

  test('that is wrong in many places names all of them at once, and is not built', () => {
    const spec: ChainSpec = {
      levels: [
        { name: 'Shops', children: 'many' },
        { name: 'sales', prefix: 'runs', children: 'many', id: 'sale', environments: 0 },
      ],
      params: { from: { type: 'timestamp', default: 5 } },
    };
    const problems = [
      expect.stringContaining('level Shops: name must be'),
      expect.stringContaining('level Shops: id is missing'),
      expect.stringContaining('level sales: prefix must not be runs'),
      expect.stringContaining('level sales: kind must be a result'),
      expect.stringContaining('level sales: environments must be'),
      expect.stringContaining('params.from default must be'),
    ];
    expect(chainProblems(spec)).toEqual(problems);
    expect(() => checkedChain(spec)).toThrow(
      expect.objectContaining({
        name: 'ChainError',
        code: 'BAD_CHAIN',
        problems,
        message: expect.stringMatching(/^The chain has 6 problems:\n {2}level Shops: name/),
      }),
    );
  });
});
