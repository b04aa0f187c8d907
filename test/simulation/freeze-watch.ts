/**
 * An order to wait stops all calls: those of the environment that received it at once, those of the others when they have read
 * `control/freeze.json`. One item may stop the others so long and no longer; after that it waits alone. However many events an item
 * has, one after the other, it stops the others for less than twice as long as one of them may.
 */
import type { Answer, Call } from './api.ts';
import type { GivenEvent, Life } from './life.ts';
import { backoff, type Settings } from './settings.ts';

/** An environment that waits for a slow S3 knows what it read before. */
const heardMs = 500_000;

type Freeze = { untilMs: number; writtenMs: number };

/** What one item has done to the others since its last replay. */
type Stopper = { name: string; event: GivenEvent; frozenMs: number };

type Options = {
  settings: Pick<Settings, 'maxFreezeMs' | 'maxItemFreezeMs' | 'maxWaitMs'>;
  /** What the invocation that makes a call was given, of the item that it asks for: of several copies, each may have made it. */
  eventsOf: (call: Call) => GivenEvent[];
};

export class FreezeWatch {
  readonly #options: Options;
  readonly #own = new WeakMap<object, number>();
  /**
   * By item and event: since when the API has kept it waiting, and how long it has stopped all calls: at least as long as it was
   * ordered, at most as long as the backoff that may have been longer.
   */
  readonly #items = new Map<string, { sinceMs: number; leastFrozenMs: number; mostFrozenMs: number }>();
  /** By invocation: the items that were ordered to wait in it. */
  readonly #ordered = new WeakMap<Life, Map<string, Stopper>>();
  readonly #stoppers = new Map<string, Stopper>();
  /** By object, replay, re-fire and wait: how many invocations were given it. */
  readonly #given = new Map<string, number>();
  /** By object and replay: those of them that something else had begun before. */
  readonly #repeated = new Map<string, number>();
  /** By item and event: until when those that come later have to wait. */
  readonly #alone = new Map<string, { untilMs: number; waited: number }>();
  /** By invocation, until when it was ordered to stop all calls. */
  readonly #told = new WeakMap<Life, number>();
  #inBucket: Freeze | undefined;
  /** A person has written a freeze. */
  #isTouched = false;

  constructor(options: Options) {
    this.#options = options;
  }

  /** An invocation of a level's function begins. */
  begins({ events }: Life): void {
    for (const event of events) {
      const place = `${placeOf(event)} ${event.refires} ${event.waited}`;
      const given = (this.#given.get(place) ?? 0) + 1;
      this.#given.set(place, given);
      if (given > 1) this.#repeated.set(placeOf(event), (this.#repeated.get(placeOf(event)) ?? 0) + 1);
    }
  }

  onAnswer(call: Call, answer: Answer, nowMs: number): void {
    const orderMs = orderIn(answer, nowMs);
    if (orderMs <= 0) return;
    const events = this.#options.eventsOf(call);
    for (const event of events) this.#setOrdered(call, event);
    // Which of several copies it is for does not show: the environment waits for as long as any of them makes it wait.
    const [first, ...others] = new Map(events.map((event) => [`${event.replays} ${event.refires}`, event])).values();
    const freezesMs = [first, ...others].map((event) => this.#freezes(call, event, orderMs, nowMs));
    const { environment } = call.life;
    const untilMs = nowMs + Math.min(...freezesMs);
    this.#own.set(environment, Math.max(this.#own.get(environment) ?? 0, untilMs));
    this.#told.set(call.life, Math.max(this.#told.get(call.life) ?? 0, untilMs));
  }

  /** @returns what is wrong with the end of an invocation that was ordered to wait: the others have to hear of it */
  ended(life: Life, nowMs: number): string | undefined {
    const untilMs = this.#told.get(life) ?? 0;
    // What a person has left there may stop the calls for longer.
    const isWritten = (this.#inBucket?.untilMs ?? 0) >= untilMs - 1 || this.#isTouched;
    return untilMs > nowMs && !isWritten && life.failures === 0 && life.events.length === 1
      ? `${life.name} was ordered to wait for ${(untilMs - nowMs) / 1000} s more, and no other environment can know of it`
      : undefined;
  }

  /** @returns for how long the order stops all calls, in milliseconds, if it is this event's */
  #freezes(call: Call, event: GivenEvent | undefined, orderMs: number, nowMs: number): number {
    const { maxFreezeMs, maxItemFreezeMs, maxWaitMs } = this.#options.settings;
    const { replays = 0, refires = 0 } = event ?? {};
    const name = `${call.run} ${JSON.stringify(call.node.ids)} ${replays} ${refires}`;
    const item = this.#items.get(name) ?? { sinceMs: nowMs, leastFrozenMs: 0, mostFrozenMs: 0 };
    this.#items.set(name, item);
    const allowanceMs = maxItemFreezeMs / 2 ** refires;
    const freezeFor = (frozenMs: number, forMs = orderMs): number =>
      Math.max(0, Math.min(forMs, maxFreezeMs, allowanceMs - frozenMs));
    const mostMs = freezeFor(item.leastFrozenMs);
    // An order that stops all calls for as long as it says is waited for with the others, as far as they hear of it.
    if (mostMs < Math.min(orderMs, maxFreezeMs))
      this.#waitAlone(call, event, Math.min(nowMs + orderMs, item.sinceMs + maxWaitMs));
    if (nowMs - item.sinceMs >= maxWaitMs) return 0;
    const leastMs = freezeFor(item.mostFrozenMs);
    item.leastFrozenMs += mostMs;
    item.mostFrozenMs += freezeFor(item.mostFrozenMs, Math.max(orderMs, backoff.maxMs));
    return leastMs;
  }

  /**
   * @param body of `control/freeze.json`, as an invocation wrote it
   * @param life undefined: a person has changed it
   * @returns what is wrong with it
   */
  onWrite(body: string | undefined, life: Life | undefined, nowMs: number): string | undefined {
    const before = this.#inBucket?.untilMs ?? 0;
    const untilMs = Date.parse(/"until":"([^"]*)"/.exec(body ?? '')?.[1] ?? '');
    this.#inBucket = life === undefined || Number.isNaN(untilMs) ? undefined : { untilMs, writtenMs: nowMs };
    if (life === undefined) {
      this.#isTouched = true;
      return undefined;
    }
    return before > nowMs && untilMs < before - 1
      ? `writes a freeze that ends ${(before - untilMs) / 1000} s before the one that it overwrites`
      : this.#stops(life, untilMs - Math.max(before, nowMs));
  }

  /** An item of which only one event is there, or its batch's: the later ones wait as long as it was ordered. */
  #waitAlone({ node, life }: Call, event: GivenEvent | undefined, untilMs: number): void {
    if (event === undefined || life.events.length > 1 || this.#repeated.has(placeOf(event))) return;
    this.#alone.set(aloneName(node, event), { untilMs, waited: event.waited });
  }

  /** @returns what is wrong with a call */
  call(call: Call): string | undefined {
    const { life, atMs } = call;
    const [event] = this.#options.eventsOf(call);
    const alone =
      event && !this.#repeated.has(placeOf(event)) ? this.#alone.get(aloneName(call.node, event)) : undefined;
    if (event !== undefined && alone !== undefined && event.waited > alone.waited && atMs < alone.untilMs - 1)
      return `asks for an item ${(alone.untilMs - atMs) / 1000} s before the end of what it was ordered to wait alone`;
    const ownMs = this.#own.get(life.environment) ?? 0;
    // Times in the bucket are in whole milliseconds.
    if (atMs < ownMs - 1)
      return `calls the API ${(ownMs - atMs) / 1000} s before the end of what it was ordered to wait`;
    const { untilMs, writtenMs } = this.#inBucket ?? { untilMs: 0, writtenMs: 0 };
    if (atMs < untilMs - 1 && atMs - writtenMs > heardMs)
      return `calls the API ${(atMs - writtenMs) / 1000} s after a freeze was written that holds for ${(untilMs - atMs) / 1000} s more`;
    return undefined;
  }

  #setOrdered({ node, run, life }: Call, event: GivenEvent): void {
    const item = `${run} ${JSON.stringify(node.ids)} ${event.replays}`;
    const name = `${item} ${event.key}`;
    const known = this.#stoppers.get(name) ?? { name: item, event, frozenMs: 0 };
    this.#stoppers.set(name, known);
    this.#ordered.set(life, (this.#ordered.get(life) ?? new Map<string, Stopper>()).set(name, known));
  }

  /** @param forMs by which an invocation has put off the calls of all @returns what is wrong with it */
  #stops(life: Life, forMs: number): string | undefined {
    const [item, another] = this.#ordered.get(life)?.values() ?? [];
    // Which of several it was does not show.
    if (item === undefined || another !== undefined || !(forMs > 0)) return undefined;
    item.frozenMs += forMs;
    // Each event that was given out twice, as by AWS or after a failure, may have a count of its own from there on.
    const allowances = 2 + (this.#repeated.get(placeOf(item.event)) ?? 0);
    const mostMs = allowances * this.#options.settings.maxItemFreezeMs;
    return item.frozenMs > mostMs
      ? `has stopped all calls for ${item.frozenMs / 1000} s in all because of ${item.name}, which may do so for less than ${mostMs / 1000} s`
      : undefined;
  }
}

function aloneName({ ids }: Call['node'], { key, replays, refires }: GivenEvent): string {
  return `${JSON.stringify(ids)} ${key} ${replays} ${refires}`;
}

function placeOf({ key, replays }: GivenEvent): string {
  return `${key} ${replays}`;
}

/** How long the API wants no call, in milliseconds; 0: it does not say. */
export function orderIn({ status, headers }: Answer, nowMs: number): number {
  if (status < 400) return 0;
  const after = headers['retry-after'];
  if (after !== undefined) return /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - nowMs;
  return headers['x-ratelimit-remaining'] === '0' ? Number(headers['x-ratelimit-reset']) * 1000 : 0;
}
