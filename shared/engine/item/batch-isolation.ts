/**
 * What is done about a batch that stops its function, by the memory or the time that one item takes: nothing tells which one
 * it is, but the note says what was under way. It is fetched in smaller and smaller groups, each stored before the next one
 * begins, until the item is alone.
 *
 * The note is written before each group once the batch comes to its function again, by a retry, a replay or the sweep. A batch
 * whose event was only lost, or that failed otherwise, is fetched as one group all the same.
 */
import type { Attempt } from './attempt.ts';
import { nextNote, writeFailureNote, type FailureNote, type ItemFailure } from './failure-note.ts';

/** Fifty items are alone at the second division. */
const groupsAtOnce = 8;

type IsolationOptions = {
  /** The items that are not done, by index. */
  open: readonly number[];
  note: FailureNote | undefined;
  /** The batch was given to the function before. */
  isRepeat: boolean;
};

export class Isolation {
  /** What is under way is noted before it begins. */
  readonly isNoted: boolean;
  /** Items that were fetched alone when their function was stopped. */
  readonly crashed: readonly number[];
  readonly #suspects: ReadonlySet<number>;
  readonly #size: number;

  constructor({ open, note, isRepeat }: IsolationOptions) {
    const isOpen = new Set(open);
    const running = (note?.running ?? []).filter((index) => isOpen.has(index));
    this.crashed = note?.running?.length === 1 ? running : [];
    this.#suspects = new Set(
      [...(note?.suspects ?? []), ...running].filter((index) => isOpen.has(index) && !this.crashed.includes(index)),
    );
    this.#size = groupSize(running.length > 0 ? running.length : this.#suspects.size);
    this.isNoted = isRepeat || this.#suspects.size > 0;
  }

  /** Those that are not suspected first: if one of them is the cause after all, it becomes a suspect. */
  groups(todo: readonly number[]): number[][] {
    if (this.#suspects.size === 0) return todo.length === 0 ? [] : [[...todo]];
    const others = todo.filter((index) => !this.#suspects.has(index));
    const suspects = todo.filter((index) => this.#suspects.has(index));
    return [...(others.length > 0 ? [others] : []), ...chunks(suspects, this.#size)];
  }

  /** Notes what is under way, and what has failed so far: one that was alone is not fetched again. */
  begin(group: readonly number[], failed: readonly ItemFailure[], attempt: Attempt): Promise<void> {
    return this.#write(group, failed, attempt);
  }

  /** Nothing is under way any more, and the rest waits. */
  async end(failed: readonly ItemFailure[], attempt: Attempt): Promise<void> {
    if (this.isNoted) await this.#write([], failed, attempt);
  }

  async #write(
    running: readonly number[],
    failed: readonly ItemFailure[],
    { event, work, deps }: Attempt,
  ): Promise<void> {
    const { level, store, clock, requestId } = deps;
    const note = nextNote(level, event.key, work.earlier?.note, {
      status: 'isolating',
      class: 'transient',
      code: 'STOPPED',
      message: 'The batch is fetched again. Should its function be stopped, its items are fetched in smaller groups.',
      attempts: work.attempt,
      replays: event.replays,
      refires: event.refires,
      at: new Date(clock.now()).toISOString(),
      requestId,
      suspects: [...this.#suspects],
      running,
      items: failed.length > 0 ? failed : undefined,
    });
    await writeFailureNote(level, note, store);
    work.earlier = { note };
  }
}

function groupSize(count: number): number {
  return Math.max(1, Math.ceil(count / groupsAtOnce));
}

function chunks(indexes: readonly number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(indexes.length / size) }, (_, at) => indexes.slice(at * size, (at + 1) * size));
}
