/**
 * Promise 6: in any time t a level makes at most R·t + C calls, C being its environments. One that crashes gives one more. And
 * in a pause there are none.
 */
import type { LevelRate } from '../../shared/engine/rate/rate-setting.ts';

/**
 * An environment reads the setting again after 5 seconds, and goes on with the one that it has when that fails: so often in a
 * row it does not.
 */
const takenUpMs = 60_000;

/** Parts of a call that rounding to milliseconds costs. */
const slackCalls = 0.01;

export class RateWatch {
  readonly #levels = new Map<string, { perSecond: number; environments: number; undrained: number; atMs: number }>();
  #pausedSinceMs = Infinity;

  constructor(rates: ReadonlyMap<string, LevelRate>) {
    for (const [level, { deployed, share, environments }] of rates) {
      if (deployed === 'unlimited' || environments === undefined) continue;
      this.#levels.set(level, { perSecond: deployed * share, environments, undrained: 0, atMs: 0 });
    }
  }

  /** A person sets the rate: to nothing, or to what is deployed. */
  set(body: string, nowMs: number): void {
    const isPause = body === '{"paused":true}' || body === '{"requestsPerSecond":0}';
    this.#pausedSinceMs = isPause ? Math.min(this.#pausedSinceMs, nowMs) : Infinity;
  }

  /** An environment has ended without the sleep that its last call was to be paid with; the next one calls at once. */
  crash(level: string): void {
    const its = this.#levels.get(level);
    if (its !== undefined) its.undrained = Math.max(0, its.undrained - 1);
  }

  /** @returns what is wrong with a call */
  call(level: string, atMs: number): string | undefined {
    if (atMs - this.#pausedSinceMs > takenUpMs)
      return `${level} called the API ${(atMs - this.#pausedSinceMs) / 1000} s after it was paused`;
    const its = this.#levels.get(level);
    if (its === undefined) return undefined;
    its.undrained = Math.max(0, its.undrained - ((atMs - its.atMs) / 1000) * its.perSecond) + 1;
    its.atMs = atMs;
    const tooMany = its.undrained - its.environments;
    return tooMany > slackCalls ? `${level} made ${tooMany.toFixed(2)} calls too many` : undefined;
  }
}
