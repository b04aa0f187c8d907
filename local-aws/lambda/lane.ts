/**
 * One function's place in the line: the events read ahead from its queue, who calls it directly, how many of its
 * invocations run, and its figures. It keeps ids only, a bounded number of them, whatever the queue holds.
 */
import type { FunctionDefinition } from './definition.ts';
import type { EventQueue, ReadyEvent } from './event-queue.ts';
import type { RunResult } from './environment.ts';

/** Events read ahead at a time: a query for each event would cost more than the event. */
const readAhead = 64;

/** A caller that waits for the answer. */
export type DirectCall = {
  readonly functionName: string;
  readonly requestId: string;
  readonly payload: string;
  readonly sinceMs: number;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: Error) => void;
};

export type ProcessorTimes = {
  /** On the clock of `performance.now()`. */
  readonly atMs: number;
  /** What this process has used of all processors, its threads included. */
  readonly usedMs: number;
  /** What all processors were idle, or would have been but for work of low priority. */
  readonly idleMs: number;
};

export class Lane {
  readonly definition: FunctionDefinition;
  readonly directCalls: DirectCall[] = [];
  readonly figures = { invocations: 0, errors: 0, durationMs: 0 };
  running = 0;
  /** Those of them that came out of the queue. */
  runningEvents = 0;
  /** Not read until then: its reserved concurrency is all in use. */
  pausedUntilMs = -Infinity;
  /** Since an invocation ended. */
  throttlesInARow = 0;
  /** Since when it has work and no environment, on the clock of `performance.now()`. */
  blockedSinceMs: number | undefined;
  /** Since when its environments have not kept up with its events, or since that was last looked at. */
  behind: ProcessorTimes | undefined;
  /** When the first event that waits becomes ready. */
  nextReadyAtMs = Infinity;
  readonly #queue: EventQueue;
  #ready: ReadyEvent[] = [];
  #next = 0;
  /** Read ahead, running, or being delivered: still a row, but not to be taken again. */
  readonly #taken = new Set<number>();
  #mayHaveMore = true;

  constructor(definition: FunctionDefinition, queue: EventQueue) {
    this.definition = definition;
    this.#queue = queue;
  }

  get name(): string {
    return this.definition.name;
  }

  get isAtReservedConcurrency(): boolean {
    return this.running >= (this.definition.reservedConcurrency ?? Infinity);
  }

  /** An event was added, perhaps in a transaction that is still open. */
  added(): void {
    this.#mayHaveMore = true;
  }

  /** The oldest event that is ready. */
  head(nowMs: number): ReadyEvent | undefined {
    if (this.#next >= this.#ready.length) this.#readAhead(nowMs);
    return this.#ready[this.#next];
  }

  /** Takes the head. It stays taken until it is `released`. */
  take(): void {
    this.#next++;
  }

  /** Its row is gone, or waits for a later time. */
  released(id: number): void {
    this.#taken.delete(id);
  }

  /** An event of this function waits until then. */
  postponed(id: number, readyAtMs: number): void {
    this.#taken.delete(id);
    this.nextReadyAtMs = Math.min(this.nextReadyAtMs, readyAtMs);
  }

  #readAhead(nowMs: number): void {
    if (!this.#mayHaveMore && this.nextReadyAtMs > nowMs) return;
    // Those already taken are the oldest, so they are in the answer: ask for as many more.
    const limit = readAhead + this.#taken.size;
    const ready = this.#queue.ready(this.name, nowMs, limit);
    this.#ready = ready.filter(({ id }) => !this.#taken.has(id));
    this.#next = 0;
    for (const { id } of this.#ready) this.#taken.add(id);
    this.#mayHaveMore = ready.length === limit;
    this.nextReadyAtMs = this.#queue.nextReadyAtMs(this.name, nowMs) ?? Infinity;
  }
}
