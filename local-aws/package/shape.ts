/** Narrows the untyped values of a template, and says where a wrong one stands. */
import { TemplateError } from './errors.ts';

export type Properties = Record<string, unknown>;

export function isRecord(value: unknown): value is Properties {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws TemplateError when the value is no object; absent is an empty one */
export function asRecord(value: unknown, where: string): Properties {
  if (value === undefined) return {};
  if (!isRecord(value)) throw new TemplateError('BAD_TEMPLATE', where, `expected an object, got ${kindOf(value)}`);
  return value;
}

/** @throws TemplateError when the value is no list; absent is an empty one */
export function asList(value: unknown, where: string): unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new TemplateError('BAD_TEMPLATE', where, `expected a list, got ${kindOf(value)}`);
  return value as unknown[];
}

/** CloudFormation takes numbers and booleans where a text is asked for, so this does too. */
export function asText(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new TemplateError('BAD_TEMPLATE', where, `expected a text, got ${kindOf(value)}`);
}

export function optionalText(value: unknown, where: string): string | undefined {
  return value === undefined ? undefined : asText(value, where);
}

/** CloudFormation takes `"30"` for 30. */
export function asNumber(value: unknown, where: string): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) {
    throw new TemplateError('BAD_TEMPLATE', where, `expected a number, got ${kindOf(value)}`);
  }
  return number;
}

export function optionalNumber(value: unknown, where: string): number | undefined {
  return value === undefined ? undefined : asNumber(value, where);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `${typeof value} ${JSON.stringify(value)}`;
}
