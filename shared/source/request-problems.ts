/** What is wrong with the request that a level declares: its path, query, headers and body. */
import { headerName, isRecord, scalar, show, type Say } from './field-checks.ts';
import { placeholderProblem, type PlaceholderScope } from './placeholders.ts';

/** They belong to the connection or to the client: set by hand they would break an answer's reading. */
const headersOfTheClient = [
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

export function requestProblems(
  fields: Readonly<Record<string, unknown>>,
  scope: PlaceholderScope,
  authHeader: string | undefined,
  say: Say,
): void {
  const { path, query, headers, body, method } = fields;
  if (typeof path === 'string') {
    const problem = pathProblem(path) ?? placeholderProblem(path, scope, true);
    if (problem !== undefined) say('path', problem);
  }
  if (isRecord(query)) queryProblems(query, scope, say);
  if (isRecord(headers)) headerProblems(headers, scope, authHeader, say);
  if (body === undefined) return;
  if (method !== 'POST') say('body', "can only be sent with method: 'POST'");
  bodyProblems(body, 'body', scope, say);
}

function pathProblem(path: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(path) || path.startsWith('//'))
    return `must be below the deployment's apiUrl, such as "shops", not a whole URL: ${show(path)}`;
  if (/[?#]/.test(path)) return `must not hold ? or #: parameters go into query; not ${show(path)}`;
  if (/[\s\\]/.test(path) || !/^[\x20-\x7e]*$/.test(path))
    return `must be percent-encoded, without spaces, backslashes and letters outside ASCII; not ${show(path)}`;
  const isDots = (segment: string): boolean => /^(\.|%2e){1,2}$/i.test(segment);
  if (path.split('/').some(isDots)) return `must not hold . or .. as a segment, which URLs resolve; not ${show(path)}`;
  return undefined;
}

export function queryProblems(query: Readonly<Record<string, unknown>>, scope: PlaceholderScope, say: Say): void {
  for (const [name, value] of Object.entries(query)) {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (!values.every((each) => scalar.fits(each)))
      say(`query.${name}`, `must be ${scalar.allowed}, or a list of these, not ${show(value)}`);
    for (const each of values) {
      const problem = typeof each === 'string' ? placeholderProblem(each, scope, false) : undefined;
      if (problem !== undefined) say(`query.${name}`, problem);
    }
  }
}

/** @param authHeader the lower-case name of the header that `auth` sets */
export function headerProblems(
  headers: Readonly<Record<string, unknown>>,
  scope: PlaceholderScope,
  authHeader: string | undefined,
  say: Say,
): void {
  for (const [name, value] of Object.entries(headers)) {
    const field = `headers.${name}`;
    const lower = name.toLowerCase();
    if (!headerName.fits(name)) say(field, `must be ${headerName.allowed}`);
    else if (headersOfTheClient.includes(lower)) say(field, 'is set by the client itself: remove it');
    else if (lower === authHeader) say(field, 'is set by api.auth: remove one of the two');
    if (typeof value !== 'string') {
      say(field, `must be a text, not ${show(value)}`);
      continue;
    }
    if (!/^[\x20-\x7e]*$/.test(value)) say(field, 'must hold printable ASCII only, since no header can carry the rest');
    const problem = placeholderProblem(value, scope, false);
    if (problem !== undefined) say(field, problem);
  }
}

function bodyProblems(body: unknown, field: string, scope: PlaceholderScope, say: Say): void {
  if (body === null || typeof body === 'boolean' || Number.isFinite(body)) return;
  if (typeof body === 'string') {
    const problem = placeholderProblem(body, scope, false);
    if (problem !== undefined) say(field, problem);
    return;
  }
  if (Array.isArray(body)) {
    for (const [index, value] of body.entries()) bodyProblems(value, `${field}[${index}]`, scope, say);
    return;
  }
  if (!isRecord(body)) {
    say(field, `must be a JSON value, not ${show(body)}`);
    return;
  }
  for (const [name, value] of Object.entries(body)) bodyProblems(value, `${field}.${name}`, scope, say);
}
