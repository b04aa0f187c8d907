/**
 * Why a text is not JSON: it ends too early, which may pass, or there is something in it that JSON does not have. Only asked
 * once JSON.parse has refused the text: its messages differ by release, and quote what may be a secret.
 */

export type JsonFault = { kind: 'empty' | 'cut' } | { kind: 'wrong'; position: number };

type Expected = 'value' | 'first element' | 'name' | 'first name' | 'colon' | 'next' | 'end';

const spaces = /[ \t\n\r]*/y;
const numberOrWord = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
/** A number or a word whose rest is missing at the text's end. */
const cutNumberOrWord =
  /(?:-(?:0|[1-9]\d*)?|0|[1-9]\d*)(?:\.|(?:\.\d+)?[eE][+-]?)?$|(?:t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?)$/y;

/** @returns undefined for a text that is JSON */
export function findJsonFault(text: string): JsonFault | undefined {
  const open: string[] = [];
  let expected: Expected = 'value';
  let at = behind(spaces, text, 0) ?? 0;
  if (at === text.length) return { kind: 'empty' };
  while (at < text.length) {
    const letter = text.charAt(at);
    const opensValue = expected === 'value' || expected === 'first element';
    if (isClosing(letter, expected, open.at(-1))) {
      open.pop();
      at += 1;
      expected = open.length === 0 ? 'end' : 'next';
    } else if (opensValue && (letter === '{' || letter === '[')) {
      open.push(letter);
      at += 1;
      expected = letter === '{' ? 'first name' : 'first element';
    } else if (letter === ',' && expected === 'next') {
      at += 1;
      expected = open.at(-1) === '{' ? 'name' : 'value';
    } else if (letter === ':' && expected === 'colon') {
      at += 1;
      expected = 'value';
    } else {
      const isName: boolean = expected === 'name' || expected === 'first name';
      if (!isName && !opensValue) return { kind: 'wrong', position: at };
      const token = letter === '"' ? endOfString(text, at) : isName ? undefined : endOfNumberOrWord(text, at);
      if (typeof token !== 'number') return token ?? { kind: 'wrong', position: at };
      at = token;
      expected = isName ? 'colon' : open.length === 0 ? 'end' : 'next';
    }
    at = behind(spaces, text, at) ?? at;
  }
  return expected === 'end' ? undefined : { kind: 'cut' };
}

function isClosing(letter: string, expected: Expected, open: string | undefined): boolean {
  if (letter === '}') return open === '{' && (expected === 'next' || expected === 'first name');
  return letter === ']' && open === '[' && (expected === 'next' || expected === 'first element');
}

function endOfNumberOrWord(text: string, at: number): number | JsonFault | undefined {
  const end = behind(numberOrWord, text, at);
  if (end === text.length) return end;
  if (behind(cutNumberOrWord, text, at) !== undefined) return { kind: 'cut' };
  return end;
}

/** Letter by letter: a pattern would need a stack as deep as a long string. */
function endOfString(text: string, from: number): number | JsonFault {
  for (let at = from + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 34) return at + 1;
    if (code < 32) return { kind: 'wrong', position: at };
    if (code !== 92) continue;
    const escape = text.slice(at, at + 6);
    if (/^\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(escape)) at += 1;
    else if (at + escape.length === text.length && /^\\(?:u[0-9a-fA-F]{0,3})?$/.test(escape)) return { kind: 'cut' };
    else return { kind: 'wrong', position: at };
  }
  return { kind: 'cut' };
}

function behind(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
