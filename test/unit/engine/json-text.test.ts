import { describe, expect, test } from '@jest/globals';
import { elementsIn, isObjectText, stringOf, textAt } from '../../../shared/engine/json-text.ts';

const notJson = { name: 'ItemError', code: 'NOT_JSON' };
const caught = (read: () => unknown): unknown => {
  try {
    return read();
  } catch (error) {
    return error;
  }
};

describe('the texts of a list', () => {
  test.each([
    ['[]', []],
    [' [ 1.0 , "a,]\\"" ,{"b":[1,{}]}, null ] ', ['1.0', '"a,]\\""', '{"b":[1,{}]}', 'null']],
    ['[[1],[],[[2]]]', ['[1]', '[]', '[[2]]']],
  ])('of %s are %j', (text, texts) => expect([...elementsIn(text)]).toEqual(texts));

  test.each(['', '{}', '1', '[1', '[1,', '[{"a":1', '[[1]', '["a', '[1 2]', '[,]', '["a\\"]'])(
    '%j is refused',
    (text) => expect(caught(() => [...elementsIn(text)])).toMatchObject(notJson),
  );
});

describe('the text at a path', () => {
  test.each<[string, (string | number)[], string | undefined]>([
    [' {"a": {"b": [1, 2.50, "x"]}} ', ['a', 'b', 1], '2.50'],
    ['{"a":1,"a":2}', ['a'], '2'],
    ['{"\\u0061":3}', ['a'], '3'],
    ['{"a":[]}', ['a', 0], undefined],
    ['{"a":1}', ['b'], undefined],
    ['[1]', ['a'], undefined],
    ['{"a":1}', [0], undefined],
    ['5', [], '5'],
  ])('of %s at %j is %s', (text, steps, found) => expect(textAt(text, steps)).toBe(found));

  test.each<[string, (string | number)[]]>([
    ['{"a":{"b":1', ['a']],
    ['{"a":[1', ['a']],
    ['{"a"', ['a']],
    ['{"a":1;"b":2}', ['b']],
    ['[1', [3]],
    ['', []],
    ['{"a":1', []],
    ['[1, 2', []],
  ])('of %j at %j is refused', (text, steps) => expect(caught(() => textAt(text, steps))).toMatchObject(notJson));
});

test('tells an object from another value, and reads a string as it stands', () => {
  expect([isObjectText(' {}'), isObjectText('[]'), isObjectText('')]).toEqual([true, false, false]);
  expect([stringOf('"a b"'), stringOf('"a\\n\\u00e9"')]).toEqual(['a b', 'a\né']);
});
