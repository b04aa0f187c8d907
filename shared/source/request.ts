/** A request as it is sent: a declaration's texts with an item's values in them. */
import { ItemError } from '../engine/errors.ts';
import type { Params } from '../engine/item/fetch.ts';
import type { Call } from './api.ts';
import type { JsonValue, Query, RequestDeclaration, RequestHeaders } from './request-declaration.ts';
import { textAt } from '../engine/json-text.ts';
import { showPath } from './json-path.ts';
import { parseTemplate, type Placeholder } from './placeholders.ts';

/** Before paging and auth. */
export type ApiRequest = {
  method: 'GET' | 'POST';
  /** Below `apiUrl`, percent-encoded, without a slash in front. */
  path: string;
  query: readonly (readonly [string, string])[];
  /** Lower-case names. */
  headers: Readonly<Record<string, string>>;
  body?: JsonValue | undefined;
};

/** The values of one item. */
export type Values = {
  ids: Readonly<Record<string, string>>;
  params: Params;
  /** The item's own JSON, for `{item.…}`. */
  item?: string | undefined;
};

/** What every call of the source has. */
export type CommonFields = { headers: RequestHeaders; query: Query };

/**
 * @throws ItemError `BAD_PATH` for an id that would change the path, `BAD_HEADER`, `MISSING_FIELD`, `MISSING_PARAM`
 */
export function fillRequest(declared: RequestDeclaration, common: CommonFields, values: Values): ApiRequest {
  const { path, method = 'GET', query = {}, headers = {}, body } = declared;
  return {
    method,
    path: fillPath(path.replace(/^\//, ''), values),
    query: [...fillQuery(common.query, values), ...fillQuery(query, values)],
    headers: { ...fillHeaders(common.headers, values), ...fillHeaders(headers, values) },
    ...(body !== undefined && { body: fillBody(body, values) }),
  };
}

/**
 * A request that a function of the source makes, whose texts are no templates.
 * @throws ItemError `BAD_CALL`, `BAD_PATH`, `BAD_HEADER`
 */
export function plainRequest(call: Call, common: CommonFields, values: Values): ApiRequest {
  const { path, method = 'GET', query = {}, headers = {}, body } = call;
  if (/^[a-z][a-z0-9+.-]*:|^\/\/|[?#\s\\]/i.test(path) || !/^[\x20-\x7e]*$/.test(path)) {
    const rule = 'must be below apiUrl, percent-encoded, without ? and #; parameters go into query';
    throw new ItemError('BAD_CALL', `The path ${JSON.stringify(path)} ${rule}.`);
  }
  if (body !== undefined && method !== 'POST') throw new ItemError('BAD_CALL', "A body needs method: 'POST'.");
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), headerValue(name, value)] as const);
  return {
    method,
    path: withoutDots(path.replace(/^\//, ''), path),
    query: [...fillQuery(common.query, values), ...pairsOf(query, String)],
    headers: { ...fillHeaders(common.headers, values), ...Object.fromEntries(lower) },
    ...(body !== undefined && { body }),
  };
}

function fill(text: string, values: Values, encode: (value: string, placeholder: Placeholder) => string): string {
  return partsOf(text)
    .map((part) => (typeof part === 'string' ? part : encode(placeholderText(part, values), part)))
    .join('');
}

function placeholderText(placeholder: Placeholder, values: Values): string {
  const text = String(valueOf(placeholder, values));
  return placeholder.escapesJson ? JSON.stringify(text).slice(1, -1) : text;
}

function partsOf(text: string): readonly (string | Placeholder)[] {
  const template = parseTemplate(text);
  if ('problem' in template) throw new Error(`${JSON.stringify(text)} ${template.problem}.`);
  return template;
}

function valueOf(placeholder: Placeholder, { ids, params, item }: Values): string | number | boolean {
  switch (placeholder.kind) {
    case 'id': {
      const id = Object.hasOwn(ids, placeholder.name) ? ids[placeholder.name] : undefined;
      if (id === undefined) throw new Error(`There is no id ${placeholder.name} here.`);
      return id;
    }
    case 'param': {
      const value = Object.hasOwn(params, placeholder.name) ? params[placeholder.name] : undefined;
      if (value !== undefined) return value;
      throw new ItemError('MISSING_PARAM', `The run has no parameter ${placeholder.name}: set it in the seed.`);
    }
    case 'item': {
      const text = textAt(item ?? '', placeholder.steps) ?? 'null';
      if (text.startsWith('"')) return JSON.parse(text) as string;
      // A number's own digits.
      if (/^[-\dtf]/.test(text)) return text;
      const field = `{item.${showPath(placeholder.steps)}}`;
      const rule = 'is not a text, a number or true or false in the item';
      throw new ItemError('MISSING_FIELD', `The field ${field} ${rule}: ${text.slice(0, 40)}.`);
    }
  }
}

function fillPath(path: string, values: Values): string {
  const filled = fill(path, values, (value, { keepsSlashes }) => {
    if (!value.isWellFormed())
      throw new ItemError(
        'BAD_ID',
        `The id ${JSON.stringify(value)} holds half a surrogate pair, so no URL can hold it.`,
      );
    return keepsSlashes ? value.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(value);
  });
  return withoutDots(filled, filled);
}

/** URLs resolve `.` and `..`, also as %2E: the call would be another one. */
function withoutDots(path: string, shown: string): string {
  if (path.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))) {
    const advice = 'URLs resolve that. Put the id into the query instead.';
    throw new ItemError('BAD_PATH', `The path ${JSON.stringify(shown)} has . or .. as a segment: ${advice}`);
  }
  return path;
}

function fillQuery(query: Query, values: Values): [string, string][] {
  return pairsOf(query, (value) => (typeof value === 'string' ? fill(value, values, (text) => text) : String(value)));
}

function pairsOf(query: Query, textOf: (value: string | number | boolean) => string): [string, string][] {
  return Object.entries(query).flatMap(([name, value]) => {
    const list = typeof value === 'object' ? value : [value];
    return list.map((each): [string, string] => [name, textOf(each)]);
  });
}

function fillHeaders(headers: RequestHeaders, values: Values): Record<string, string> {
  const filled: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    filled[name.toLowerCase()] = headerValue(
      name,
      fill(value, values, (text) => text),
    );
  return filled;
}

function headerValue(name: string, value: string): string {
  if (/^[\x20-\x7e]*$/.test(value)) return value;
  const message = `The header ${name} would hold ${JSON.stringify(value)}, which no header can carry: printable ASCII only.`;
  throw new ItemError('BAD_HEADER', message);
}

function fillBody(body: JsonValue, values: Values): JsonValue {
  if (typeof body === 'string') {
    const parts = partsOf(body);
    const [only] = parts;
    // Alone, a parameter keeps its type, unless it is escaped into a text.
    if (parts.length === 1 && typeof only === 'object' && only.kind === 'param' && !only.escapesJson)
      return valueOf(only, values);
    return fill(body, values, (text) => text);
  }
  if (typeof body !== 'object' || body === null) return body;
  if (Array.isArray(body)) return (body as readonly JsonValue[]).map((value) => fillBody(value, values));
  return Object.fromEntries(Object.entries(body).map(([name, value]) => [name, fillBody(value, values)]));
}
