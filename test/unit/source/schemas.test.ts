import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { elementTexts } from '../../../shared/source/element-texts.ts';
import { mustBeObject, readPage } from '../../../shared/source/schemas.ts';

const call = 'GET http://hermes.test/troops';
const read = (json: string) => readPage(json, JSON.parse(json), call);

describe('a page of a list', () => {
  test('gives each child its id and its own text, as the API wrote it', () => {
    const first =
      '{ "id" : "a",\n "serial": 12345678901234567890, "ratio": 1.0, "huge": 1e400, "zero": -0, "text": "\\u00e9\\/" }';
    const second = '{"id":"b","__proto__":{"x":1},"constructor":null,"7":1,"3":2,"same":1,"same":2}';
    expect(read(`{"items": [ ${first} ,\r\n${second}\t], "next": "c1"}`)).toEqual({
      children: [
        { id: 'a', body: first },
        { id: 'b', body: second },
      ],
      next: 'c1',
    });
  });

  test('may be empty, the last one, with or without saying so, and hold what nobody asked for', () => {
    expect(read('{"items":[]}')).toEqual({ children: [], next: undefined });
    expect(read(' {"total":{"items":[1]},"next":null,"items":[]} ')).toEqual({ children: [], next: undefined });
  });

  test.each([
    ['null', 'expected object, got null'],
    ['7', 'expected object, got number'],
    ['[]', 'items: is missing'],
    ['{}', 'items: is missing'],
    ['{"items":{}}', 'items: expected array, got object'],
    ['{"items":null}', 'items: expected array, got null'],
    ['{"items":[null]}', 'items[0]: expected object, got null'],
    ['{"items":[{"id":"a"},{"id":"b"},{},{"id":7}]}', 'items[2].id: is missing'],
    ['{"items":[{"id":"a"},{"id":"b"},{"id":"c"},{"id":7}]}', 'items[3].id: expected string, got number'],
    ['{"items":[{"id":["a"]}]}', 'items[0].id: expected string, got array'],
    ['{"items":[],"next":5}', 'next: expected string, got number'],
    ['{"items":[],"next":""}', 'next: expected a cursor or null, got an empty string'],
  ])('that is %s is refused, since: %s', (json, reason) => {
    expect(() => read(json)).toThrow(
      expect.objectContaining({
        name: 'ItemError',
        code: 'BAD_SHAPE',
        message: `The answer to ${call} has the wrong shape: ${reason}.`,
      }),
    );
  });

  test('with an empty id is refused, saying which', () => {
    expect(() => read('{"items":[{"id":"a"},{"id":""}]}')).toThrow(
      expect.objectContaining({
        name: 'ItemError',
        code: 'EMPTY_ID',
        message: expect.stringContaining('items[1]') as unknown,
      }),
    );
  });
});

describe('a result', () => {
  test.each(['[]', '7', 'null', '"text"'])('that is %s is refused', (json) => {
    expect(() => mustBeObject(JSON.parse(json), call)).toThrow(
      expect.objectContaining({
        name: 'ItemError',
        code: 'BAD_SHAPE',
        message: expect.stringContaining('expected an object') as unknown,
      }),
    );
  });

  test('that is an object is taken', () => {
    expect(() => mustBeObject({}, call)).not.toThrow();
  });
});

/** JSON texts as no printer of ours writes them: odd white space, numbers beyond a double, escapes, names that stand twice. */
const { value: jsonText } = fc.letrec<{ value: string }>((tie) => {
  const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 2 });
  const number = fc.oneof(
    fc.constantFrom('-0', '1.0', '1e400', '-1E-7', '12345678901234567890', '0.10000000000000000555'),
    fc.stringMatching(/^-?[1-9][0-9]{0,30}(\.[0-9]{1,9})?$/),
  );
  const string = fc.oneof(
    fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
    fc
      .string({ unit: fc.constantFrom('\\"', '\\\\', '\\u00e9', '\\/', '{', '}', '[', ']', ',', ':', 'é') })
      .map((text) => `"${text}"`),
    fc.constantFrom('"__proto__"', '"items"', '"next"'),
  );
  const list = (element: fc.Arbitrary<string>) =>
    fc.array(
      fc.tuple(space, element, space).map((parts) => parts.join('')),
      { maxLength: 4 },
    );
  const member = fc
    .tuple(string, space, space, tie('value'))
    .map(([name, before, after, value]) => `${name}${before}:${after}${value}`);
  return {
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('true', 'false', 'null'),
      number,
      string,
      list(tie('value')).map((parts) => `[${parts.join(',')}]`),
      list(member).map((parts) => `{${parts.join(',')}}`),
    ),
  };
});

describe('cutting a list into its elements', () => {
  test('gives back exactly the texts that were put in, whatever stands around them', () => {
    const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 });
    fc.assert(
      fc.property(fc.array(jsonText, { maxLength: 6 }), jsonText, jsonText, space, (texts, before, after, gap) => {
        const list = `[${gap}${texts.join(`${gap},${gap}`)}${gap}]`;
        const json = `${gap}{${gap}"before":${before},"\\u0069tems"${gap}:${gap}${list}${gap},${gap}"after":${after}}${gap}`;
        expect(() => void JSON.parse(json)).not.toThrow();
        expect(elementTexts(json, 'items')).toEqual(texts);
      }),
      { numRuns: 500 },
    );
  });

  test('agrees with JSON.parse on any object, also where a name stands twice', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('items', 'next', 'item\\u0073'), jsonText), { maxLength: 5 }),
        (members) => {
          const json = `{${members.map(([name, value]) => `"${name}":${value}`).join(', ')}}`;
          const { items } = JSON.parse(json) as { items?: unknown };
          const expected = Array.isArray(items) ? items : [];
          expect(elementTexts(json, 'items').map((text) => JSON.parse(text) as unknown)).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });
});
