/**
 * HEAD, GET and PUT of one object past the SDK's layers, which take most of such a request's CPU (bench/README.md): with the
 * SDK's own signer, credentials and connections, to the address that the SDK found for the bucket. Only plain answers are
 * for this way. After any other, and when none came, the caller asks again through the SDK, which knows about retries,
 * redirects and errors.
 */
import type { HeadObjectCommandInput, S3Client } from '@aws-sdk/client-s3';
import type { Readable } from 'node:stream';
import { explained } from './errors.ts';

/** Names in lower case. */
export type Headers = Readonly<Record<string, string>>;

export type PlainRequest =
  | { method: 'HEAD'; key: string }
  | { method: 'GET'; key: string; /** A larger body is not read. */ maxBytes: number }
  | { method: 'PUT'; key: string; headers: Headers; body: string | Uint8Array };

export type PlainAnswer = {
  status: number;
  headers: Headers;
  /** Of a GET that was answered 200 or 404; undefined when it is too large. */
  text?: string | undefined;
};

/**
 * @returns undefined when the request has to go through the SDK: no address yet, a large body, or no answer
 * @throws TransientError `OUT_OF_TIME` when the invocation's time is up: asked again, it would take the time that is left to note
 * the failure
 */
export type SendPlainly = (request: PlainRequest) => Promise<PlainAnswer | undefined>;

/** With more than 2 MB, the SDK asks S3 before it sends them (`Expect: 100-continue`). */
const maxBodyBytes = 1_000_000;

/** What S3 says of something that is missing has some hundred bytes. */
const errorBytes = 10_000;

type Signer = Awaited<ReturnType<S3Client['config']['signer']>>;
type HttpRequest = Parameters<Signer['sign']>[0];

/** What a request handler of the SDK answers, as far as it matters here. */
type Handled = { response: { statusCode: number; headers: Headers; body?: Readable } };

export function createPlainRequests(client: S3Client, bucket: string): SendPlainly {
  // The first request goes through the SDK and shows where the bucket is. Which kind of address it has, and what the region
  // and the environment's variables make of it, is the SDK's to know.
  let address: HttpRequest | undefined;
  client.middlewareStack.add(
    (next) => (args) => {
      const { Bucket: asked, Key: key } = args.input as Partial<HeadObjectCommandInput>;
      if (address === undefined && asked === bucket && key !== undefined)
        address = addressIn(args.request as HttpRequest, key);
      return next(args);
    },
    // It has its address and its headers then, and no signature. Without a name: a client may be for two buckets.
    { step: 'finalizeRequest', priority: 'high' },
  );
  let signer: Promise<Signer> | undefined;

  return async (asked) => {
    const { method, key } = asked;
    if (address === undefined) return undefined;
    const headers: Record<string, string> = { ...address.headers };
    let body: string | Uint8Array | undefined;
    if (method === 'PUT') {
      const bodyBytes = Buffer.byteLength(asked.body);
      if (bodyBytes > maxBodyBytes) return undefined;
      Object.assign(headers, asked.headers, { 'content-length': String(bodyBytes) });
      ({ body } = asked);
    }
    try {
      const request = { ...address, method, path: address.path + encodedKey(key), headers, body };
      const { config } = client;
      signer ??= config.signer();
      const signingDate = new Date(Date.now() + config.systemClockOffset);
      const signed = await (await signer).sign(request, { signingDate });
      const { response } = (await config.requestHandler.handle(signed)) as Handled;
      const { statusCode: status, headers: answered, body: stream } = response;
      if (method === 'GET' && stream !== undefined && (status === 200 || status === 404))
        return {
          status,
          headers: answered,
          text: await textOf(stream, answered, status === 200 ? asked.maxBytes : errorBytes),
        };
      // Unread, even nothing would hold the connection.
      stream?.resume();
      return { status, headers: answered };
    } catch (error) {
      if (error instanceof Error && error.name === 'AbortError')
        throw explained(`[bucket=${bucket}, key=${key}]`, error);
      // The SDK comes upon the same, and tells it.
      signer = undefined;
      return undefined;
    }
  };
}

/** @returns the request without what belongs to its key; undefined when its address does not end with that */
function addressIn(request: HttpRequest, key: string): HttpRequest | undefined {
  const { protocol, hostname, port, path, headers } = request;
  const end = encodedKey(key);
  const { host, 'user-agent': userAgent } = headers;
  if (!path.endsWith(end) || host === undefined || userAgent === undefined) return undefined;
  return {
    ...{ protocol, hostname, query: {}, method: '' },
    ...(port !== undefined && { port }),
    path: path.slice(0, -end.length),
    headers: { host, 'user-agent': userAgent },
  };
}

/** As SigV4 wants it: each byte but A-Z, a-z, 0-9 and -._~ as %XX, and slashes as they are. */
function encodedKey(key: string): string {
  return encodeURIComponent(key)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * @returns undefined for a body that is too large
 * @throws Error for one that is cut off
 */
async function textOf(body: Readable, headers: Headers, maxBytes: number): Promise<string | undefined> {
  // S3 sends what went wrong in chunks, without a length.
  const length = headers['content-length'];
  const chunks: Uint8Array[] = [];
  let read = 0;
  if (Number(length ?? 0) <= maxBytes)
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      read += chunk.length;
      if (read > maxBytes) break;
    }
  if (Number(length ?? read) > maxBytes) {
    // Unread, the rest would hold the connection.
    body.destroy();
    return undefined;
  }
  if (length !== undefined && read !== Number(length)) throw new Error(`The body has ${read} bytes of ${length}.`);
  return Buffer.concat(chunks).toString();
}
