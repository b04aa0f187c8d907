/**
 * Time that passes only when nobody has anything left to do: tasks in the order of their time, and of those at one time in
 * the order in which they were set. Between two tasks every promise that can settle has settled.
 */

type Task = { atMs: number; order: number; run: (() => void) | undefined };

/** Ends what was set, if it has not begun. */
export type Cancel = () => void;

export class VirtualTime {
  nowMs = Date.parse('2026-11-20T06:00:00Z');
  /** Tasks that have run: what a schedule costs. */
  steps = 0;
  /** More steps than this are refused: something goes on without end. */
  maxSteps = Infinity;
  /** Set once enough was seen: no task runs any more. */
  isStopped = false;
  /** What people start takes no time: all of it sees one moment, on which something may become something else. */
  isStill = false;
  readonly #heap: Task[] = [];
  #set = 0;
  #live = 0;

  get isQuiet(): boolean {
    return this.#live === 0;
  }

  in(delayMs: number, run: () => void): Cancel {
    return this.at(this.nowMs + delayMs, run);
  }

  at(atMs: number, run: () => void): Cancel {
    const task: Task = { atMs: Math.max(atMs, this.nowMs), order: (this.#set += 1), run };
    this.#push(task);
    this.#live += 1;
    return () => {
      if (task.run === undefined) return;
      task.run = undefined;
      this.#live -= 1;
    };
  }

  /** Runs all that is due up to a time, and makes it now. */
  async runTo(untilMs: number): Promise<void> {
    await this.#drive(untilMs);
    if (!this.isStopped) this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** @returns false when there is still something to come at that time */
  async runUntilQuiet(limitMs: number): Promise<boolean> {
    await this.#drive(limitMs);
    return this.isQuiet;
  }

  #drive(untilMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        const run = this.isStopped || this.steps >= this.maxSteps ? undefined : this.#takeDue(untilMs);
        if (run === undefined) {
          resolve();
          return;
        }
        this.steps += 1;
        try {
          run();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        // Node empties the queue of promises before it takes the next tick.
        queueMicrotask(() => process.nextTick(step));
      };
      process.nextTick(step);
    });
  }

  #takeDue(untilMs: number): (() => void) | undefined {
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= untilMs; first = this.#heap[0]) {
      this.#pop();
      const { run } = first;
      if (run === undefined) continue;
      first.run = undefined;
      this.#live -= 1;
      this.nowMs = first.atMs;
      return run;
    }
    return undefined;
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let at = heap.length;
    for (; at > 0;) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || isBefore(parent, task)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = task;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      const [left, right] = [heap[below], heap[below + 1]];
      if (left === undefined) break;
      let child = left;
      if (right !== undefined && isBefore(right, left)) [child, below] = [right, below + 1];
      if (isBefore(last, child)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
