/**
 * Promise 6: in any time t there are at most R·t + C calls, C being the environments of all levels. One that crashes gives one
 * more. And in a pause there are none.
 */
import type { Settings } from './settings.ts';

/**
 * An environment reads the setting again after 5 seconds, and goes on with the one that it has when that fails: so often in a
 * row it does not.
 */
const takenUpMs = 60_000;

/** Parts of a call that rounding to milliseconds costs. */
const slackCalls = 0.01;

export class RateWatch {
  readonly #perSecond: number;
  readonly #environments: number;
  /** Calls that the rate has not made up for yet. */
  #undrained = 0;
  #atMs = 0;
  #pausedSinceMs = Infinity;

  constructor({ limits, environments }: Pick<Settings, 'limits' | 'environments'>) {
    this.#perSecond = limits.deployed === 'unlimited' ? Infinity : limits.deployed;
    this.#environments = [...environments.values()].reduce((sum, count) => sum + count, 0);
  }

  /** A person sets the rate: to nothing, or to what is deployed. */
  set(body: string, nowMs: number): void {
    const isPause = body === '{"paused":true}' || body === '{"requestsPerSecond":0}';
    this.#pausedSinceMs = isPause ? Math.min(this.#pausedSinceMs, nowMs) : Infinity;
  }

  /** An environment has ended without the sleep that its last call was to be paid with; the next one calls at once. */
  crash(): void {
    this.#undrained = Math.max(0, this.#undrained - 1);
  }

  /** @returns what is wrong with a call */
  call(atMs: number): string | undefined {
    if (atMs - this.#pausedSinceMs > takenUpMs)
      return `a call of the API ${(atMs - this.#pausedSinceMs) / 1000} s after it was paused`;
    if (this.#perSecond === Infinity) return undefined;
    this.#undrained = Math.max(0, this.#undrained - ((atMs - this.#atMs) / 1000) * this.#perSecond) + 1;
    this.#atMs = atMs;
    const tooMany = this.#undrained - this.#environments;
    return tooMany > slackCalls ? `${tooMany.toFixed(2)} calls too many` : undefined;
  }
}
