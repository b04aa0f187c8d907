/** Checks of declared fields. Each says what is allowed, so that a message can be made of the name and the check alone. */
import { parseJsonPath } from './json-path.ts';

/** `allowed` completes the sentence "must be …". */
export type FieldCheck = { allowed: string; fits: (value: unknown) => boolean };

export type Fields = Readonly<Record<string, FieldCheck>>;

/** Takes a problem with the field that it is about. */
export type Say = (field: string, problem: string) => void;

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const text: FieldCheck = { allowed: 'a text', fits: (value) => typeof value === 'string' };
export const filledText: FieldCheck = {
  allowed: 'a text that is not empty',
  fits: (value) => typeof value === 'string' && value !== '',
};
export const flag: FieldCheck = { allowed: 'true or false', fits: (value) => typeof value === 'boolean' };
export const scalar: FieldCheck = {
  allowed: 'a text, a number or true or false',
  fits: (value) => typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value),
};
export const anything: FieldCheck = { allowed: 'anything', fits: () => true };
export const functionCheck: FieldCheck = {
  allowed: 'a function (item, api)',
  fits: (value) => typeof value === 'function',
};
/** RFC 9110, section 5.6.2. */
export const headerName: FieldCheck = {
  allowed: 'the name of a header',
  fits: (value) => typeof value === 'string' && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value),
};

export function wholeNumber(min: number): FieldCheck {
  return {
    allowed: `a whole number from ${min}`,
    fits: (value) => Number.isSafeInteger(value) && (value as number) >= min,
  };
}

export function oneOf(...values: readonly unknown[]): FieldCheck {
  return {
    allowed: `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`,
    fits: (value) => values.includes(value),
  };
}

export const jsonPath: FieldCheck = {
  allowed: 'a path such as "data.items", "links[0].href" or "$", or a list of names where a name has a dot in it',
  fits: (value) =>
    typeof value === 'string'
      ? parseJsonPath(value) !== undefined
      : Array.isArray(value) &&
        value.every((name) => typeof name === 'string' || (Number.isSafeInteger(name) && (name as number) >= 0)),
};

/** Where a value is put into a body: names of objects only, since a list that is not there has no places. */
export const bodyPlace: FieldCheck = {
  allowed: 'the path of a field in the body, such as "paging.cursor"',
  fits: (value) => {
    const steps = jsonPath.fits(value) ? parseJsonPath(value as string) : undefined;
    return steps !== undefined && steps.length > 0 && steps.every((name) => typeof name === 'string');
  },
};

/**
 * Checks the fields of an object against a table.
 * @param required names of fields that must be there
 * @param at stands before the names, such as `next.`
 */
export function checkFields(
  given: Readonly<Record<string, unknown>>,
  fields: Fields,
  required: readonly string[],
  say: Say,
  at = '',
): void {
  for (const [name, value] of Object.entries(given)) {
    const check = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (check === undefined) say(`${at}${name}`, `is unknown; the fields are ${Object.keys(fields).join(', ')}`);
    else if (value !== undefined && !check.fits(value))
      say(`${at}${name}`, `must be ${check.allowed}, not ${show(value)}`);
  }
  for (const name of required) {
    const check = fields[name];
    if (given[name] === undefined && check !== undefined) say(`${at}${name}`, `is missing: ${check.allowed}`);
  }
}

export function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (value === undefined) return 'undefined';
  const shown = typeof value === 'bigint' || typeof value === 'symbol' ? value.toString() : JSON.stringify(value);
  return shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
}
