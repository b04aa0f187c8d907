/** Calls a second over time, and what stopped them: a bounded number of stretches, whatever the time that they cover. Pure. */
import type { TimelinePoint } from '../../page/wire.ts';

/** Beyond this, each two neighbours become one: the whole run stays in view, ever more coarsely. */
export const maxPoints = 240;

export type Observation = {
  atMs: number;
  /** All calls so far; undefined when they were not counted. */
  calls: number | undefined;
  rate: number | null;
  stop: TimelinePoint['stop'];
  /** Until when the API last ordered its callers to wait, in milliseconds since 1970; undefined: it never has. */
  orderedMs: number | undefined;
};

export class Timeline {
  #points: TimelinePoint[] = [];
  #before: Observation | undefined;
  /** A stretch is at least this long. */
  #widthMs: number;

  constructor(widthMs = 0) {
    this.#widthMs = widthMs;
  }

  add(now: Observation): void {
    const before = this.#before;
    if (before === undefined) {
      this.#before = now;
      return;
    }
    if (now.atMs - before.atMs < this.#widthMs || now.atMs <= before.atMs) return;
    const isKnown = now.calls !== undefined && before.calls !== undefined && now.calls >= before.calls;
    this.#points.push({
      fromMs: before.atMs,
      toMs: now.atMs,
      calls: isKnown ? (now.calls ?? 0) - (before.calls ?? 0) : undefined,
      rate: now.rate,
      stop: now.stop,
      ordered: now.orderedMs !== undefined && now.orderedMs !== before.orderedMs ? 1 : 0,
    });
    this.#before = now;
    if (this.#points.length > maxPoints) this.#halve();
  }

  points(): readonly TimelinePoint[] {
    return this.#points;
  }

  #halve(): void {
    const points = this.#points;
    const last = points.at(-1);
    this.#points = [];
    for (let at = 0; at < points.length; at += 2) {
      const [one, other] = [points[at], points[at + 1]];
      if (one !== undefined) this.#points.push(other === undefined ? one : merged(one, other));
    }
    if (last !== undefined)
      this.#widthMs = Math.max(this.#widthMs, (2 * (last.toMs - (points[0]?.fromMs ?? 0))) / points.length);
  }
}

const severity = { none: 0, frozen: 1, paused: 2 };

function merged(one: TimelinePoint, other: TimelinePoint): TimelinePoint {
  return {
    fromMs: one.fromMs,
    toMs: other.toMs,
    calls: one.calls === undefined && other.calls === undefined ? undefined : (one.calls ?? 0) + (other.calls ?? 0),
    rate: other.rate,
    stop: severity[one.stop] > severity[other.stop] ? one.stop : other.stop,
    ordered: one.ordered + other.ordered,
  };
}
