/**
 * The local Hermes on a socket: an HTTP API that a crawl can be run against, as fast, slow or broken as it is told to be.
 * Loopback only. It has the API (see call-key.ts) and a control interface, for the program that started it in another thread or
 * process: `GET /_hermes/calls` (a line of JSON a call), `GET /_hermes/stats`, `GET /_hermes/fail-forever`,
 * `POST /_hermes/configure` (a JSON object of settings), `POST /_hermes/clear`. It is neither logged nor delayed.
 *
 * In this order a call meets: the token check (401), the rate limit (429), its override, failures for good, failures at
 * random, the truth. The rate limit is a sliding window: a call is let through if fewer than `rateLimit` were in the second
 * before it. Calls that are refused don't count, so a client that continues to call is not locked out.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { answerCall, keyOf, type Answer } from './answer.ts';
import { openCallLog, type HermesCall } from './call-log.ts';
import { chooseFailForever } from './faults.ts';
import { changeSettings, defaultSettings, type HermesSettings } from './options.ts';
import { slidingWindow } from './sliding-window.ts';
import { hermesTree, type HermesTree } from './tree.ts';

export type HermesOptions = Partial<HermesSettings> & {
  /** 0, the default: any free one. */
  port?: number;
  /** A file that gets a line of JSON for each call, behind what it holds already. */
  logFile?: string;
};

export type LocalHermes = {
  readonly url: string;
  readonly port: number;
  /** @throws RangeError for a setting that is unknown or out of range; nothing is changed then */
  configure: (change: Partial<HermesSettings>) => void;
  calls: () => HermesCall[];
  clearCalls: () => void;
  /** The keys of the calls that answer 500 every time, without cursor: all pages of a list fail. */
  failForeverKeys: () => string[];
  tree: () => HermesTree;
  /** Cuts all connections and frees the port. */
  stop: () => Promise<void>;
};

/**
 * @throws RangeError for a setting that is unknown or out of range; the operating system's error (`EADDRINUSE`, ...) when
 * the port or the log file can't be had
 */
export async function startHermes(options: HermesOptions = {}): Promise<LocalHermes> {
  const { port: wantedPort = 0, logFile, ...wanted } = options;
  let { settings, tree, failForever } = derive(changeSettings(defaultSettings, wanted));
  const log = openCallLog(logFile);
  const asked = new Map<string, number>();
  const rateWindow = slidingWindow(1000);
  const delays = new Set<NodeJS.Timeout>();

  const configure = (change: Partial<HermesSettings>): void => {
    ({ settings, tree, failForever } = derive(changeSettings(settings, change)));
  };

  const serveApi = (request: IncomingMessage, response: ServerResponse): void => {
    const atMs = performance.timeOrigin + performance.now();
    const target = (request.url ?? '/').slice(1);
    const key = keyOf(target);
    const nth = (asked.get(key) ?? 0) + 1;
    asked.set(key, nth);
    const secondsToWait = (): number => Math.ceil(rateWindow.take(atMs, settings.rateLimit) / 1000);
    const { authorization } = request.headers;
    const answer = answerCall(target, { settings, tree, failForever, authorization, secondsToWait, nth });
    const isWhole = answer.ending === undefined;
    const call = { atMs, key, status: isWhole ? answer.status : 0, nth };
    log.add(answer.fault === undefined ? call : { ...call, fault: answer.fault });
    if (settings.latencyMs === 0) {
      send(response, answer);
      return;
    }
    const delay = setTimeout(() => {
      delays.delete(delay);
      send(response, answer);
    }, settings.latencyMs);
    delays.add(delay);
  };

  const serveControl = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    switch (`${request.method ?? ''} ${request.url ?? ''}`) {
      case 'GET /_hermes/calls':
        sendText(
          response,
          200,
          log
            .calls()
            .map((call) => `${JSON.stringify(call)}\n`)
            .join(''),
          'application/x-ndjson',
        );
        return;
      case 'GET /_hermes/stats':
        sendJson(response, 200, { calls: log.size, byStatus: log.countByStatus() });
        return;
      case 'GET /_hermes/fail-forever':
        sendJson(response, 200, [...failForever]);
        return;
      case 'POST /_hermes/clear':
        log.clear();
        sendJson(response, 200, {});
        return;
      case 'POST /_hermes/configure':
        try {
          configure(JSON.parse(await text(request)) as Partial<HermesSettings>);
          sendJson(response, 200, {});
        } catch (error) {
          sendJson(response, 400, { error: { code: 'bad_settings', message: String(error) } });
        }
        return;
      default:
        sendJson(response, 404, { error: { code: 'not_found', message: 'The control interface has no such call.' } });
    }
  };

  const server = createServer((request, response) => {
    if (request.url?.startsWith('/_hermes/') !== true) serveApi(request, response);
    else serveControl(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  // Longer than a test takes: a client never meets a connection that was closed for idleness just now.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      log.close();
      reject(error);
    });
    server.listen(wantedPort, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    configure,
    calls: () => log.calls(),
    clearCalls: () => log.clear(),
    failForeverKeys: () => [...failForever],
    tree: () => tree,
    stop: async () => {
      for (const delay of delays) clearTimeout(delay);
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
      log.close();
    },
  };
}

/** What follows from the settings alone, so that a change that can not be made changes nothing. */
function derive(settings: HermesSettings): { settings: HermesSettings; tree: HermesTree; failForever: Set<string> } {
  const resized = Object.entries(settings.overrides).flatMap(([key, override]) =>
    typeof override === 'object' && 'children' in override ? [[key, override.children] as const] : [],
  );
  const tree = hermesTree({ ...settings, children: Object.fromEntries(resized) });
  return { settings, tree, failForever: new Set(chooseFailForever(tree, settings.failForever, settings.seed)) };
}

function sendText(response: ServerResponse, status: number, body: string, contentType: string): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }).end(body);
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  sendText(response, status, JSON.stringify(body), 'application/json');
}

function send(response: ServerResponse, answer: Answer): void {
  const { status, headers, ending } = answer;
  if (ending === 'hang') return;
  if (ending === 'reset') {
    response.socket?.resetAndDestroy();
    return;
  }
  if (ending === 'endless') {
    response.writeHead(status, headers);
    sendEndlessly(response, answer.body);
    return;
  }
  const body = Buffer.from(answer.body);
  response.writeHead(status, { ...headers, 'content-length': body.length });
  if (ending === 'cut-body') {
    response.write(body.subarray(0, body.length >> 1), () => response.destroy());
    return;
  }
  response.end(body);
}

/** Sends items until the client goes, no faster than it reads. */
function sendEndlessly(response: ServerResponse, start: string): void {
  const item = `${JSON.stringify({ id: 'again', padding: 'x'.repeat(16_000) })},`;
  const fill = (): void => {
    while (!response.destroyed && response.write(item));
  };
  response.on('drain', fill);
  response.write(start);
  fill();
}
