import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { auditCalls } from '../../../sources/hermes/fake/audit.ts';
import { callKey } from '../../../sources/hermes/fake/call-key.ts';
import type { Override } from '../../../sources/hermes/fake/options.ts';
import {
  startHermes,
  type HermesOptions as ServerOptions,
  type LocalHermes,
} from '../../../sources/hermes/fake/server.ts';
import { ConfigError } from '../../../shared/engine/errors.ts';
import type { CallGate, Child, Page } from '../../../shared/engine/ports.ts';
import { createHermes, type Hermes, type HermesOptions } from '../../../sources/hermes/client.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const gate: CallGate = (call) => call(AbortSignal.timeout(5000));

function clientOf(baseUrl: string, options: Partial<HermesOptions> = {}): Hermes {
  return createHermes({ baseUrl, gate, timeoutMs: 4000, maxBodyBytes: 1_000_000, ...options });
}

async function serve(options: ServerOptions = {}): Promise<LocalHermes> {
  const server = await startHermes({ troops: 3, warriors: 4, groups: 2, ...options });
  stops.push(server.stop);
  return server;
}

/** A server that speaks no HTTP by itself: it does with the socket what it is told once a request has come. */
async function serveRaw(answer: (socket: Socket, request: string) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined); // The client's reset is its good right.
    socket.on('data', (request) => answer(socket, request.toString()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function childrenOf(pages: AsyncIterable<Page>): Promise<Child[]> {
  const children: Child[] = [];
  for await (const page of pages) children.push(...page.children);
  return children;
}

async function failure(work: Promise<unknown>): Promise<Error & { code: string; retryAfterMs?: number }> {
  const result = await work.then(
    (value) => new Error(`expected a failure, got ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  return result as Error & { code: string };
}

const overridden = (override: Override) => serve({ overrides: { troops: override } });

describe('the Hermes client', () => {
  test('fetches the whole tree, hostile ids and all, byte for byte, each call once', async () => {
    const server = await serve({ troops: 7, warriors: 5, groups: 5, pageSize: 3, hostile: true, token: 'secret' });
    const hermes = clientOf(`${server.url}/`, { token: 'secret' });
    const found: { ids: string[]; body: string }[] = [];
    for (const troop of await childrenOf(hermes.troops())) {
      found.push({ ids: [troop.id], body: troop.body });
      for (const warrior of await childrenOf(hermes.warriors(troop.id))) {
        found.push({ ids: [troop.id, warrior.id], body: warrior.body });
        for (const group of await childrenOf(hermes.dataGroups(troop.id, warrior.id))) {
          const ids = [troop.id, warrior.id, group.id];
          found.push({ ids, body: group.body }, { ids, body: await hermes.data(troop.id, warrior.id, group.id) });
        }
      }
    }
    expect(found).toEqual([...server.tree().walk()].map(({ ids, body }) => ({ ids, body })));
    const audit = auditCalls(server.calls());
    expect(audit.calls).toBe(server.tree().expectedCalls(3));
    expect(audit.repeats).toEqual([]);
    expect(audit.byStatus).toEqual({ 200: audit.calls });
  });

  test('asks for the next page only when it is wanted', async () => {
    const server = await serve({ troops: 30, pageSize: 10 });
    const pages = clientOf(server.url).troops()[Symbol.asyncIterator]();
    await pages.next();
    expect(server.calls()).toHaveLength(1);
    await pages.next();
    expect(server.calls()).toHaveLength(2);
  });

  test('sends what it accepts, who it is and the token, and keeps its connections', async () => {
    const requests: string[] = [];
    const sockets = new Set<Socket>();
    const url = await serveRaw((socket, request) => {
      requests.push(request);
      sockets.add(socket);
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{"items":[]}');
    });
    const hermes = clientOf(`${url}/v2/`, { token: () => Promise.resolve('s3cret') });
    await childrenOf(hermes.warriors('a b&c'));
    await childrenOf(hermes.warriors('..'));
    expect(requests[0]).toMatch(/^GET \/v2\/warriors\?troop=a\+b%26c HTTP\/1\.1\r\n/);
    expect(requests[1]).toMatch(/^GET \/v2\/warriors\?troop=\.\. HTTP/);
    expect(requests[0]).toMatch(/\r\naccept: application\/json\r\n/i);
    expect(requests[0]).toMatch(/\r\nuser-agent: s3-cascade\r\n/i);
    expect(requests[0]).toMatch(/\r\nauthorization: Bearer s3cret\r\n/i);
    for (let nth = 0; nth < 20; nth += 1) await childrenOf(hermes.troops());
    // fetch may open a second one when a call follows before the connection of the last is free again.
    expect(sockets.size).toBeLessThanOrEqual(2);
  });

  test.each([
    'nonsense',
    'ftp://hermes.test',
    'http://me:pass@hermes.test',
    'http://hermes.test/?key=secret',
    'http://hermes.test/#x',
  ])('refuses %s as the base URL at once, without repeating it', (baseUrl) => {
    const create = () => clientOf(baseUrl);
    expect(create).toThrow(ConfigError);
    expect(create).not.toThrow(/me:pass|key=secret|nonsense/);
  });
});

describe('an answer without success', () => {
  test.each([408, 425, 429, 500, 502, 503, 504])('%i may pass', async (status) => {
    const server = await overridden({ status, headers: { 'retry-after': '7' }, body: '{"error":"busy"}' });
    const error = await failure(childrenOf(clientOf(server.url).troops()));
    expect(error).toMatchObject({ name: 'TransientError', code: `HTTP_${status}`, retryAfterMs: 7000 });
    expect(error.message).toBe(`GET ${server.url}/troops was answered with ${status}: "{\\"error\\":\\"busy\\"}".`);
  });

  test('names the time to stay away when the server says it as a date, and none when it does not say', async () => {
    const inAnHour = new Date(Date.now() + 3_600_000).toUTCString();
    const server = await overridden({ status: 503, headers: { 'retry-after': inAnHour } });
    const { retryAfterMs = 0 } = await failure(childrenOf(clientOf(server.url).troops()));
    expect(retryAfterMs).toBeGreaterThan(3_500_000);
    expect(retryAfterMs).toBeLessThanOrEqual(3_600_000);
    server.configure({ overrides: { troops: { status: 503 } } });
    expect(await failure(childrenOf(clientOf(server.url).troops()))).toMatchObject({ retryAfterMs: undefined });
  });

  test.each([400, 404, 410, 422])('%i is the item’s end', async (status) => {
    const server = await overridden({ status, body: `no\n\n  ${'x'.repeat(100_000)}` });
    const error = await failure(childrenOf(clientOf(server.url).troops()));
    expect(error).toMatchObject({ name: 'ItemError', code: `HTTP_${status}` });
    expect(error.message).toContain(`was answered with ${status}: "no xxx`);
    expect(error.message.length).toBeLessThan(300);
  });

  test.each([401, 403])('%i tells a person to look at the token, and never shows it', async (status) => {
    const server = await overridden({ status, body: 'bad token s3cret!' });
    const error = await failure(childrenOf(clientOf(server.url, { token: 's3cret' }).troops()));
    expect(error).toMatchObject({ name: 'ItemError', code: `HTTP_${status}` });
    expect(error.message).toMatch(/"bad token \*\*\*!"\. Check the token in its secret/);
  });

  test('401 after the secret was changed may pass: the next try has the new token', async () => {
    const server = await serve({ token: 'new' });
    let token = 'old';
    let refused = 0;
    const hermes = clientOf(server.url, {
      token: () => Promise.resolve(token),
      onTokenRefused: () => {
        refused += 1;
        token = 'new';
      },
    });
    expect(await failure(childrenOf(hermes.troops()))).toMatchObject({ name: 'TransientError', code: 'HTTP_401' });
    expect(await childrenOf(hermes.troops())).toHaveLength(3);
    server.configure({ token: 'newer' });
    expect(await failure(childrenOf(hermes.troops()))).toMatchObject({ name: 'ItemError', code: 'HTTP_401' });
    expect(refused).toBe(2);
  });

  test('a redirect is not followed, so that the token stays here', async () => {
    const server = await serve({ token: 'secret' });
    server.configure({ overrides: { troops: 'redirect' } });
    const error = await failure(childrenOf(clientOf(server.url, { token: 'secret' }).troops()));
    expect(error).toMatchObject({ name: 'ItemError', code: 'REDIRECT' });
    expect(error.message).toContain('a redirect to "/redirected"');
    expect(server.calls().map(({ key }) => key)).toEqual(['troops']);
  });

  test.each(['two\nlines', ''])(
    'the token %j, which no header can carry, is refused before the call',
    async (token) => {
      const server = await serve();
      const error = await failure(childrenOf(clientOf(server.url, { token }).troops()));
      expect(error).toMatchObject({ name: 'ItemError', code: 'BAD_TOKEN' });
      expect(error.message).not.toContain('lines');
      expect(server.calls()).toEqual([]);
    },
  );

  test('a token that can not be read ends the call with its own error', async () => {
    const token = () => Promise.reject(new RangeError('no secret today'));
    expect(await failure(childrenOf(clientOf((await serve()).url, { token }).troops()))).toBeInstanceOf(RangeError);
  });
});

describe('an answer that is not what it should be', () => {
  test('HTML: names the content type and shows its beginning', async () => {
    const server = await overridden('html');
    const error = await failure(childrenOf(clientOf(server.url).troops()));
    expect(error).toMatchObject({ name: 'ItemError', code: 'NOT_JSON' });
    expect(error.message).toContain('content type: text/html');
    expect(error.message).toContain('"<!doctype html><html>');
  });

  test.each<[string, Override]>([
    ['half a JSON text that came as a whole', 'truncated-json'],
    ['nothing at all', { status: 200 }],
  ])('%s is not JSON', async (_, override) => {
    const server = await overridden(override);
    const error = await failure(childrenOf(clientOf(server.url).troops()));
    expect(error).toMatchObject({ name: 'ItemError', code: 'NOT_JSON' });
  });

  test('the token, sent back as if it were the answer, is not shown: not whole and not in parts', async () => {
    const token = 'correct-horse-battery-staple';
    for (const body of [token, `${token} ${'x'.repeat(100)}`, `{"items": ${token}`]) {
      const server = await overridden({ status: 200, body });
      const error = await failure(childrenOf(clientOf(server.url, { token }).troops()));
      expect(error).toMatchObject({ code: 'NOT_JSON' });
      expect(error.message).not.toMatch(/corre|horse|battery|staple/);
    }
    const server = await overridden({ status: 302, headers: { location: `https://elsewhere.example/${token}` } });
    const error = await failure(childrenOf(clientOf(server.url, { token }).troops()));
    expect(error.message).not.toContain(token);
  });

  test('wrong types: names the place', async () => {
    const server = await overridden('wrong-types');
    const error = await failure(childrenOf(clientOf(server.url).troops()));
    expect(error).toMatchObject({ name: 'ItemError', code: 'BAD_SHAPE' });
    expect(error.message).toContain('items[0].id: expected string, got number');
    const ids = server.tree().idsAt([0, 0, 0]);
    server.configure({ overrides: { [callKey('data', ids)]: 'wrong-types' } });
    const [troop = '', warrior = '', group = ''] = ids;
    const dataError = await failure(clientOf(server.url).data(troop, warrior, group));
    expect(dataError).toMatchObject({ name: 'ItemError', code: 'BAD_SHAPE' });
    expect(dataError.message).toContain('expected an object, got array');
  });

  test('an empty id', async () => {
    const server = await overridden('empty-id');
    expect(await failure(childrenOf(clientOf(server.url).troops()))).toMatchObject({
      name: 'ItemError',
      code: 'EMPTY_ID',
    });
  });

  test('a cursor that was followed before ends the list, after its first page', async () => {
    const server = await overridden('page-loop');
    const ids: string[] = [];
    const walk = async (): Promise<void> => {
      for await (const { children } of clientOf(server.url).troops()) ids.push(...children.map(({ id }) => id));
    };
    expect(await failure(walk())).toMatchObject({ name: 'ItemError', code: 'PAGE_LOOP' });
    expect(ids).toHaveLength(3);
    expect(server.calls()).toHaveLength(2);
  });

  test('pages without end are given up at the bound', async () => {
    const server = await overridden('endless-pages');
    const error = await failure(childrenOf(clientOf(server.url, { maxPages: 20 }).troops()));
    expect(error).toMatchObject({ name: 'ItemError', code: 'TOO_MANY_PAGES' });
    expect(server.calls()).toHaveLength(20);
  });

  test('a body without end is read up to the bound, and the connection is cut', async () => {
    const server = await overridden('huge-body');
    const error = await failure(childrenOf(clientOf(server.url, { maxBodyBytes: 100_000 }).troops()));
    expect(error).toMatchObject({ name: 'ItemError', code: 'BODY_TOO_LARGE' });
    expect(error.message).toContain('100000 bytes');
    server.configure({ overrides: {} });
    expect(await childrenOf(clientOf(server.url).troops())).toHaveLength(3);
  });

  test('a small body that unpacks to a large one counts unpacked', async () => {
    const zipped = gzipSync(Buffer.alloc(5_000_000, ' '));
    const url = await serveRaw((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${zipped.length}\r\n\r\n`);
      socket.write(zipped);
    });
    expect(await failure(childrenOf(clientOf(url).troops()))).toMatchObject({ code: 'BODY_TOO_LARGE' });
  });

  test('bytes that are not UTF-8 are refused, not replaced', async () => {
    const url = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n{"items":[{"id":"');
      socket.write(Buffer.from([0xff, 0xfe]));
      socket.write('"}]}  ');
    });
    const error = await failure(childrenOf(clientOf(url).troops()));
    expect(error).toMatchObject({ name: 'ItemError', code: 'NOT_JSON' });
    expect(error.message).toContain('not UTF-8');
  });
});

describe('a network that fails', () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
  test.each<[string, (socket: Socket) => void]>([
    ['a reset before the answer', (socket) => socket.resetAndDestroy()],
    ['an end before the answer', (socket) => socket.end()],
    ['a body shorter than announced', (socket) => socket.end(`${head}content-length: 100\r\n\r\n{"items":[]}`)],
    [
      'a chunked body without its last chunk',
      (socket) => socket.end(`${head}transfer-encoding: chunked\r\n\r\nc\r\n{"items":[]}\r\n`),
    ],
    [
      'half a JSON text whose end nobody announced',
      (socket) => socket.end(`${head}connection: close\r\n\r\n{"items":[{"i`),
    ],
    ['an answer that is no HTTP', (socket) => socket.end('hello?\r\n\r\n')],
  ])('%s may pass', async (_, answer) => {
    const url = await serveRaw(answer);
    const error = await failure(childrenOf(clientOf(url).troops()));
    expect(error).toMatchObject({ name: 'TransientError', code: 'NETWORK' });
    expect(error.message).toContain(`GET ${url}/troops`);
  });

  test('a whole JSON text whose end nobody announced is taken', async () => {
    const url = await serveRaw((socket) => socket.end(`${head}connection: close\r\n\r\n{"items":[{"id":"a"}]}`));
    expect(await childrenOf(clientOf(url).troops())).toEqual([{ id: 'a', body: '{"id":"a"}' }]);
  });

  test('a refused connection is named as the system names it', async () => {
    const server = await startHermes();
    await server.stop();
    const error = await failure(childrenOf(clientOf(server.url).troops()));
    expect(error).toMatchObject({ name: 'TransientError', code: 'NETWORK' });
    expect(error.message).toContain('ECONNREFUSED');
  });

  test.each<[string, (socket: Socket) => void]>([
    ['no answer', () => undefined],
    ['an answer that stops in the middle', (socket) => socket.write(`${head}content-length: 100\r\n\r\n{"items":[`)],
  ])('%s ends at the time limit', async (_, answer) => {
    const url = await serveRaw(answer);
    const error = await failure(childrenOf(clientOf(url, { timeoutMs: 60 }).troops()));
    expect(error).toMatchObject({ name: 'TransientError', code: 'TIMEOUT' });
    expect(error.message).toContain('within 60 ms');
  });

  test('the gate’s signal ends a call that is under way, and one that has not begun', async () => {
    const server = await overridden('hang');
    const deadline = new AbortController();
    const hermes = clientOf(server.url, { gate: (call) => call(deadline.signal) });
    const work = failure(childrenOf(hermes.troops()));
    while (server.calls().length === 0) await new Promise(setImmediate);
    deadline.abort();
    expect(await work).toMatchObject({ name: 'TransientError', code: 'OUT_OF_TIME' });
    expect(await failure(childrenOf(hermes.troops()))).toMatchObject({ name: 'TransientError', code: 'OUT_OF_TIME' });
    expect(server.calls()).toHaveLength(1);
  });

  test('every failure at random that Hermes knows passes when the gate tries again', async () => {
    const server = await serve({ troops: 40, pageSize: 1, failRate: 0.4 });
    const codes = new Set<string>();
    const stubborn: CallGate = async (call) => {
      for (;;) {
        try {
          return await call(AbortSignal.timeout(5000));
        } catch (error) {
          const { name, code } = error as Error & { code: string };
          if (name !== 'TransientError') throw error;
          codes.add(code);
        }
      }
    };
    const children = await childrenOf(clientOf(server.url, { gate: stubborn }).troops());
    expect(children.map(({ id }) => [id])).toEqual(
      Array.from({ length: 40 }, (_, index) => server.tree().idsAt([index])),
    );
    expect([...codes].toSorted()).toEqual(['HTTP_429', 'HTTP_500', 'HTTP_502', 'HTTP_503', 'NETWORK']);
    expect(auditCalls(server.calls()).repeats).toEqual([]);
  });
});
