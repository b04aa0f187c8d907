/** What a setting is: a variable of a function's environment, what it may say, and how all of a function's are read at once. */
import * as v from 'valibot';
import { ConfigError } from '../engine/errors.ts';

/** What a text may say, and the value that it stands for. */
export type Kind<Value> = {
  /** Follows "must be". */
  allowed: string;
  /** Its messages follow the setting's name, and never show the value. */
  schema: v.GenericSchema<string, Value>;
};

export type Setting<Value> = Kind<Value> & {
  /** The environment variable. */
  variable: string;
  /** Taken where the variable is not set. Without one, the variable has to be set. */
  fallback?: string;
};

export type Environment = Readonly<Record<string, string | undefined>>;

export type Settings = Readonly<Record<string, Setting<unknown>>>;
export type ValuesOf<Read extends Settings> = {
  [Name in keyof Read]: Read[Name] extends Setting<infer Value> ? Value : never;
};

/**
 * Reads all of a function's settings.
 * @throws ConfigError with one line for each that is missing or invalid
 */
export function readSettings<Read extends Settings>(settings: Read, env: Environment): ValuesOf<Read> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(settings)) {
    const { variable, fallback } = setting;
    const text = env[variable] ?? fallback;
    const read = text === undefined ? { problem: 'is not set' } : parse(setting, text);
    if ('problem' in read) problems.push(`${variable} ${read.problem}`);
    else values[name] = read.value;
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return values as ValuesOf<Read>;
}

/** @returns the value, or what is wrong in words that follow the setting's name */
export function parse<Value>({ schema }: Kind<Value>, text: string): { value: Value } | { problem: string } {
  const parsed = v.safeParse(schema, text, { abortEarly: true, abortPipeEarly: true });
  return parsed.success ? { value: parsed.output } : { problem: parsed.issues[0].message };
}

/** Any text that is not empty. */
export const anyText: Kind<string> = {
  allowed: 'a text',
  schema: v.pipe(v.string(), v.minLength(1, 'is empty')),
};

/** @param allowed follows "must be" */
export function matching(pattern: RegExp, allowed: string): Kind<string> {
  return { allowed, schema: v.pipe(v.string(), v.regex(pattern, `must be ${allowed}`)) };
}

/** Also the empty text, for undefined. @param meaning what that says */
export function orEmpty<Value>(kind: Kind<Value>, meaning: string): Kind<Value | undefined> {
  return {
    ...either('', undefined, kind, `${kind.allowed}, or empty`),
    allowed: `${kind.allowed}, or empty: ${meaning}`,
  };
}

/** One of some words. */
export function oneOf<const Words extends readonly string[]>(words: Words): Kind<Words[number]> {
  const allowed = words.join(' or ');
  return { allowed, schema: v.pipe(v.string(), v.picklist(words, `must be ${allowed}`)) };
}

export const flag: Kind<boolean> = {
  allowed: 'true or false',
  schema: v.pipe(
    v.string(),
    v.picklist(['true', 'false'], 'must be true or false'),
    v.transform((text) => text === 'true'),
  ),
};

export function wholeNumber(min: number, max: number): Kind<number> {
  // Number('') and Number(' ') are 0: without the pattern an empty setting would be one.
  return numberFrom(/^\d+$/, min, max, `a whole number from ${min} to ${max}`);
}

export function decimal(min: number, max: number): Kind<number> {
  return numberFrom(/^\d+(\.\d+)?$/, min, max, `a number from ${min} to ${max}`);
}

function numberFrom(pattern: RegExp, min: number, max: number, allowed: string): Kind<number> {
  const message = `must be ${allowed}`;
  const schema = v.pipe(
    v.string(),
    v.minLength(1, 'is empty'),
    v.regex(pattern, message),
    v.transform(Number),
    v.minValue(min, message),
    v.maxValue(max, message),
  );
  return { allowed, schema };
}

/** `word`, or what another kind allows. @param allowed of both; follows "must be" */
export function orWord<const Word extends string, Value>(
  word: Word,
  kind: Kind<Value>,
  allowed: string,
): Kind<Word | Value> {
  return either(word, word, kind, allowed);
}

/** One text, or another kind: with one message for both, where a union would give that of the kind alone. */
function either<Meant, Value>(
  text: string,
  meant: Meant,
  { schema }: Kind<Value>,
  allowed: string,
): Kind<Meant | Value> {
  const other = v.rawTransform<string, Meant | Value>(({ dataset, addIssue, NEVER }) => {
    if (dataset.value === text) return meant;
    const read = v.safeParse(schema, dataset.value);
    if (read.success) return read.output;
    addIssue({ message: `must be ${allowed}` });
    return NEVER;
  });
  return { allowed, schema: v.pipe(v.string(), other) };
}

/**
 * An address that calls are made below. A user, a password, a query or a fragment would be shown in every message, and would
 * be lost or doubled when a path is put behind it.
 */
export const baseUrl: Kind<string> = {
  allowed: 'an http:// or https:// address without user, password, query and fragment',
  schema: v.pipe(
    v.string(),
    v.minLength(1, 'is empty'),
    v.check((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'must be an http:// or https:// address'),
    v.check(
      (text) => !hasCredentials(text),
      'must not contain a user or a password: the token belongs into a secret, whose name apiTokenSecret gives',
    ),
    // Also an empty query or fragment: a path that is put behind it would become a part of it.
    v.check(
      (text) => !/[?#]/.test(text),
      'must not contain a query or a fragment: a key belongs into a secret, whose name apiTokenSecret gives, and parameters into the chain',
    ),
  ),
};

function hasCredentials(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.username !== '' || url.password !== '' || /^[a-z]+:\/*[^/?#]*@/i.test(text));
}

/** The address of something of AWS's, such as a queue. */
export const address: Kind<string> = {
  allowed: 'an http:// or https:// address',
  schema: v.pipe(
    v.string(),
    v.minLength(1, 'is empty'),
    v.check((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'must be an http:// or https:// address'),
  ),
};
