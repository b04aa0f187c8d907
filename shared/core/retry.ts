/**
 * When and how long to wait before the same call again. Pure: time, randomness and the waiting come in as arguments.
 * Only `TransientError` is ever tried again.
 */
import { TransientError } from './errors.ts';
import type { CallGate, Clock } from './ports.ts';

export type RetryPolicy = {
  /** Tries after the first. 0: none, Lambda's own retries do all of it. */
  retries: number;
  /** The first wait is a random time up to this, the next up to twice as long, and so on. */
  baseMs: number;
  /** No wait is longer than this, but for a Retry-After. */
  maxMs: number;
};

/** 408, 425, 429 and every 5xx may pass; any other status from 400 on will not. */
export function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status <= 599);
}

/**
 * Reads a Retry-After header: seconds, or an HTTP date. A date that has passed is 0.
 * @returns milliseconds from `nowMs`, or undefined when there is no header or nobody can tell what it means
 */
export function parseRetryAfter(value: string | null | undefined, nowMs: number): number | undefined {
  const text = value?.trim();
  if (text === undefined || text === '') return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  // A date has a day's or a month's name; without the check, Date.parse takes "-5" for a year.
  if (!/[A-Za-z]{3}/.test(text)) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** Exponential backoff with full jitter, so that many functions that failed together don't come back together. */
export function backoffMs(retry: number, policy: RetryPolicy, random: () => number): number {
  return Math.round(random() * Math.min(policy.maxMs, policy.baseMs * 2 ** retry));
}

export type CallGateOptions = {
  policy: RetryPolicy;
  clock: Clock;
  random: () => number;
  /** Milliseconds since 1970 after which no call starts and no wait ends. */
  deadlineMs: number;
  /** Aborted at the deadline. */
  signal: AbortSignal;
  /** After every call, failed ones too. */
  onCall?: (durationMs: number) => void;
};

/**
 * Makes the gate of one invocation.
 * @throws TransientError `OUT_OF_TIME` when the deadline has passed; the call's own last error when the tries are used up,
 * or when the next wait would end after the deadline
 */
export function createCallGate(options: CallGateOptions): CallGate {
  const { policy, clock, random, deadlineMs, signal, onCall } = options;
  return async (call) => {
    for (let retry = 0; ; retry += 1) {
      const startedMs = clock.now();
      if (startedMs >= deadlineMs) {
        throw new TransientError('OUT_OF_TIME', 'The invocation ran out of time before the next call to the API.');
      }
      try {
        return await call(signal);
      } catch (error) {
        if (!(error instanceof TransientError) || retry >= policy.retries) throw error;
        const waitMs = Math.max(error.retryAfterMs ?? 0, backoffMs(retry, policy, random));
        if (clock.now() + waitMs >= deadlineMs) throw error;
        await clock.wait(waitMs);
      } finally {
        onCall?.(clock.now() - startedMs);
      }
    }
  };
}
