import { describe, expect, test } from '@jest/globals';
import { readInput } from '../../../shared/lambda/input.ts';
import { inputsOf } from '../../../shared/lambda/inputs.ts';
import { everyDepth, fourLevels } from '../../chains.ts';

const { replay, sweep, rate, status } = inputsOf(fourLevels);

describe('what a person asks of a function', () => {
  test.each([undefined, null, '', {}])('with %j is nothing in particular', (event) => {
    expect(readInput(replay, event)).toEqual({});
  });

  test('is given as it is when it is right', () => {
    const asked = { level: 'shops', run: 'r', limit: 5, rate: 0.5, dryRun: true, from: 'failures', force: true };
    expect(readInput(replay, asked)).toEqual(asked);
    expect(readInput(sweep, { olderThan: 0, verify: true })).toEqual({ olderThan: 0, verify: true });
    expect(readInput(status, { run: 'r', fresh: true })).toEqual({ run: 'r', fresh: true });
  });

  test.each([
    [{ limit: 0 }, 'limit must be a whole number from 1'],
    [{ limit: '5' }, 'limit must be a whole number from 1'],
    [{ rate: 0 }, 'rate must be a number above 0'],
    [{ rate: NaN }, 'rate must be a number above 0'],
    [{ run: '_x' }, 'run must be the name of a run'],
    [{ dryRun: 'yes' }, 'dryRun must be true or false'],
    [{ from: 'letters' }, 'from must be "dead-letters" or "failures"'],
    [{ level: 'towns' }, 'level must be one of regions, shops, shelves, stock'],
    [{ code: '' }, 'code must be the code of a reason'],
    [{ runs: 'r' }, 'runs is not known; allowed are level, run, code, limit, rate, dryRun, from, force'],
    ['r', 'the input must be an object with any of level, run'],
    [[], 'the input must be an object with any of level, run'],
    [7, 'the input must be an object with any of level, run'],
  ])('is refused when it is %j: %s', (event, message) => {
    expect(() => readInput(replay, event)).toThrow(
      expect.objectContaining({ name: 'InputError', code: 'BAD_INPUT', message: expect.stringContaining(message) }),
    );
  });

  test('is refused with everything that is wrong with it', () => {
    for (const part of ['olderThan must be a number of seconds from 0', 'level must be one of', 'all is not known'])
      expect(() => readInput(sweep, { olderThan: -1, level: 'towns', all: true })).toThrow(part);
    expect(() => readInput(rate, { requestsPerSecond: 5 })).toThrow('requestsPerSecond is not known');
  });
});

test.each(everyDepth)('the levels that can be asked for are those of the chain of %i', (_depth, chain) => {
  for (const { name } of chain.levels)
    expect(readInput(inputsOf(chain).replay, { level: name })).toEqual({ level: name });
  expect(() => readInput(inputsOf(chain).replay, { level: 'another' })).toThrow(
    chain.levels.map(({ name }) => name).join(', '),
  );
});
