import { describe, expect, test } from '@jest/globals';
import type { Page } from '../../../../shared/engine/ports.ts';
import { parseSeed, seedTroops } from '../../../../shared/engine/runs/seed.ts';

describe('a seed', () => {
  test('{} asks for everything', () => expect(parseSeed(' {} \n')).toEqual({}));
  test('troops asks for these', () => expect(parseSeed('{"troops":["a","b"]}')).toEqual({ troops: ['a', 'b'] }));

  test.each([
    ['', 'is empty'],
    ['  \n', 'is empty'],
    ['troops', 'is not JSON'],
    ['{"troops":', 'is not JSON'],
    ['[]', 'is not a JSON object'],
    ['null', 'is not a JSON object'],
    ['"a"', 'is not a JSON object'],
    ['{"run":"a"}', 'has the unknown field run'],
    ['{"a":1,"b":2}', 'has the unknown fields a, b'],
    ['{"troops":[]}', 'has "troops" that is not a list'],
    ['{"troops":"a"}', 'has "troops" that is not a list'],
    ['{"troops":[1]}', 'has "troops" that is not a list'],
    ['{"troops":[""]}', 'has "troops" that is not a list'],
  ])('%j %s: refused, with an example of what is right', (body, why) => {
    expect(() => parseSeed(body)).toThrow(
      expect.objectContaining({
        name: 'ItemError',
        code: 'BAD_SEED',
        message: expect.stringMatching(`${why}.*{"troops": \\["id", …\\]}`),
      }),
    );
  });
});

describe('the troops of a seed', () => {
  async function* pages(...lists: string[][]): AsyncGenerator<Page> {
    for (const ids of lists) yield await Promise.resolve({ children: ids.map((id) => ({ id, body: '{}' })) });
  }
  const idsOf = async (list: AsyncIterable<Page>): Promise<string[]> =>
    (await Array.fromAsync(list)).flatMap((page) => page.children.map((child) => child.id));

  test('are all of them, unless it names some', async () => {
    expect(await idsOf(seedTroops({}, pages(['a', 'b'], ['c'])))).toEqual(['a', 'b', 'c']);
    expect(await idsOf(seedTroops({ troops: ['c', 'a'] }, pages(['a', 'b'], ['c'])))).toEqual(['a', 'c']);
  });

  test('that the API does not have are an item error, after those that it has', async () => {
    const seen: string[] = [];
    const reading = (async () => {
      for await (const page of seedTroops({ troops: ['a', 'x', 'y'] }, pages(['a', 'b'])))
        seen.push(...page.children.map((child) => child.id));
    })();
    await expect(reading).rejects.toMatchObject({ code: 'UNKNOWN_TROOP', message: expect.stringContaining('x, y') });
    expect(seen).toEqual(['a']);
  });
});
