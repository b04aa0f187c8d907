/**
 * The gate that every call to the API goes through: when and how long to wait before the same call again. Pure: time,
 * randomness and the waiting come in as arguments.
 */
import { DeferredError, ItemError, RateLimitError, TransientError } from '../errors.ts';
import type { Waiting } from '../events.ts';
import type { CallGate, Clock } from '../ports.ts';
import type { Turns } from './turns.ts';

export type RetryPolicy = {
  /** Attempts of one call after the first. 0: none, Lambda's own retries do all of it. */
  retries: number;
  /** The first wait is a random time up to this, the next up to twice as long, and so on. */
  baseMs: number;
  /** No wait is longer than this, but for one that the API ordered. */
  maxMs: number;
  /** No order of the API stops all calls for longer, in milliseconds. */
  maxFreezeMs: number;
  /**
   * An item that has stopped all calls for so long in all waits alone from then on, in milliseconds: an API that always refuses
   * one item must not stop the others for ever. See `freezeAllowanceMs`.
   */
  maxItemFreezeMs: number;
  /** An item that the API keeps waiting for longer is given up, in milliseconds. */
  maxWaitMs: number;
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

/**
 * How long one event of an item may stop all calls. A sweep that re-fires a lost item can't know what its lost event has used up,
 * so that each event it makes gets half of what the one before it had: all of them together stop the others for less than twice
 * `maxItemFreezeMs`, however many there are. After an outage that has lost many events, each of the re-fired ones can still stop
 * all calls when the API orders it. A replay begins anew: a person asks for it.
 */
export function freezeAllowanceMs({ maxItemFreezeMs }: Pick<RetryPolicy, 'maxItemFreezeMs'>, refires: number): number {
  return Math.floor(maxItemFreezeMs / 2 ** refires);
}

export type CallGateOptions = {
  policy: RetryPolicy;
  turns: Pick<Turns, 'take' | 'answered' | 'freeze'>;
  clock: Clock;
  random: () => number;
  /** Milliseconds since 1970 after which no call starts and no wait ends. */
  deadlineMs: number;
  /** Aborted at the deadline. */
  signal: AbortSignal;
  /** How long the API has kept the item waiting, counted here; it travels with the item's event. */
  patience: Waiting;
  /** How many times the sweep has re-fired the item since its last replay. */
  refires: number;
  /** After every call, failed ones too. */
  onCall?: (durationMs: number) => void;
};

/**
 * Makes the gate of one item in one invocation: each call, every page and every retry, waits for its turn. A call that the API
 * refuses with an order to wait is made again after that wait, and counts as no attempt.
 * @throws DeferredError when the turn does not come before the deadline; once a call was made, only for a pause, a freeze, or a
 * wait that the API ordered
 * @throws ItemError `WAITED_TOO_LONG` when the API has kept the item waiting for longer than `maxWaitMs`
 * @throws TransientError `OUT_OF_TIME` when the deadline has passed, or when the item needs more turns than there is time for;
 * the call's own last error when the attempts are used up, or when the next wait would end after the deadline
 */
export function createCallGate(options: CallGateOptions): CallGate {
  const { policy, turns, clock, random, deadlineMs, signal, onCall } = options;
  let calls = 0;
  const makeCall = async <T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    await takeTurn(options, calls);
    const startedMs = clock.now();
    calls += 1;
    try {
      return await call(signal);
    } finally {
      const durationMs = clock.now() - startedMs;
      turns.answered(durationMs);
      onCall?.(durationMs);
    }
  };

  return async (call) => {
    let retry = 0;
    for (let refusals = 0; ;) {
      try {
        return await makeCall(call);
      } catch (error) {
        if (error instanceof RateLimitError) {
          await waitAsOrdered(error, refusals, options);
          refusals += 1;
          continue;
        }
        if (!(error instanceof TransientError) || retry >= policy.retries) throw error;
        const waitMs = Math.max(error.retryAfterMs ?? 0, backoffMs(retry, policy, random));
        if (clock.now() + waitMs >= deadlineMs) throw error;
        await clock.wait(waitMs);
        retry += 1;
      }
    }
  };
}

async function takeTurn({ turns, clock, deadlineMs }: CallGateOptions, calls: number): Promise<void> {
  try {
    await turns.take(deadlineMs);
  } catch (error) {
    // Requeued now, it would need as many turns next time, and again, without end.
    if (!(error instanceof DeferredError && error.code === 'NO_TURN' && calls > 0)) throw error;
    const message = `The item needs more than the ${calls} calls that its invocation had turns for: raise its level's share of the rate, or the timeout of its function.`;
    throw new TransientError('OUT_OF_TIME', message, { cause: error });
  }
  if (clock.now() >= deadlineMs)
    throw new TransientError('OUT_OF_TIME', 'The invocation ran out of time before the next call to the API.');
}

/**
 * The first orders stop all calls; those of an item that has stopped them for long enough hold for itself only. An order that is
 * longer than what is left of its allowance does both.
 * @param refusals of this call so far, in this invocation
 */
async function waitAsOrdered(error: RateLimitError, refusals: number, options: CallGateOptions): Promise<void> {
  const { policy, turns, clock, random, deadlineMs, patience, refires } = options;
  const nowMs = clock.now();
  // A clock that jumped back, or a forged event, must not make it wait for a time that is still to come.
  patience.waitingSinceMs = Math.min(patience.waitingSinceMs ?? nowMs, nowMs);
  if (nowMs - patience.waitingSinceMs >= policy.maxWaitMs) {
    const hours = (policy.maxWaitMs / 3_600_000).toPrecision(2);
    const message = `The API has ordered this item to wait for more than ${hours} hours (maxWait). Its last answer: ${error.message}`;
    throw new ItemError('WAITED_TOO_LONG', message, { cause: error });
  }
  // An order of no time at all, again and again, must not become a loop of calls.
  const waitMs = Math.max(error.waitMs, backoffMs(refusals, policy, random));
  const frozenMs = patience.frozenMs ?? 0;
  const wantedMs = Math.min(waitMs, policy.maxFreezeMs);
  const freezeMs = Math.min(wantedMs, freezeAllowanceMs(policy, refires) - frozenMs);
  if (freezeMs > 0) {
    patience.frozenMs = frozenMs + freezeMs;
    await turns.freeze(freezeMs);
    // It is waited for as a turn, with all other callers.
    if (freezeMs === wantedMs) return;
  }
  if (nowMs + waitMs >= deadlineMs) {
    // Called once more when it has waited long enough to be given up, however long the order is.
    patience.notBeforeMs = Math.min(nowMs + waitMs, patience.waitingSinceMs + policy.maxWaitMs);
    const message = `The API orders this item to wait, while others may call. ${error.message}`;
    throw new DeferredError('RATE_LIMITED', message);
  }
  await clock.wait(waitMs);
}
