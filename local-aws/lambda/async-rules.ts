/**
 * The numbers of asynchronous invocation, each with the AWS page that it is from, as functions of their arguments. All
 * times here are AWS's own, before any time scale.
 */

/** One minute before the first retry, two before the second (page invocation-async-error-handling). */
const retryWaitsMs: readonly number[] = [60_000, 120_000];
/** Throttled events come back after 1 second, growing exponentially to 5 minutes (same page). */
const firstThrottleWaitMs = 1_000;
export const longestThrottleWaitMs = 300_000;

/** 1 MB for an asynchronous event, 6 MB each way for a synchronous one (page gettingstarted-limits). */
export const asyncPayloadLimitBytes = 1_048_576;
export const syncPayloadLimitBytes = 6_291_456;
/** The error of too big a response names this number on AWS: 6 MB and a little. */
export const responseLimitBytes = 6_291_556;

/** The init phase is ended after 10 seconds; Lambda then starts it again within the function's timeout (page lambda-runtime-environment). */
export const initPhaseLimitMs = 10_000;

/**
 * While a function is at its reserved concurrency, its queue is read ever more slowly: Lambda "reduces the rate at which it
 * reads events" (page invocation-async-error-handling); by how much is not documented. From a second on, as for its events.
 * @returns how long nothing is read after that many throttles since an invocation ended
 */
export function throttledReadWaitMs(throttlesInARow: number): number {
  return throttleWaitMs(throttlesInARow);
}

/** @returns the wait before the next run of an event that has failed `failedRuns` times, or undefined when there is no next one */
export function retryWaitMs(failedRuns: number, maximumRetryAttempts: number): number | undefined {
  if (failedRuns > maximumRetryAttempts) return undefined;
  return retryWaitsMs[failedRuns - 1];
}

/** @returns the wait of an event that has been throttled `throttles` times, this time included */
export function throttleWaitMs(throttles: number): number {
  return Math.min(longestThrottleWaitMs, firstThrottleWaitMs * 2 ** (throttles - 1));
}
