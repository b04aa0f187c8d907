/** HTTP servers on 127.0.0.1 for the tests of the client, and the shortest way to ask one through a declared source. */
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { bearer, defineChain, list, result } from '../../../shared/source/define.ts';
import type { ChainDeclaration, SourceChain } from '../../../shared/source/define.ts';
import { createLevelFetch, type LevelFetchOptions } from '../../../shared/source/level-fetch.ts';
import type { Fetch, Params, Result } from '../../../shared/engine/item/fetch.ts';
import type { CallGate, Child, Page } from '../../../shared/engine/ports.ts';

export type Asked = {
  method: string;
  path: string;
  query: Record<string, string>;
  /** As it was sent. */
  target: string;
  headers: http.IncomingHttpHeaders;
  body: string;
};

export type Reply = { status?: number; headers?: http.OutgoingHttpHeaders; body?: unknown };

export type TestServer = { url: string; asked: Asked[] };

const stops: (() => void)[] = [];

/** For `afterEach`. */
export function stopServers(): void {
  for (const stop of stops.splice(0)) stop();
}

/** @param answer gives the answer to the nth request, counted from 0: an object is sent as JSON, a text or bytes as they are */
export async function serve(answer: (asked: Asked, nth: number) => Reply): Promise<TestServer> {
  const asked: Asked[] = [];
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const target = request.url ?? '';
      const { pathname, searchParams } = new URL(target, 'http://test');
      const { method = '', headers } = request;
      const query = Object.fromEntries(searchParams);
      asked.push({ method, path: pathname, query, target, headers, body: Buffer.concat(chunks).toString() });
      const reply = answer(asked.at(-1) as Asked, asked.length - 1);
      const isRaw = typeof reply.body === 'string' || reply.body instanceof Uint8Array || reply.body === undefined;
      response.writeHead(reply.status ?? 200, {
        ...(!isRaw && { 'content-type': 'application/json' }),
        ...reply.headers,
      });
      response.end(isRaw ? reply.body : JSON.stringify(reply.body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** A server that speaks no HTTP by itself: it does with the socket what it is told once a request has come. */
export async function serveRaw(answer: (socket: Socket, request: string, nth: number) => void): Promise<string> {
  const sockets = new Set<Socket>();
  let nth = 0;
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined); // The client may reset the connection.
    socket.on('data', (request) => answer(socket, request.toString(), nth++));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export const openGate: CallGate = (call) => call(AbortSignal.timeout(5_000));

/** Calls again after every error that says that it may pass, without waiting. */
export const stubbornGate: CallGate = async (call) => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(AbortSignal.timeout(5_000));
    } catch (error) {
      if ((error as Error).name !== 'TransientError' || attempt === 20) throw error;
    }
  }
};

export type AskOptions = Partial<LevelFetchOptions> & {
  gate?: CallGate;
  ids?: string[];
  params?: Params;
  item?: string;
};

export function fetchOf(
  chain: SourceChain,
  levelName: string,
  url: string,
  options: Partial<LevelFetchOptions> = {},
): Fetch {
  const level = chain.levels.find(({ name }) => name === levelName);
  if (level === undefined) throw new Error(`There is no level ${levelName}.`);
  return createLevelFetch(chain, level, {
    apiUrl: url,
    timeoutMs: 4_000,
    maxBodyBytes: 1_000_000,
    clock: { now: () => Date.now() },
    ...options,
  });
}

export function pagesOf(fetch: Fetch, options: AskOptions = {}): AsyncIterable<Page> {
  if (!('many' in fetch)) throw new Error('The level is a result.');
  const { ids = [], params = {}, item = '{}', gate = openGate } = options;
  return fetch.many({ run: 'r', ids, key: 'key', params, body: item }, gate);
}

export async function childrenOf(fetch: Fetch, options: AskOptions = {}): Promise<Child[]> {
  const children: Child[] = [];
  for await (const page of pagesOf(fetch, options)) children.push(...page.children);
  return children;
}

export function resultOf(fetch: Fetch, options: AskOptions = {}): Promise<Result> {
  if (!('one' in fetch)) throw new Error('The level is a list.');
  const { ids = [], params = {}, item = '{}', gate = openGate } = options;
  return fetch.one({ run: 'r', ids, key: 'key', params, read: () => Promise.resolve(item) }, gate);
}

type Api = NonNullable<ChainDeclaration['api']>;

/** A chain of the list `things` and the result `data`, as far as they are given. */
export function chainOf(
  fields: { api?: Api; params?: ChainDeclaration['params']; things?: object; data?: object } = {},
): SourceChain {
  const { api = { auth: bearer() }, params = {}, things = {}, data = {} } = fields;
  return defineChain({
    api,
    params,
    levels: [
      list('things', {
        id: 'thing',
        ...('fetch' in things ? {} : { path: 'things', items: 'items' }),
        ...things,
      }),
      result('data', {
        ...('fetch' in data ? {} : { path: 'data', query: { thing: '{thing}' } }),
        ...data,
      }),
    ],
  });
}

/** The children of the list that `things` declares. */
export function listFrom(url: string, things: object = {}, options: AskOptions & { api?: Api } = {}): Promise<Child[]> {
  const { api, gate, ids, params, item, ...client } = options;
  const chain = chainOf({ ...(api && { api }), things });
  return childrenOf(fetchOf(chain, 'things', url, client), given({ gate, ids, params, item }));
}

/** The result of the thing `t` that `data` declares. */
export function dataFrom(url: string, data: object = {}, options: AskOptions & { api?: Api } = {}): Promise<Result> {
  const { api, gate, ids = ['t'], params, item, ...client } = options;
  const chain = chainOf({ ...(api && { api }), data });
  return resultOf(fetchOf(chain, 'data', url, client), given({ gate, ids, params, item }));
}

function given(options: { [Name in keyof AskOptions]: AskOptions[Name] | undefined }): AskOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

export type Failure = Error & { code: string; retryAfterMs?: number; waitMs?: number };

export async function failure(work: Promise<unknown>): Promise<Failure> {
  const outcome = await work.then(
    (value) => new Error(`expected a failure, got ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  return outcome as Failure;
}

export const secretIs = (text: string): { secret: () => Promise<string> } => ({ secret: () => Promise.resolve(text) });
