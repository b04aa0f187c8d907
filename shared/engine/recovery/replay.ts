/**
 * Brings dead letters back: looks at each one, gives its items to their level's function again, and removes it only after
 * the function has accepted them. What is done already goes, what failed too often is parked, and all else stays where it
 * is and is counted.
 */
import type { Level } from '../chain/chain.ts';
import { doneKey, failureKeyOf, itemPathOf } from '../chain/keys.ts';
import type { ItemEvent } from '../item/item.ts';
import { maxNoteBytes, parseFailureNote, shortCode, type FailureNote } from '../item/failure-note.ts';
import { createPacer } from '../rate/pacer.ts';
import type { Clock, QueueMessage, MessageQueue, Log, ObjectStore, Refire } from '../ports.ts';
import { isDone, isDoneSince } from '../item/receipt.ts';
import { ReplayTally, type Cause, type ReplayReport } from './replay-report.ts';

/**
 * What a message on a dead-letter queue turned out to be. No items: there is nothing in it to bring back. The condition is
 * Lambda's word (`RetriesExhausted`, `EventAgeExceeded`), or `ItemError` for a letter that was sent at once.
 */
export type DeadLetter = Cause & { items: readonly ItemEvent[] };

/** The code of a letter that does not say why it is there. */
export const unknownCode = 'UNKNOWN';

export type ReplayRequest = {
  /** Only this level's; absent: all levels'. */
  level?: string | undefined;
  run?: string | undefined;
  /** At most so many items. */
  limit?: number | undefined;
  /** Items a second. */
  rate?: number | undefined;
  /** Look and count, change nothing. */
  dryRun?: boolean | undefined;
  from?: 'dead-letters' | 'failures' | undefined;
  /** Take parked items again, and notes that Lambda may still be at; let go of letters whose item is gone. */
  force?: boolean | undefined;
};

export type ReplayLevel = { level: Level; queue: MessageQueue; refire: Refire };

export type ReplayDeps = {
  levels: readonly ReplayLevel[];
  store: ObjectStore;
  /** undefined: it can't be understood. */
  understand: (message: QueueMessage) => DeadLetter | undefined;
  /** The record that the item's event had, or one like it. */
  recordFor: (key: string) => object;
  /** The record of an item that is replayed for the so-manieth time; `again`: it is to be worked on even if it is done. */
  withReplays: (record: object, replays: number, again: boolean) => object;
  clock: Clock;
  log: Log;
  /** An item is parked instead of being replayed once more than this. */
  maxReplays: number;
  /** How long an item whose note says `transient` may still be tried by Lambda, in milliseconds. */
  retryingForMs: number;
  /** Milliseconds since 1970 by which to have stopped. */
  deadlineMs: number;
};

/** Receives, looks and deletes of one queue that go on side by side. */
const lanesPerQueue = 4;

/** A message stays invisible for the length of the replay, and this much longer. */
const invisibleMarginMs = 10_000;

/** Notes that are looked at side by side. */
const notesAtOnce = 20;

/** Where an item stands that somebody wants back. */
type Standing = 'missing' | 'done' | 'exhausted' | 'replayable';

/** @throws what SQS, S3 or Lambda throw, after what was looked at and not taken is visible again */
export async function replay(request: ReplayRequest, deps: ReplayDeps): Promise<ReplayReport> {
  const levels = deps.levels.filter(({ level }) => request.level === undefined || level.level === request.level);
  const session = new ReplaySession(request, deps);
  await allOf(levels.map((level) => (request.from === 'failures' ? session.replayNotes(level) : session.drain(level))));
  return session.report(levels);
}

class ReplaySession {
  readonly #request: ReplayRequest;
  readonly #deps: ReplayDeps;
  readonly #startedMs: number;
  readonly #nextTurnMs: () => number;
  readonly #tally = new ReplayTally();
  /** The items that this replay brought back, with the replays that they had before, and whether they were accepted. */
  readonly #taken = new Map<string, { replays: number; accepted: Promise<boolean> }>();
  #stopped: 'limit' | 'time' | 'error' | undefined;

  constructor(request: ReplayRequest, deps: ReplayDeps) {
    this.#request = request;
    this.#deps = deps;
    this.#startedMs = deps.clock.now();
    this.#nextTurnMs = createPacer(request.rate, deps.clock);
  }

  /** Drains one level's queue, several receives at once. */
  async drain(level: ReplayLevel): Promise<void> {
    const { clock, deadlineMs } = this.#deps;
    // Held until the end: let go at once, a message would come back to the very next receive.
    const held: string[] = [];
    const lane = async (): Promise<void> => {
      while (this.#goesOn()) {
        const messages = await level.queue.receive(deadlineMs - clock.now() + invisibleMarginMs);
        if (messages.length === 0) return;
        const takes = await Promise.allSettled(messages.map((message) => this.#takeMessage(message, level)));
        const mayGo = takes.map((take) => take.status === 'fulfilled' && take.value);
        const handles = messages.map(({ handle }) => handle);
        held.push(...handles.filter((_, index) => mayGo[index] === false));
        await level.queue.remove(handles.filter((_, index) => mayGo[index] === true));
        for (const take of takes) if (take.status === 'rejected') throw take.reason;
      }
    };
    const lanes = await Promise.allSettled(Array.from({ length: lanesPerQueue }, () => this.#stoppingOthers(lane())));
    await level.queue.release(held);
    for (const result of lanes) if (result.status === 'rejected') throw result.reason;
  }

  /** Works from a level's failure notes instead of its queue. */
  async replayNotes(level: ReplayLevel): Promise<void> {
    const prefix = `failures/${level.level.level}/${this.#request.run ?? ''}`;
    const read = async (): Promise<void> => {
      for await (const notes of this.#deps.store.list(prefix)) {
        for (let start = 0; start < notes.length; start += notesAtOnce) {
          if (!this.#goesOn()) return;
          await allOf(notes.slice(start, start + notesAtOnce).map(({ key }) => this.#takeNote(key, level)));
        }
      }
    };
    await this.#stoppingOthers(read());
  }

  async report(levels: readonly ReplayLevel[]): Promise<ReplayReport> {
    const { dryRun = false, from } = this.#request;
    if (from !== 'failures') {
      for (const { level, queue } of levels) this.#tally.leave(level.level, await queue.approximateCount());
    }
    return this.#tally.report({
      dryRun,
      // Notes that were not read because the replay stopped early are not counted.
      remainingIsApproximate: from !== 'failures' || this.#stopped !== undefined,
      seconds: (this.#deps.clock.now() - this.#startedMs) / 1000,
      stoppedBecause: this.#stopped === 'limit' || this.#stopped === 'time' ? this.#stopped : 'drained',
    });
  }

  /** @returns whether the message may go */
  async #takeMessage(message: QueueMessage, level: ReplayLevel): Promise<boolean> {
    const letter = this.#deps.understand(message);
    if (letter === undefined) {
      this.#tally.skipped.unreadable += 1;
      const cause = {
        code: 'UNREADABLE',
        condition: 'unknown',
        message: message.body.slice(0, 200),
        atMs: message.sentAtMs,
      };
      this.#tally.note(level.level.level, cause, undefined);
      return false;
    }
    let mayGo = true;
    for (const item of letter.items) {
      if (!this.#isWanted(level.level, item.key)) {
        this.#tally.skipped.filter += 1;
        mayGo = false;
        continue;
      }
      const cause = await this.#causeOf(letter, item, level.level);
      this.#tally.note(level.level.level, cause, item.key);
      const standing = await this.#standing(item, level.level);
      if (!(await this.#bringBack(item, standing, cause, level))) mayGo = false;
    }
    return mayGo && this.#request.dryRun !== true;
  }

  /** A message that SQS moved here after its last receive is the event alone: why it failed is in the item's note. */
  async #causeOf(letter: DeadLetter, { key }: ItemEvent, level: Level): Promise<Cause> {
    if (letter.code !== unknownCode) return letter;
    const note = await this.#deps.store.get(failureKeyOf(level, key), maxNoteBytes);
    const { code, message } = (note && parseFailureNote(note.body)) ?? letter;
    return { ...letter, code, message };
  }

  async #takeNote(noteKey: string, level: ReplayLevel): Promise<void> {
    const { store, clock, retryingForMs, recordFor } = this.#deps;
    const object = await store.get(noteKey, maxNoteBytes);
    if (object === undefined) return; // Deleted since it was listed.
    const note = parseFailureNote(object.body);
    if (note === undefined) {
      this.#tally.skipped.unreadable += 1;
      return;
    }
    if (!this.#isWanted(level.level, note.key)) return;
    const cause = { code: note.code, message: note.message, condition: note.status, atMs: Date.parse(note.at) };
    const item: ItemEvent = {
      key: note.key,
      atMs: cause.atMs,
      replays: note.replays,
      refires: 0,
      // Its receipt is what it was found to be short of.
      again: note.code === shortCode && note.status === 'failed',
      record: recordFor(note.key),
    };
    const standing = await this.#standing(item, level.level);
    if (standing === 'done') return; // A receipt outranks a note.
    this.#tally.note(level.level.level, cause, note.key);
    // Whoever forces says that nobody else is at it: parked items, and those whose retries were lost on the way.
    const isForced = this.#request.force === true;
    const isParked = !isForced && note.status === 'parked';
    const isFresh = clock.now() - cause.atMs < retryingForMs;
    const isRetrying = !isForced && note.status === 'failed' && note.class === 'transient' && isFresh;
    if (isParked || isRetrying) this.#tally.skipped[isParked ? 'parked' : 'retrying'] += 1;
    if (isParked || isRetrying || !(await this.#bringBack(item, standing, cause, level)))
      this.#tally.leave(level.level.level, 1);
  }

  async #standing(item: ItemEvent, level: Level): Promise<Standing> {
    const { store, maxReplays } = this.#deps;
    const path = itemPathOf(level, item.key);
    const [object, done] = await Promise.all([
      store.head(item.key),
      path === undefined ? undefined : store.head(doneKey(level, path)),
    ]);
    if (object === undefined) return 'missing';
    if (done !== undefined && isDone(level, done, object.eTag) && isDoneSince(item, done)) return 'done';
    return item.replays >= maxReplays && this.#request.force !== true ? 'exhausted' : 'replayable';
  }

  /** @returns whether nothing is left to do for the item */
  async #bringBack(
    item: ItemEvent,
    standing: Standing,
    cause: Cause,
    { level, refire }: ReplayLevel,
  ): Promise<boolean> {
    const { skipped, counts } = this.#tally;
    const taken = this.#taken.get(item.key);
    if (standing === 'missing') {
      skipped.missing += 1;
      return this.#request.force === true;
    }
    if (standing === 'done') {
      this.#tally.settle(level.level, 'alreadyDone');
      return true;
    }
    if (taken !== undefined) {
      // Another letter of the same failure; or the item's next death, which is the next replay's work, or this one would
      // never end.
      const isSameDeath = item.replays <= taken.replays;
      if (isSameDeath) counts.duplicates += 1;
      else skipped.failedAgain += 1;
      // Not before the first letter's item was accepted: until then this letter may be the last that tells of it.
      return isSameDeath && (await taken.accepted);
    }
    if (standing === 'exhausted') {
      if (this.#request.dryRun !== true) await this.#park(item, cause, level);
      this.#tally.settle(level.level, 'parked');
      return true;
    }
    if (this.#taken.size >= (this.#request.limit ?? Infinity)) this.#stopped ??= 'limit';
    if (!this.#goesOn()) return false;
    // Taken before the first wait, so that a second letter of the same item does not slip through beside it.
    const accepted = this.#refire(item, level, refire);
    this.#taken.set(item.key, { replays: item.replays, accepted });
    return accepted;
  }

  /** @returns whether the function accepted it; false when there is no time left */
  async #refire(item: ItemEvent, level: Level, refire: Refire): Promise<boolean> {
    const { clock, deadlineMs, withReplays } = this.#deps;
    const { dryRun } = this.#request;
    if (dryRun !== true) {
      const turnMs = this.#nextTurnMs();
      if (turnMs >= deadlineMs) {
        this.#stopped ??= 'time';
        return false;
      }
      if (turnMs > clock.now()) await clock.wait(turnMs - clock.now());
      await refire.send(withReplays(item.record, item.replays + 1, item.again));
    }
    this.#tally.settle(level.level, 'replayed');
    return true;
  }

  async #park(item: ItemEvent, cause: Cause, level: Level): Promise<void> {
    const { store, clock, log } = this.#deps;
    const key = failureKeyOf(level, item.key);
    const body = (await store.get(key, maxNoteBytes))?.body;
    const run = itemPathOf(level, item.key)?.run;
    const note: FailureNote = {
      run,
      level: level.level,
      key: item.key,
      class: 'transient',
      code: cause.code,
      message: cause.message,
      attempts: 0,
      refires: 0,
      requestId: '',
      ...(body === undefined ? undefined : parseFailureNote(body)),
      status: 'parked',
      replays: item.replays,
      at: new Date(clock.now()).toISOString(),
    };
    await store.put(key, JSON.stringify(note), { attempts: String(note.attempts), code: note.code });
    const fields = { run, level: level.level, key: item.key, code: note.code, replays: item.replays };
    log.warn(
      'The item failed after every replay that is allowed; it is parked. Mend the cause, then replay with force.',
      fields,
    );
  }

  #isWanted(level: Level, key: string): boolean {
    const { run } = this.#request;
    return run === undefined || itemPathOf(level, key)?.run === run;
  }

  #goesOn(): boolean {
    const { clock, deadlineMs } = this.#deps;
    if (clock.now() >= deadlineMs) this.#stopped ??= 'time';
    return this.#stopped === undefined;
  }

  /** A failure in one lane stops the others too: what they hold is let go. */
  async #stoppingOthers(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#stopped = 'error';
      throw error;
    }
  }
}

/** Waits for all, then throws the first failure: nothing runs on behind the answer. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}
