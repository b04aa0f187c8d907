/**
 * One HTTP request and its whole answer, within a time and a size. It knows the network's ways to fail, and nothing of
 * statuses or JSON.
 */
import { ConfigError, TransientError } from '../engine/errors.ts';

export type Reply = {
  status: number;
  headers: Headers;
  /** The whole body, or its beginning if `isTooLarge`. */
  bytes: Uint8Array;
  isTooLarge: boolean;
  /** The answer said how long it is, so that a body cut on the way would have been noticed. */
  isFramed: boolean;
};

export type Transfer = (url: string, token: string | undefined, signal: AbortSignal) => Promise<Reply>;

export type TransferOptions = {
  timeoutMs: number;
  maxBodyBytes: number;
  fetch: typeof globalThis.fetch | undefined;
};

/** Of an answer without success only the beginning is of use, to a person. */
const maxRefusalBytes = 8_192;

/**
 * @returns a function that throws `TransientError`: `TIMEOUT` after `timeoutMs`, `OUT_OF_TIME` when its signal is aborted,
 * `NETWORK` for everything else that kept the whole answer from coming, with the system's code in its message
 */
export function createTransfer({ timeoutMs, maxBodyBytes, fetch = globalThis.fetch }: TransferOptions): Transfer {
  return async (url, token, signal) => {
    const limit = new AbortController();
    const onDeadline = (): void =>
      limit.abort(
        new TransientError('OUT_OF_TIME', `GET ${url} was still under way when the invocation ran out of time.`),
      );
    const onTimeout = (): void =>
      limit.abort(new TransientError('TIMEOUT', `GET ${url} was not answered in full within ${timeoutMs} ms.`));
    // A timer of our own, and not AbortSignal.timeout: this one is gone when the call is.
    const timer = setTimeout(onTimeout, timeoutMs);
    signal.addEventListener('abort', onDeadline, { once: true });
    if (signal.aborted) onDeadline();
    try {
      const headers = {
        accept: 'application/json',
        'user-agent': 's3-cascade',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      };
      // Followed, a redirect could take the token to another host.
      const response = await fetch(url, { signal: limit.signal, headers, redirect: 'manual' });
      const body = await readBody(response, response.ok ? maxBodyBytes : maxRefusalBytes);
      const isFramed = response.headers.has('content-length') || response.headers.has('transfer-encoding');
      return { status: response.status, headers: response.headers, ...body, isFramed };
    } catch (error) {
      if (limit.signal.aborted) throw limit.signal.reason;
      throw new TransientError('NETWORK', `GET ${url} failed: ${networkReason(error)}.`, { cause: error });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onDeadline);
    }
  };
}

/** Reads up to a bound; behind it the connection is cut, so that no more is sent. */
async function readBody(response: Response, maxBytes: number): Promise<{ bytes: Uint8Array; isTooLarge: boolean }> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  // Leaving the loop early cancels the stream.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) return { bytes: Buffer.concat(chunks).subarray(0, maxBytes), isTooLarge: true };
  }
  const [only] = chunks;
  return { bytes: chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks), isTooLarge: false };
}

/**
 * fetch wraps what happened: "fetch failed", and the reason one or two causes below. Read by shape: fetch's errors need
 * not be of our own `Error` class (in a test or another context they are not).
 */
function networkReason(error: unknown): string {
  const reasons: string[] = [];
  for (let at = error; typeof at === 'object' && at !== null && reasons.length < 5;) {
    const { message, code, cause, errors } = at as Partial<AggregateError & NodeJS.ErrnoException>;
    const text = message ?? '';
    reasons.push(code === undefined || text.includes(code) ? text : `${code} ${text}`.trim());
    // Of several addresses that were tried, the first one's failure says enough.
    at = cause ?? (errors as unknown[] | undefined)?.[0];
  }
  return reasons.filter((reason) => reason !== '').join(': ') || String(error);
}

/** @throws ConfigError */
export function readBaseUrl(text: string): string {
  const url = URL.parse(text);
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url === null || !isHttp || `${url.username}${url.password}${url.search}${url.hash}` !== '') {
    const allowed = 'must be an http or https URL without user, password, query and fragment';
    // Not shown: what is wrong with it may be the password in it.
    throw new ConfigError([`the base URL of the API ${allowed}`]);
  }
  return url.href.replace(/\/+$/, '');
}
