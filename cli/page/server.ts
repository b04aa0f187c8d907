/** The page's HTTP server, on 127.0.0.1 only. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isRunName } from '../../shared/engine/chain/keys.ts';
import type { ActionOutcome, ExplainAnswer, PlaceView } from '../../page/wire.ts';
import type { OpenDeployment } from '../run/deployment.ts';
import { DeploymentError } from '../run/function-client.ts';
import { askedOf } from '../run/explain-words.ts';
import { UsageError } from '../terminal/options.ts';
import { act, parseAction, parseQuestion, type Question } from './actions.ts';
import type { Bundle } from './bundle.ts';
import { createGuard } from './guard.ts';
import { createLive } from './live.ts';
import { resultsOf } from './results-view.ts';

export type PageServer = {
  /** To be opened by a person: it holds the token. @param run absent: the list of runs */
  addressOf: (run?: string) => string;
  port: number;
  stop: () => Promise<void>;
};

export type PageOptions = {
  deployment: OpenDeployment;
  bundle: Bundle;
  stage: string;
  /** 0: any free one. */
  port: number;
  /** In the message about one that is taken. */
  portOption: string;
  countCalls?: (() => number) | undefined;
};

/** A key has 1,024 bytes at most, and ids percent-encode to more. */
const maxBodyBytes = 20_000;

/** @throws UsageError when the port is taken */
export async function startPageServer(options: PageOptions): Promise<PageServer> {
  const { deployment, countCalls, bundle } = options;
  const live = createLive({ deployment, countCalls });
  const guard = createGuard(() => (server.address() as AddressInfo).port);
  const site: Site = { ...options, live, guard, place: placeOf(options) };
  const server = createServer((request, response) => {
    void answer(site, request)
      .catch((error: unknown) => text(500, (error as Error).message))
      .then((reply) => send(reply, bundle.policy, response));
  });
  await listen(server, options);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    addressOf: (run) => `http://127.0.0.1:${port}/${run === undefined ? '' : `runs/${run}`}?token=${guard.token}`,
    async stop() {
      live.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

type Site = PageOptions & {
  live: ReturnType<typeof createLive>;
  guard: ReturnType<typeof createGuard>;
  place: PlaceView;
};

export function placeOf({ deployment, stage }: Pick<PageOptions, 'deployment' | 'stage'>): PlaceView {
  const { place, facts } = deployment;
  return { place, stage, bucket: facts.bucket, levels: facts.levels.map(({ name, ids }) => ({ name, ids })) };
}

async function listen(server: Server, { port, portOption }: PageOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new UsageError(`The port ${port} is taken: give another with ${portOption} N.`)
          : error,
      ),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
}

/** `stream`: writes what follows, until the client goes. */
type Reply = {
  status: number;
  type: string;
  body: string;
  headers?: Record<string, string>;
  stream?: (to: ServerResponse) => void;
};

const html = (body: string): Reply => ({ status: 200, type: 'text/html; charset=utf-8', body });
const json = (value: unknown): Reply => ({ status: 200, type: 'application/json', body: JSON.stringify(value) });
const text = (status: number, line: string): Reply => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${line}\n`,
});

function send({ status, type, body, headers = {}, stream }: Reply, policy: string, response: ServerResponse): void {
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'content-security-policy': policy,
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  if (stream === undefined) {
    response.end(body);
    return;
  }
  // The headers go now: the page shows at once that it is connected.
  response.flushHeaders();
  stream(response);
}

const notAllowed = text(401, 'Open the address that the command printed, with its token: it changes with each start.');

async function answer(site: Site, request: IncomingMessage): Promise<Reply> {
  const { guard } = site;
  if (!guard.isAddressed(request)) return text(421, 'This is not a name of this page.');
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const token = url.searchParams.get('token');
  if (token !== null && request.method === 'GET') {
    if (!guard.isToken(token)) return notAllowed;
    // The token does not stay in the address, the history or a copy of it.
    url.searchParams.delete('token');
    const headers = { 'set-cookie': guard.cookie(), location: `${url.pathname}${url.search}` };
    return { ...text(303, 'Welcome.'), headers };
  }
  if (!guard.hasCookie(request)) return notAllowed;
  if (request.method === 'POST') return answerPost(site, url, request);
  return request.method === 'GET' ? answerGet(site, url) : text(405, 'Only GET and POST.');
}

async function answerGet({ live, bundle, place, deployment }: Site, { pathname, searchParams }: URL): Promise<Reply> {
  const run = searchParams.get('run') ?? undefined;
  if (run !== undefined && !isRunName(run)) return text(400, 'That is no name of a run.');
  if (pathname === '/' || isRunName(/^\/runs\/([^/]+)$/.exec(pathname)?.[1] ?? '')) return html(bundle.html);
  if (pathname === '/api/place') return json(place);
  if (pathname === '/api/results' && run !== undefined) return json(await resultsOf(run, deployment));
  if (pathname === '/api/events')
    return {
      status: 200,
      type: 'text/event-stream; charset=utf-8',
      body: '',
      stream: (response) => live.stream(run, response),
    };
  return text(404, 'There is nothing here.');
}

async function answerPost(
  { guard, live, deployment }: Site,
  { pathname }: URL,
  request: IncomingMessage,
): Promise<Reply> {
  if (!guard.isFromPage(request)) return text(403, 'Only the page itself may ask for this.');
  const body = await readJson(request);
  if (pathname === '/api/actions') {
    const action = parseAction(body);
    if (action === undefined) return text(400, 'That is no action.');
    const outcome: ActionOutcome = await act(action, deployment);
    live.expectChange();
    return json(outcome);
  }
  if (pathname === '/api/explain') {
    const question = parseQuestion(body);
    return question === undefined ? text(400, 'That is no question.') : json(await explained(question, deployment));
  }
  return text(404, 'There is nothing here.');
}

async function explained(
  { asked, run }: Question,
  deployment: Pick<OpenDeployment, 'explain'>,
): Promise<ExplainAnswer> {
  try {
    return { explanation: await deployment.explain({ asked: askedOf(asked), run }) };
  } catch (error) {
    if (error instanceof DeploymentError || error instanceof UsageError) return { problem: error.message };
    throw error;
  }
}

/** @returns undefined for what is no JSON, or too long */
async function readJson(request: IncomingMessage): Promise<unknown> {
  if (request.headers['content-type'] !== 'application/json') return undefined;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBodyBytes) return undefined;
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    return undefined;
  }
}
