/** All that is wrong with a declared source, found when it is packaged: each line names the level, the field and what is allowed. */
import { answerProblems } from './answer-problems.ts';
import { authProblems, headerOfAuth } from './auth-problems.ts';
import type { ChainDeclaration } from './declaration.ts';
import {
  anything,
  checkFields,
  filledText,
  functionCheck,
  isRecord,
  jsonPath,
  oneOf,
  show,
  text,
  wholeNumber,
  type FieldCheck,
  type Say,
} from './field-checks.ts';
import { isJsonResult } from './level-specs.ts';
import { paginatorProblems } from './paginator-problems.ts';
import { tableFields, tableProblems } from './table-problems.ts';
import type { PlaceholderScope } from './placeholders.ts';
import { headerProblems, queryProblems, requestProblems } from './request-problems.ts';

const object: FieldCheck = { allowed: 'an object', fits: isRecord };
const listOf: FieldCheck = { allowed: 'a list', fits: Array.isArray };

const requestFields = {
  path: text,
  method: oneOf('GET', 'POST'),
  query: object,
  headers: object,
  body: anything,
};

const levelFields = {
  prefix: text,
  environments: wholeNumber(1),
  callsInFlight: wholeNumber(1),
  answers: listOf,
  ...tableFields,
};

const listFields = {
  id: filledText,
  ...requestFields,
  items: jsonPath,
  idPath: jsonPath,
  next: { allowed: 'a paginator such as cursor("next") or headerLink()', fits: isRecord },
  ...levelFields,
  fetch: functionCheck,
};

const resultFields = {
  ...requestFields,
  as: oneOf('json', 'text', 'bytes'),
  contentType: { allowed: 'a content type such as "text/csv"', fits: isContentType },
  suffix: text,
  batch: wholeNumber(1),
  ...levelFields,
  fetch: functionCheck,
};

/** What `fetch` takes the place of. */
const fieldsOfRequests = ['path', 'method', 'query', 'headers', 'body', 'items', 'idPath', 'next', 'as'];

function isContentType(value: unknown): boolean {
  return typeof value === 'string' && /^[\w.+-]+\/[\w.+*-]+(\s*;[\x20-\x7e]*)?$/.test(value);
}

/** @returns a line a problem; none for a source that can be built */
export function declarationProblems(declaration: ChainDeclaration): string[] {
  const problems: string[] = [];
  const given: unknown = declaration;
  if (!isRecord(given)) return [`the chain must be an object with api, params and levels, not ${show(given)}`];
  const say: Say = (field, problem) => void problems.push(`${field} ${problem}`);
  checkFields(given, { api: object, params: object, levels: listOf }, ['levels'], say);

  const params = isRecord(given['params']) ? given['params'] : {};
  for (const [name, param] of Object.entries(params)) {
    if (isRecord(param)) checkFields(param, paramFields, ['type'], say, `params.${name}.`);
    else say(`params.${name}`, `must be an object such as { type: 'text' }, not ${show(param)}`);
  }
  const api = isRecord(given['api']) ? given['api'] : {};
  checkApi(api, Object.keys(params), say);

  const levels = Array.isArray(given['levels']) ? (given['levels'] as readonly unknown[]) : [];
  const ids: string[] = [];
  for (const [index, level] of levels.entries()) {
    const scope = { ids: [...ids], params: Object.keys(params), hasItem: index > 0 };
    problems.push(...levelProblems(level, index, scope, headerOfAuth(api['auth'])));
    if (isRecord(level) && typeof level['id'] === 'string') ids.push(level['id']);
  }
  return problems;
}

const paramFields = { type: oneOf('text', 'number', 'boolean', 'timestamp'), default: anything };

const limitFields = {
  windowSeconds: wholeNumber(1),
  header: { allowed: 'the name of a header', fits: isHeaderName },
};

function isHeaderName(value: unknown): boolean {
  return typeof value === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(value);
}

function checkApi(api: Readonly<Record<string, unknown>>, params: readonly string[], say: Say): void {
  const sayOfApi: Say = (field, problem) => say(`api.${field}`, problem);
  checkFields(api, { auth: object, headers: object, query: object, answers: listOf, limit: object }, [], sayOfApi);
  const scope: PlaceholderScope = { ids: [], params, hasItem: false };
  if (isRecord(api['auth'])) authProblems(api['auth'], sayOfApi);
  if (isRecord(api['headers'])) headerProblems(api['headers'], scope, headerOfAuth(api['auth']), sayOfApi);
  if (isRecord(api['query'])) queryProblems(api['query'], scope, sayOfApi);
  if (Array.isArray(api['answers'])) answerProblems(api['answers'], 'api', sayOfApi);
  if (isRecord(api['limit'])) checkFields(api['limit'], limitFields, ['windowSeconds'], sayOfApi, 'limit.');
}

function levelProblems(
  level: unknown,
  index: number,
  scope: PlaceholderScope,
  authHeader: string | undefined,
): string[] {
  if (!isRecord(level) || (level['kind'] !== 'list' && level['kind'] !== 'result'))
    return [`level ${index + 1}: must be made by list(name, {…}) or result(name, {…}), not ${show(level)}`];
  const { kind, name, weight, ...fields } = level;
  const problems: string[] = [];
  const say: Say = (field, problem) =>
    void problems.push(`level ${typeof name === 'string' && name !== '' ? name : index + 1}: ${field} ${problem}`);
  if (weight !== undefined) say('weight', 'has no use any more: the levels at work share the rate; remove it');
  if (typeof name !== 'string') say('name', `must be a text, not ${show(name)}`);
  const isList = kind === 'list';
  const hasFetch = fields['fetch'] !== undefined;
  const required = [...(isList ? ['id'] : []), ...(hasFetch ? [] : ['path'])];
  checkFields(fields, isList ? listFields : resultFields, required, say);
  if (hasFetch) {
    for (const field of fieldsOfRequests)
      if (fields[field] !== undefined)
        say(field, 'can not stand with fetch, which makes the calls itself: remove one of the two');
  } else {
    requestProblems(fields, scope, authHeader, say);
    if (isList && isRecord(fields['next'])) paginatorProblems(fields['next'], fields['method'] === 'POST', say);
  }
  if (typeof fields['batch'] === 'number' && fields['batch'] > 1)
    for (const field of ['suffix', 'contentType'])
      if (fields[field] !== undefined)
        say(field, `can not stand with batch ${fields['batch']}: a batch is newline-delimited JSON`);
  if (typeof fields['batch'] === 'number' && fields['batch'] > 1 && (fields['as'] ?? 'json') !== 'json')
    say('batch', 'must be 1 for results that are not JSON');
  tableProblems(fields, say);
  if (!isList && fields['publish'] === true && !isJsonResult(fields))
    say('publish', 'must not be true: a table is made of results that are JSON; leave as, suffix and contentType away');
  if (Array.isArray(fields['answers'])) answerProblems(fields['answers'], isList ? 'list' : 'result', say);
  return problems;
}
