/**
 * The shapes that the API's answers must have, and what a person is told when they don't. An answer is checked as far as
 * the chain depends on it; everything else in it is passed on untouched.
 */
import * as v from 'valibot';
import { ItemError } from '../engine/errors.ts';
import type { Child } from '../engine/ports.ts';
import { elementTexts } from './element-texts.ts';

const page = v.object({
  items: v.array(v.object({ id: v.string() })),
  // An empty cursor could mean the end or the beginning. Guessing wrong would lose children or never end.
  next: v.nullish(v.pipe(v.string(), v.minLength(1))),
});

export type ParsedPage = { children: Child[]; next: string | undefined };

/**
 * Reads a page of a list: `{ "items": [{ "id": "..." }], "next": "..." | null }`. Each child's body is its own piece of the text.
 * @param json a text that `value` was parsed from
 * @param call what was asked, for the message
 * @throws ItemError `BAD_SHAPE` naming the first place that is wrong; `EMPTY_ID`
 */
export function readPage(json: string, value: unknown, call: string): ParsedPage {
  const result = v.safeParse(page, value, { abortEarly: true });
  if (!result.success)
    throw new ItemError('BAD_SHAPE', `The answer to ${call} has the wrong shape: ${explain(result.issues[0])}.`);
  const { items, next } = result.output;
  const texts = elementTexts(json, 'items');
  if (texts.length !== items.length) {
    throw new Error(`The answer to ${call} was cut into ${texts.length} texts, but has ${items.length} items.`);
  }
  const children = items.map(({ id }, index) => {
    if (id === '')
      throw new ItemError('EMPTY_ID', `The answer to ${call} has an item without an id: items[${index}].id is "".`);
    return { id, body: texts[index] ?? '' };
  });
  return { children, next: next ?? undefined };
}

/** @throws ItemError `BAD_SHAPE` when the value is no JSON object */
export function mustBeObject(value: unknown, call: string): void {
  if (nameOf(value) === 'object') return;
  throw new ItemError(
    'BAD_SHAPE',
    `The answer to ${call} has the wrong shape: expected an object, got ${nameOf(value)}.`,
  );
}

function explain(issue: v.BaseIssue<unknown>): string {
  const path = (issue.path ?? [])
    .map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '');
  const where = path === '' ? '' : `${path}: `;
  if (issue.type === 'min_length') return `${where}expected a cursor or null, got an empty string`;
  const last: unknown = issue.path?.at(-1)?.key;
  // valibot names the missing key, not the type, as what it expected.
  if (issue.kind === 'schema' && issue.expected === JSON.stringify(last)) return `${where}is missing`;
  return `${where}expected ${issue.type}, got ${nameOf(issue.input)}`;
}

function nameOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
