/**
 * Cuts a JSON text into the texts of a list's elements, so that each is stored as the API wrote it.
 *
 * Parsing and printing again is not the same: 12345678901234567890 becomes 12345678901234567000, 1.0 becomes 1,
 * 1e400 becomes null, and of two equal names only the last stays.
 *
 * It does not check anything: the text must have gone through JSON.parse before.
 */

import type { PathStep } from './json-path.ts';

const quote = 34;
const comma = 44;
const backslash = 92;
const openBracket = 91;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;
/** JSON's white space is space, tab, line feed and carriage return; nothing else up to the space can stand outside a string. */
const space = 32;

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) <= space) at += 1;
  return at;
}

/** @returns the place behind the string that opens at `from` */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === backslash) at += 1;
    else if (code === quote) return at + 1;
  }
  return text.length;
}

/** @returns the place behind the value that begins at `from` */
function endOfValue(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = endOfString(text, at) - 1;
        if (depth === 0) return at + 1;
        break;
      case openBrace:
      case openBracket:
        depth += 1;
        break;
      case closeBrace:
      case closeBracket:
        // Depth 0: a number or a word that ends with the object or list around it.
        if (depth === 0) return at;
        depth -= 1;
        if (depth === 0) return at + 1;
        break;
      case comma:
        if (depth === 0) return at;
    }
  }
  return text.length;
}

function elements(text: string, from: number): string[] {
  const found: string[] = [];
  for (let at = skipSpace(text, from + 1); at < text.length && text.charCodeAt(at) !== closeBracket;) {
    const end = endOfValue(text, at);
    // A number or a word is followed by its white space.
    found.push(text.slice(at, end).trimEnd());
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === comma) at = skipSpace(text, at + 1);
  }
  return found;
}

/** @returns where the value of a name in the object that begins at `from` begins. Where it stands twice the last one counts, as for JSON.parse. */
function startOfMember(text: string, from: number, name: string): number | undefined {
  let found: number | undefined;
  for (let at = skipSpace(text, from + 1); at < text.length && text.charCodeAt(at) === quote;) {
    const nameEnd = endOfString(text, at);
    const isWanted = JSON.parse(text.slice(at, nameEnd)) === name;
    const value = skipSpace(text, skipSpace(text, nameEnd) + 1); // Behind the colon.
    if (isWanted) found = value;
    at = skipSpace(text, endOfValue(text, value));
    if (text.charCodeAt(at) === comma) at = skipSpace(text, at + 1);
  }
  return found;
}

function startOfElement(text: string, from: number, index: number): number | undefined {
  let at = skipSpace(text, from + 1);
  for (let nth = 0; at < text.length && text.charCodeAt(at) !== closeBracket; nth += 1) {
    if (nth === index) return at;
    at = skipSpace(text, endOfValue(text, at));
    if (text.charCodeAt(at) === comma) at = skipSpace(text, at + 1);
  }
  return undefined;
}

function startOf(json: string, steps: readonly PathStep[]): number | undefined {
  let at: number | undefined = skipSpace(json, 0);
  for (const step of steps) {
    const code = json.charCodeAt(at);
    if (typeof step === 'number') at = code === openBracket ? startOfElement(json, at, step) : undefined;
    else at = code === openBrace ? startOfMember(json, at, step) : undefined;
    if (at === undefined) return undefined;
  }
  return at;
}

/** The text of the value at a path, as the API wrote it; undefined when there is none. */
export function textAt(json: string, steps: readonly PathStep[]): string | undefined {
  const start = startOf(json, steps);
  return start === undefined ? undefined : json.slice(start, endOfValue(json, start)).trimEnd();
}

/** The texts of the elements of the list at a path; none when there is no list. */
export function elementTexts(json: string, path: string | readonly PathStep[]): string[] {
  const start = startOf(json, typeof path === 'string' ? [path] : path);
  return start === undefined || json.charCodeAt(start) !== openBracket ? [] : elements(json, start);
}
