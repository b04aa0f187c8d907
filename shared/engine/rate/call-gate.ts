/**
 * When and how long to wait before the same call again. Pure: time, randomness and the waiting come in as arguments.
 * Only `TransientError` is ever tried again.
 */
import { DeferredError, TransientError } from '../errors.ts';
import type { CallGate, Clock } from '../ports.ts';
import type { Turns } from './turns.ts';

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
  turns: Pick<Turns, 'take' | 'freeze'>;
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
 * Makes the gate of one item in one invocation: each call, every page and every retry, waits for its turn.
 * @throws DeferredError when the turn does not come before the deadline; once a call was made, only for a pause or a freeze
 * @throws TransientError `OUT_OF_TIME` when the deadline has passed, or when the item needs more turns than there is time for;
 * the call's own last error when the tries are used up, or when the next wait would end after the deadline
 */
export function createCallGate(options: CallGateOptions): CallGate {
  const { policy, turns, clock, random, deadlineMs, signal, onCall } = options;
  let calls = 0;

  async function takeTurn(): Promise<void> {
    try {
      await turns.take(deadlineMs);
    } catch (error) {
      // Handed back now, it would need as many turns next time, and again, without end.
      if (!(error instanceof DeferredError && error.code === 'NO_TURN' && calls > 0)) throw error;
      const message = `The item needs more than the ${calls} calls that its invocation had turns for: raise its level's share of the rate, or the timeout of its function.`;
      throw new TransientError('OUT_OF_TIME', message, { cause: error });
    }
    if (clock.now() >= deadlineMs)
      throw new TransientError('OUT_OF_TIME', 'The invocation ran out of time before the next call to the API.');
  }

  return async (call) => {
    for (let retry = 0; ; retry += 1) {
      await takeTurn();
      const startedMs = clock.now();
      calls += 1;
      try {
        return await call(signal);
      } catch (error) {
        if (!(error instanceof TransientError)) throw error;
        const freezeMs = freezeAskedBy(error);
        if (freezeMs !== undefined) await turns.freeze(freezeMs);
        if (retry >= policy.retries) throw error;
        // A freeze is waited for with everybody else, as a turn.
        const waitMs = Math.max(
          freezeMs === undefined ? (error.retryAfterMs ?? 0) : 0,
          backoffMs(retry, policy, random),
        );
        if (clock.now() + waitMs >= deadlineMs) throw error;
        await clock.wait(waitMs);
      } finally {
        onCall?.(clock.now() - startedMs);
      }
    }
  };
}

/** "Too many requests" and "unavailable" with a Retry-After are meant for all of us, not only for this call. */
function freezeAskedBy({ code, retryAfterMs }: TransientError): number | undefined {
  return code === 'HTTP_429' || code === 'HTTP_503' ? retryAfterMs : undefined;
}
