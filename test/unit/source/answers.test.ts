import { afterEach, describe, expect, test } from '@jest/globals';
import { gzipSync, brotliCompressSync, deflateRawSync, deflateSync } from 'node:zlib';
import type { AnswerRule } from '../../../shared/source/define.ts';
import {
  dataFrom,
  failure,
  listFrom,
  secretIs,
  serve,
  serveRaw,
  stopServers,
  stubbornGate,
  type Reply,
} from './server.ts';

afterEach(stopServers);

const items = { items: [{ id: 'a' }] };
const bodyFrom = async (url: string, data: object = {}): Promise<string> => {
  const { body } = await dataFrom(url, data);
  return typeof body === 'string' ? body : Buffer.from(body).toString();
};

describe('each success', () => {
  test.each([200, 201, 203])('%i is an answer', async (status) => {
    const server = await serve(() => ({ status, body: items }));
    expect(await listFrom(server.url)).toHaveLength(1);
    expect(await bodyFrom(server.url)).toBe('{"items":[{"id":"a"}]}');
  });

  test.each([204, 205])('%i: a list without children, and no result', async (status) => {
    const server = await serve(() => ({ status }));
    expect(await listFrom(server.url)).toEqual([]);
    for (const as of ['json', 'text', 'bytes'])
      expect(await failure(dataFrom(server.url, { as }))).toMatchObject({ name: 'ItemError', code: 'NO_CONTENT' });
    const accepted = await dataFrom(server.url, { as: 'text', answers: [{ status, then: 'accept' }] });
    expect(accepted.body).toHaveLength(0);
  });

  test.each([202, 206])('%i is no whole answer, which may pass', async (status) => {
    const server = await serve(() => ({ status, body: items }));
    expect(await failure(listFrom(server.url))).toMatchObject({ name: 'TransientError', code: `HTTP_${status}` });
    expect(await failure(dataFrom(server.url))).toMatchObject({ name: 'TransientError', code: `HTTP_${status}` });
  });

  test.each([207, 208, 226, 299])('%i is refused unless it is accepted', async (status) => {
    const server = await serve(() => ({ status, body: items }));
    const error = await failure(dataFrom(server.url));
    expect(error).toMatchObject({ name: 'ItemError', code: `HTTP_${status}` });
    expect(error.message).toContain(`{ status: ${status}, then: 'accept' }`);
    expect(await bodyFrom(server.url, { answers: [{ status, then: 'accept' }] })).toBe('{"items":[{"id":"a"}]}');
  });
});

describe('a refusal', () => {
  test.each([400, 404, 410, 422])('%i is the item’s end', async (status) => {
    const server = await serve(() => ({ status, body: `no\n\n  ${'x'.repeat(100_000)}` }));
    const error = await failure(listFrom(server.url));
    expect(error).toMatchObject({ name: 'ItemError', code: `HTTP_${status}` });
    expect(error.message).toContain(`was answered with ${status}: "no xxx`);
    expect(error.message.length).toBeLessThan(300);
  });

  test.each([301, 302, 307, 308])('%i is not followed, so that the secret stays', async (status) => {
    const server = await serve(() => ({ status, headers: { location: '/redirected?session=1' } }));
    const error = await failure(listFrom(server.url, {}, secretIs('s3cret')));
    expect(error).toMatchObject({ name: 'ItemError', code: 'REDIRECT' });
    expect(error.message).toContain('a redirect to "/redirected".');
    expect(server.asked).toHaveLength(1);
  });

  test('304 has a message of its own', async () => {
    const server = await serve(() => ({ status: 304 }));
    const error = await failure(dataFrom(server.url));
    expect(error).toMatchObject({ name: 'ItemError', code: 'HTTP_304' });
    expect(error.message).toContain('not modified');
    expect(error.message).not.toContain('redirect');
  });

  test('a redirect that names no place says so', async () => {
    const server = await serve(() => ({ status: 300 }));
    expect((await failure(dataFrom(server.url))).message).toContain('a redirect without saying where to');
  });
});

describe('an answer rule', () => {
  const judged = (reply: Reply, ...answers: AnswerRule[]) =>
    serve(() => reply).then(({ url }) => failure(listFrom(url, { answers })));

  test('retry: may pass, with the wait that the answer names', async () => {
    const reply = { status: 409, headers: { 'retry-after': '2' }, body: {} };
    expect(await judged(reply, { status: 409, then: 'retry' })).toMatchObject({
      name: 'TransientError',
      code: 'HTTP_409',
      retryAfterMs: 2_000,
    });
  });

  test('ignore: no children', async () => {
    const server = await serve(() => ({ status: 404 }));
    expect(await listFrom(server.url, { answers: [{ status: '4xx', then: 'ignore' }] })).toEqual([]);
  });

  test('fail: a 200 whose body is an error object', async () => {
    const rule: AnswerRule = { body: { path: 'status', equals: 'error' }, then: 'fail', message: 'error.text' };
    const error = await judged({ body: { status: 'error', error: { text: 'no such shard' }, items: [] } }, rule);
    expect(error).toMatchObject({ name: 'ItemError', code: 'API_ERROR' });
    expect(error.message).toContain('was answered with 200: "no such shard".');
  });

  test('retry: a 200 whose body is an error object, until it is not', async () => {
    const server = await serve((_, nth) => ({ body: nth < 2 ? { errors: ['busy'], data: null } : { data: 7 } }));
    const answers = [{ body: { path: 'errors' }, then: 'retry' }];
    expect(await failure(dataFrom(server.url, { answers }))).toMatchObject({
      name: 'TransientError',
      code: 'API_ERROR',
    });
    expect((await dataFrom(server.url, { answers }, { gate: stubbornGate })).body).toBe('{"data":7}');
  });

  test('rateLimit: until when its header says', async () => {
    const rule: AnswerRule = { status: [400, 420], then: { rateLimit: 'X-Quota-Reset' } };
    const reply = { status: 420, headers: { 'x-quota-reset': '40' }, body: {} };
    expect(await judged(reply, rule)).toMatchObject({ name: 'RateLimitError', code: 'HTTP_420', waitMs: 40_000 });
    expect(await judged({ status: 420 }, rule)).toMatchObject({ name: 'TransientError', code: 'HTTP_420' });
  });

  test('by header, with a pattern', async () => {
    const rule: AnswerRule = { status: 403, header: { name: 'X-Reason', matches: '^quota' }, then: 'retry' };
    expect(await judged({ status: 403, headers: { 'x-reason': 'Quota exceeded' } }, rule)).toMatchObject({
      name: 'TransientError',
    });
    expect(await judged({ status: 403, headers: { 'x-reason': 'no quota' } }, rule)).toMatchObject({
      name: 'ItemError',
    });
  });

  test('by what is missing in the body', async () => {
    const rule: AnswerRule = { status: 200, body: { path: 'items', exists: false }, then: 'retry' };
    expect(await judged({ body: {} }, rule)).toMatchObject({ name: 'TransientError' });
  });

  test('the level’s come before the API’s, and the first that fits counts', async () => {
    const server = await serve(() => ({ status: 404 }));
    const api = { answers: [{ status: 404, then: 'retry' } as const] };
    const answers = [
      { status: 404, then: 'ignore' },
      { status: 404, then: 'fail' },
    ];
    expect(await listFrom(server.url, { answers }, { api })).toEqual([]);
    expect(await failure(dataFrom(server.url, {}, { api }))).toMatchObject({
      name: 'TransientError',
      code: 'HTTP_404',
    });
  });

  test('accept: a 404 that is a result, read whole', async () => {
    const body = { gone: 'x'.repeat(100_000) };
    const server = await serve(() => ({ status: 404, body }));
    expect(await bodyFrom(server.url, { answers: [{ status: 404, then: 'accept' }] })).toBe(JSON.stringify(body));
  });
});

describe('an answer that ends early may pass', () => {
  const gzip = (text: string, length = 0.5): Reply => {
    const zipped = gzipSync(text);
    return { headers: { 'content-encoding': 'gzip' }, body: zipped.subarray(0, Math.floor(zipped.length * length)) };
  };
  const big = JSON.stringify({ items: Array.from({ length: 500 }, (_, id) => ({ id: `${id}-${Math.sin(id)}` })) });

  test.each(['json', 'text', 'bytes'])('half of a gzip body with the right content-length, for %s', async (as) => {
    const server = await serve((_, nth) => gzip(big, nth === 0 ? 0.5 : 1));
    expect(await failure(dataFrom(server.url, { as }))).toMatchObject({ name: 'TransientError', code: 'CUT_SHORT' });
    expect(await bodyFrom(server.url, { as })).toBe(big);
  });

  test.each([
    '{"items":[{"id":"a"},{"i',
    '{"items":[{"id":"a"}',
    '[1, 2',
    '{"items": tr',
    '{"items":["\\u00',
    Buffer.from('{"items":["é').subarray(0, -1),
  ])('JSON that is cut in a body that ends properly: %s', async (body) => {
    const server = await serve(() => ({ headers: { 'transfer-encoding': 'chunked' }, body }));
    const error = await failure(listFrom(server.url));
    expect(error).toMatchObject({ name: 'TransientError', code: 'CUT_SHORT' });
    expect(error.message).toContain('ends before its JSON does');
  });

  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
  test.each([
    ['a body shorter than announced', `${head}content-length: 100\r\n\r\n{"items":[]}`, 'NETWORK'],
    [
      'a chunked body without its last chunk',
      `${head}transfer-encoding: chunked\r\n\r\nc\r\n{"items":[]}\r\n`,
      'NETWORK',
    ],
    ['half a JSON text whose end was not announced', `${head}connection: close\r\n\r\n{"items":[{"i`, 'CUT_SHORT'],
    ['nothing, whose end was not announced', `${head}connection: close\r\n\r\n`, 'CUT_SHORT'],
    ['an answer that is no HTTP', 'hello?\r\n\r\n', 'NETWORK'],
    ['no answer', '', 'NETWORK'],
  ])('%s', async (_, sent, code) => {
    const url = await serveRaw((socket) => socket.end(sent));
    const error = await failure(listFrom(url));
    expect(error).toMatchObject({ name: 'TransientError', code });
    expect(error.message).toContain(`GET ${url}/things`);
  });

  test('a whole JSON text whose end was not announced is taken', async () => {
    const url = await serveRaw((socket) => socket.end(`${head}connection: close\r\n\r\n{"items":[{"id":"a"}]}`));
    expect(await listFrom(url)).toEqual([{ id: 'a', body: '{"id":"a"}' }]);
  });

  test('the gate asks again within the same item', async () => {
    const server = await serve((_, nth) => ({ body: nth === 0 ? '{"items":[{"id":"a"},' : items }));
    expect(await listFrom(server.url, {}, { gate: stubbornGate })).toHaveLength(1);
    expect(server.asked).toHaveLength(2);
  });
});

describe('an answer that is not JSON is the item’s end', () => {
  test.each<[string, string]>([
    ['{"items":[NaN]}', 'at position 10 there is \\"NaN\\"'],
    ['{"items":[1,]}', 'at position 12 there is \\"]\\"'],
    ['<!doctype html><html>', 'at position 0 there is \\"<\\"'],
    ['{"a":1} x', 'at position 8 there is \\"x\\"'],
    ['', 'it is empty'],
  ])('%s', async (body, why) => {
    const server = await serve(() => ({
      headers: { 'content-type': 'text/html', 'content-length': body.length },
      body,
    }));
    const error = await failure(listFrom(server.url));
    expect(error).toMatchObject({ name: 'ItemError', code: 'NOT_JSON' });
    expect(error.message).toContain(why.replaceAll('\\"', '"'));
    expect(error.message).toContain('content type: text/html');
  });

  test('bytes that are not UTF-8 are refused, not replaced', async () => {
    const server = await serve(() => ({ body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]) }));
    expect((await failure(listFrom(server.url))).message).toContain('not UTF-8');
  });
});

describe('a body', () => {
  test.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
  ] as const)('in %s is unpacked', async (coding, pack) => {
    const server = await serve(() => ({ headers: { 'content-encoding': coding }, body: pack(JSON.stringify(items)) }));
    expect(await listFrom(server.url)).toHaveLength(1);
    expect(server.asked[0]?.headers['accept-encoding']).toBe('gzip, deflate, br');
  });

  test('in a coding that was not asked for is refused', async () => {
    const server = await serve(() => ({ headers: { 'content-encoding': 'lzma' }, body: 'x' }));
    expect(await failure(dataFrom(server.url, { as: 'bytes' }))).toMatchObject({
      name: 'ItemError',
      code: 'BAD_ENCODING',
    });
  });

  test('that is not packed as it says may pass', async () => {
    const server = await serve(() => ({ headers: { 'content-encoding': 'gzip' }, body: 'hello, hello' }));
    expect(await failure(dataFrom(server.url))).toMatchObject({ name: 'TransientError', code: 'BAD_ENCODING' });
  });

  test('without end is read up to the bound', async () => {
    const url = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n');
      const more = (): void => {
        if (socket.writable) socket.write(' '.repeat(65_536), more);
      };
      more();
    });
    const error = await failure(listFrom(url, {}, { maxBodyBytes: 100_000 }));
    expect(error).toMatchObject({ name: 'ItemError', code: 'BODY_TOO_LARGE' });
    expect(error.message).toContain('100000 bytes');
  });

  test('that unpacks to a large one counts unpacked', async () => {
    const server = await serve(() => ({
      headers: { 'content-encoding': 'gzip' },
      body: gzipSync(Buffer.alloc(5_000_000, ' ')),
    }));
    expect(await failure(listFrom(server.url))).toMatchObject({ code: 'BODY_TOO_LARGE' });
  });

  test('of a refusal is shown even when it is packed and cut', async () => {
    const server = await serve(() => ({
      status: 500,
      headers: { 'content-encoding': 'gzip' },
      body: gzipSync(`down for maintenance ${Math.E}`).subarray(0, -6),
    }));
    expect((await failure(listFrom(server.url))).message).toContain('down for main');
  });
});

describe('a call’s time', () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
  test.each([
    ['no answer', ''],
    ['an answer that stops in the middle', `${head}content-length: 100\r\n\r\n{"items":[`],
  ])('%s ends at the limit', async (_, sent) => {
    const url = await serveRaw((socket) => sent !== '' && socket.write(sent));
    const error = await failure(listFrom(url, {}, { timeoutMs: 60 }));
    expect(error).toMatchObject({ name: 'TransientError', code: 'TIMEOUT' });
    expect(error.message).toContain('within 60 ms');
  });

  test('the gate’s signal ends a call that is open, and one that has not begun', async () => {
    const deadline = new AbortController();
    let calls = 0;
    const url = await serveRaw(() => {
      calls += 1;
      deadline.abort();
    });
    const gate = <T>(call: (signal: AbortSignal) => Promise<T>) => call(deadline.signal);
    expect(await failure(listFrom(url, {}, { gate }))).toMatchObject({ name: 'TransientError', code: 'OUT_OF_TIME' });
    expect(await failure(listFrom(url, {}, { gate }))).toMatchObject({ name: 'TransientError', code: 'OUT_OF_TIME' });
    expect(calls).toBe(1);
  });

  test('a refused connection is named as the system names it, a port that browsers block too', async () => {
    const error = await failure(listFrom('http://127.0.0.1:1'));
    expect(error).toMatchObject({ name: 'TransientError', code: 'NETWORK' });
    expect(error.message).toContain('ECONNREFUSED');
  });

  test('a reset connection may pass', async () => {
    const url = await serveRaw((socket) => socket.resetAndDestroy());
    expect(await failure(listFrom(url))).toMatchObject({ name: 'TransientError', code: 'NETWORK' });
  });

  test('connections are kept', async () => {
    const sockets = new Set<unknown>();
    const url = await serveRaw((socket) => {
      sockets.add(socket);
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{"items":[]}');
    });
    for (let nth = 0; nth < 20; nth += 1) await listFrom(url);
    expect(sockets.size).toBeLessThanOrEqual(2);
  });
});
