/**
 * Cuts a JSON text into the texts of a list's elements, so that each is stored as the API wrote it.
 *
 * Parsing and printing again is not the same: 12345678901234567890 becomes 12345678901234567000, 1.0 becomes 1,
 * 1e400 becomes null, and of two equal names only the last stays.
 *
 * It does not check anything: the text must have gone through JSON.parse before.
 */
import { elementsIn, textAt } from '../engine/json-text.ts';
import type { PathStep } from './json-path.ts';

/** The texts of the elements of the list at a path; none when there is no list. */
export function elementTexts(json: string, path: string | readonly PathStep[]): string[] {
  const list = textAt(json, typeof path === 'string' ? [path] : path);
  return list?.startsWith('[') === true ? [...elementsIn(list)] : [];
}
