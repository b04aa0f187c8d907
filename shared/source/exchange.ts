/**
 * One HTTP request and its whole answer, within a time and a size. It knows the network's ways to fail, and nothing of
 * statuses or JSON. It is Node's own client, since `fetch` takes half of a compressed body for a whole one.
 */
import http from 'node:http';
import https from 'node:https';
import { ItemError, TransientError } from '../engine/errors.ts';
import { codingsOf, decodeBody } from './content-coding.ts';
import type { Mask } from './secret-mask.ts';

export type Outgoing = {
  method: 'GET' | 'POST';
  url: URL;
  headers: Readonly<Record<string, string>>;
  body?: string | undefined;
  /** What is asked, for messages: the method and the URL without a secret. */
  call: string;
};

export type ReplyHeaders = Readonly<Record<string, string>>;

export type Reply = {
  status: number;
  /** Lower-case names; of a header that comes several times, all values, with commas. */
  headers: ReplyHeaders;
  /** The whole body, decompressed; or its beginning if `isTooLarge`. */
  bytes: Uint8Array;
  isTooLarge: boolean;
  /** The answer said where it ends. Otherwise a body that was cut on the way looks like a whole one. */
  isFramed: boolean;
};

/**
 * @param isWanted whether the body of an answer with this status is needed whole; of others only the beginning is read
 * @param mask hides the secrets that went into the request
 */
export type Exchange = (
  request: Outgoing,
  signal: AbortSignal,
  isWanted: (status: number) => boolean,
  mask: Mask,
) => Promise<Reply>;

/** A body that is larger is read while no other such is: with many calls side by side, they would fill the memory together. */
const smallBodyBytes = 1_000_000;

/** Of an answer without success only the beginning is of use: to a person, and to the source's answer rules. */
const mostRefusalBytes = 65_536;

/**
 * @returns a function that throws `TransientError`: `TIMEOUT` after `timeoutMs`, `OUT_OF_TIME` when its signal is aborted,
 * `CUT_SHORT` for a compressed body without its end, `NETWORK` for everything else that kept the whole answer from coming,
 * with the system's code in its message
 */
export function createExchange(limits: { timeoutMs: number; maxBodyBytes: number }): Exchange {
  const { timeoutMs, maxBodyBytes } = limits;
  const largeBodies = createLock();
  return async (request, signal, isWanted, mask) => {
    const { call } = request;
    const limit = new AbortController();
    const onDeadline = (): void =>
      limit.abort(new TransientError('OUT_OF_TIME', `${call} was still open when the invocation ran out of time.`));
    const onTimeout = (): void =>
      limit.abort(new TransientError('TIMEOUT', `${call} was not answered in full within ${timeoutMs} ms.`));
    // A timer of our own, and not AbortSignal.timeout: this one is gone when the call is.
    const timer = setTimeout(onTimeout, timeoutMs);
    signal.addEventListener('abort', onDeadline, { once: true });
    if (signal.aborted) onDeadline();
    try {
      return await exchange(request, limit.signal, { isWanted, maxBodyBytes, largeBodies });
    } catch (error) {
      if (limit.signal.aborted) throw limit.signal.reason;
      if (error instanceof TransientError || error instanceof ItemError) throw error;
      const reason = mask(networkReason(error));
      // Node's errors carry the answer's raw bytes, which a log would show: only the reason is passed on.
      throw new TransientError('NETWORK', `${call} failed: ${reason}.`, { cause: new Error(reason) });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onDeadline);
    }
  };
}

type Reading = { isWanted: (status: number) => boolean; maxBodyBytes: number; largeBodies: Lock };

async function exchange(
  request: Outgoing,
  signal: AbortSignal,
  { isWanted, maxBodyBytes, largeBodies }: Reading,
): Promise<Reply> {
  signal.throwIfAborted();
  const response = await send(request, signal);
  const status = response.statusCode ?? 0;
  const headers = joined(response.headers);
  const isFramed = 'content-length' in headers || 'transfer-encoding' in headers;
  const isWhole = isWanted(status);
  const mostBytes = isWhole ? maxBodyBytes : mostRefusalBytes;
  let unlock: (() => void) | undefined;
  const onLarge = async (): Promise<void> => void (unlock = await largeBodies(signal));
  try {
    const raw = await readBody(response, mostBytes, onLarge);
    const body = await decodeBody(raw, {
      codings: codingsOf(headers['content-encoding']),
      isWhole: isWhole && !hasNoBody(status),
      mostBytes,
      call: request.call,
    });
    return { status, headers, ...body, isFramed };
  } finally {
    unlock?.();
  }
}

/** RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5. */
function hasNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

function send({ method, url, headers, body }: Outgoing, signal: AbortSignal): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const client = url.protocol === 'https:' ? https : http;
    // A redirect is not followed: it could take the secret to another host.
    const request = client.request(url, { method, headers, signal });
    request.on('response', resolve);
    // It stays on while the body is read, so that a late error does not end the process.
    request.on('error', reject);
    request.end(body);
  });
}

/** Reads up to a bound; behind it the connection is cut, so that no more is sent. */
async function readBody(
  response: http.IncomingMessage,
  mostBytes: number,
  onLarge: () => Promise<void>,
): Promise<{ bytes: Uint8Array; isTooLarge: boolean }> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  // Leaving the loop early destroys the stream.
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > smallBodyBytes && sizeBytes - chunk.length <= smallBodyBytes) await onLarge();
    if (sizeBytes > mostBytes) return { bytes: Buffer.concat(chunks).subarray(0, mostBytes), isTooLarge: true };
  }
  const [only] = chunks;
  return { bytes: chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks), isTooLarge: false };
}

/** @returns what gives the place to the next @throws the signal's reason when it is aborted before there is a place */
type Lock = (signal: AbortSignal) => Promise<() => void>;

/** One at a time, in the order in which they ask. */
function createLock(): Lock {
  let last: Promise<void> = Promise.resolve();
  return async (signal) => {
    let unlock: () => void = () => undefined;
    const before = last;
    last = new Promise((resolve) => (unlock = resolve));
    let onAbort: () => void = () => undefined;
    const aborted = new Promise<void>((resolve) => (onAbort = resolve));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    await Promise.race([before, aborted]);
    signal.removeEventListener('abort', onAbort);
    if (!signal.aborted) return unlock;
    // Its place in the line is kept until those before it are done.
    void before.then(unlock);
    throw signal.reason;
  };
}

function joined(headers: http.IncomingHttpHeaders): ReplyHeaders {
  const all: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) all[name] = Array.isArray(value) ? value.join(', ') : value;
  return all;
}

/** An error's message with the system's code, and those of its causes. */
function networkReason(error: unknown): string {
  const reasons: string[] = [];
  for (let at = error; typeof at === 'object' && at !== null && reasons.length < 5;) {
    const { message, code, cause, errors } = at as Partial<AggregateError & NodeJS.ErrnoException>;
    const text = message ?? '';
    reasons.push(code === undefined || text.includes(code) ? text : `${code} ${text}`.trim());
    // Of several addresses that failed, the first one's failure says enough.
    at = cause ?? (errors as unknown[] | undefined)?.[0];
  }
  return reasons.filter((reason) => reason !== '').join(': ') || String(error);
}
