/** One item that a replay wants back: how it stands, and what is done about it. */
import type { Level } from '../chain/chain.ts';
import { withoutWaits, type Cause, type ItemEvent } from '../events.ts';
import { nextNote, readFailureNote, writeFailureNote } from '../item/failure-note.ts';
import { readStanding, type Standing } from '../item/standing.ts';
import type { EventSink } from '../ports.ts';
import { createPacer } from '../rate/pacer.ts';
import type { ReplayDeps, ReplayLevel, ReplayRequest } from './replay-request.ts';
import type { ReplayTally } from './replay-report.ts';

/** What a replay has come upon: an object, of whose items some are to be brought back. */
export type Found = {
  state: 'missing' | 'done' | 'exhausted' | 'replayable';
  standing: Standing;
  /** Items that are not done; of those that are done, when all are. */
  items: number;
};

/** Gives items back to their functions, each once, at the replay's rate and up to its limit. */
export class ItemReturn {
  /** undefined: it has not stopped early. */
  stoppedBecause: 'limit' | 'time' | undefined;
  readonly #request: ReplayRequest;
  readonly #deps: ReplayDeps;
  readonly #tally: ReplayTally;
  readonly #nextTurnMs: (count: number) => number;
  #takenItems = 0;
  /** The objects that this replay brought back, with the replays that they had before, and whether they were accepted. */
  readonly #taken = new Map<string, { replays: number; accepted: Promise<boolean> }>();

  constructor(request: ReplayRequest, deps: ReplayDeps, tally: ReplayTally) {
    this.#request = request;
    this.#deps = deps;
    this.#tally = tally;
    this.#nextTurnMs = createPacer(request.rate, deps.clock);
  }

  isStopped(): boolean {
    const { clock, deadlineMs } = this.#deps;
    if (clock.now() >= deadlineMs) this.stoppedBecause ??= 'time';
    return this.stoppedBecause !== undefined;
  }

  async find(item: ItemEvent, level: Level): Promise<Found> {
    const { store, maxReplays } = this.#deps;
    const standing = await readStanding(level, item, store);
    if (standing === undefined) return { state: 'missing', standing: { items: 1, held: new Set() }, items: 1 };
    const items = standing.items - standing.held.size;
    if (items === 0) return { state: 'done', standing, items: standing.items };
    const isExhausted = item.replays >= maxReplays && this.#request.force !== true;
    return { state: isExhausted ? 'exhausted' : 'replayable', standing, items };
  }

  /** @returns whether nothing is left to do for the item */
  async bringBack(item: ItemEvent, found: Found, cause: Cause, { level, refire }: ReplayLevel): Promise<boolean> {
    const { state, items } = found;
    const { skipped, counts } = this.#tally;
    if (state === 'missing') {
      skipped.missing += items;
      return this.#request.force === true;
    }
    if (state === 'done') {
      this.#tally.settle(level.name, 'alreadyDone', items);
      return true;
    }
    const taken = this.#taken.get(item.key);
    if (taken !== undefined) {
      // Another letter of the same failure; or the item's next death, which is the next replay's work, or this one would
      // never end.
      const isSameDeath = item.replays <= taken.replays;
      if (isSameDeath) counts.duplicates += 1;
      else skipped.failedAgain += items;
      // Not before the first letter's item was accepted: until then this letter may be the last that tells of it.
      return isSameDeath && (await taken.accepted);
    }
    if (state === 'exhausted') {
      if (this.#request.dryRun !== true) await this.#park(item, cause, level);
      this.#tally.settle(level.name, 'parked', items);
      return true;
    }
    if (this.#isBeyondLimit(items)) this.stoppedBecause ??= 'limit';
    if (this.isStopped()) return false;
    // Taken before the first wait, so that a second letter of the same item does not slip through beside it.
    this.#takenItems += items;
    const accepted = this.#refire(item, items, level, refire);
    this.#taken.set(item.key, { replays: item.replays, accepted });
    return accepted;
  }

  /** An object whose items are more than the limit is brought back alone: otherwise it never would be. */
  #isBeyondLimit(items: number): boolean {
    const { limit = Infinity } = this.#request;
    return this.#takenItems >= limit || (this.#takenItems > 0 && this.#takenItems + items > limit);
  }

  /** @returns whether the function accepted it; false when there is no time left */
  async #refire(item: ItemEvent, items: number, level: Level, refire: EventSink): Promise<boolean> {
    const { clock, deadlineMs } = this.#deps;
    if (this.#request.dryRun !== true) {
      const turnMs = this.#nextTurnMs(items);
      if (turnMs >= deadlineMs) {
        this.stoppedBecause ??= 'time';
        return false;
      }
      if (turnMs > clock.now()) await clock.wait(turnMs - clock.now());
      // What it had waited for the API is forgotten: a person asks for it anew.
      await refire.send({
        ...withoutWaits(item),
        replays: item.replays + 1,
        refires: 0,
      });
    }
    this.#tally.settle(level.name, 'replayed', items);
    return true;
  }

  async #park(item: ItemEvent, cause: Cause, level: Level): Promise<void> {
    const { store, clock, log } = this.#deps;
    const before = await readFailureNote(level, item.key, store);
    const note = nextNote(level, item.key, before, {
      class: before?.class ?? 'transient',
      code: before?.code ?? cause.code,
      message: before?.message ?? cause.message,
      status: 'parked',
      replays: item.replays,
      at: new Date(clock.now()).toISOString(),
    });
    await writeFailureNote(level, note, store);
    const fields = { run: note.run, level: level.name, key: item.key, code: note.code, replays: item.replays };
    log.warn(
      'The item failed after every replay that is allowed; it is parked. Correct the cause, then replay with force.',
      fields,
    );
  }
}
