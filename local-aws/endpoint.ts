/**
 * The engine's one address: an HTTP server on loopback that hands each request to the service that it is signed for, and
 * counts it. It owns dispatch and counting; it knows nothing of what the services do.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type ServiceName = 's3' | 'sqs' | 'lambda' | 'logs' | 'secretsmanager' | 'sts';

/** Who signed a request. The engine gives each function a key id of its own; any other caller is a person. */
export type Caller = 'functions' | 'people';

/** Requests by service and operation. */
export type RequestCounts = Record<Caller, Partial<Record<ServiceName, Record<string, number>>>>;

export type ServiceRequest = {
  request: IncomingMessage;
  response: ServerResponse;
  /** '' for a request that is not signed. */
  accessKeyId: string;
};

/** Answers a request and tells what it was, e.g. `PutObject`; undefined when the name stands in X-Amz-Target. */
export type Service = (call: ServiceRequest) => Promise<string | undefined>;

export type Endpoint = {
  readonly url: string;
  readonly port: number;
  counts: () => RequestCounts;
  /** Counts what goes to a service without the socket (a failure destination's message). */
  count: (caller: Caller, service: ServiceName, operation: string) => void;
  /** Requests are answered with 503 until the services are there. */
  open: (services: Record<ServiceName, Service>) => void;
  /** From now on they are again. */
  close: () => void;
  stop: () => Promise<void>;
};

/** The port can't be had. The message is one line that a person can act on. */
export class PortError extends Error {
  override readonly name = 'PortError';
  readonly code: string;

  constructor(code: string, port: number, cause: unknown) {
    super(
      code === 'EADDRINUSE'
        ? `Port ${port} on 127.0.0.1 is in use; choose another with --port, or end what uses it.`
        : `Port ${port} on 127.0.0.1 can not be opened (${code}); choose another with --port.`,
      { cause },
    );
    this.code = code;
  }
}

/**
 * Longer than any client keeps an idle connection: a server that closes first makes the client's next request fail with
 * ECONNRESET.
 */
const keepAliveTimeoutMs = 600_000;

/**
 * @param options.functionKeyPrefix how the access key ids of functions begin
 * @param options.onFault told of what a service threw; the client got a 500
 * @throws PortError when the port is in use or forbidden
 */
export async function openEndpoint(options: {
  port: number;
  functionKeyPrefix: string;
  onFault: (error: unknown) => void;
}): Promise<Endpoint> {
  const { onFault } = options;
  const counts: RequestCounts = { functions: {}, people: {} };
  let services: Record<ServiceName, Service> | undefined;
  const count = (caller: Caller, service: ServiceName, operation: string): void => {
    const ofService = (counts[caller][service] ??= {});
    ofService[operation] = (ofService[operation] ?? 0) + 1;
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { service, accessKeyId } = addresseeOf(request);
    if (services === undefined) {
      response.writeHead(503, { 'content-type': 'text/plain' }).end('The engine is starting or stopping.\n');
      return;
    }
    const caller = accessKeyId.startsWith(options.functionKeyPrefix) ? 'functions' : 'people';
    const target = targetOf(request);
    const operation = await services[service]({ request, response, accessKeyId });
    count(caller, service, operation ?? target ?? 'Unknown');
  };
  const server = createServer({ noDelay: true, keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      // One request that breaks a service must not end the engine, and its client must not wait for ever.
      onFault(error);
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
      response.end('The local engine failed to answer; its own output says why.\n');
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new PortError(error.code ?? 'UNKNOWN', options.port, error)),
    );
    server.listen({ port: options.port, host: '127.0.0.1', backlog: 1024 }, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    counts: () => structuredClone(counts),
    count,
    open: (opened) => {
      services = opened;
    },
    close: () => {
      services = undefined;
    },
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const serviceOfScope: Readonly<Record<string, ServiceName>> = {
  s3: 's3',
  sqs: 'sqs',
  lambda: 'lambda',
  logs: 'logs',
  secretsmanager: 'secretsmanager',
  sts: 'sts',
};

/**
 * The service and the key id of a request: from its signature's credential scope (`AKID/date/region/service/aws4_request`),
 * in the header or, for a presigned URL, in the query. Without one: from X-Amz-Target or Lambda's path; else it is S3's.
 */
export function addresseeOf(request: Pick<IncomingMessage, 'headers' | 'url'>): {
  service: ServiceName;
  accessKeyId: string;
} {
  const url = request.url ?? '/';
  const [, written] =
    /Credential=([^,\s]+)/.exec(request.headers.authorization ?? '') ?? /[?&]X-Amz-Credential=([^&]+)/.exec(url) ?? [];
  const parts = (written ?? '').replace(/%2F/gi, '/').split('/');
  const accessKeyId = parts.length >= 5 ? parts.slice(0, -4).join('/') : '';
  const named = serviceOfScope[parts.at(-2) ?? ''];
  if (named !== undefined) return { service: named, accessKeyId };
  const target = String(request.headers['x-amz-target'] ?? '');
  if (target.startsWith('AmazonSQS.')) return { service: 'sqs', accessKeyId };
  if (target.startsWith('Logs_20140328.')) return { service: 'logs', accessKeyId };
  if (target.startsWith('secretsmanager.')) return { service: 'secretsmanager', accessKeyId };
  if (/^\/20\d\d-\d\d-\d\d\/functions/.test(url)) return { service: 'lambda', accessKeyId };
  return { service: 's3', accessKeyId };
}

function targetOf(request: IncomingMessage): string | undefined {
  const target = request.headers['x-amz-target'];
  return typeof target === 'string' ? target.slice(target.lastIndexOf('.') + 1) : undefined;
}
