import { describe, expect, test } from '@jest/globals';
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
