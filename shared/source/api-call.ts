/**
 * One call to a JSON API over HTTP: what is sent, and what each answer means. It tries once; whoever owns the gate tries
 * again. Written for any API that takes a bearer token and answers GET with JSON.
 */
import { ItemError, TransientError } from '../engine/errors.ts';
import type { CallGate } from '../engine/ports.ts';
import { isRetryableStatus, parseRetryAfter } from '../engine/rate/call-gate.ts';
import { createTransfer, readBaseUrl, type Reply } from './transfer.ts';

export type ApiOptions = {
  /** Such as `https://api.example.com/v2`. Without user, password, query and fragment: it is shown in messages. */
  baseUrl: string;
  /** The bearer token, or where to read it before each call. None for an API that asks for none. */
  token?: string | (() => Promise<string>);
  /** The API refused the token, so that `token` should read it anew next time. */
  onTokenRefused?: () => void;
  gate: CallGate;
  /** For one call, from the first byte sent to the last one read. */
  timeoutMs: number;
  /** Of one answer, uncompressed. A longer one is not read to its end. */
  maxBodyBytes: number;
  fetch?: typeof globalThis.fetch;
};

export type Query = Readonly<Record<string, string>>;

/** An answer with a status from 200 to 299 whose body was received whole and is JSON. */
export type JsonAnswer = {
  text: string;
  value: unknown;
  /** What was asked, for messages. */
  call: string;
};

/** Asks for a path below the base URL, and gives the answer to `read`, whose errors end the call like its own. */
export type ApiCall = <T>(path: string, query: Query, read: (answer: JsonAnswer) => T) => Promise<T>;

/**
 * @returns a function that throws `TransientError` `HTTP_408`, `HTTP_425`, `HTTP_429`, `HTTP_5xx`, `NETWORK`, `TIMEOUT`,
 * `OUT_OF_TIME`; `ItemError` `HTTP_4xx`, `REDIRECT`, `NOT_JSON`, `BODY_TOO_LARGE`, `BAD_TOKEN`; and what its `read` throws
 * @throws ConfigError when the base URL can't be one
 */
export function createApiCall(options: ApiOptions): ApiCall {
  const { gate, timeoutMs, maxBodyBytes, fetch } = options;
  const baseUrl = readBaseUrl(options.baseUrl);
  const transfer = createTransfer({ timeoutMs, maxBodyBytes, fetch });
  return (path, query, read) => {
    const search = new URLSearchParams(query).toString();
    const url = `${baseUrl}/${path}${search === '' ? '' : `?${search}`}`;
    const call = `GET ${url}`;
    return gate(async (signal) => {
      const token = await readToken(options, call);
      const reply = await transfer(url, token, signal);
      if (reply.status < 200 || reply.status > 299) throw await refusal(reply, call, token, options);
      return read(parse(reply, call, token, maxBodyBytes));
    });
  };
}

async function readToken({ token, onTokenRefused }: ApiOptions, call: string): Promise<string | undefined> {
  const text = typeof token === 'function' ? await token() : token;
  // fetch would refuse it too, with the whole token in its message.
  if (text !== undefined && !/^[\x21-\x7e]+$/.test(text)) {
    onTokenRefused?.();
    const message = `${call} was not made: the API's token is empty or has characters that no HTTP header can carry. Check the token's secret.`;
    throw new ItemError('BAD_TOKEN', message);
  }
  return text;
}

function parse(reply: Reply, call: string, token: string | undefined, maxBodyBytes: number): JsonAnswer {
  if (reply.isTooLarge) {
    const message = `The answer to ${call} is larger than ${maxBodyBytes} bytes, the most that is read of one.`;
    throw new ItemError('BODY_TOO_LARGE', message);
  }
  try {
    const text = decode(reply.bytes);
    return { text, value: JSON.parse(text) as unknown, call };
  } catch (error) {
    const shown = excerpt(reply, token);
    // The connection's end was the only sign of the body's: it may have been cut on the way.
    if (!reply.isFramed && /^"\s*[[{]/.test(shown)) {
      throw new TransientError('NETWORK', `The answer to ${call} broke off: ${shown}.`, { cause: error });
    }
    const contentType = reply.headers.get('content-type') ?? 'none';
    const message = `The answer to ${call} is not JSON (${whyNotJson(error)}; content type: ${contentType}): ${shown}. Check the API's URL.`;
    throw new ItemError('NOT_JSON', message, { cause: error });
  }
}

/** Where it breaks off, without the text around it that the parser quotes: the token may be in that, or a part of it. */
function whyNotJson(error: unknown): string {
  if (!(error instanceof SyntaxError)) return (error as Error).message;
  return `it breaks off ${/at position \d+/.exec(error.message)?.[0] ?? 'at its end'}`;
}

/** A letter that is replaced because its bytes are wrong would be stored as if the API had sent it. */
const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch (error) {
    throw new Error('its bytes are not UTF-8', { cause: error });
  }
}

/** The error that an answer without success stands for. */
async function refusal(reply: Reply, call: string, token: string | undefined, options: ApiOptions): Promise<Error> {
  const { status, headers } = reply;
  const code = `HTTP_${status}`;
  const message = `${call} was answered with ${status}: ${excerpt(reply, token)}.`;
  if (isRetryableStatus(status)) {
    return new TransientError(code, message, { retryAfterMs: parseRetryAfter(headers.get('retry-after'), Date.now()) });
  }
  if (status < 400) {
    const target = redirectTarget(headers.get('location'), token);
    const advice = "It was not followed, since it would take the token along: set the API's URL to where it really is.";
    return new ItemError('REDIRECT', `${call} was answered with ${status}, a redirect to ${target}. ${advice}`);
  }
  if (status === 401) {
    options.onTokenRefused?.();
    // Somebody changed the secret while we kept the old one: then it is not the item's fault.
    const isNew = typeof options.token === 'function' && (await options.token()) !== token;
    if (isNew)
      return new TransientError(code, `${message} The token has been changed meanwhile; the new one comes next.`);
  }
  const advice =
    status === 401 || status === 403
      ? ' Check the token in its secret: is it there, valid, and allowed to read this?'
      : '';
  return new ItemError(code, message + advice);
}

/** Without the query, which may hold somebody's session. */
function redirectTarget(location: string | null, token: string | undefined): string {
  if (location === null) return 'nowhere';
  return JSON.stringify(masked(location.replace(/[?#].*$/s, ''), token).slice(0, 200));
}

/** The beginning of an answer as a person may see it: on one line, without the token, should the API send it back. */
function excerpt({ bytes }: Reply, token: string | undefined): string {
  const text = new TextDecoder().decode(bytes.subarray(0, 4_000)).replace(/\s+/g, ' ').trim();
  const safe = masked(text, token);
  if (safe === '') return 'an empty body';
  return JSON.stringify(safe.length > 200 ? `${safe.slice(0, 200)}…` : safe);
}

function masked(text: string, token: string | undefined): string {
  return token === undefined ? text : text.replaceAll(token, '***');
}
