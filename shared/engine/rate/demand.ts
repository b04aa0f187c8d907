/**
 * What an environment makes of its share: how many calls, and how long they waited for their turns. From this follows the part
 * of the rate that it could use. Pure.
 */
import type { Demand } from './share-lease.ts';

export type DemandMeter = {
  /** A call was let through. */
  called(): void;
  /** A call waited for its turn, in milliseconds. */
  waited(ms: number): void;
  /** A call has got its answer, after this many milliseconds. */
  answered(ms: number): void;
  /** @param perSecond the whole rate @returns what is seen of late, and makes what is older count half as much */
  read(nowMs: number, perSecond: number): Demand;
};

/** What an environment wants that has just begun. */
export const firstWish = 1 / 8;

/** What one wants that makes hardly a call: it can make its next one soon. */
const leastWish = 1 / 64;

/** More than what is used, so that it can be seen when more could be. */
const headroom = 1.1;

/** Waiting for turns for more of the time than this, an environment could use all that there is. */
const mostWaited = 0.9;

/** After such a rest what was seen before says nothing. */
const restMs = 10_000;

const shortestLookMs = 500;

export function createDemandMeter(): DemandMeter {
  let calls = 0;
  let waitedMs = 0;
  let inFlightMs = 0;
  let elapsedMs = 0;
  let readMs = -Infinity;
  return {
    called: () => void (calls += 1),
    waited: (ms) => void (waitedMs += ms),
    answered: (ms) => void (inFlightMs += ms),
    read(nowMs, perSecond) {
      const sinceMs = nowMs - readMs;
      readMs = nowMs;
      if (!(sinceMs < restMs)) {
        calls = 0;
        waitedMs = 0;
        inFlightMs = 0;
        elapsedMs = 0;
        return { wants: firstWish, perSecond: 0, waited: 0, inFlight: 0 };
      }
      elapsedMs += sinceMs;
      const seconds = Math.max(elapsedMs, shortestLookMs) / 1000;
      const waited = Math.min(1, waitedMs / 1000 / seconds);
      const used = calls / seconds;
      // One whose calls take a fifth of its time, and wait for turns in the rest, could make five times as many.
      const could = (headroom * used) / (1 - waited) / perSecond;
      const wants = waited > mostWaited ? 1 : Math.min(1, Math.max(leastWish, could));
      const inFlight = inFlightMs / 1000 / seconds;
      calls /= 2;
      waitedMs /= 2;
      inFlightMs /= 2;
      elapsedMs /= 2;
      return { wants: rounded(wants), perSecond: rounded(used), waited: rounded(waited), inFlight: rounded(inFlight) };
    },
  };
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
