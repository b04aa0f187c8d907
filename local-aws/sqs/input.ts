/** Reads the members of a request, and refuses what is missing or of another type as SQS does. */
import { invalidValue, SqsError } from './errors.ts';

export type Input = Readonly<Record<string, unknown>>;

export function requiredText(input: Input, name: string): string {
  const value = optionalText(input, name);
  if (value === undefined) {
    throw new SqsError('MissingParameter', `The request must contain the parameter ${name}.`);
  }
  return value;
}

export function optionalText(input: Input, name: string): string | undefined {
  const value = input[name] ?? undefined;
  if (value === undefined || typeof value === 'string') return value;
  throw invalidValue(`Value for parameter ${name} is invalid. Reason: Must be a string.`);
}

export function optionalWhole(input: Input, name: string, least: number, most: number): number | undefined {
  const value = input[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalidValue(
    `Value ${JSON.stringify(value)} for parameter ${name} is invalid. Reason: Must be between ${least} and ${most}, if provided.`,
  );
}

export function texts(input: Input, name: string): string[] {
  const value = input[name] ?? [];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw invalidValue(`Value for parameter ${name} is invalid. Reason: Must be a list of strings.`);
}

/** undefined when it is absent. */
export function optionalRecord(input: Input, name: string): Record<string, unknown> | undefined {
  const value = input[name] ?? undefined;
  if (value === undefined || isObject(value)) return value;
  throw invalidValue(`Value for parameter ${name} is invalid. Reason: Must be a map.`);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
