import { afterEach, describe, expect, test } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { ConfigError } from '../../../shared/engine/errors.ts';
import { textAt } from '../../../shared/engine/json-text.ts';
import { elementTexts } from '../../../shared/source/element-texts.ts';
import {
  chainOf,
  childrenOf,
  dataFrom,
  failure,
  fetchOf,
  listFrom,
  resultOf,
  serve,
  stopServers,
  type Asked,
} from './server.ts';

afterEach(stopServers);

/** What is sent for the thing with this id. */
async function sentFor(
  data: object,
  options: { ids?: string[]; params?: Record<string, string | number | boolean>; item?: string } = {},
): Promise<Asked> {
  const server = await serve(() => ({ body: {} }));
  const params = { from: { type: 'text' }, size: { type: 'number' }, all: { type: 'boolean' } } as const;
  const fetch = fetchOf(chainOf({ params, data: { query: {}, ...data } }), 'data', `${server.url}/v2/`);
  await resultOf(fetch, { ids: ['t'], ...options });
  return server.asked[0] as Asked;
}

describe('placeholders', () => {
  test.each([
    ['a b&c/d', '/v2/data/a%20b%26c%2Fd'],
    ['日本', '/v2/data/%E6%97%A5%E6%9C%AC'],
    ['?#%', '/v2/data/%3F%23%25'],
    ['...', '/v2/data/...'],
    ['a/../b', '/v2/data/a%2F..%2Fb'],
  ])('the id %j in a path is percent-encoded', async (id, target) => {
    expect((await sentFor({ path: 'data/{thing}' }, { ids: [id] })).target).toBe(target);
  });

  test.each(['.', '..'])('the id %j as a whole segment is refused, since URLs resolve it', async (id) => {
    const error = await failure(sentFor({ path: 'data/{thing}/x' }, { ids: [id] }));
    expect(error).toMatchObject({ name: 'ItemError', code: 'BAD_PATH' });
    expect((await sentFor({ path: 'data', query: { id: '{thing}' } }, { ids: [id] })).query).toEqual({ id });
  });

  test('{+id} keeps slashes, but no segment of dots', async () => {
    expect((await sentFor({ path: '{+thing}/tags' }, { ids: ['library/ubuntu 1'] })).target).toBe(
      '/v2/library/ubuntu%201/tags',
    );
    for (const id of ['a/../b', '..', 'a/.'])
      expect(await failure(sentFor({ path: '{+thing}/tags' }, { ids: [id] }))).toMatchObject({ code: 'BAD_PATH' });
  });

  test('half a surrogate pair is refused', async () => {
    expect(await failure(sentFor({ path: '{thing}' }, { ids: ['\ud800'] }))).toMatchObject({
      name: 'ItemError',
      code: 'BAD_ID',
    });
  });

  test('stand in queries, headers and bodies', async () => {
    const sent = await sentFor(
      {
        method: 'POST',
        query: { 'match[]': ['{thing}', 'b'], n: 7, literal: '{{x}}' },
        headers: { 'X-Thing': 'is {thing}' },
        body: {
          from: '{params.from}',
          size: '{params.size}',
          all: '{params.all}',
          text: 'n={params.size}',
          list: ['{thing}', null],
        },
      },
      { params: { from: 'f&', size: 5, all: true } },
    );
    expect(sent.target).toBe('/v2/data?match%5B%5D=t&match%5B%5D=b&n=7&literal=%7Bx%7D');
    expect(sent.headers).toMatchObject({ 'x-thing': 'is t', 'content-type': 'application/json' });
    expect(JSON.parse(sent.body)).toEqual({ from: 'f&', size: 5, all: true, text: 'n=5', list: ['t', null] });
  });

  test('an id that no header can carry is refused', async () => {
    const data = { headers: { 'X-Thing': '{thing}' } };
    for (const id of ['a\r\nX-Evil: 1', 'é'])
      expect(await failure(sentFor(data, { ids: [id] }))).toMatchObject({ name: 'ItemError', code: 'BAD_HEADER' });
  });

  test('{item.field} reads the item, numbers with their own digits', async () => {
    const item = '{"a":{"b":[1.0,12345678901234567890,"x/y",true,null]}}';
    const path = '{item.a.b[0]}/{item.a.b[1]}/{item.a.b[2]}/{item.a.b[3]}';
    expect((await sentFor({ path }, { item })).target).toBe('/v2/1.0/12345678901234567890/x%2Fy/true');
    for (const place of ['{item.a.b[4]}', '{item.a}', '{item.c}'])
      expect(await failure(sentFor({ path: place }, { item }))).toMatchObject({
        name: 'ItemError',
        code: 'MISSING_FIELD',
      });
  });

  test('{id|json} is escaped as inside a JSON string, wherever it stands', async () => {
    const id = 'a "b" \\ c\n{d} ü/';
    const sent = await sentFor(
      {
        method: 'POST',
        path: 'data/{thing|json}',
        query: { q: '{{thing="{thing|json}"}}', item: '{item.a|json}', none: '{thing}' },
        body: { filter: 'name = "{params.from|json}"', alone: '{params.size|json}', kept: '{params.size}' },
      },
      { ids: [id], item: '{"a":"\\"\\t"}', params: { from: '"x"', size: 5 } },
    );
    const escaped = 'a \\"b\\" \\\\ c\\n{d} ü/';
    expect(sent.path).toBe(`/v2/data/${encodeURIComponent(escaped)}`);
    expect(sent.query).toEqual({ q: `{thing="${escaped}"}`, item: '\\"\\t', none: id });
    expect(JSON.parse(`"${escaped}"`)).toBe(id);
    expect(JSON.parse(sent.body)).toEqual({ filter: 'name = "\\"x\\""', alone: '5', kept: 5 });
  });

  test('the item is not read when it is not needed', async () => {
    const server = await serve(() => ({ body: {} }));
    const fetch = fetchOf(chainOf(), 'data', server.url);
    if (!('one' in fetch)) throw new Error('The level is a result.');
    const read = () => Promise.reject(new Error('read'));
    await fetch.one({ run: 'r', ids: ['t'], key: 'k', params: {}, read }, (call) => call(new AbortController().signal));
    expect(server.asked).toHaveLength(1);
  });

  test('a parameter that the run does not have is an error', async () => {
    expect(await failure(sentFor({ query: { a: '{params.from}' } }))).toMatchObject({
      name: 'ItemError',
      code: 'MISSING_PARAM',
    });
  });
});

describe('every call', () => {
  test('says what it accepts and who it is, with the source’s headers and query', async () => {
    const server = await serve(() => ({ body: [] }));
    const api = { headers: { 'X-Version': '{params.from}', 'User-Agent': 'me' }, query: { v: 2 } };
    const chain = chainOf({ api, params: { from: { type: 'text' } }, things: { items: '$', query: { q: 'x' } } });
    await childrenOf(fetchOf(chain, 'things', server.url), { params: { from: '7' } });
    expect(server.asked[0]).toMatchObject({
      target: '/things?v=2&q=x',
      headers: { accept: 'application/json', 'user-agent': 'me', 'x-version': '7' },
    });
    await dataFrom(server.url, { as: 'text', headers: {} });
    expect(server.asked[1]?.headers).toMatchObject({ accept: '*/*', 'user-agent': 's3-cascade' });
  });

  test.each([
    'nonsense',
    'ftp://api.test',
    'http://me:pass@api.test',
    'http://api.test/?key=secret',
    'http://api.test/#x',
  ])('with the apiUrl %s is refused at once, without repeating it', (apiUrl) => {
    const create = () => fetchOf(chainOf(), 'things', apiUrl);
    expect(create).toThrow(ConfigError);
    expect(create).not.toThrow(/me:pass|key=secret|nonsense/);
  });
});

describe('the elements of a list', () => {
  const listOf = async (body: string, things: object = {}) => {
    const server = await serve(() => ({ body }));
    return listFrom(server.url, things);
  };

  test('are stored as the API wrote them', async () => {
    const texts = [
      '{"id":"a","n":12345678901234567890,"m":1.0}',
      '{ "id" : "b", "x":1e400,\n"id":"c" }',
      '{"id":"\\u00e9\\/"}',
    ];
    const children = await listOf(`{"items": [ ${texts.join(' , ')} ]}`);
    expect(children).toEqual([
      { id: 'a', body: texts[0] },
      { id: 'c', body: texts[1] },
      { id: 'é/', body: texts[2] },
    ]);
  });

  test.each<[string, object, string[]]>([
    ['[{"id":"a"},{"id":"b"}]', { items: '$' }, ['a', 'b']],
    ['{"data":{"result":[{"metric":{"job":"x"}}]}}', { items: 'data.result', idPath: 'metric.job' }, ['x']],
    ['{"a":[{"b":[]},{"b":["x","y"]}]}', { items: 'a[1].b', idPath: '$' }, ['x', 'y']],
    ['{"a.b":[{"c.d":"x"}]}', { items: ['a.b'], idPath: ['c.d'] }, ['x']],
    [
      '{"items":[{"id":12345678901234567890},{"id":1.0},{"id":-0},{"id":1e2}]}',
      {},
      ['12345678901234567890', '1.0', '-0', '1e2'],
    ],
    ['{"tags":["v1","v2"]}', { items: 'tags', idPath: '$' }, ['v1', 'v2']],
    ['{"ids":[1,12345678901234567890]}', { items: 'ids', idPath: '$' }, ['1', '12345678901234567890']],
    ['{"items":[{"id":"x"}],"items":[{"id":"last"}]}', {}, ['last']],
    ['{"items":[]}', {}, []],
    ['\ufeff{"items":[{"id":"a"}]}', {}, ['a']],
  ])('%s', async (body, things, ids) => {
    expect((await listOf(body, things)).map(({ id }) => id)).toEqual(ids);
  });

  test.each<[string, object, string, string]>([
    ['{"data":[]}', {}, 'BAD_SHAPE', 'items: expected a list, got nothing. Lists are at: data.'],
    ['{"items":null}', {}, 'BAD_SHAPE', 'items: expected a list, got null'],
    ['[]', {}, 'BAD_SHAPE', "The answer is a list itself: set items to '$'."],
    ['{"items":[{"id":"a"},{"id":null}]}', {}, 'BAD_SHAPE', 'items[1].id: expected a text or a number, got null'],
    ['{"items":["a"]}', {}, 'BAD_SHAPE', 'items[0].id: expected a text or a number, got nothing'],
    ['{"items":[{"id":""}]}', {}, 'EMPTY_ID', 'items[0].id is ""'],
    ['"x"', { items: '$' }, 'BAD_SHAPE', '$: expected a list, got a string'],
  ])('%s names what is wrong', async (body, things, code, problem) => {
    const error = await failure(listOf(body, things));
    expect(error).toMatchObject({ name: 'ItemError', code });
    expect(error.message).toContain(problem);
  });

  test('are cut out at any depth', () => {
    const json = ' { "a" : { "x" : "]}", "b" : [ 1 , { "c" : [ "\\"," , [2] ] } ] } } ';
    expect(elementTexts(json, ['a', 'b'])).toEqual(['1', '{ "c" : [ "\\"," , [2] ] }']);
    expect(elementTexts(json, ['a', 'b', 1, 'c'])).toEqual(['"\\","', '[2]']);
    expect(textAt(json, ['a', 'b', 0])).toBe('1');
    expect(textAt(json, ['a', 'b', 2])).toBeUndefined();
    expect(textAt(json, [])).toBe(json.trim());
  });
});

describe('a result', () => {
  test.each(['{"a": 1.0, "a":12345678901234567890 }', '[1]', '"x"', 'null', ' 7 '])(
    '%s is stored as the API wrote it',
    async (body) => {
      const server = await serve(() => ({ body }));
      expect(await dataFrom(server.url)).toEqual({ body, contentType: 'application/json' });
    },
  );

  test('JSON loses its byte order mark, which no JSON has; text keeps it', async () => {
    const server = await serve(() => ({ body: '\ufeff{}', headers: { 'content-type': 'text/plain; charset=utf-8' } }));
    expect((await dataFrom(server.url)).body).toBe('{}');
    expect((await dataFrom(server.url, { as: 'text' })).body).toEqual(Buffer.from('\ufeff{}'));
  });

  test.each([
    ['text/csv; charset=latin1', Buffer.from([0x61, 0xe9, 0x0a])],
    ['application/x-ndjson', Buffer.from('{"a":1}\n{"a":2}\n')],
    ['image/png', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255])],
    ['application/gzip', gzipSync('a file that is gzip itself')],
    ['text/csv', Buffer.alloc(0)],
  ])('%s is stored untouched, with its content type', async (contentType, body) => {
    const server = await serve(() => ({
      headers: { 'content-type': contentType, 'content-length': body.length },
      body,
    }));
    for (const as of ['text', 'bytes']) {
      const stored = await dataFrom(server.url, { as });
      expect(Buffer.from(stored.body as Uint8Array).equals(body)).toBe(true);
      expect(stored.contentType).toBe(contentType);
    }
    expect((await dataFrom(server.url, { as: 'bytes', contentType: 'text/x-mine' })).contentType).toBe('text/x-mine');
  });

  test('without a content type has that of its kind', async () => {
    const server = await serve(() => ({ body: 'x' }));
    expect((await dataFrom(server.url, { as: 'text' })).contentType).toBe('text/plain');
    expect((await dataFrom(server.url, { as: 'bytes' })).contentType).toBe('application/octet-stream');
  });
});
