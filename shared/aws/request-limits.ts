/**
 * How long a request to AWS may take. A service that accepts a request and stays silent must not hold an invocation until
 * Lambda ends it: nothing would be noted then.
 */

/** Options of an SDK client's request handler. */
export type RequestHandlerOptions = {
  httpsAgent: { maxSockets: number };
  httpAgent: { maxSockets: number };
  connectionTimeout: number;
  requestTimeout: number;
  throwOnRequestTimeout: boolean;
  socketTimeout: number;
};

/** AWS answers within a second or two; the SDK asks again twice after a timeout. In milliseconds. */
const connectionTimeoutMs = 3_000;
const requestTimeoutMs = 10_000;

/** @param maxSockets connections at once: with fewer than there are requests side by side, requests queue up in the client */
export function requestHandlerOptions(maxSockets: number): RequestHandlerOptions {
  return {
    httpsAgent: { maxSockets },
    httpAgent: { maxSockets },
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: requestTimeoutMs,
    // Without it the SDK only warns.
    throwOnRequestTimeout: true,
    socketTimeout: requestTimeoutMs,
  };
}

/** When requests of the running invocation have to end. An environment has one invocation at a time. */
export type InvocationLimits = {
  /** Milliseconds since 1970 by which the work ends. */
  workEndsMs: number;
  /** Aborted a little after that: for requests of the work. */
  work: AbortSignal;
  /** Aborted just before Lambda ends the invocation: for notes and dead letters about work that failed. */
  end: AbortSignal;
};

let limits: InvocationLimits | undefined;

/** What is left of the reserve after the work's last request has been given up, so that the failure can be noted. */
const noteShare = 0.5;

/** Lambda ends an invocation without warning; this much earlier its requests are given up, in milliseconds. */
const marginMs = 300;

/**
 * Holds for all requests of all limited clients from now on, until the next invocation begins.
 * @param remainingMs until Lambda ends the invocation
 * @param workMs of these, for the work
 */
export function beginInvocation(remainingMs: number, workMs: number): void {
  const lastWorkMs = workMs + (remainingMs - workMs) * noteShare;
  limits = {
    workEndsMs: Date.now() + workMs,
    work: AbortSignal.timeout(Math.max(0, Math.floor(lastWorkMs))),
    end: AbortSignal.timeout(Math.max(0, Math.floor(remainingMs - marginMs))),
  };
}

type Handle = (request: never, options?: { abortSignal?: unknown }) => Promise<unknown>;

/** @returns the client, whose requests end with the invocation that they are made in */
export function limited<Client extends { config: { requestHandler: { handle: unknown } } }>(client: Client): Client {
  const { requestHandler } = client.config;
  const handle = (requestHandler.handle as Handle).bind(requestHandler);
  requestHandler.handle = (request: never, options: { abortSignal?: unknown } = {}): Promise<unknown> => {
    const signal = limits && (Date.now() < limits.workEndsMs ? limits.work : limits.end);
    return handle(request, { ...options, abortSignal: options.abortSignal ?? signal });
  };
  return client;
}
