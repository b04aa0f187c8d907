/**
 * Cuts a JSON text into the texts of a list's elements, so that each is stored as the API wrote it.
 *
 * Parsing and printing again is not the same: 12345678901234567890 becomes 12345678901234567000, 1.0 becomes 1,
 * 1e400 becomes null, and of two equal names only the last stays.
 *
 * It does not check anything: the text must have gone through JSON.parse before.
 */

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

/**
 * The texts of the elements of the list under `name` in the object that `json` is. Where the name stands twice, the last
 * one counts, as for JSON.parse.
 */
export function elementTexts(json: string, name: string): string[] {
  let found: string[] = [];
  for (let at = skipSpace(json, skipSpace(json, 0) + 1); at < json.length && json.charCodeAt(at) === quote;) {
    const nameEnd = endOfString(json, at);
    const isWanted = JSON.parse(json.slice(at, nameEnd)) === name;
    const value = skipSpace(json, skipSpace(json, nameEnd) + 1); // Behind the colon.
    if (isWanted) found = json.charCodeAt(value) === openBracket ? elements(json, value) : [];
    at = skipSpace(json, endOfValue(json, value));
    if (json.charCodeAt(at) === comma) at = skipSpace(json, at + 1);
  }
  return found;
}
