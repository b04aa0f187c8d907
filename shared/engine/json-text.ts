/**
 * Reads a JSON text without parsing its numbers: 9223372036854775808, 1.0 and 1e400 stay as the API wrote them. The texts that come
 * here were checked when they were fetched; what a person put there by hand is refused as soon as it does not fit.
 */
import { ItemError } from './errors.ts';

const quote = 34;
const comma = 44;
const colon = 58;
const openBracket = 91;
const backslash = 92;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;
/** JSON's white space is space, tab, line feed and carriage return; nothing else up to the space can stand outside a string. */
const space = 32;

export type PathSteps = readonly (string | number)[];

function refuse(text: string, at: number): never {
  throw new ItemError('NOT_JSON', `This is not JSON at character ${at}: ${text.slice(at, at + 40)}`);
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) <= space) at += 1;
  return at;
}

/** @returns the place behind the string that opens at `from` */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === backslash) slashes += 1;
    if (slashes % 2 === 0) return at + 1;
  }
  return refuse(text, from);
}

/** @returns the place behind the value that begins at `from` */
function endOfValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = endOfString(text, at) - 1;
      if (depth === 0) return at + 1;
    } else if (code === openBrace || code === openBracket) depth += 1;
    else if (code === closeBrace || code === closeBracket) {
      // Depth 0: a number or a word that ends with the object or list around it.
      if (depth === 0) break;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (code === comma || code <= space)) break;
  }
  if (depth > 0 || at === from) refuse(text, from);
  return at;
}

/** Whether the text is an object. */
export function isObjectText(text: string): boolean {
  return text.charCodeAt(skipSpace(text, 0)) === openBrace;
}

/** The value of a string as it stands in a text, with its quotes. */
export function stringOf(text: string): string {
  return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1);
}

/**
 * Gives each member of an object, in the text's order. Of two equal names the last one counts, as for JSON.parse.
 * @throws ItemError `NOT_JSON`
 */
export function forEachMember(text: string, take: (name: string, value: string) => void): void {
  eachMember(text, skipSpace(text, 0), (name, from, to) => take(name, text.slice(from, to)));
}

function eachMember(text: string, from: number, take: (name: string, from: number, to: number) => void): void {
  let at = skipSpace(text, from + 1);
  if (text.charCodeAt(at) === closeBrace) return;
  for (;;) {
    if (text.charCodeAt(at) !== quote) refuse(text, at);
    const nameEnd = endOfString(text, at);
    const name = stringOf(text.slice(at, nameEnd));
    const behind = skipSpace(text, nameEnd);
    if (text.charCodeAt(behind) !== colon) refuse(text, behind);
    const start = skipSpace(text, behind + 1);
    const end = endOfValue(text, start);
    take(name, start, end);
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === closeBrace) return;
    if (text.charCodeAt(at) !== comma) refuse(text, at);
    at = skipSpace(text, at + 1);
  }
}

/** The places of a list's elements. @throws ItemError `NOT_JSON` */
function* eachElement(text: string, from: number): Generator<[from: number, to: number]> {
  let at = skipSpace(text, from + 1);
  if (text.charCodeAt(at) === closeBracket) return;
  for (;;) {
    const end = endOfValue(text, at);
    yield [at, end];
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === closeBracket) return;
    if (text.charCodeAt(at) !== comma) refuse(text, at);
    at = skipSpace(text, at + 1);
  }
}

/** The texts of a list's elements. @throws ItemError `NOT_JSON`, also for what is no list */
export function* elementsIn(text: string): Generator<string> {
  const start = skipSpace(text, 0);
  if (text.charCodeAt(start) !== openBracket) refuse(text, start);
  for (const [from, to] of eachElement(text, start)) yield text.slice(from, to);
}

/** The text of the value at a path, as the API wrote it; undefined when there is none. @throws ItemError `NOT_JSON` */
export function textAt(text: string, steps: PathSteps): string | undefined {
  let at: number | undefined = skipSpace(text, 0);
  for (const step of steps) {
    at = typeof step === 'number' ? startOfElement(text, at, step) : startOfMember(text, at, step);
    if (at === undefined) return undefined;
  }
  return text.slice(at, endOfValue(text, at));
}

function startOfMember(text: string, from: number, wanted: string): number | undefined {
  if (text.charCodeAt(from) !== openBrace) return undefined;
  let found: number | undefined;
  eachMember(text, from, (name, start) => {
    if (name === wanted) found = start;
  });
  return found;
}

function startOfElement(text: string, from: number, index: number): number | undefined {
  if (text.charCodeAt(from) !== openBracket) return undefined;
  let nth = 0;
  for (const [start] of eachElement(text, from)) {
    if (nth === index) return start;
    nth += 1;
  }
  return undefined;
}
