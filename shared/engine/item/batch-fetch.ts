/**
 * One attempt of a batch: its items are fetched side by side, what comes is stored as a result part, and what does not is told
 * of by item. A good item never waits for a bad one.
 */
import type { ItemPath } from '../chain/keys.ts';
import type { Params } from '../chain/params.ts';
import { mapConcurrently } from '../concurrency.ts';
import { CancelledError, DeferredError, ItemError, TransientError } from '../errors.ts';
import { isRepeat, type ItemEvent, type Waiting } from '../events.ts';
import { gateOf, lineageOf, type Attempt, type ItemCounts, type Outcome } from './attempt.ts';
import { parseBatch } from './batch.ts';
import { earlierNumberIn } from './earlier-results.ts';
import { Isolation } from './batch-isolation.ts';
import { failureCauseOf, type FailureNote, type ItemFailure } from './failure-note.ts';
import type { FetchOne } from './fetch.ts';
import { countEarlierAttempts, noteFailure } from './item-failure.ts';
import { PartWriter, readParts, resultLine, type PartsOf } from './result-parts.ts';

/** @throws as `processItem` has to handle it: part and note of what was done are written by then */
export async function fetchBatch(one: FetchOne, path: ItemPath, attempt: Attempt): Promise<Outcome> {
  const { event, work, deps } = attempt;
  const { level, store, settings } = deps;
  const { maxItemBytes, maxBatchBytes, maxPartBytes, firstRetryMs } = settings;
  const [object] = await Promise.all([
    store.get(event.key, maxItemBytes + 2 * maxBatchBytes),
    countEarlierAttempts(event, work, firstRetryMs, deps),
  ]);
  if (object === undefined) return { outcome: 'missing', written: 0, apiCalls: 0 };
  const items = parseBatch(path.ids.slice(0, -1), event.key, object.body);
  const batch: PartsOf = { level, path, eTag: object.eTag, items };
  const limits = { maxPartBytes, maxBodyBytes: maxItemBytes };
  const earlier = earlierNumberIn(object.metadata);
  const parts = await readParts(
    batch,
    { ...limits, isFirst: !isRepeat(event) && event.isBegun !== true, earlier },
    store,
  );
  const writer = new PartWriter(batch, parts, limits, store, () => lineageOf(path, attempt));
  await writer.record();
  if (parts.held.size === items.length) return { outcome: 'duplicate', written: 0, apiCalls: 0 };
  const { params } = await deps.runParams(path.run);
  return new BatchAttempt({ one, params, batch, writer, attempt }, parts.held).run();
}

/** An item that fails in so many attempts, while others of its batch wait, is not called again until a replay: nothing else would end it. */
const mostAttempts = 3;

type Fetched =
  | { index: number; line: string }
  | { index: number; failure: unknown; isLate: boolean }
  | { index: number; deferred: DeferredError }
  | { index: number; cancelled: CancelledError };

type BatchWork = { one: FetchOne; params: Params; batch: PartsOf; writer: PartWriter; attempt: Attempt };

class BatchAttempt {
  readonly #work: BatchWork;
  /** What earlier attempts say of items that are not done. */
  readonly #before: ReadonlyMap<number, ItemFailure>;
  readonly #failed = new Map<number, ItemFailure>();
  readonly #deferred = new Map<number, DeferredError>();
  readonly #waits: Record<string, Waiting>;
  readonly #isolation: Isolation;
  readonly #todo: number[];
  /** How many of them were done before. */
  readonly #held: number;
  #isTransient = false;
  #begun = 0;
  /** A note says that some of it is under way. */
  #hasBegun = false;
  /** No call may be made any more in this invocation. */
  #stop: DeferredError | CancelledError | undefined;
  #cancelled = 0;
  #done = 0;

  constructor(work: BatchWork, held: ReadonlySet<number>) {
    const { batch, attempt } = work;
    const { event } = attempt;
    const note = attempt.work.earlier?.note;
    this.#work = work;
    this.#held = held.size;
    this.#waits = Object.fromEntries(Object.entries(event.waits ?? {}).map(([index, waits]) => [index, { ...waits }]));
    this.#before = failuresBefore(batch, note, event);
    const open = [...batch.items.keys()].filter((index) => !held.has(index));
    this.#isolation = new Isolation({ open, note, isRepeat: isRepeat(event) });
    for (const index of this.#isolation.crashed) {
      const message = 'The function was stopped while it fetched this item alone: it ran out of memory or time.';
      this.#fail(index, { class: 'item', code: 'CRASHED', message });
    }
    for (const index of open) {
      const before = this.#before.get(index);
      if (before !== undefined && isSpent(before, event)) this.#failed.set(index, before);
    }
    // What has failed before comes last, so that it does not take the turns of the others.
    this.#todo = open
      .filter((index) => !this.#failed.has(index))
      .sort((a, b) => Number(this.#before.has(a)) - Number(this.#before.has(b)));
  }

  async run(): Promise<Outcome> {
    const { attempt, writer } = this.#work;
    if (this.#before.size > 0) attempt.work.items = this.#failures();
    for (const group of this.#isolation.groups(this.#todo)) {
      if (this.#isolation.isNoted && this.#stop === undefined) {
        await this.#isolation.begin(group, this.#failures(), attempt);
        this.#hasBegun = true;
      }
      await this.#fetch(group);
      this.#done += await writer.flush();
    }
    return this.#conclude();
  }

  async #fetch(indexes: readonly number[]): Promise<void> {
    const { writer, attempt } = this.#work;
    const { level } = attempt.deps;
    for await (const fetched of mapConcurrently(indexes, level.callsInFlight, (index) => this.#fetchItem(index))) {
      const { index } = fetched;
      if ('line' in fetched) this.#done += await writer.add(index, fetched.line);
      else if ('cancelled' in fetched) this.#cancel(fetched.cancelled);
      else if ('deferred' in fetched) this.#defer(index, fetched.deferred);
      else if (fetched.isLate) this.#defer(index, outOfTime());
      else this.#failWith(index, fetched.failure);
    }
  }

  async #fetchItem(index: number): Promise<Fetched> {
    const { one, params, batch, attempt } = this.#work;
    const { level, clock, deadlineMs } = attempt.deps;
    const { path, items } = batch;
    const { id, body } = items[index] ?? { id: '', body: '' };
    if (this.#stop === undefined && clock.now() >= deadlineMs) this.#stop = outOfTime();
    if (this.#stop !== undefined) return stoppedBy(this.#stop, index);
    const patience = { ...this.#waits[index] };
    // The batch comes back when the first of its items may be called.
    if (mustWait(patience, attempt)) return { index, deferred: orderedToWait() };
    // The first ones have the whole invocation; what began later may only have had too little of it.
    const isOfFirst = this.#begun < level.callsInFlight;
    this.#begun += 1;
    const ids = [...path.ids.slice(0, -1), id];
    try {
      const { body: answer } = await one(
        { run: path.run, ids, key: attempt.event.key, params, read: () => Promise.resolve(body) },
        gateOf(attempt, patience),
      );
      const json = typeof answer === 'string' ? answer : new TextDecoder().decode(answer);
      return { index, line: resultLine(level, ids, { fetchedAt: new Date(clock.now()).toISOString(), json }) };
    } catch (error) {
      if (patience.waitingSinceMs !== undefined) this.#waits[index] = patience;
      if (error instanceof DeferredError || error instanceof CancelledError) return stoppedBy(error, index);
      const isLate = error instanceof TransientError && error.code === 'OUT_OF_TIME' && !isOfFirst;
      return { index, failure: error, isLate };
    }
  }

  /** What is known of items that are not done, by this attempt or those before. */
  #failures(): ItemFailure[] {
    const known = new Map([...this.#before].filter(([index]) => this.#todo.includes(index)));
    for (const [index, failure] of this.#failed) known.set(index, failure);
    return [...known.values()];
  }

  #defer(index: number, error: DeferredError): void {
    this.#deferred.set(index, error);
    // Others may call while the API keeps this one waiting.
    if (error.code !== 'RATE_LIMITED') this.#stop ??= error;
  }

  #cancel(error: CancelledError): void {
    this.#cancelled += 1;
    this.#stop = error;
  }

  #failWith(index: number, error: unknown): void {
    const cause = failureCauseOf(error);
    if (cause.class === 'transient') this.#isTransient = true;
    this.#fail(index, cause);
  }

  #fail(index: number, { class: kind, code, message }: Pick<ItemFailure, 'class' | 'code' | 'message'>): void {
    const { batch, attempt } = this.#work;
    this.#failed.set(index, {
      index,
      id: batch.items[index]?.id ?? '',
      class: kind,
      code,
      message: message.slice(0, mostMessageLetters),
      attempts: 1 + (this.#before.get(index)?.attempts ?? 0),
      at: new Date(attempt.deps.clock.now()).toISOString(),
    });
  }

  /** Part, note, letter: in this order, so that nothing is told of that is not so. */
  async #conclude(): Promise<Outcome> {
    const { event, work, deps } = this.#work.attempt;
    const counts: ItemCounts = { done: this.#done, failed: this.#failed.size, deferred: this.#deferred.size };
    if (this.#cancelled > 0) counts.cancelled = this.#cancelled;
    deps.onBatch(counts);
    work.counts = counts;
    if (this.#stop instanceof CancelledError) {
      // No note tells of a cancelled run's failures; but what one says is under way, is not any more.
      if (this.#hasBegun) await this.#isolation.end(this.#failures(), this.#work.attempt);
      throw this.#stop;
    }
    work.items = this.#failed.size > 0 ? [...this.#failed.values()].sort((a, b) => a.index - b.index) : undefined;
    const [deferred] = this.#deferred.values();
    if (deferred !== undefined) {
      event.waits = this.#waits;
      if (this.#held + this.#done > 0) event.isBegun = true;
      event.notBeforeMs = this.#notBeforeMs();
      if (this.#failed.size > 0) await noteFailure(event, work, this.#error(), deps);
      else await this.#isolation.end([], this.#work.attempt);
      throw deferred;
    }
    if (this.#failed.size > 0) throw this.#error();
    return { outcome: 'expanded', written: this.#done, apiCalls: work.apiCalls, items: counts };
  }

  /** When the first of those that the API keeps waiting may be called; if others have to wait as well, there is no such time. */
  #notBeforeMs(): number | undefined {
    const times = [...this.#deferred].map(([index, { code }]) =>
      code === 'RATE_LIMITED' ? (this.#waits[index]?.notBeforeMs ?? 0) : 0,
    );
    const first = Math.min(...times);
    return first > 0 ? first : undefined;
  }

  /** What the batch as a whole failed with: transient as long as another attempt can help. */
  #error(): ItemError | TransientError {
    const failures = [...this.#failed.values()];
    const kind = this.#isTransient ? 'transient' : undefined;
    const sample = failures.find((failure) => failure.class === (kind ?? failure.class)) ?? failures[0];
    const { code = 'UNEXPECTED', id = '', message = '' } = sample ?? {};
    const text = `${failures.length} of the ${this.#work.batch.items.length} items of the batch failed, such as ${JSON.stringify(id)}: ${message}`;
    return this.#isTransient ? new TransientError(code, text) : new ItemError(code, text);
  }
}

function stoppedBy(error: DeferredError | CancelledError, index: number): Fetched {
  return error instanceof CancelledError ? { index, cancelled: error } : { index, deferred: error };
}

/** The API has ordered the item to wait alone, and has not kept it waiting for so long that it is given up. */
function mustWait({ notBeforeMs = 0, waitingSinceMs = Infinity }: Waiting, { deps }: Attempt): boolean {
  const nowMs = deps.clock.now();
  // A time to come is a forged one, or one of a clock that has jumped back.
  return waitingSinceMs <= nowMs && nowMs < Math.min(notBeforeMs, waitingSinceMs + deps.settings.retry.maxWaitMs);
}

function orderedToWait(): DeferredError {
  return new DeferredError('RATE_LIMITED', 'The API has ordered this item to wait, while others may call.');
}

/** A note holds up to a thousand of them. */
const mostMessageLetters = 500;

function outOfTime(): DeferredError {
  return new DeferredError('NO_TURN', 'The invocation ended before the items of the batch were all fetched.');
}

/** By the item's index. A replay begins to count anew, and calls all of them again. */
function failuresBefore(
  { items }: PartsOf,
  note: FailureNote | undefined,
  { replays, isDead }: ItemEvent,
): ReadonlyMap<number, ItemFailure> {
  if (note?.items === undefined || note.replays < replays || isDead === true) return new Map();
  return new Map(
    note.items
      .filter(({ index, id }) => items[index]?.id === id)
      .map((failure): [number, ItemFailure] => [failure.index, failure]),
  );
}

/** Another call can't help, until a person asks for one. */
function isSpent({ class: kind, attempts }: ItemFailure, { waited = 0 }: ItemEvent): boolean {
  return kind === 'item' || (waited > 0 && attempts >= mostAttempts);
}
