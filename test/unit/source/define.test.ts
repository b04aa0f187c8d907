import { describe, expect, test } from '@jest/globals';
import {
  apiKey,
  bearer,
  cursor,
  defineChain,
  headerLink,
  list,
  oauth2ClientCredentials,
  offset,
  pageNumber,
  result,
  type ChainDeclaration,
} from '../../../shared/source/define.ts';
import { ChainError } from '../../../shared/engine/errors.ts';

const things = list('things', { id: 'thing', path: 'things' });
const data = result('data', { path: 'data' });

/** Declares what the types do not allow, as a person without an editor does. */
function problemsOf(declaration: unknown): readonly string[] {
  try {
    defineChain(declaration as ChainDeclaration);
  } catch (error) {
    if (error instanceof ChainError) return error.problems;
    throw error;
  }
  return [];
}

const withList = (fields: object) => ({
  levels: [{ kind: 'list', name: 'things', id: 'thing', path: 'x', ...fields }, data],
});
const withResult = (fields: object) => ({ levels: [things, { kind: 'result', name: 'data', path: 'x', ...fields }] });
const withApi = (api: object) => ({ api, levels: [things, data] });

describe('a chain', () => {
  test('is the level table with what each level declares', () => {
    const parts = list('parts', {
      prefix: 'all_parts',
      id: 'part',
      path: 'parts',
      query: { thing: '{thing}' },
      next: cursor('next'),
    });
    const leaf = result('data', { path: 'data/{thing}/{+part}', environments: 5 });
    const chain = defineChain({ api: { auth: bearer() }, levels: [things, parts, leaf] });
    expect(chain.levels.map(({ name, reads, writes, ids, children }) => [name, reads, writes, ids, children])).toEqual([
      ['things', 'seeds', 'things', [], 'many'],
      ['parts', 'things', 'all_parts', ['thing'], 'many'],
      ['data', 'all_parts', 'data', ['thing', 'part'], 'one'],
    ]);
    expect(chain.levels[2]).toMatchObject({ environments: 5, suffix: '.ndjson', batch: 50 });
    expect(chain.api).toEqual({ auth: { type: 'bearer' }, headers: {}, query: {}, answers: [] });
    expect(chain.declarations).toEqual([things, parts, leaf]);
  });

  test.each([
    [{}, '.ndjson'],
    [{ batch: 7 }, '.ndjson'],
    [{ batch: 1 }, '.json'],
    [{ as: 'text' }, '.txt'],
    [{ as: 'bytes' }, '.bin'],
    [{ as: 'text', contentType: 'text/csv; charset=utf-8' }, '.csv'],
    [{ as: 'text', contentType: 'application/x-ndjson' }, '.ndjson'],
    [{ as: 'bytes', contentType: 'application/gzip' }, '.gz'],
    [{ as: 'bytes', contentType: 'image/png' }, '.png'],
    [{ contentType: 'application/vnd.acme+json' }, '.json'],
    [{ as: 'bytes', contentType: 'application/gzip', suffix: '.csv.gz' }, '.csv.gz'],
  ])('%j makes results that end with %s', (fields, suffix) => {
    const chain = defineChain({ levels: [things, result('data', { path: 'x', ...fields } as never)] });
    expect(chain.levels[1]?.suffix).toBe(suffix);
  });
});

describe('a declaration that can not work', () => {
  test('is refused with all that is wrong at once', () => {
    const problems = problemsOf({
      api: { auth: { type: 'apiKey' } },
      params: { from: 'now' },
      levels: [
        { kind: 'list', name: 'Things', path: 'https://api.example.com/things', itmes: 'a' },
        { kind: 'result', name: 'data', path: 'data/{thing}', as: 'xml' },
      ],
    });
    for (const expected of [
      'api.auth must name one place for the key',
      "params.from must be an object such as { type: 'text' }",
      'level Things: itmes is unknown; the fields are id, path,',
      'level Things: id is missing',
      "level Things: path must be below the deployment's apiUrl",
      'level Things: name must be 1 to 32 of a-z 0-9 _',
      'level data: path {thing} is unknown',
      'level data: as must be one of "json", "text", "bytes", not "xml"',
    ])
      expect(problems.join('\n')).toContain(expected);
  });

  test.each<[unknown, string]>([
    [withList({ path: undefined }), 'level things: path is missing'],
    [withList({ path: '//other.example/x' }), 'path must be below'],
    [withList({ path: 'a/../b' }), 'path must not hold . or .. as a segment'],
    [withList({ path: 'a/%2E%2e/b' }), 'path must not hold . or .. as a segment'],
    [withList({ path: 'a?b=1' }), 'parameters go into query'],
    [withList({ path: 'a b' }), 'must be percent-encoded'],
    [withList({ path: 'x/{item.id}' }), "the first level's item is the seed"],
    [withList({ path: '{thing}' }), '{thing} is unknown; no placeholder is allowed here'],
    [withResult({ path: '{other}' }), '{other} is unknown; allowed: {thing}, {item.<field>}'],
    [withResult({ path: '{params.from}' }), '{params.from} is unknown; allowed: {thing}, {item.<field>}'],
    [withResult({ path: 'a{' }), 'has a { without its partner (write {{ for the brace itself)'],
    [withResult({ query: { a: '{other|json}' } }), 'query.a {other} is unknown; allowed: {thing}'],
    [withResult({ query: { a: '{thing|xml}' } }), 'query.a {thing|xml} is not a placeholder'],
    [withResult({ query: { a: '{item.a|xml}' } }), 'query.a {item.a|xml} is not a placeholder'],
    [withResult({ query: { a: '{+thing}' } }), 'query.a has a {+…}, which only a path may have'],
    [withResult({ query: { a: { b: 1 } } }), 'query.a must be a text, a number or true or false, or a list of these'],
    [withResult({ headers: { Host: 'x' } }), 'headers.Host is set by the client itself'],
    [withResult({ headers: { 'X-A': 'ä' } }), 'headers.X-A must hold printable ASCII only'],
    [withResult({ headers: { 'X A': 'a' } }), 'headers.X A must be the name of a header'],
    [withResult({ body: { a: 1 } }), "body can only be sent with method: 'POST'"],
    [withResult({ method: 'POST', body: { a: ['{x}'] } }), 'body.a[0] {x} is unknown'],
    [withResult({ method: 'PUT' }), 'method must be one of "GET", "POST", not "PUT"'],
    [withResult({ contentType: 'csv' }), 'contentType must be a content type such as "text/csv"'],
    [withResult({ batch: 0 }), 'batch must be a whole number'],
    [withResult({ batch: 1001 }), 'batch must be a whole number from 1 to 1000'],
    [withResult({ batch: 2, as: 'text' }), 'batch must be 1 for results that are not JSON'],
    [withResult({ batch: 2, suffix: '.txt' }), 'suffix can not stand with batch 2'],
    [withResult({ callsInFlight: 101 }), 'callsInFlight must be a whole number from 1 to 100'],
    [withResult({ next: headerLink() }), 'next is unknown'],
    [withResult({ fetch: () => '{}' }), 'path can not stand with fetch'],
    [withResult({ weight: 85 }), 'weight has no use any more: the levels at work share the rate; remove it'],
    [withResult({ answers: [{ status: 404, then: 'ignore' }] }), "a result can't be nothing"],
    [withApi({ answers: [{ status: 404, then: 'ignore' }] }), 'must not be ignore for all levels'],
    [withList({ answers: [{ then: 'retry' }] }), 'answers[0] must name at least one of status, header and body'],
    [withList({ answers: [{ status: 1000, then: 'retry' }] }), 'answers[0].status must be a status such as 404'],
    [
      withList({ answers: [{ status: 404, then: 'skip' }] }),
      'answers[0].then must be one of "retry", "ignore", "fail", "accept", or',
    ],
    [
      withList({ answers: [{ header: { name: 'x', matches: '(' }, then: 'fail' }] }),
      'answers[0].header.matches must be a regular expression',
    ],
    [
      withList({ answers: [{ body: { path: 'a', equals: 1, exists: true }, then: 'fail' }] }),
      'must name equals or exists, not both',
    ],
    [withList({ items: 'a..b' }), 'items must be a path such as "data.items"'],
    [withList({ next: {} }), 'next must be made by singlePage, jsonLink'],
    [withList({ next: cursor('next', { body: 'c' }) }), "next.body needs a body to be put into: set method: 'POST'"],
    [
      withList({ method: 'POST', next: cursor('next', { body: 'c', param: 'd' }) }),
      'next.body can not stand with param',
    ],
    [withList({ next: offset({ limit: 0 }) }), 'next.limit must be a whole number from 1'],
    [withList({ next: pageNumber({ stopAtShortPage: true }) }), 'next.stopAtShortPage needs size'],
    [withApi({ limit: {} }), 'api.limit.windowSeconds is missing'],
    [withApi({ limit: { windowSeconds: 0 } }), 'api.limit.windowSeconds must be a whole number'],
    [withApi({ limit: { windowSeconds: 60, header: 'a b' } }), 'api.limit.header must be the name of a header'],
    [withApi({ auth: { type: 'digest' } }), 'api.auth must be one of none(), bearer(), apiKey(…)'],
    [withApi({ auth: { type: 'oauth2ClientCredentials' } }), 'api.auth must name where tokens come from'],
    [
      withApi({ auth: oauth2ClientCredentials({ tokenUrl: 'https://me:pw@x.example/' }) }),
      'api.auth.tokenUrl must be an http or https URL',
    ],
    [withApi({ auth: apiKey({ header: 'X-Key' }), headers: { 'x-key': 'a' } }), 'api.headers.x-key is set by api.auth'],
    [withApi({ auth: bearer(), headers: { Authorization: 'a' } }), 'api.headers.Authorization is set by api.auth'],
    [{ levels: [things, 3] }, 'level 2: must be made by list(name, {…}) or result(name, {…}), not 3'],
    [{ levels: [data, things] }, 'level data: kind must be a list'],
    [{ levels: [] }, '1 to 8 levels'],
    [{ levels: [things, data], parameters: {} }, 'parameters is unknown; the fields are api, params, levels'],
    [undefined, 'the chain must be an object'],
  ])('%# %j', (declaration, problem) => {
    expect(problemsOf(declaration).join('\n')).toContain(problem);
  });
});
