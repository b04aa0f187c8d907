/** Calls the API: each call goes through the gate, with the source's auth, and ends as an answer or as an error that says what to do. */
import type { CallGate, Clock } from '../engine/ports.ts';
import type { ToldLimit } from '../engine/rate/api-limit.ts';
import { isWantedStatus, judgeAnswer, type Reader } from './answers.ts';
import { createAuthenticator } from './auth.ts';
import type { SecretSource } from './authenticator.ts';
import { readBaseUrl } from './base-url.ts';
import { acceptedCodings } from './content-coding.ts';
import type { AnswerRule, ApiDeclaration } from './declaration.ts';
import type { JsonValue } from './request-declaration.ts';
import { createExchange, type Exchange, type Reply } from './exchange.ts';
import { excerpt, readJson, type Asked } from './json-answer.ts';
import { stepsOf, type JsonPath } from './json-path.ts';
import type { TokenClient } from './oauth2.ts';
import type { PageChange } from './paginators.ts';
import type { ApiRequest } from './request.ts';
import type { Credentials } from './secret-text.ts';
import { readToldLimit } from './told-limit.ts';
import { waitAskedBy } from './waiting-signals.ts';

export type ClientOptions = SecretSource & {
  /** Such as `https://api.example.com/v2`. Without user, password, query and fragment: it is shown in messages. */
  apiUrl: string;
  /** For one call, from the first byte sent to the last one read. */
  timeoutMs: number;
  /** Of one answer, uncompressed. A longer one is not read to its end. */
  maxBodyBytes: number;
  clock: Pick<Clock, 'now'>;
  /** Told of each answer before it is judged, also of one that is a failure. */
  onReply?: (received: ReplyOf) => void;
  /** Told of each answer that says how many calls the API allows, also of one that is a failure. */
  onLimit?: (limit: ToldLimit) => void;
  /** An answer says how many calls are allowed, and nothing says in which time. */
  onLimitWithoutWindow?: (calls: number) => void;
};

/** An answer, and what was asked. */
export type ReplyOf = Asked & { url: URL; reply: Reply };

export type CallManner = {
  /** The level's, then those of the API. */
  rules: readonly AnswerRule[];
  reader: Reader;
  accept: string;
};

export type Received = ReplyOf & {
  /** There are no children: 204, or a rule says so. */
  isNothing: boolean;
};

/**
 * @param read makes of the answer what is wanted; its errors end the call like the call's own, so that they are retried
 */
export type ApiCall = <T>(
  request: ApiRequest,
  change: PageChange,
  manner: CallManner,
  gate: CallGate,
  read: (received: Received) => T,
) => Promise<T>;

/** A call with a newer access token may succeed. */
class StaleTokenError extends Error {
  override readonly name = 'StaleTokenError';
}

/**
 * @returns a function that throws TransientError `HTTP_…`, `API_ERROR`, `CUT_SHORT`, `BAD_ENCODING`, `NETWORK`, `TIMEOUT`,
 * `OUT_OF_TIME`; RateLimitError `HTTP_…`, `API_ERROR`; ItemError `HTTP_…`, `API_ERROR`, `REDIRECT`, `NO_CONTENT`,
 * `BODY_TOO_LARGE`, `BAD_ENCODING`, `BAD_TOKEN`, `TOKEN_REFUSED`; what `read` and the gate throw
 * @throws ConfigError when `apiUrl` can't be one
 */
export function createApiCall(api: ApiDeclaration, options: ClientOptions): ApiCall {
  const { clock, maxBodyBytes } = options;
  const baseUrl = readBaseUrl(options.apiUrl);
  const exchange = createExchange(options);
  const auth = createAuthenticator(api.auth, options, tokenClient(baseUrl, exchange, options), clock);
  return async (request, change, manner, gate, read) => {
    const once = async (signal: AbortSignal, isSecond: boolean): Promise<Received> => {
      const credentials = await auth.credentials();
      const { mask } = credentials;
      const url = urlOf(baseUrl, request, change, credentials);
      const call = mask(`${request.method} ${url.href}`);
      const outgoing = { ...outgoingOf(request, change, manner, credentials), url, call };
      const startedMs = clock.now();
      const reply = await exchange(outgoing, signal, (status) => isWantedStatus(status, manner.rules), mask);
      tellLimit(reply, startedMs, api, options);
      options.onReply?.({ call, mask, url, reply });
      const { rules, reader } = manner;
      const meaning = judgeAnswer(reply, { call, mask, rules, reader, nowMs: clock.now(), maxBodyBytes });
      if (meaning !== 'unauthorized') return { call, mask, reply, url, isNothing: meaning === 'nothing' };
      const refusal = `${call} was answered with 401: ${excerpt(reply, mask)}.`;
      const error = await auth.refused(credentials, isSecond, refusal);
      throw error === 'stale' ? new StaleTokenError(refusal) : error;
    };
    for (let isSecond = false; ; isSecond = true) {
      await auth.prepare(gate);
      try {
        return await gate(async (signal) => read(await once(signal, isSecond)));
      } catch (error) {
        if (!(error instanceof StaleTokenError)) throw error;
      }
    }
  };
}

function tellLimit({ headers }: Reply, startedMs: number, api: ApiDeclaration, options: ClientOptions): void {
  const told = readToldLimit(headers, api.limit);
  if (told?.perSecond !== undefined) options.onLimit?.({ perSecond: told.perSecond, startedMs });
  else if (told !== undefined) options.onLimitWithoutWindow?.(told.calls);
}

function urlOf(baseUrl: string, request: ApiRequest, change: PageChange, credentials: Credentials): URL {
  const secrets = Object.entries(credentials.query);
  if (change.url !== undefined) {
    const url = new URL(change.url);
    // A link is left as it came, as far as possible: printing the query anew may change its encoding.
    for (const [name, value] of secrets) url.searchParams.set(name, value);
    return url;
  }
  const url = new URL(request.path === '' ? baseUrl : `${baseUrl}/${request.path}`);
  for (const [name, value] of request.query) url.searchParams.append(name, value);
  for (const [name, value] of [...Object.entries(change.query ?? {}), ...secrets]) url.searchParams.set(name, value);
  return url;
}

function outgoingOf(
  { method, headers, body }: ApiRequest,
  change: PageChange,
  { accept }: CallManner,
  credentials: Credentials,
): { method: 'GET' | 'POST'; headers: Record<string, string>; body?: string } {
  const json = (change.body ?? []).reduce((whole, { place, value }) => withValueAt(whole, place, value), body);
  return {
    method,
    headers: {
      accept,
      'accept-encoding': acceptedCodings,
      'user-agent': 's3-cascade',
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...headers,
      ...credentials.headers,
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
  };
}

function withValueAt(body: JsonValue | undefined, place: JsonPath, value: JsonValue): JsonValue {
  const [name, ...rest] = stepsOf(place);
  if (name === undefined) return value;
  const fields: Readonly<Record<string, JsonValue>> =
    typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Record<string, JsonValue>) : {};
  const inner = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return { ...fields, [name]: withValueAt(inner, rest, value) };
}

function tokenClient(
  baseUrl: string,
  exchange: Exchange,
  { clock, maxBodyBytes }: Pick<ClientOptions, 'clock' | 'maxBodyBytes'>,
): TokenClient {
  return ({ auth, form, headers, mask }, gate) =>
    gate(async (signal) => {
      const url = new URL(auth.tokenUrl ?? `${baseUrl}/${auth.tokenPath.replace(/^\//, '')}`);
      const call = mask(`POST ${url.href}`);
      const sent = {
        accept: 'application/json',
        'accept-encoding': acceptedCodings,
        'user-agent': 's3-cascade',
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      };
      const outgoing = { method: 'POST', url, headers: sent, body: form, call } as const;
      const reply = await exchange(outgoing, signal, (status) => isWantedStatus(status, []), mask);
      const { status } = reply;
      const nowMs = clock.now();
      const mustWait = (waitAskedBy(status, reply.headers, nowMs) ?? 0) > 0;
      if (!mustWait && (status === 400 || status === 401 || status === 403))
        return { refused: `${call} was answered with ${status}: ${excerpt(reply, mask)}.` };
      judgeAnswer(reply, { call, mask, rules: [], reader: 'result', nowMs, maxBodyBytes });
      // A token that is there already, in an answer that is not whole, is not shown.
      return { value: readJson(reply, { call, mask: () => 'not shown' }).value };
    });
}
