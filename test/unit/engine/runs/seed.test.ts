import { describe, expect, test } from '@jest/globals';
import type { Page } from '../../../../shared/engine/ports.ts';
import { idNamesOf, parseSeed, selectChildren } from '../../../../shared/engine/runs/seed.ts';
import { eightLevels, everyDepth, everyTree, fourLevels, oneLevel, withParams } from '../../../chains.ts';

describe.each(everyDepth)('a seed of a chain of %i', (_depth, chain) => {
  test('{} asks for everything', () => {
    expect(parseSeed(' {} \n', chain)).toEqual({ only: {}, params: {} });
  });

  test('with a byte order mark, as editors on Windows write it, is the same seed', () => {
    expect(parseSeed('\uFEFF{}', chain)).toEqual({ only: {}, params: {} });
  });

  test.each([
    ['', 'is empty'],
    ['  \n', 'is empty'],
    ['\uFEFF', 'is empty'],
    ['shops', 'is not JSON'],
    ['{"only":', 'is not JSON'],
    ['[]', 'is not a JSON object'],
    ['null', 'is not a JSON object'],
    ['"a"', 'is not a JSON object'],
    ['{"run":"a"}', 'has the unknown field run'],
    ['{"a":1,"b":2}', 'has the unknown field a; it has the unknown field b'],
    ['{"only":["a"]}', 'has "only" that is not an object'],
    ['{"only":null}', 'has "only" that is not an object'],
    ['{"params":"from"}', 'has "params" that is not an object'],
    ['{"only":{"planet":["a"]}}', 'has "only" with the unknown id planet'],
    ['{"only":{"toString":["a"]}}', 'has "only" with the unknown id toString'],
    ['{"only":{"__proto__":["a"]}}', 'has "only" with the unknown id __proto__'],
    ['{"params":{"since":1}}', 'has the unknown parameter since'],
    ['{"params":{"constructor":1}}', 'has the unknown parameter constructor'],
  ])('%j %s: refused, with what a seed of this chain looks like', (body, why) => {
    const example = chain === oneLevel ? '{}' : `"only": {"${idNamesOf(chain).join('": ["id", …], "')}": ["id", …]}`;
    expect(() => parseSeed(body, chain)).toThrow(
      expect.objectContaining({ name: 'ItemError', code: 'BAD_SEED', message: expect.stringContaining(why) }),
    );
    expect(() => parseSeed(body, chain)).toThrow(example);
  });
});

describe.each(everyTree)('the ids that a seed of a chain of %i asks for', (_depth, chain) => {
  test('may be of any list, and of several at once', () => {
    for (const name of idNamesOf(chain))
      expect(parseSeed(`{"only":{"${name}":["a","b"]}}`, chain)).toEqual({ only: { [name]: ['a', 'b'] }, params: {} });
    const all = Object.fromEntries(idNamesOf(chain).map((name) => [name, [name]]));
    expect(parseSeed(JSON.stringify({ only: all }), chain).only).toEqual(all);
  });

  test('may be whole numbers, which are the same ids as texts', () => {
    const [name = ''] = idNamesOf(chain);
    expect(parseSeed(`{"only":{"${name}":[7,"8"]}}`, chain).only).toEqual({ [name]: ['7', '8'] });
  });

  test.each(['[]', '"a"', '[""]', '[1.5]', '[null]', '{"a":1}', '[["a"]]'])('are refused when they are %s', (ids) => {
    const [name = ''] = idNamesOf(chain);
    expect(() => parseSeed(`{"only":{"${name}":${ids}}}`, chain)).toThrow(
      `has "only.${name}" that is not a list of at least one id`,
    );
  });
});

describe('the parameters of a seed', () => {
  const required = '"owner":"me"';

  test('are those that the chain declares', () => {
    const params = { owner: 'me', from: '2026-11-20', currency: 'USD', least: 1.5, returns: true };
    expect(parseSeed(JSON.stringify({ params }), withParams)).toEqual({ only: {}, params });
    expect(parseSeed(`{"params":{${required}}}`, withParams).params).toEqual({ owner: 'me' });
  });

  test.each([
    ['{}', 'lacks the parameter owner, a text'],
    [`{"params":{${required},"since":1}}`, 'has the unknown parameter since'],
    ['{"params":{"owner":5}}', 'has "params.owner" that is not a text'],
    [`{"params":{${required},"from":"yesterday"}}`, 'has "params.from" that is not an ISO 8601 timestamp'],
    [`{"params":{${required},"least":"1"}}`, 'has "params.least" that is not a number'],
    [`{"params":{${required},"returns":"no"}}`, 'has "params.returns" that is not true or false'],
    [`{"params":{${required},"currency":null}}`, 'has "params.currency" that is not a text'],
  ])('of %s: it %s', (body, why) => {
    expect(() => parseSeed(body, withParams)).toThrow(
      expect.objectContaining({ code: 'BAD_SEED', message: expect.stringContaining(why) }),
    );
  });

  test('that are wrong are told of all at once, with what is wrong elsewhere and what this chain declares', () => {
    const body = '{"run":1,"only":{"planet":["a"]},"params":{"since":1,"least":"x"}}';
    expect(() => parseSeed(body, withParams)).toThrow(
      expect.objectContaining({
        message:
          'The seed has the unknown field run; it has "only" with the unknown id planet; it has the unknown parameter since; ' +
          'it has "params.least" that is not a number; it lacks the parameter owner, a text. Expected: {} for everything ' +
          'with the defaults, or any of {"only": {"shop": ["id", …], "sale": ["id", …]}, "params": {"from": an ISO 8601 ' +
          'timestamp, e.g. "2026-11-20T00:00:00Z" (default "now-1h"), "currency": a text (default "EUR"), "least": a number ' +
          '(default 0), "returns": true or false (default false), "owner": a text}}',
      }),
    );
  });
});

test("a seed's message shows no parameters where the chain has none", () => {
  expect(() => parseSeed('{"run":1}', fourLevels)).toThrow(/^(?!.*params)/s);
});

test("a seed's message does not show another chain's ids", () => {
  expect(() => parseSeed('{"only":{"shop":["a"]}}', eightLevels)).toThrow(/continentsId.*roomsId/);
  expect(() => parseSeed('{"only":{"continentsId":["a"]}}', fourLevels)).toThrow(/"region".*"shop".*"shelf"/);
});

describe('the children that are asked for', () => {
  async function* pages(...lists: string[][]): AsyncGenerator<Page> {
    for (const ids of lists) yield await Promise.resolve({ children: ids.map((id) => ({ id, body: '{}' })) });
  }
  const whole = { idName: 'shop', isWhole: true };
  const idsOf = async (list: AsyncIterable<Page>): Promise<string[]> =>
    (await Array.fromAsync(list)).flatMap((page) => page.children.map((child) => child.id));

  test('are all of them, unless some are named', async () => {
    expect(await idsOf(selectChildren(pages(['a', 'b'], ['c']), undefined, whole))).toEqual(['a', 'b', 'c']);
    expect(await idsOf(selectChildren(pages(['a', 'b'], ['c']), ['c', 'a'], whole))).toEqual(['a', 'c']);
  });

  test('that the API does not have are an item error, after those that it has', async () => {
    const seen: string[] = [];
    const reading = (async () => {
      for await (const page of selectChildren(pages(['a', 'b']), ['a', 'x', 'y'], whole))
        seen.push(...page.children.map((child) => child.id));
    })();
    await expect(reading).rejects.toMatchObject({
      code: 'UNKNOWN_ID',
      message: 'The seed asks for shop "x", "y", which the API does not have.',
    });
    expect(seen).toEqual(['a']);
  });

  test('of a list below the first may be those of another parent', async () => {
    expect(await idsOf(selectChildren(pages(['a', 'b']), ['b', 'x'], { ...whole, isWhole: false }))).toEqual(['b']);
  });
});
