/**
 * A statement's `Condition`: the operators and the keys that are known here (pages
 * reference_policies_elements_condition_operators and reference_policies_condition-keys). Any other operator or key is
 * refused when the template is read. One that is passed over would make an Allow too wide, or a Deny too narrow,
 * without a word.
 */
import { TemplateError } from '../package/errors.ts';
import { asRecord, asText } from '../package/shape.ts';
import { wildcardMatcher, type Matcher } from './wildcards.ts';

const contextKeys = [
  'aws:SecureTransport',
  'aws:SourceArn',
  'aws:SourceAccount',
  's3:if-none-match',
  's3:prefix',
] as const;

/** What a request says of itself besides its action and its resource. A key that is not there has no value. */
export type Context = Readonly<Partial<Record<(typeof contextKeys)[number], string>>>;

export type Condition = (context: Context) => boolean;

const lowerCase = (text: string): string => text.toLowerCase();
const equals = (wanted: string): Matcher => wildcardless(wanted, (text) => text);
const equalsIgnoringCase = (wanted: string): Matcher => wildcardless(wanted, lowerCase);
const wildcardless = (wanted: string, as: (text: string) => string): Matcher => {
  const expected = as(wanted);
  return (text) => as(text) === expected;
};

/** How one wanted value is compared. ArnEquals is ArnLike: "They behave identically". */
const comparisons: Readonly<Record<string, (wanted: string) => Matcher>> = {
  Bool: equalsIgnoringCase,
  StringEquals: equals,
  StringEqualsIgnoreCase: equalsIgnoringCase,
  StringLike: wildcardMatcher,
  ArnEquals: arnMatcher,
  ArnLike: arnMatcher,
};

/** Each of an ARN's six parts is compared by itself, its wildcards within it. */
function arnMatcher(wanted: string): Matcher {
  const parts = arnParts(wanted).map(wildcardMatcher);
  return (arn) => {
    const found = arnParts(arn);
    return found.length === parts.length && parts.every((matches, at) => matches(found[at] ?? ''));
  };
}

function arnParts(arn: string): string[] {
  const parts = arn.split(':');
  return parts.length <= 6 ? parts : [...parts.slice(0, 5), parts.slice(5).join(':')];
}

/** All operators and all keys must hold; of a key's values, one. @throws TemplateError for what is not known here */
export function readCondition(written: unknown, where: string): Condition {
  const tests = Object.entries(asRecord(written, where)).flatMap(([operator, keys]) =>
    Object.entries(asRecord(keys, `${where}.${operator}`)).map(([key, values]) =>
      readTest(operator, key, values, `${where}.${operator}.${key}`),
    ),
  );
  return (context) => tests.every((test) => test(context));
}

function readTest(operator: string, writtenKey: string, values: unknown, where: string): Condition {
  // Keys are the same in any case.
  const key = contextKeys.find((known) => lowerCase(known) === lowerCase(writtenKey));
  if (key === undefined) throw unknown(where, 'key', writtenKey, contextKeys);
  const wanted = (Array.isArray(values) ? (values as unknown[]) : [values]).map((value) => asText(value, where));
  if (operator === 'Null') {
    const isAbsent = wanted.map(lowerCase).includes('true');
    return (context) => (context[key] === undefined) === isAbsent;
  }
  const [, name = '', ifExists] = /^(.*?)(IfExists)?$/.exec(operator) ?? [];
  // `StringNotEquals`: none of the values, and true for a key that is not there.
  const positive = name.replace(/^(String|Arn)Not/, '$1');
  const comparison = comparisons[positive];
  if (comparison === undefined) throw unknown(where, 'operator', operator, Object.keys(comparisons));
  const matchers = wanted.map(comparison);
  const isNegated = positive !== name;
  return (context) => {
    const value = context[key];
    if (value === undefined) return isNegated || ifExists !== undefined;
    return matchers.some((matches) => matches(value)) !== isNegated;
  };
}

function unknown(where: string, kind: string, name: string, known: readonly string[]): TemplateError {
  const message = `the local engine can not evaluate the condition ${kind} ${name}; it knows ${known.join(', ')}`;
  return new TemplateError('NOT_SUPPORTED', where, message);
}
