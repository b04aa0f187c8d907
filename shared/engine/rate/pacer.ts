/** Spreads work evenly over time. The clock comes in as an argument. */
import type { Clock } from '../ports.ts';

/**
 * @param perSecond how many may begin in a second; undefined: as fast as they come
 * @returns a function that gives the time, in milliseconds since 1970, at which the next `count` may begin, and takes their
 * places. Who was late once does not make up for it with a burst of more than one.
 */
export function createPacer(perSecond: number | undefined, clock: Clock): (count?: number) => number {
  if (perSecond === undefined) return () => clock.now();
  const spacingMs = 1000 / perSecond;
  let nextMs = clock.now();
  return (count = 1) => {
    const turnMs = Math.max(nextMs, clock.now() - spacingMs);
    nextMs = turnMs + count * spacingMs;
    return turnMs;
  };
}
