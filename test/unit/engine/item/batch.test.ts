import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ItemError } from '../../../../shared/engine/errors.ts';
import {
  batchBody,
  batchElement,
  batchMetadata,
  itemsIn,
  oneLine,
  parseBatch,
} from '../../../../shared/engine/item/batch.ts';

/** Anything but the empty text, and what UTF-8 can't hold. */
const id = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.constantFrom(
    '..',
    '"',
    '\\',
    '\n',
    '\r\n',
    '\u2028',
    '\u2029',
    '\u0085',
    '},',
    '"},\n{"ids":["x"],"item":1',
    '__proto__',
  ),
);

/** JSON with line breaks of every kind between its tokens, and line separators in its strings. */
const json = fc
  .tuple(fc.jsonValue({ stringUnit: 'binary' }), fc.constantFrom('', ' ', '\t', '\n', '\r\n', '\r'), fc.boolean())
  .map(([value, gap, hasSeparator]) => {
    const text = JSON.stringify(hasSeparator ? { value, separators: 'a\u2028b\u2029c\nd' } : value, undefined, gap);
    return `${gap}${text}${gap}`;
  });

describe('a batch', () => {
  test('gives back the items that it was made of, whatever their ids and texts are', () => {
    const items = fc.uniqueArray(fc.record({ id, body: json }), {
      minLength: 1,
      maxLength: 8,
      selector: (item) => item.id,
    });
    fc.assert(
      fc.property(fc.array(id, { maxLength: 3 }), items, (parents, children) => {
        const body = batchBody(children.map((child) => batchElement(parents, child)));
        expect(parseBatch(parents, 'key', body)).toEqual(
          children.map((child) => ({ id: child.id, body: oneLine(child.body) })),
        );
        // For a reader who knows JSON only it says the same.
        expect(JSON.parse(body)).toEqual(
          children.map((child) => ({ ids: [...parents, child.id], item: JSON.parse(child.body) as unknown })),
        );
        expect(body.split('\n')).toHaveLength(children.length);
      }),
      { numRuns: 100 },
    );
  });

  test('of another parent is none', () => {
    fc.assert(
      fc.property(id, id, id, (parent, other, child) => {
        fc.pre(parent !== other);
        const body = batchBody([batchElement([parent], { id: child, body: '1' })]);
        expect(() => parseBatch([other], 'key', body)).toThrow(expect.objectContaining({ code: 'BAD_BATCH' }));
      }),
    );
  });

  test('that is any text is refused, or gives items that make the same text', () => {
    const pieces = fc.constantFrom(
      '[',
      ']',
      '{"ids":["a"],"item":',
      '{"ids":["b"],"item":',
      '1',
      '}',
      ',\n',
      '\n',
      ' ',
    );
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: pieces, maxLength: 12 })), (body) => {
        try {
          const items = parseBatch([], 'key', body);
          expect(JSON.parse(batchBody(items.map((item) => batchElement([], item))))).toHaveLength(items.length);
        } catch (error) {
          expect(error).toBeInstanceOf(ItemError);
          expect(error).toMatchObject({ code: 'BAD_BATCH' });
        }
      }),
      { numRuns: 300 },
    );
  });

  test('with an id twice, or more items than a batch can have, is refused', () => {
    const twice = batchElement([], { id: 'a', body: '1' });
    expect(() => parseBatch([], 'key', batchBody([twice, twice]))).toThrow('repeats the id "a"');
    const many = Array.from({ length: 1001 }, (_, index) => batchElement([], { id: `${index}`, body: '1' }));
    expect(() => parseBatch([], 'key', batchBody(many))).toThrow('more than 1000');
    expect(parseBatch([], 'key', batchBody(many.slice(1)))).toHaveLength(1000);
  });

  test('tells in its metadata how many items it has', () => {
    expect(itemsIn(batchMetadata(50, { run: 'r' }))).toBe(50);
    expect(batchMetadata(50, { run: 'r' })).toMatchObject({ run: 'r' });
  });

  test.each(['', '0', '-1', '1.5', '1e3', '1234567', ' 1'])('metadata %j is no number of items', (items) => {
    expect(itemsIn({ items })).toBeUndefined();
  });
});
