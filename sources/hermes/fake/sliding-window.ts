/** Counts what happened in a number of latest milliseconds, exactly, up to a limit. */

export type SlidingWindow = {
  /**
   * Takes a place in the window that ends now, if fewer than `limit` are taken. A limit of 0 lets everything through.
   * @returns 0 when the place was taken, otherwise the milliseconds until one is free
   */
  take: (nowMs: number, limit: number) => number;
};

export function slidingWindow(lengthMs: number): SlidingWindow {
  let times: number[] = [];
  let first = 0;
  return {
    take(nowMs, limit) {
      if (limit === 0) return 0;
      while (first < times.length && (times[first] ?? 0) <= nowMs - lengthMs) first += 1;
      if (first > 1000) {
        times = times.slice(first);
        first = 0;
      }
      const taken = times.length - first;
      if (taken < limit) {
        times.push(nowMs);
        return 0;
      }
      // With a limit that was lowered meanwhile, more than one has to leave.
      return (times[times.length - limit] ?? nowMs) + lengthMs - nowMs;
    },
  };
}
