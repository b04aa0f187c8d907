/**
 * Brings dead letters back: looks at each one, gives its items to their level's function again, and removes it only after
 * the function has accepted them. What is done already is removed, what failed too often is parked, and all else stays where
 * it is and is counted.
 */
import { isBatched, type Level } from '../chain/chain.ts';
import { itemPathOf, listingsOf, failurePrefix } from '../chain/keys.ts';
import { forEachConcurrently, waitForAll } from '../concurrency.ts';
import { InputError, TransientError } from '../errors.ts';
import { newEvent, unknownCode, type Cause, type DeadLetter, type ItemEvent } from '../events.ts';
import { readFailureNote, readNoteAt, shortCode, type FailureNote } from '../item/failure-note.ts';
import { failuresIn } from '../item/standing.ts';
import type { QueueMessage } from '../ports.ts';
import { createRunControls, type RunControls } from '../runs/run-control.ts';
import { ItemReturn, type Found } from './item-return.ts';
import { drainQueue } from './drain.ts';
import type { ReplayDeps, ReplayLevel, ReplayRequest } from './replay-request.ts';
import { ReplayTally, type ReplayReport } from './replay-report.ts';

/** Notes that are looked at at the same time. */
const notesAtOnce = 20;

/** A service that fails this often in one replay fails for all items; before that, for one. */
const maxServiceFailures = 20;

/**
 * Items of cancelled runs are left where they are.
 * @throws InputError when the run that is asked for is cancelled; what SQS, S3 or Lambda throw for all items alike, after what was
 * looked at and not taken is visible again
 */
export async function replay(request: ReplayRequest, deps: ReplayDeps): Promise<ReplayReport> {
  const { run } = request;
  const runControls = createRunControls(deps);
  if (run !== undefined && (await runControls(run)).state === 'cancelled')
    throw new InputError([`the run ${run} is cancelled: resume it before you replay what died of it`]);
  const levels = deps.levels.filter(({ level }) => request.level === undefined || level.name === request.level);
  const session = new ReplaySession(request, deps, runControls);
  await waitForAll(
    levels.map((level) => (request.from === 'failures' ? session.replayNotes(level) : session.replayLetters(level))),
  );
  return session.report(levels);
}

class ReplaySession {
  readonly #request: ReplayRequest;
  readonly #deps: ReplayDeps;
  readonly #runControls: RunControls;
  readonly #startedMs: number;
  readonly #tally = new ReplayTally();
  readonly #items: ItemReturn;
  #serviceFailures = 0;

  constructor(request: ReplayRequest, deps: ReplayDeps, runControls: RunControls) {
    this.#request = request;
    this.#deps = deps;
    this.#runControls = runControls;
    this.#startedMs = deps.clock.now();
    this.#items = new ItemReturn(request, deps, this.#tally);
  }

  async replayLetters(level: ReplayLevel): Promise<void> {
    const { clock, deadlineMs } = this.#deps;
    const take = (message: QueueMessage): Promise<boolean> => this.#takeMessage(message, level);
    await drainQueue(level.queue, { clock, deadlineMs, isStopped: () => this.#items.isStopped(), take });
  }

  /** Works from a level's failure notes instead of its queue. */
  async replayNotes(level: ReplayLevel): Promise<void> {
    const { run } = this.#request;
    const prefix = run === undefined ? `${failurePrefix(level.level)}/` : listingsOf(level.level, run).failures.prefix;
    for await (const notes of this.#deps.store.list(prefix)) {
      if (this.#items.isStopped()) return;
      await forEachConcurrently(notes, notesAtOnce, async ({ key }) => {
        if (this.#items.isStopped()) return;
        await this.#passOver(level.level, key, async () => {
          await this.#takeNote(key, level);
          return true;
        });
      });
    }
  }

  async report(levels: readonly ReplayLevel[]): Promise<ReplayReport> {
    const { dryRun = false, from } = this.#request;
    if (from !== 'failures') {
      for (const { level, queue } of levels) this.#tally.leave(level.name, await queue.approximateCount());
    }
    const { stoppedBecause } = this.#items;
    return this.#tally.report({
      dryRun,
      // Notes that were not read because the replay stopped early are not counted.
      remainingIsApproximate: from !== 'failures' || stoppedBecause !== undefined,
      seconds: (this.#deps.clock.now() - this.#startedMs) / 1000,
      stoppedBecause: stoppedBecause ?? 'drained',
    });
  }

  /** @returns whether the message may be deleted */
  async #takeMessage({ letter, excerpt, sentAtMs }: QueueMessage, level: ReplayLevel): Promise<boolean> {
    const { name } = level.level;
    if (letter === undefined) {
      this.#tally.skipped.unreadable += 1;
      this.#tally.note(
        name,
        { code: 'UNREADABLE', condition: 'unknown', message: excerpt, atMs: sentAtMs },
        { key: undefined },
      );
      return false;
    }
    let mayGo = true;
    for (const item of letter.items) {
      const isSettled =
        this.#isWanted(level.level, item.key) &&
        (await this.#passOver(level.level, item.key, () => this.#takeItem(item, letter, level)));
      if (!isSettled) mayGo = false;
    }
    return mayGo && this.#request.dryRun !== true;
  }

  /** @returns whether nothing is left to do for the item */
  async #takeItem(item: ItemEvent, letter: DeadLetter, level: ReplayLevel): Promise<boolean> {
    const found = await this.#items.find(item, level.level);
    if (await this.#isCancelled(level.level, item.key)) {
      this.#tally.skipped.cancelled += found.items;
      return false;
    }
    const isBatch = isBatched(level.level) && found.state !== 'missing' && found.state !== 'done';
    const { code: wanted } = this.#request;
    // A message that SQS moved here after its last receive is the event alone: why it failed is in the item's note. And Lambda's
    // word on a letter may be another than the note's, which reports count by.
    const isNoteNeeded = isBatch || letter.code === unknownCode || (wanted !== undefined && wanted !== letter.code);
    const note = isNoteNeeded ? await readFailureNote(level.level, item.key, this.#deps.store) : undefined;
    const { code, message } = (letter.code === unknownCode ? note : undefined) ?? letter;
    const cause = { ...letter, code, message };
    if (!this.#isForReason(cause, note)) {
      this.#tally.skipped.filter += found.items;
      return false;
    }
    this.#noteReasons(level.level, cause, item.key, found, isBatch ? note : undefined);
    return this.#items.bringBack(item, found, cause, level);
  }

  /** Counts the reasons by item: a batch's note names those that failed; the others share the letter's cause. */
  #noteReasons(level: Level, cause: Cause, key: string, found: Found, note: FailureNote | undefined): void {
    const failures = note === undefined ? [] : failuresIn(note, found.standing);
    for (const { id, code, message, at, count } of failures)
      this.#tally.note(level.name, { ...cause, code, message, atMs: Date.parse(at) }, { key, id, count });
    const others = found.items - failures.reduce((sum, { count }) => sum + count, 0);
    if (others > 0) this.#tally.note(level.name, cause, { key, count: others });
  }

  /**
   * What S3, SQS or Lambda refuse about one item must not keep the others waiting: it is counted, named and left.
   * @throws what `work` throws when the service seems to fail for all items
   */
  async #passOver(level: Level, key: string, work: () => Promise<boolean>): Promise<boolean> {
    try {
      return await work();
    } catch (error) {
      this.#serviceFailures += error instanceof TransientError ? 1 : 0;
      if (this.#serviceFailures >= maxServiceFailures) throw error;
      this.#tally.refuse(level.name, key, error instanceof Error ? error.message : String(error));
      this.#deps.log.error('The item could not be replayed; it is left where it is.', {
        level: level.name,
        key,
        error,
      });
      return false;
    }
  }

  async #takeNote(noteKey: string, level: ReplayLevel): Promise<void> {
    const { store, clock, retryingForMs } = this.#deps;
    const note = await readNoteAt(noteKey, store);
    if (note === undefined) {
      this.#tally.skipped.unreadable += 1;
      return;
    }
    if (!this.#isWanted(level.level, note.key)) return;
    if (!this.#isForReason(note, note)) return;
    const cause = { code: note.code, message: note.message, condition: note.status, atMs: Date.parse(note.at) };
    const item: ItemEvent = newEvent(note.key, cause.atMs, {
      replays: note.replays,
      // Its receipt is what its children were found to differ from.
      reexpand: note.code === shortCode && note.status === 'failed',
    });
    const found = await this.#items.find(item, level.level);
    if (found.state === 'done') return; // A receipt outranks a note.
    if (await this.#isCancelled(level.level, note.key)) {
      this.#tally.skipped.cancelled += found.items;
      this.#tally.leave(level.level.name, found.items);
      return;
    }
    this.#noteReasons(level.level, cause, note.key, found, isBatched(level.level) ? note : undefined);
    // `force` says that nothing else works on it: parked items, and those whose retries were lost on the way.
    const isForced = this.#request.force === true;
    const isParked = !isForced && note.status === 'parked';
    const isFresh = clock.now() - cause.atMs < retryingForMs;
    const isUnderWay = note.status === 'failed' || note.status === 'isolating';
    const isRetrying = !isForced && isUnderWay && note.class === 'transient' && isFresh;
    if (isParked || isRetrying) this.#tally.skipped[isParked ? 'parked' : 'retrying'] += found.items;
    if (isParked || isRetrying || !(await this.#items.bringBack(item, found, cause, level)))
      this.#tally.leave(level.level.name, found.items);
  }

  async #isCancelled(level: Level, key: string): Promise<boolean> {
    const run = itemPathOf(level, key)?.run;
    return run !== undefined && (await this.#runControls(run)).state === 'cancelled';
  }

  /** Of a batch, one of its items is enough: the object is brought back as a whole. */
  #isForReason({ code }: Pick<Cause, 'code'>, note: FailureNote | undefined): boolean {
    const { code: wanted } = this.#request;
    const codes = [code, note?.code, ...(note?.items ?? []).map((failure) => failure.code)];
    return wanted === undefined || codes.includes(wanted);
  }

  #isWanted(level: Level, key: string): boolean {
    const { run } = this.#request;
    if (run === undefined || itemPathOf(level, key)?.run === run) return true;
    if (this.#request.from !== 'failures') this.#tally.skipped.filter += 1;
    return false;
  }
}
