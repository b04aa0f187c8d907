/**
 * The life of an asynchronous event after it was accepted: run, retried, sent back when throttled, given up and
 * delivered to its failure destination, forgotten. It follows the pages invocation-async-error-handling and
 * invocation-async-retain-records. A row is deleted only after success, or after what its end calls for was sent.
 */
import { detached } from '../lifecycle.ts';
import { retryWaitMs, throttledReadWaitMs, throttleWaitMs } from './async-rules.ts';
import type { RunResult } from './environment.ts';
import type { EventQueue, QueuedEvent, ReadyEvent } from './event-queue.ts';
import { failureMessages } from './failure-delivery.ts';
import type { Condition, FailureMessage, MessageAttributes } from './failure-delivery.ts';
import type { Counts } from './figures.ts';
import type { Lane } from './lane.ts';

/** With the function's role: @throws when that may not send there */
export type SendMessage = (
  queueArn: string,
  body: string,
  attributes: MessageAttributes | undefined,
  functionName: string,
) => Promise<void> | void;

/** More failures than this are not delivered side by side; the queue is read on when one is done. */
const deliveriesAtOnce = 32;

export type AsyncEventsOptions = {
  readonly queue: EventQueue;
  readonly counts: Counts;
  readonly sendMessage: SendMessage;
  readonly timeScale: number;
  readonly now: () => number;
  readonly onLog: ((functionName: string, line: string) => void) | undefined;
  /** There may be more to do: an event was forgotten, put back, or delivered. */
  readonly onChange: () => void;
};

export class AsyncEvents {
  readonly #options: AsyncEventsOptions;
  readonly #deliveries = new Set<Promise<void>>();
  readonly #startedAtMs: number;
  #done: { lane: Lane; id: number }[] = [];

  constructor(options: AsyncEventsOptions) {
    this.#options = options;
    this.#startedAtMs = options.now();
  }

  get mayTakeMore(): boolean {
    return this.#deliveries.size < deliveriesAtOnce;
  }

  /** Nothing is being delivered, and all that is done is forgotten. */
  get isQuiet(): boolean {
    return this.#deliveries.size === 0 && this.#done.length === 0;
  }

  /**
   * An event's age is what it would be on AWS: the waits at their full length, and the runs. Waiting for one of our own few
   * environments, and the time that the engine was not running, would not have happened there and do not count. A function
   * with reserved concurrency would have waited on AWS too.
   */
  ageMs(lane: Lane, event: ReadyEvent, nowMs: number): number {
    if (lane.definition.reservedConcurrency === undefined) return event.ageMs;
    return event.ageMs + Math.max(0, nowMs - Math.max(event.readyAtMs, this.#startedAtMs));
  }

  isTooOld(lane: Lane, event: ReadyEvent, nowMs: number): boolean {
    return this.ageMs(lane, event, nowMs) >= lane.definition.async.maximumEventAgeMs;
  }

  ran(lane: Lane, event: QueuedEvent, result: RunResult): void {
    if (result.outcome === 'success') {
      this.#forget(lane, event.id);
      return;
    }
    const failed = { ...event, failedRuns: event.failedRuns + 1, lastResponse: result.payload };
    const waitMs = retryWaitMs(failed.failedRuns, lane.definition.async.maximumRetryAttempts);
    if (waitMs === undefined) this.#giveUp(lane, failed, 'RetriesExhausted');
    else this.#putBack(lane, { ...failed, ageMs: event.ageMs + result.durationMs }, waitMs);
  }

  /** @returns until when the function's queue is to be read slowly */
  throttled(lane: Lane, ready: ReadyEvent): number {
    const { queue, counts, now, timeScale } = this.#options;
    counts.throttles++;
    const nowMs = now();
    const event = { ...queue.read(ready.id), ageMs: this.ageMs(lane, ready, nowMs) };
    const throttles = event.throttles + 1;
    this.#putBack(lane, { ...event, throttles }, throttleWaitMs(throttles));
    lane.throttlesInARow++;
    return nowMs + throttledReadWaitMs(lane.throttlesInARow) / timeScale;
  }

  expired(lane: Lane, event: ReadyEvent): void {
    this.#options.counts.eventAgeExceeded++;
    this.#giveUp(lane, this.#options.queue.read(event.id), 'EventAgeExceeded');
  }

  switchedOff(lane: Lane, event: ReadyEvent): void {
    this.#options.counts.throttles++;
    this.#giveUp(lane, this.#options.queue.read(event.id), 'ZeroReservedConcurrency');
  }

  /** Ends what is being delivered, and writes down what is done. */
  async settle(): Promise<void> {
    await Promise.all(this.#deliveries);
    this.#writeDown();
  }

  #putBack(lane: Lane, event: QueuedEvent, waitMs: number): void {
    const { queue, now, timeScale } = this.#options;
    // It comes back for the end of its life if that is sooner.
    const cappedMs = Math.max(0, Math.min(waitMs, lane.definition.async.maximumEventAgeMs - event.ageMs));
    const readyAtMs = Math.ceil(now() + cappedMs / timeScale);
    queue.postpone({ ...event, ageMs: event.ageMs + cappedMs, readyAtMs });
    lane.postponed(event.id, readyAtMs);
  }

  #giveUp(lane: Lane, event: QueuedEvent, condition: Condition): void {
    const messages = failureMessages(lane.definition, event, condition, this.#options.now());
    const delivery = Promise.all(messages.map((message) => this.#deliver(lane, event, message))).then(() => {
      this.#deliveries.delete(delivery);
      this.#forget(lane, event.id);
    });
    this.#deliveries.add(delivery);
  }

  /** A message that can't be delivered is lost, and counted: "the event is deleted" (page invocation-async-retain-records). */
  async #deliver(lane: Lane, event: QueuedEvent, { queueArn, body, attributes }: FailureMessage): Promise<void> {
    const { sendMessage, counts, onLog } = this.#options;
    try {
      await sendMessage(queueArn, body, attributes, lane.name);
      counts.deadLetters++;
    } catch (error) {
      counts.destinationDeliveryFailures++;
      onLog?.(lane.name, `RequestId: ${event.requestId} failure not delivered to ${queueArn}: ${String(error)}`);
    }
  }

  /** Rows are deleted together, one transaction a turn: a transaction each would cost more than many a function's run. */
  #forget(lane: Lane, id: number): void {
    this.#done.push({ lane, id });
    if (this.#done.length === 1) {
      setImmediate(() =>
        detached(() => {
          this.#writeDown();
          this.#options.onChange();
        }),
      );
    }
  }

  #writeDown(): void {
    const done = this.#done;
    if (done.length === 0) return;
    this.#done = [];
    this.#options.queue.remove(done.map(({ id }) => id));
    for (const { lane, id } of done) lane.released(id);
  }
}
