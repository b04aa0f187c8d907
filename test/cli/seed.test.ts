/** The seed that the command line asks for. */
import { describe, expect, test } from '@jest/globals';
import { emptySeed, paramsFrom, paramsWithDefaults, seedFrom } from '../../cli/run/seed.ts';
import { UsageError } from '../../cli/terminal/options.ts';
import { createChain } from '../../shared/engine/chain/chain.ts';

const chain = createChain({
  levels: [
    { name: 'shops', children: 'many', id: 'shop' },
    { name: 'prices', children: 'one' },
  ],
  params: {
    from: { type: 'timestamp' },
    limit: { type: 'number', default: 10 },
    all: { type: 'boolean', default: false },
    word: { type: 'text', default: '' },
  },
});
const from = 'from=2026-11-20T00:00:00Z';

describe('the options of a seed', () => {
  test('become its ids and its parameters, each of the type that the chain declares', () => {
    const param = [from, 'limit=5', 'all=true', 'word=a=b'];
    expect(JSON.parse(seedFrom({ only: ['shop=a,b', 'shop=c'], param }, chain) ?? '')).toEqual({
      only: { shop: ['a', 'b', 'c'] },
      params: { from: '2026-11-20T00:00:00Z', limit: 5, all: true, word: 'a=b' },
    });
  });

  test('are no seed when there are none', () => {
    expect(seedFrom({}, chain)).toBeUndefined();
  });

  test.each<[Parameters<typeof seedFrom>[0], string]>([
    [{ param: ['form=1'] }, 'There is no parameter "form". The chain has from, limit, all, word.'],
    [{ param: ['limit=many'] }, '--param limit must be a number, not "many".'],
    [{ param: ['all=yes'] }, '--param all must be true or false, not "yes".'],
    [{ param: ['from=yesterday'] }, '--param from must be an ISO 8601 timestamp'],
    [{ param: [from, from] }, '--param from is given twice.'],
    [{ param: ['limit=5'] }, 'lacks the parameter from'],
    [{ only: ['shelf=1'], param: [from] }, 'There is no id "shelf". The chain has shop.'],
    [{ only: ['shop=,'], param: [from] }, 'at least one id'],
    [{ only: ['shop'] }, '--only must be NAME=VALUE, not "shop".'],
    [{ 'seed-file': 'x', only: ['shop=a'] }, 'Give --seed-file, or --param and --only, but not both.'],
    [{ 'seed-file': '/not/there' }, '--seed-file /not/there can not be read (ENOENT).'],
  ])('%j are refused, saying what is allowed', (options, message) => {
    expect(() => seedFrom(options, chain)).toThrow(UsageError);
    expect(() => seedFrom(options, chain)).toThrow(message);
  });
});

test('a run without options is refused when the chain has a parameter that has to be given', () => {
  expect(() => emptySeed(chain)).toThrow('lacks the parameter from');
  expect(emptySeed(createChain({ levels: chain.levels.map(({ name, children }) => ({ name, children })) }))).toBe('{}');
});

test('one call has the parameters that a run would have now', () => {
  const given = paramsFrom([from], chain);
  expect(paramsWithDefaults(given, chain, 0)).toEqual({
    from: '2026-11-20T00:00:00Z',
    limit: 10,
    all: false,
    word: '',
  });
  expect(() => paramsWithDefaults({}, chain, 0)).toThrow('Give --param from=VALUE: an ISO 8601 timestamp');
});
