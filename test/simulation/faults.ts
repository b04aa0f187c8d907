/**
 * What may go wrong, how often, and whether it does here and now. Each schedule draws which faults it has and how many of
 * them; every single one has a name of eight digits by which it can be kept or left out.
 */
import { hashText, mix, unit } from './random.ts';

/** Of what is tried on complete runs; each gets three chances, and no schedule leaves one out from the start. */
const afterDayOdds = {
  'params-changed': 0.25,
  'mistaken-seed': 0.25,
  'mistaken-rate': 0.25,
  'spoilt-report': 0.25,
  'spoilt-params': 0.25,
  'forged-shares': 0.25,
  'marker-deleted': 0.25,
  'junk-after': 0.25,
  'letters-limited': 0.25,
  'messages-due': 0.25,
  'item-overwritten': 0.25,
  'bad-list': 0.25,
  'batches-deleted': 0.25,
  'run-stopped-after': 0.25,
  'tampered-after': 0.25,
} as const;

/** The highest odds of each fault, for each chance that it gets. */
export const faultOdds = {
  'event-dropped': 0.06,
  'event-duplicated': 0.2,
  'event-reordered': 0.5,
  'event-delayed': 0.06,
  'stray-event': 0.3,
  'queue-loses-event': 0.1,
  'queue-duplicates-event': 0.15,
  'crash-before': 0.03,
  'crash-after': 0.03,
  hang: 0.006,
  slow: 0.012,
  'environment-recycled': 0.3,
  'concurrency-zero': 0.3,
  'concurrency-one': 0.3,
  'destination-fails': 0.4,
  'invoke-fails': 0.2,
  'invoke-answer-lost': 0.2,
  's3-fails': 0.05,
  's3-answer-lost': 0.05,
  's3-conflict-409': 0.06,
  's3-late-412': 0.1,
  'sqs-fails': 0.1,
  'sqs-answer-lost': 0.1,
  'letter-twice': 0.2,
  'letter-copied': 0.3,
  'letter-comes-back': 0.3,
  'letter-expires': 0.3,
  'receive-misses': 0.3,
  'api-429': 0.2,
  'api-orders-wait': 0.1,
  'api-throttles': 0.3,
  'api-not-yet': 0.1,
  'api-cursor-expires': 0.1,
  'api-shifts': 0.3,
  'api-5xx': 0.25,
  'api-reset': 0.15,
  'api-truncated': 0.1,
  'api-malformed': 0.04,
  'api-slow': 0.06,
  'api-outage': 0.4,
  'api-grows': 0.3,
  'api-reorders': 0.5,
  'api-shrinks': 0.2,
  'hostile-id': 0.6,
  'poisoned-item': 0.1,
  'crashing-item': 0.06,
  'black-hole': 0.06,
  'seed-dropped-again': 0.4,
  'seed-dropped-twice': 0.3,
  'seed-dropped-in-census': 0.5,
  'object-deleted': 0.4,
  'rate-set': 0.3,
  'run-stopped': 0.5,
  'junk-object': 0.4,
  'spoiled-record': 0.4,
  'poisoned-freeze': 0.3,
  'forged-letter': 0.4,
  'forged-sibling': 0.3,
  'forged-batch': 0.3,
  'forged-part': 0.3,
  ...afterDayOdds,
  'sweep-beside': 0.5,
  'replay-beside': 0.7,
} as const;

/**
 * Each makes two events of one. AWS does it once in many thousand times. At these odds an item that the API keeps waiting for hours,
 * and that is requeued hundreds of times, would become hundreds: so it happens at the first visits of a place only.
 */
const multiplying: ReadonlySet<string> = new Set([
  'queue-duplicates-event',
  'letter-twice',
  'letter-comes-back',
  'letter-copied',
  'invoke-answer-lost',
  'sqs-answer-lost',
]);
const mostMultiplied = 4;

export type FaultName = keyof typeof faultOdds;
export const faultNames = Object.keys(faultOdds) as FaultName[];

/** One that happened. */
export type Injected = { id: string; fault: FaultName; where: string; atMs: number };

export type FaultChoice = {
  /** Odds to use instead of drawn ones, e.g. 0 for never. */
  odds?: Partial<Record<FaultName, number>>;
  /** Only these happen, by their ids. */
  only?: ReadonlySet<string>;
};

/** A place where something may go wrong, at the time that it is met there; the same in every repetition. */
export type Site = { bits: number; where: string; visits: number };

export class Faults {
  readonly injected: Injected[] = [];
  /** Off: the world is well. What was drawn for the whole schedule, e.g. ids, stays. */
  isOn = true;
  readonly #seed: number;
  readonly #odds: ReadonlyMap<FaultName, number>;
  readonly #only: ReadonlySet<string> | undefined;
  readonly #now: () => number;
  readonly #visits = new Map<string, number>();

  constructor(seed: number, now: () => number, { odds = {}, only }: FaultChoice = {}) {
    this.#seed = mix(seed, 0x5eed);
    this.#now = now;
    this.#only = only;
    this.#odds = new Map(faultNames.map((name) => [name, odds[name] ?? this.#drawOdds(name)]));
  }

  /** The next visit of a place. */
  site(where: string): Site {
    const visits = (this.#visits.get(where) ?? 0) + 1;
    this.#visits.set(where, visits);
    return { bits: mix(hashText(where, this.#seed), visits), where, visits };
  }

  strikes(fault: FaultName, site: Site): boolean {
    if (!this.isOn) return false;
    const odds = this.#odds.get(fault) ?? 0;
    if (odds === 0 || (multiplying.has(fault) && site.visits > mostMultiplied)) return false;
    const bits = mix(site.bits, hashText(fault, this.#seed));
    if (unit(bits) >= odds) return false;
    const id = bits.toString(16).padStart(8, '0');
    if (this.#only?.has(id) === false) return false;
    this.injected.push({ id, fault, where: site.where, atMs: this.#now() });
    return true;
  }

  /** A whole number from `min` to `max`. */
  between(site: Site, what: string, min: number, max: number): number {
    return min + Math.floor(unit(mix(site.bits, hashText(what, this.#seed))) * (max - min + 1));
  }

  pick<T>(site: Site, what: string, from: readonly T[]): T {
    if (from.length === 0) throw new Error(`There is nothing to pick ${what} from.`);
    return from[this.between(site, what, 0, from.length - 1)] as T;
  }

  /** Half of the faults stay away from a schedule, the others come seldom to often. */
  #drawOdds(name: FaultName): number {
    if (name in afterDayOdds) return faultOdds[name];
    const bits = hashText(`odds ${name}`, this.#seed);
    if (unit(bits) < 0.5) return 0;
    return faultOdds[name] * 10 ** (-1.5 * unit(mix(bits, 1)));
  }
}
