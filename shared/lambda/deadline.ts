/** When the work of an invocation has to end, so that there is time left to leave things in order. */
import type { Context } from 'aws-lambda';
import { systemClock } from './clock.ts';

/**
 * @param reserveMs what is kept back at the end; never more than half of the time that there is
 * @returns milliseconds since 1970, and from now
 */
export function deadlineOf(
  context: Pick<Context, 'getRemainingTimeInMillis'>,
  reserveMs: number,
): { deadlineMs: number; workMs: number } {
  const remainingMs = context.getRemainingTimeInMillis();
  const workMs = Math.max(remainingMs - reserveMs, Math.floor(remainingMs / 2));
  return { deadlineMs: systemClock.now() + workMs, workMs };
}
