/**
 * One environment's share of the rate: a lease on a part of it, written in `control/shares.json` where every environment at
 * work has its own. It owns the promise that at no moment the shares in use add up to more than all of the rate, whatever is
 * stale, slow, stopped, crashed or cut off (docs/decisions/0018-rate-leases.md):
 *
 * - the table is only ever replaced whole, over the version that was read, and never says more than 1 in all;
 * - a share is used less before the table says so, and more only after;
 * - a share ends by itself, and is free for others only when every clock agrees that it has.
 */
import { TransientError } from '../errors.ts';
import { sharesKey } from '../chain/keys.ts';
import type { Clock, Log, ObjectStore } from '../ports.ts';
import {
  entriesOf,
  longestLeaseMs,
  readShareTable,
  shareTableText,
  slowestOthers,
  soonestFreeMs,
  type ReadTable,
  type ShareEntry,
} from './share-table.ts';
import { savesFor, shareFor } from './share-parts.ts';

/** What an environment has seen of its own work of late. */
export type Demand = Pick<ShareEntry, 'wants' | 'perSecond' | 'waited' | 'inFlight'>;

/** A part of the rate that may be used until a time. */
export type HeldShare = Pick<ShareEntry, 'share' | 'saves' | 'untilMs'>;

export type ShareLease = {
  readonly held: HeldShare;
  /** How many other environments had a share, or wanted one, when the table was last read. */
  readonly others: number;
  /** The slowest rate that another stage is set to which shares the table, when it was last read; Infinity: none is at work. */
  readonly slowest: number;
  /** When another's share is free unless it is renewed until then, while less is held than is wanted; Infinity: there is none. */
  readonly freeFromMs: number;
  /**
   * Looks at the table, and asks for what is wanted: keeps, raises, lowers or renews the share.
   * @param deadlineMs after it nothing is written
   * @param rate what the stage is set to, whatever the others are; in calls a second
   * @throws what the store throws for good; what may pass is logged, and the share stays or ends
   */
  refresh(demand: Demand, deadlineMs: number, rate: number): Promise<void>;
  /**
   * Gives the share back before its end: the others need not wait for that. What is left is the environment's place in the table.
   * @throws as `refresh` does
   */
  giveBack(deadlineMs: number): Promise<void>;
};

export type ShareLeaseDeps = {
  store: Pick<ObjectStore, 'get' | 'list' | 'replace'>;
  clock: Clock;
  random: () => number;
  log: Log;
  /** The stage's own. */
  bucket: string;
  level: string;
  /** How many may run at once, of all levels of the stage; undefined: nothing bounds them. */
  environments: number | undefined;
  /**
   * How many may be in the table at once; undefined: AWS bounds how many run. One that finds no place has no share, and makes no
   * call: it looks again, and takes one that another has left.
   */
  places?: number | undefined;
  /** Called before the share changes: what was earned until now was earned with the old one. */
  onChange: (change: ShareChange) => void;
};

export type ShareChange = {
  /** It takes one of `places`: what it had saved up is not its own any more. */
  isNewPlace: boolean;
  /** So many calls fewer may be saved up than until now. */
  fewerSaves: number;
};

/** An environment that has just begun, or rests often, gives its share back soon. */
const shortestLeaseMs = 1_500;

/** A lease is so much shorter than the time since its environment began to work. */
const leasesOfAge = 1 / 8;

/** Some dozens of environments may begin at the same time; of those that write at once one wins. */
const mostWrites = 12;

/** Below this a change is not worth a write. */
const smallChange = 0.1;

/** A write whose answer never came: it may still be carried out, as long as the version that it replaces is the latest. */
type Stray = { ifMatch: string | undefined };

const nothing: HeldShare = { share: 0, saves: 0, untilMs: -Infinity };

export function createShareLease(deps: ShareLeaseDeps): ShareLease {
  const { store, clock, random, log, bucket, level, environments, places = Infinity, onChange } = deps;
  const id = [random(), random()].map((part) => Math.floor(part * 2 ** 40).toString(36)).join('-');
  let held = nothing;
  let others = 0;
  let slowest = Infinity;
  let freeFromMs = Infinity;
  let stray: Stray | undefined;
  let sinceMs = clock.now();

  /** @param keepsPlace it had one meanwhile, without a share */
  function hold(next: HeldShare, keepsPlace = false): void {
    const isOver = held.untilMs <= clock.now();
    const isNewPlace = places < Infinity && !keepsPlace && (held.share === 0 || isOver) && next.share > 0;
    // What was saved up beyond one call was lost when the share ended.
    onChange({ isNewPlace, fewerSaves: isOver ? 0 : Math.max(0, held.saves - next.saves) });
    held = next;
  }

  /** What the table says of this environment is true, unless a write is still under way. */
  function adopt({ table, eTag }: ReadTable): { own: ShareEntry | undefined; rest: readonly ShareEntry[] } {
    const own = table.entries.find((entry) => entry.id === id);
    const rest = table.entries.filter((entry) => entry !== own);
    others = rest.length;
    slowest = slowestOthers(rest, bucket);
    if (stray !== undefined && stray.ifMatch === eTag) return { own, rest };
    stray = undefined;
    if (own?.share !== held.share || own.saves !== held.saves || own.untilMs !== held.untilMs) hold(own ?? nothing);
    return { own, rest };
  }

  async function attempt(demand: Demand, deadlineMs: number, rate: number): Promise<boolean> {
    const nowMs = clock.now();
    freeFromMs = Infinity;
    const read = await readShareTable(store, nowMs);
    const { own, rest } = adopt(read);
    const ofStage = entriesOf(rest, bucket);
    if (own === undefined && ofStage.length >= places) return true;
    if (held.untilMs <= nowMs) sinceMs = nowMs;
    const leaseMs = Math.min(longestLeaseMs, Math.max(shortestLeaseMs, (nowMs - sinceMs) * leasesOfAge));
    const wish = { bucket, level, wants: demand.wants, held: own?.share ?? 0, isBack: isBack(own) };
    const wished = shareFor(wish, rest);
    const perSecond = Math.min(rate, slowest);
    const saves = savesFor({ share: wished, perSecond, environments, isAtWork: wish.held > 0 }, ofStage);
    const share = saves === undefined ? 0 : wished;
    if (share < demand.wants) freeFromMs = soonestFreeMs(rest);
    const untilMs = nowMs + leaseMs;
    const entry: ShareEntry = { id, bucket, level, rate, share, saves: saves ?? 0, ...demand, untilMs };
    if (own !== undefined && !isWorthAWrite(own, entry, nowMs)) return true;
    if (clock.now() >= deadlineMs) return true;
    return write(entry, rest, read, wish.isBack);
  }

  /** It has given its share back not long ago. */
  function isBack(own: ShareEntry | undefined): boolean {
    return own?.wants === 0 && held.untilMs > clock.now();
  }

  async function attemptGiveBack(deadlineMs: number): Promise<boolean> {
    const read = await readShareTable(store, clock.now());
    const { own, rest } = adopt(read);
    if (own === undefined || own.share === 0 || clock.now() >= deadlineMs) return true;
    return write({ ...own, share: 0, saves: 0, wants: 0 }, rest, read);
  }

  /** @returns false when another has written meanwhile */
  async function write(
    entry: ShareEntry,
    rest: readonly ShareEntry[],
    read: ReadTable,
    keepsPlace = false,
  ): Promise<boolean> {
    const { share } = entry;
    // Less from now on, whatever comes of the write; more only when it is known to be there.
    if (share < held.share || entry.saves < held.saves)
      hold({ share: Math.min(share, held.share), saves: Math.min(entry.saves, held.saves), untilMs: held.untilMs });
    stray = { ifMatch: read.eTag };
    const version = Math.max(read.table.version + 1, Math.floor(clock.now()));
    const body = shareTableText({ version, entries: [...rest, entry] });
    if ((await store.replace(sharesKey, body, {}, read.eTag)) === 'changed') return false;
    stray = undefined;
    // As the table says it: a time is written in whole milliseconds.
    hold({ share, saves: entry.saves, untilMs: Math.floor(entry.untilMs) }, keepsPlace);
    return true;
  }

  /** Until it is written, or there is nothing to write. */
  async function insist(attemptOnce: () => Promise<boolean>, deadlineMs: number): Promise<void> {
    try {
      for (let writes = 1; ; writes += 1) {
        if ((await attemptOnce()) || writes >= mostWrites || clock.now() >= deadlineMs) return;
        // Those that lost must not all come back at the same time.
        await clock.wait(Math.round(random() * 20 * Math.min(writes, 6)));
      }
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      log.warn('The share of the rate could not be written; it ends when its time is up.', { key: sharesKey, error });
    }
  }

  return {
    get held() {
      return held;
    },
    get others() {
      return others;
    },
    get slowest() {
      return slowest;
    },
    get freeFromMs() {
      return freeFromMs;
    },
    refresh: (demand, deadlineMs, rate) => insist(() => attempt(demand, deadlineMs, rate), deadlineMs),
    giveBack: (deadlineMs) => insist(() => attemptGiveBack(deadlineMs), deadlineMs),
  };
}

function isWorthAWrite(own: ShareEntry, next: ShareEntry, nowMs: number): boolean {
  const leaseMs = next.untilMs - nowMs;
  if (own.untilMs - nowMs < leaseMs / 2) return true;
  // Other stages go by it.
  if (Math.abs(next.rate - own.rate) > smallChange * own.rate) return true;
  if (Math.abs(next.share - own.share) > smallChange * own.share) return true;
  if (own.saves - next.saves > smallChange * own.saves + smallChange) return true;
  // The others leave it by what it wants.
  return next.share < next.wants && Math.abs(next.wants - own.wants) > 0.5 * own.wants;
}
