import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { textAt } from '../../../shared/engine/json-text.ts';
import { elementTexts } from '../../../shared/source/element-texts.ts';
import { findJsonFault } from '../../../shared/source/json-fault.ts';
import { valueAt, type PathStep } from '../../../shared/source/json-path.ts';

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
        expect(elementTexts(json, ['items'])).toEqual(texts);
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
          expect(elementTexts(json, ['items']).map((text) => JSON.parse(text) as unknown)).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });
});

test('the text at any path is that of the value which JSON.parse finds there', () => {
  const pathsOf = (value: unknown): PathStep[][] => {
    if (typeof value !== 'object' || value === null) return [[]];
    const entries: [PathStep, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
    return [[], ...entries.flatMap(([step, inner]) => pathsOf(inner).map((path) => [step, ...path]))];
  };
  fc.assert(
    fc.property(jsonText, (json) => {
      const whole = JSON.parse(json) as unknown;
      for (const path of pathsOf(whole)) {
        const text = textAt(json, path) ?? 'undefined';
        expect(json).toContain(text);
        expect(JSON.parse(text)).toEqual(valueAt(whole, path));
      }
    }),
    { numRuns: 300 },
  );
});

describe('why a text is not JSON', () => {
  test('it has no fault exactly when JSON.parse takes it', () => {
    const isJson = (text: string): boolean => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    };
    const nearly = fc
      .tuple(jsonText, fc.nat(), fc.constantFrom('', ',', ']', '}', '"', 'x', '0', '\\', '\n', ':', '-', '\u0001'))
      .map(([json, at, put]) => json.slice(0, at % (json.length + 1)) + put + json.slice((at % (json.length + 1)) + 1));
    fc.assert(
      fc.property(fc.oneof(jsonText, nearly), (text) => {
        expect(findJsonFault(text) === undefined).toBe(isJson(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test('every beginning of a JSON text is empty, whole or cut, and never wrong', () => {
    fc.assert(
      fc.property(jsonText, fc.nat(), (json, length) => {
        const fault = findJsonFault(json.slice(0, length % (json.length + 1)));
        expect(fault?.kind).not.toBe('wrong');
      }),
      { numRuns: 1_000 },
    );
  });
});
