import { afterEach, describe, expect, test } from '@jest/globals';
import { bearer, cursor, pageNumber, type ListFetch, type ResultFetch } from '../../../shared/source/define.ts';
import { dataFrom, failure, listFrom, secretIs, serve, stopServers, stubbornGate } from './server.ts';

afterEach(stopServers);

describe('a list of a function of the source', () => {
  test('gets the item and the API with its auth, and gives children as values or as the API wrote them', async () => {
    const server = await serve(({ path }) => ({
      body: path === '/a' ? '{"xs":[{"k":1.0},{"k":"b"}]}' : { more: [7] },
    }));
    const fetch: ListFetch = async function* (item, api) {
      const first = await api.get('a', { query: { run: item.run }, headers: { 'X-A': '1' } });
      yield first.elements('xs').map((each) => ({ id: each.id('k'), item: each }));
      const second = await api.post('b', { seed: JSON.parse(item.body) as { q: number } });
      yield (second.json() as { more: number[] }).more.map((id) => ({ id, item: { n: id } }));
    };
    const children = await listFrom(server.url, { fetch }, { item: '{"q":1}', ...secretIs('s3cret') });
    expect(children).toEqual([
      { id: '1.0', body: '{"k":1.0}' },
      { id: 'b', body: '{"k":"b"}' },
      { id: '7', body: '{"n":7}' },
    ]);
    expect(server.asked[0]).toMatchObject({
      target: '/a?run=r',
      headers: { authorization: 'Bearer s3cret', 'x-a': '1' },
    });
    expect(server.asked[1]).toMatchObject({ method: 'POST', target: '/b', body: '{"seed":{"q":1}}' });
  });

  test('has the paginators, with all their protections', async () => {
    const answers = [
      { body: { items: [{ id: 'a' }], next: 'c' } },
      { status: 410 },
      { body: { items: [{ id: 'a' }], next: 'd' } },
      { body: { items: [{ id: 'b' }, { id: 'b' }] } },
    ];
    const server = await serve((_, nth) => answers[nth] ?? { status: 500 });
    const fetch: ListFetch = async function* (_, api) {
      for await (const page of api.pages({ path: 'x', items: 'items', next: cursor('next') }))
        yield page.map((each) => ({ id: `x-${each.id()}`, item: each }));
    };
    expect((await listFrom(server.url, { fetch })).map(({ id }) => id)).toEqual(['x-a', 'x-b']);
    const loop = await serve(() => ({ body: [1, 2] }));
    const numbered: ListFetch = async function* (_, api) {
      for await (const page of api.pages({ path: 'x', next: pageNumber() }))
        yield page.map(({ value }) => ({ id: Number(value), item: value }));
    };
    expect(await failure(listFrom(loop.url, { fetch: numbered }))).toMatchObject({ code: 'LIST_LOOP' });
  });

  test('exact repetitions are left out; an id with two items is for the engine to refuse', async () => {
    const fetch: ListFetch = async function* () {
      yield await Promise.resolve([
        { id: 'a', item: 1 },
        { id: 'a', item: 1 },
      ]);
      yield [{ id: 'a', item: 2 }];
    };
    expect(await listFrom('http://127.0.0.1:1', { fetch })).toEqual([
      { id: 'a', body: '1' },
      { id: 'a', body: '2' },
    ]);
  });

  test.each([[3], [[{ id: 'a' }]], [[{ id: null, item: 1 }]], [[null]]])(
    'that yields %j is the item’s end',
    async (given) => {
      const fetch = async function* () {
        yield await Promise.resolve(given);
      };
      const error = await failure(listFrom('http://127.0.0.1:1', { fetch }));
      expect(error).toMatchObject({ name: 'ItemError', code: 'BAD_ENTRY' });
      expect(error.message).toContain('level things must yield lists of { id');
    },
  );
});

describe('a result of a function of the source', () => {
  const give = (fetch: ResultFetch, url = 'http://127.0.0.1:1', fields: object = {}) =>
    dataFrom(url, { fetch, ...fields }, { item: '{"n":1.0}' });

  test('that is not JSON is stored as it is, where an object holds one result', async () => {
    const csv = { body: 'a,b', contentType: 'text/csv' };
    expect(await give(() => Promise.resolve(csv), undefined, { batch: 1 })).toEqual(csv);
    const error = await failure(give(() => Promise.resolve(csv)));
    expect(error).toMatchObject({ name: 'ItemError', code: 'BAD_ENTRY' });
    expect(error.message).toContain('declare batch: 1');
  });

  test.each<[unknown, string, string]>([
    ['{"n":1.0}', '{"n":1.0}', 'application/json'],
    [{ a: 1 }, '{"a":1}', 'application/json'],
    [null, 'null', 'application/json'],
  ])('%j is stored', async (given, body, contentType) => {
    expect(await give(() => Promise.resolve(given))).toEqual({ body, contentType });
  });

  test.each([['no json'], [undefined], [new Uint8Array(2)]])('%j is refused', async (given) => {
    expect(await failure(give(() => Promise.resolve(given)))).toMatchObject({ name: 'ItemError', code: 'BAD_ENTRY' });
  });

  test('reads its ids, its item and pieces of answers', async () => {
    const server = await serve(() => ({ body: '{"rows":[{"v":1.0}]}' }));
    const asItCame = await give(async (item, api) => {
      expect([item.ids, await item.read()]).toEqual([{ thing: 't' }, '{"n":1.0}']);
      return (await api.get('x')).elements('rows')[0];
    }, server.url);
    expect(asItCame.body).toBe('{"v":1.0}');
  });

  test('sees status, headers, text and bytes of an answer', async () => {
    const server = await serve(() => ({ headers: { 'X-Two': ['1', '2'], 'content-type': 'text/csv' }, body: 'a,é' }));
    await give(async (_, api) => {
      const answer = await api.get('x');
      expect([answer.status, answer.headers['x-two'], answer.text, answer.bytes.length]).toEqual([
        200,
        '1, 2',
        'a,é',
        4,
      ]);
      return {};
    }, server.url);
  });

  test('has refusals, answer rules and cut answers ended for it, within the gate', async () => {
    const server = await serve(({ path }, nth) => {
      if (path === '/cut' && nth === 0) return { headers: { 'content-type': 'application/json' }, body: '{"a":' };
      return path === '/cut' ? { body: { a: 1 } } : { status: 404 };
    });
    const cut: ResultFetch = async (_, api) => (await api.get('cut')).text;
    expect((await dataFrom(server.url, { fetch: cut }, { gate: stubbornGate })).body).toBe('{"a":1}');
    const gone: ResultFetch = async (_, api) => ({ status: (await api.get('gone')).status });
    expect(await failure(give(gone, server.url))).toMatchObject({ name: 'ItemError', code: 'HTTP_404' });
    const answers = [{ status: 404, then: 'accept' }];
    expect((await give(gone, server.url, { answers })).body).toBe('{"status":404}');
  });

  test.each(['http://other.example/x', '//other.example', 'a?b', 'a/../b', 'a/%2e%2E'])(
    'must not call %s',
    async (path) => {
      const fetch: ResultFetch = (_, api) => api.get(path);
      const error = await failure(dataFrom('http://127.0.0.1:1', { fetch }, { api: { auth: bearer() } }));
      expect(error).toMatchObject({ name: 'ItemError' });
      expect(error.code).toMatch(/BAD_CALL|BAD_PATH/);
    },
  );
});
