/** How fast calls came, from the API's own log, and when that log is no measure. It knows nothing of how they were paced. */
import { afterEach, beforeEach } from '@jest/globals';
import type { LocalAws } from '../../local-aws/index.ts';

/** When a call came, in milliseconds since 1970. */
export type CallTime = { atMs: number };

/**
 * The smallest number for which this holds of every window, however long: no more calls came in it than
 * `perSecond * seconds`, and this number beside.
 */
export function burstOver(calls: readonly CallTime[], perSecond: number): number {
  const times = calls.map(({ atMs }) => atMs / 1000).sort((a, b) => a - b);
  let burst = 0;
  // For the window from call i to call j: j - i + 1 calls in times[j] - times[i] seconds. The worst i for a j is the one with
  // the largest perSecond * times[i] - i.
  let worstBegin = -Infinity;
  for (const [index, time] of times.entries()) {
    worstBegin = Math.max(worstBegin, perSecond * time - index);
    burst = Math.max(burst, index + 1 - perSecond * time + worstBegin);
  }
  return burst;
}

/** Calls that came in the seconds before a moment, on Hermes's clock. */
export function callsBetween(calls: readonly CallTime[], fromMs: number, toMs: number): number {
  return calls.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length;
}

/** How many environments may run at once, of all functions, by the compiled templates. */
export function environmentsOf({ model }: Pick<LocalAws, 'model'>): number {
  const reserved = model.functions.reduce((sum, { reservedConcurrency = 0 }) => sum + reservedConcurrency, 0);
  return model.eventSourceMappings.reduce((sum, { maximumConcurrency = 0 }) => sum + maximumConcurrency, reserved);
}

export function secondsOf(calls: readonly CallTime[]): number {
  const times = calls.map(({ atMs }) => atMs);
  return (Math.max(...times) - Math.min(...times)) / 1000;
}

/** A time in which nothing in this process had its turn: calls that were sent in it, well apart, are taken together at its end. */
export type Stall = { fromMs: number; toMs: number };

/** Notes this process's stalls, on Hermes's clock. */
class StallWatch {
  readonly stalls: Stall[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(everyMs = 10, stallMs = 100) {
    const now = (): number => performance.timeOrigin + performance.now();
    let fromMs = now();
    this.#timer = setInterval(() => {
      const toMs = now();
      if (toMs - fromMs > stallMs) this.stalls.push({ fromMs, toMs });
      fromMs = toMs;
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The longest, in seconds; 0: there was none. */
  longestSeconds(): number {
    return Math.max(0, ...this.stalls.map(({ fromMs, toMs }) => toMs - fromMs)) / 1000;
  }

  /** All of them, in seconds. */
  totalSeconds(): number {
    return this.stalls.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0) / 1000;
  }

  /** Whether there was one at a moment, or in the milliseconds before it. */
  wasBefore(atMs: number, withinMs: number): boolean {
    return this.stalls.some(({ fromMs, toMs }) => fromMs <= atMs && atMs - toMs < withinMs);
  }
}

/** Notes the stalls of each test of a file. */
export function watchStalls() {
  let watch = new StallWatch();
  watch.stop();
  beforeEach(() => {
    watch = new StallWatch();
  });
  afterEach(() => watch.stop());
  return {
    longestSeconds: () => watch.longestSeconds(),
    totalSeconds: () => watch.totalSeconds(),
    wasBefore: (atMs: number, withinMs: number) => watch.wasBefore(atMs, withinMs),
    /**
     * Calls that may come closer together on the way than they were made: one that was late by a fifth of a second, or by as
     * long as this process had no turn, arrives with those behind it.
     */
    late: (perSecond: number) => perSecond * Math.max(0.2, watch.longestSeconds()),
  };
}
