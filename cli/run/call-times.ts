/** When calls to the API were sent: how many a second, and the fullest second. Pure. */

export type CallTimes = {
  /** @param atMs in milliseconds since 1970; several senders may tell of their calls a little out of order */
  add: (atMs: number) => void;
  /** Calls a second from the first to the last; 0 for less than two. */
  readonly perSecond: number;
  /** The most calls in any second, wherever it begins. */
  readonly fullestSecond: number;
};

const secondMs = 1000;

/** No call is told later than this after a later one. */
const keptMs = 10 * secondMs;

export function createCallTimes(): CallTimes {
  let calls = 0;
  let firstMs = Infinity;
  let lastMs = -Infinity;
  let fullest = 0;
  /** The latest, in order. */
  let latest: number[] = [];
  return {
    add(atMs) {
      calls += 1;
      firstMs = Math.min(firstMs, atMs);
      lastMs = Math.max(lastMs, atMs);
      const at = latest.findLastIndex((ms) => ms <= atMs) + 1;
      latest.splice(at, 0, atMs);
      // Every second that ends with this call, or with one that comes less than a second after it.
      let from = latest.findLastIndex((ms) => ms <= atMs - secondMs) + 1;
      for (let to = at; to < latest.length && (latest[to] ?? 0) < atMs + secondMs; to += 1) {
        while ((latest[from] ?? 0) <= (latest[to] ?? 0) - secondMs) from += 1;
        fullest = Math.max(fullest, to - from + 1);
      }
      if ((latest[0] ?? 0) < lastMs - 2 * keptMs) latest = latest.filter((ms) => ms >= lastMs - keptMs);
    },
    get perSecond() {
      return lastMs > firstMs ? (secondMs * (calls - 1)) / (lastMs - firstMs) : 0;
    },
    get fullestSecond() {
      return fullest;
    },
  };
}
