/**
 * A function's end of the way to the local S3 without a socket: settings for the SDK's S3 client. The client serializes,
 * checks and retries as it does over HTTP; only the wire is a message port, and since a port is one environment's own, it
 * tells who asks: nothing is signed. There are no streams: a function's bodies are whole texts. Every environment loads this
 * file, so that it imports nothing of the store.
 */
import { Readable } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';

export type PortRequest = {
  id: number;
  method: string;
  path: string;
  query: string;
  headers: Record<string, string>;
  body: Uint8Array | string | undefined;
};

export type PortResponse = { id: number; status: number; headers: Record<string, string>; body: Uint8Array | string };

/** What the SDK gives a request handler (`HttpRequest` of @smithy/types). */
type SdkRequest = {
  method: string;
  path: string;
  query?: Readonly<Record<string, string | readonly string[] | null>>;
  headers: Readonly<Record<string, string>>;
  body?: unknown;
};

type SdkResponse = { response: { statusCode: number; headers: Record<string, string>; body?: Readable } };

/** The function's end: what the SDK's S3 client is made with. */
export function portClientConfig(port: MessagePort) {
  const unsigned = { sign: <Request>(request: Request): Promise<Request> => Promise.resolve(request) };
  return { requestHandler: portRequestHandler(port), signer: unsigned };
}

function portRequestHandler(port: MessagePort) {
  const waiting = new Map<number, (response: PortResponse) => void>();
  let sent = 0;
  port.on('message', (response: PortResponse) => {
    waiting.get(response.id)?.(response);
    waiting.delete(response.id);
    // A thread may end while nothing is under way.
    if (waiting.size === 0) port.unref();
  });
  port.unref();

  return {
    async handle({ method, path, query = {}, headers, body }: SdkRequest): Promise<SdkResponse> {
      if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)) {
        throw new TypeError('The in-process S3 takes texts and bytes, no streams.');
      }
      sent += 1;
      const request: PortRequest = {
        id: sent,
        method,
        path,
        query: queryText(query),
        headers: lowerCased(headers),
        body,
      };
      const response = await new Promise<PortResponse>((resolve) => {
        waiting.set(request.id, resolve);
        port.ref();
        port.postMessage(request);
      });
      const bytes = typeof response.body === 'string' ? Buffer.from(response.body) : response.body;
      // A HEAD's answer is as long as its headers say and has no body.
      const hasBody = method === 'GET' || (bytes.length > 0 && method !== 'HEAD');
      return {
        response: {
          statusCode: response.status,
          headers: response.headers,
          ...(hasBody && { body: Readable.from([bytes], { objectMode: false }) }),
        },
      };
    },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
    destroy: () => undefined,
  };
}

function queryText(query: NonNullable<SdkRequest['query']>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value ?? '']).map((one: string): [string, string] => [name, one]),
  );
  return new URLSearchParams(pairs).toString();
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
