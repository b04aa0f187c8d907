/**
 * Hides secrets in texts that people will see. An API may send a secret back in any form: escaped in JSON, URL-encoded, in
 * HTML, as base64. A text is masked before it is cut, so that no half of a secret is left.
 */

export type Mask = (text: string, options?: MaskOptions) => string;

export type MaskOptions = {
  /** The text may end within a secret, of which nothing is shown then. */
  mayBeCut?: boolean;
  /** Default: `***`. */
  replacement?: (hidden: string) => string;
};

/** A prefix of a secret at a text's end that is shorter says nothing. */
const shortestPrefix = 4;
/** This much of a secret, and the rest is taken for it, to the end of the text. */
const longestPrefix = 64;

/** @param secrets raw; their base64 forms are masked too */
export function createMask(secrets: readonly string[]): Mask {
  let forms: SecretForm[] | undefined; // Made when first needed: most calls show nothing.
  return (text, { mayBeCut = false, replacement = () => '***' } = {}) => {
    forms ??= formsOf(secrets);
    let masked = text;
    for (const { whole } of forms) masked = masked.replace(whole, replacement);
    if (mayBeCut) for (const form of forms) masked = withoutPrefixAtEnd(masked, form, replacement);
    return masked;
  };
}

export const noMask: Mask = (text) => text;

/** The beginning of a letter's escape sequence. */
const cutLetter = '(?:[\\\\%&][\\w#;\\\\%]{0,24})?';

type SecretForm = { letters: readonly string[]; whole: RegExp; beginning: RegExp };

function formsOf(secrets: readonly string[]): SecretForm[] {
  const texts = new Set(secrets.filter((secret) => secret !== '').flatMap((secret) => [secret, ...base64Of(secret)]));
  // The longest first: one may hold another.
  return [...texts]
    .toSorted((one, other) => other.length - one.length)
    .map((secret) => {
      const letters = Array.from(secret, anyFormOf);
      const beginning = new RegExp(letters.slice(0, shortestPrefix).join(''));
      return { letters, whole: new RegExp(letters.join(''), 'g'), beginning };
    });
}

/** A text that was cut may end within a secret. */
function withoutPrefixAtEnd(
  text: string,
  { letters, beginning }: SecretForm,
  replacement: (hidden: string) => string,
): string {
  if (letters.length <= shortestPrefix || !beginning.test(text)) return text;
  for (let length = Math.min(letters.length - 1, longestPrefix); length >= shortestPrefix; length -= 1) {
    const rest = length === longestPrefix ? '[^]*' : cutLetter;
    const pattern = new RegExp(`${letters.slice(0, length).join('')}${rest}$`);
    if (pattern.test(text)) return text.replace(pattern, replacement);
  }
  return text;
}

function base64Of(secret: string): string[] {
  const bytes = Buffer.from(secret);
  // Without padding: it matches with and without.
  return [bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url')];
}

const namedEntities: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos' };
const shortEscapes: Readonly<Record<string, string>> = { '\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f' };

/** Backslashes, which may have been URL-encoded afterwards. */
const backslashes = inUrlToo('\\');

/** A pattern for one letter, however it is written: itself, in JSON, in a URL, in HTML; also encoded more than once. */
function anyFormOf(letter: string): string {
  const bytes = [...Buffer.from(letter)];
  const forms = [escaped(letter), bytes.map(percentForm).join(''), entityOf(letter)];
  if (letter === ' ') forms.push(inUrlToo('+'));
  const plain = `(?:${forms.join('|')})`;
  const units = Array.from({ length: letter.length }, (_, index) => letter.charCodeAt(index));
  const inJson = [units.map((unit) => `${backslashes}+u${anyCase(hexOf(unit, 4))}`).join('')];
  const short = shortEscapes[letter];
  if (short !== undefined) inJson.push(`${backslashes}+${short}`);
  const prefix = '/"\\\''.includes(letter) ? `${backslashes}*` : '';
  return `(?:${prefix}${plain}|${inJson.join('|')})`;
}

function entityOf(letter: string): string {
  const point = letter.codePointAt(0) ?? 0;
  const hash = inUrlToo('#');
  const names = [`${hash}0*${point}`, `${hash}[xX]0*${anyCase(point.toString(16))}`];
  const name = namedEntities[letter];
  if (name !== undefined) names.push(name);
  const end = inUrlToo(';');
  return `${inUrlToo('&')}(?:amp${end})*(?:${names.join('|')})${end}`;
}

/** A sign of ASCII, as it is or URL-encoded any number of times. */
function inUrlToo(sign: string): string {
  return `(?:${escaped(sign)}|${percentForm(sign.charCodeAt(0))})`;
}

function percentForm(byte: number): string {
  return `%(?:25)*${anyCase(hexOf(byte, 2))}`;
}

function hexOf(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function escaped(letter: string): string {
  return letter.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
}

function anyCase(hex: string): string {
  return hex.replace(/[a-f]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
}
