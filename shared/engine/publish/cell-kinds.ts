/**
 * What kinds of values a column has seen, and the type that keeps all of them. The kinds of two sets of rows together are the
 * bits of both: so parts of a table that were looked at apart come to one type.
 */
import { ItemError } from '../errors.ts';
import { stringOf } from '../json-text.ts';

/** `json`: the value's JSON text, for columns whose rows disagree or hold lists and objects. */
export type ColumnType = 'text' | 'json' | 'boolean' | 'int64' | 'double' | 'timestamp';

/** `timestamp` is in microseconds since 1970. */
export type Cell = string | boolean | bigint | number | null;

/** A bit each. `null` has none: it fits everywhere. */
export const kind = {
  boolean: 1,
  /** A whole number that int64 holds. */
  integer: 2,
  /** Such a one that double would change. */
  longInteger: 4,
  /** A number that double holds without changing its value. */
  real: 8,
  text: 16,
  /** A list, an object, a number that no type holds, or a text that UTF-8 can't hold. */
  other: 32,
  /** A text that is no timestamp; looked for only where timestamps were asked for. */
  untimely: 64,
} as const;

const int64Digits = 19;
const [leastInt64, mostInt64] = [-(2n ** 63n), 2n ** 63n - 1n];
/** As many digits survive in a double. */
const safeDigits = 15;

/** @returns the kind of a JSON value by its text; 0 for null. @throws ItemError `NOT_JSON` */
export function kindOf(text: string): number {
  switch (text.charCodeAt(0)) {
    case 34: // "
      return isWellFormed(text) ? kind.text : kind.other;
    case 123: // {
    case 91: // [
      return kind.other;
    case 110: // n
      if (text === 'null') return 0;
      break;
    case 116: // t
    case 102: // f
      if (text === 'true' || text === 'false') return kind.boolean;
      break;
    default:
      if (numberForm.test(text)) return kindOfNumber(text);
  }
  throw new ItemError('NOT_JSON', `This is no JSON value: ${text.slice(0, 40)}`);
}

const numberForm = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;
const wholeForm = /^-?\d+$/;

/** Half a surrogate pair can only come from an escape: what is stored is UTF-8. */
function isWellFormed(text: string): boolean {
  return !text.includes('\\u') || stringOf(text).isWellFormed();
}

function kindOfNumber(text: string): number {
  // As an integer it would lose its sign.
  if (wholeForm.test(text) && text !== '-0') {
    if (text.length <= safeDigits) return kind.integer;
    if (text.length <= int64Digits + 1 && isInt64(BigInt(text)))
      return survivesAsDouble(text) ? kind.integer : kind.integer | kind.longInteger;
  }
  return survivesAsDouble(text) ? kind.real : kind.other;
}

function isInt64(value: bigint): boolean {
  return value >= leastInt64 && value <= mostInt64;
}

/** Whether the double that is nearest is printed with the same value. */
function survivesAsDouble(text: string): boolean {
  const value = Number(text);
  if (!Number.isFinite(value)) return false;
  const printed = String(value);
  return printed === text || digitsOf(printed) === digitsOf(text);
}

/** A decimal number's digits without zeros around them, and its power of ten: the same for 1, 1.0, 10e-1. */
function digitsOf(text: string): string {
  const [, whole = '', fraction = '', power = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  if (digits === '') return '0';
  const bare = digits.replace(/0+$/, '');
  return `${bare}e${Number(power) - fraction.length + digits.length - bare.length}`;
}

/** @returns undefined when there were only nulls */
export function typeOf(kinds: number, isTimestampAsked: boolean): ColumnType | undefined {
  if (kinds === 0) return undefined;
  if ((kinds & ~(kind.text | kind.untimely)) === 0)
    return isTimestampAsked && (kinds & kind.untimely) === 0 ? 'timestamp' : 'text';
  if (kinds === kind.boolean) return 'boolean';
  if ((kinds & ~(kind.integer | kind.longInteger)) === 0) return 'int64';
  if ((kinds & ~(kind.integer | kind.real)) === 0) return 'double';
  return 'json';
}

/** @param text of a value that the type holds @returns null for null */
export function cellOf(text: string, type: ColumnType): Cell {
  if (text === 'null') return null;
  switch (type) {
    case 'json':
      return text;
    case 'text':
      return stringOf(text);
    case 'boolean':
      return text === 'true';
    case 'int64':
      return BigInt(text);
    case 'double':
      return Number(text);
    case 'timestamp':
      return microsecondsOf(stringOf(text)) ?? null;
  }
}

const timestampForm =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,6})0*)?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;

/**
 * An ISO 8601 time as microseconds since 1970. Without an offset it is UTC.
 * @returns undefined for any other text, also for a time that is finer than microseconds: it would lose digits
 */
export function microsecondsOf(text: string): bigint | undefined {
  const match = timestampForm.exec(text);
  if (match === null) return undefined;
  const [, day = '', time = '00:00', fraction = '', offset = 'Z'] = match;
  const zone = /^[zZ]$/.test(offset) ? 'Z' : `${offset.slice(0, 3)}:${offset.slice(3).replace(':', '') || '00'}`;
  const ms = Date.parse(`${day}T${time.length === 5 ? `${time}:00` : time}${zone}`);
  // Date.parse takes February 30 for March 2.
  if (Number.isNaN(ms) || !isCalendarDay(day)) return undefined;
  return BigInt(ms) * 1000n + BigInt(fraction.padEnd(6, '0'));
}

function isCalendarDay(day: string): boolean {
  const ms = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
}
