/** No request that can tell nothing new: it would cost money and time for each item. */
import type { Core } from './core.ts';
import type { Life } from './life.ts';
import type { Settings } from './settings.ts';

/** So old may be what an environment knows of the rate. */
const rateIsFreshMs = 5_000;

const mostRemoves = 2;
/** Of a sweep of all runs, which comes to none that is marked: with its report. */
const removesOfAll = 1;

/** `changes`: how often the object had been written by then. */
type Look = { startedMs: number; isAnswered: boolean; changes: number; life: Life };

export class ReadWatch {
  readonly #core: Pick<Core, 'firstRetryMs'>;
  readonly #settings: Pick<Settings, 'deployment'>;
  readonly #now: () => number;
  /** A sweep that was asked for no run. */
  readonly #isOfAll: (life: Life) => boolean;
  /** By environment and request: the latest. */
  readonly #looks = new WeakMap<object, Map<string, Look>>();
  /** By invocation and request. */
  readonly #removed = new WeakMap<Life, Map<string, number>>();
  /** By key, how often an object was written or deleted. */
  readonly #changes = new Map<string, number>();

  constructor(
    core: Pick<Core, 'firstRetryMs'>,
    settings: Pick<Settings, 'deployment'>,
    now: () => number,
    isOfAll: (life: Life) => boolean,
  ) {
    this.#isOfAll = isOfAll;
    this.#core = core;
    this.#settings = settings;
    this.#now = now;
  }

  changed(key: string): void {
    this.#changes.set(key, (this.#changes.get(key) ?? 0) + 1);
  }

  /** @param what its verb and its key @returns what is wrong with asking for it */
  asks(what: string, life: Life): string | undefined {
    if (what.startsWith('remove ')) return this.#removes(what, life);
    // What people and the clock start has no environment that stays.
    if (life.events.length === 0) return undefined;
    const looks = this.#looks.get(life.environment) ?? new Map<string, Look>();
    this.#looks.set(life.environment, looks);
    const last = looks.get(what);
    looks.set(what, { startedMs: this.#now(), isAnswered: false, changes: 0, life });
    const agoMs = last?.isAnswered === true ? this.#now() - last.startedMs : Infinity;
    const isAskedNow = last !== undefined && !last.isAnswered && last.life === life && !life.wasDelayed;
    const wrong =
      (/^get control\/(rate|runs)/.test(what) && isAskedNow && 'it has not been answered yet') ||
      (what === 'get control/rate.json' && agoMs < rateIsFreshMs - 1 && `${agoMs} ms after it was answered`) ||
      (/^list failures\/.* after $/.test(what) &&
        ((agoMs < this.#core.firstRetryMs({ lambdaTimeScale: 1 }) / 2 - 1 && `${agoMs} ms after it was answered`) ||
          (this.#areFirst(life) && 'its events are the first of their items'))) ||
      (this.#isKnown(what, last, life) && 'it knows what is there');
    return typeof wrong === 'string'
      ? `${life.name} asks for ${what.slice(what.indexOf(' ') + 1)}, but ${wrong}`
      : undefined;
  }

  /** A sweep removes a run's markers before it gives out the first of its items, and once more with its report. */
  #removes(what: string, life: Life): string | undefined {
    const removed = this.#removed.get(life) ?? new Map<string, number>();
    this.#removed.set(life, removed);
    const times = (removed.get(what) ?? 0) + 1;
    removed.set(what, times);
    // Each of several events of a seed that come in one invocation removes them.
    return times > (this.#isOfAll(life) ? removesOfAll : mostRemoves) * Math.max(1, life.events.length)
      ? `${life.name} asks for the same for the ${times}th time: ${what}`
      : undefined;
  }

  /** S3 has refused something: what was read with it may be read again. */
  failed({ environment }: Life): void {
    this.#looks.delete(environment);
  }

  answered(what: string, life: Life): void {
    const look = this.#looks.get(life.environment)?.get(what);
    if (look === undefined) return;
    look.isAnswered = true;
    look.changes = this.#changesOf(what);
  }

  /** Nothing was given to the function before any of its events, for all that it can tell. */
  #areFirst({ events }: Life): boolean {
    const isYoung = (atMs: number): boolean =>
      this.#settings.deployment.trigger === 'queue' ||
      this.#now() - atMs < this.#core.firstRetryMs(this.#settings.deployment);
    return events.every(
      ({ atMs, isRepeated, replays, refires, waited }) =>
        !isRepeated && replays + refires + waited === 0 && isYoung(atMs),
    );
  }

  /** A run's parameters, which were there, and which no person has changed. A seed's invocation compares them each time. */
  #isKnown(what: string, last: Look | undefined, { events }: Life): boolean {
    if (!what.startsWith('get params/') || events.some(({ key }) => key.startsWith('seeds/'))) return false;
    return last?.isAnswered === true && last.changes === 1 && this.#changesOf(what) === 1;
  }

  #changesOf(what: string): number {
    return this.#changes.get(what.slice(what.indexOf(' ') + 1)) ?? 0;
  }
}
