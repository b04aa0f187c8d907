/**
 * An order to wait stops all calls: those of the environment that received it at once, those of the others when they have read
 * `control/freeze.json`. One item may stop the others so long and no longer; after that it waits alone.
 */
import type { Answer, Call } from './api.ts';
import type { Settings } from './settings.ts';

/** An environment that waits for a slow S3 knows what it read before. */
const heardMs = 500_000;

type Freeze = { untilMs: number; writtenMs: number };

export class FreezeWatch {
  readonly #settings: Pick<Settings, 'maxFreezeMs' | 'maxItemFreezeMs' | 'maxWaitMs'>;
  readonly #own = new WeakMap<object, number>();
  readonly #items = new Map<string, { sinceMs: number; frozenMs: number }>();
  #inBucket: Freeze | undefined;

  constructor(settings: Pick<Settings, 'maxFreezeMs' | 'maxItemFreezeMs' | 'maxWaitMs'>) {
    this.#settings = settings;
  }

  onAnswer({ node, run, life }: Call, answer: Answer, nowMs: number): void {
    const orderMs = orderIn(answer, nowMs);
    if (orderMs <= 0) return;
    const { maxFreezeMs, maxItemFreezeMs, maxWaitMs } = this.#settings;
    const name = `${run} ${JSON.stringify(node.ids)}`;
    const item = this.#items.get(name) ?? { sinceMs: nowMs, frozenMs: 0 };
    this.#items.set(name, item);
    // The engine counts from the last replay on, so that it can only have more patience than this.
    if (item.frozenMs >= maxItemFreezeMs || nowMs - item.sinceMs >= maxWaitMs) return;
    const freezeMs = Math.min(orderMs, maxFreezeMs);
    item.frozenMs += freezeMs;
    this.#own.set(life.environment, Math.max(this.#own.get(life.environment) ?? 0, nowMs + freezeMs));
  }

  /** @param body of `control/freeze.json`, as an invocation wrote it; undefined: a person has changed it @returns what is wrong with it */
  onWrite(body: string | undefined, nowMs: number): string | undefined {
    const before = this.#inBucket?.untilMs ?? 0;
    const untilMs = Date.parse(/"until":"([^"]*)"/.exec(body ?? '')?.[1] ?? '');
    this.#inBucket = Number.isNaN(untilMs) ? undefined : { untilMs, writtenMs: nowMs };
    return before > nowMs && untilMs < before - 1
      ? `writes a freeze that ends ${(before - untilMs) / 1000} s before the one that it overwrites`
      : undefined;
  }

  /** @returns what is wrong with a call */
  call({ life, atMs }: Call): string | undefined {
    const ownMs = this.#own.get(life.environment) ?? 0;
    // Times in the bucket are in whole milliseconds.
    if (atMs < ownMs - 1)
      return `calls the API ${(ownMs - atMs) / 1000} s before the end of what it was ordered to wait`;
    const { untilMs, writtenMs } = this.#inBucket ?? { untilMs: 0, writtenMs: 0 };
    if (atMs < untilMs - 1 && atMs - writtenMs > heardMs)
      return `calls the API ${(atMs - writtenMs) / 1000} s after a freeze was written that holds for ${(untilMs - atMs) / 1000} s more`;
    return undefined;
  }
}

/** How long the API wants no call, in milliseconds; 0: it does not say. */
function orderIn({ status, headers }: Answer, nowMs: number): number {
  if (status < 400) return 0;
  const after = headers['retry-after'];
  if (after !== undefined) return /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - nowMs;
  return headers['x-ratelimit-remaining'] === '0' ? Number(headers['x-ratelimit-reset']) * 1000 : 0;
}
