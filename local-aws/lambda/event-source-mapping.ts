/**
 * The poller of one event source mapping from a queue (pages with-sqs, services-sqs-scaling,
 * services-sqs-errorhandling): it gathers batches, has the function called with each, and deletes what is done. It puts
 * nothing back. A message that is not deleted comes back by its visibility timeout, and goes to the dead-letter queue
 * by the queue's redrive policy.
 *
 * It sleeps until the queue changes, a message becomes visible, a window ends or a batch is done. It receives only what it
 * may run at once: a batch that waits for one of our own few environments uses up its visibility.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { detached } from '../lifecycle.ts';
import type { EventSourceMapping as Definition } from '../package/model.ts';
import type { ReceivedMessage } from '../sqs/message-store.ts';
import { messagesARequest, type PolledQueue } from '../sqs/polled-queue.ts';
import { throttleWaitMs } from './async-rules.ts';
import { LambdaServiceError } from './errors.ts';
import type { InvokeResult } from './service.ts';
import { batchesOf, reportedFailures, type Batch } from './sqs-batch.ts';

export type EventSourceMappingOptions = {
  readonly definition: Definition;
  readonly queue: PolledQueue;
  /** Invocations at once. */
  readonly concurrency: number;
  readonly timeScale: number;
  /** @throws LambdaServiceError TooManyRequestsException when throttled */
  readonly invoke: (payload: string, batch: { sinceMs: number; retries: number }) => Promise<InvokeResult>;
  /** Told of each request that Lambda would make of SQS, but for those that find nothing. */
  readonly count: (operation: 'ReceiveMessage' | 'DeleteMessageBatch') => void;
  readonly onFault: (error: unknown) => void;
};

export class EventSourceMapping {
  readonly #options: EventSourceMappingOptions;
  readonly #stopping = new AbortController();
  #running = 0;
  /** Received, and waiting for the batching window to end. */
  #gathered: ReceivedMessage[] = [];
  #windowEndsAtMs = 0;
  #wakes = false;
  #timer: NodeJS.Timeout | undefined;
  #idleWaiters: (() => void)[] = [];

  constructor(options: EventSourceMappingOptions) {
    this.#options = options;
    options.queue.onChange(() => this.#wake());
    this.#wake();
  }

  /** No message on the queue, visible or not, and no batch under way. */
  get isQuiet(): boolean {
    return this.#running === 0 && this.#gathered.length === 0 && this.#options.queue.isEmpty();
  }

  /** Resolves when it is quiet; a message that failed keeps it waiting until it is done or dead-lettered. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
      this.#wake();
    });
  }

  /** Receives no more. What is in flight stays on the queue, invisible until its time. */
  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  /** Looks at the queue in the next turn: a transaction may be open now. */
  #wake(): void {
    if (this.#wakes) return;
    this.#wakes = true;
    setImmediate(() => {
      this.#wakes = false;
      detached(() => this.#poll());
    });
  }

  #poll(): void {
    if (this.#stopping.signal.aborted) return;
    while (this.#running < this.#options.concurrency && this.#gather()) {
      void this.#run(this.#gathered.splice(0));
    }
    this.#sleep();
    if (this.#idleWaiters.length > 0 && this.isQuiet) for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  /** @returns whether there is a batch to run */
  #gather(): boolean {
    const { queue, definition, timeScale, count } = this.#options;
    const { batchSize, batchingWindowMs } = definition;
    while (this.#gathered.length < batchSize && queue.hasVisible()) {
      if (this.#gathered.length === 0) this.#windowEndsAtMs = performance.now() + batchingWindowMs / timeScale;
      count('ReceiveMessage');
      this.#gathered.push(...queue.receive(Math.min(messagesARequest, batchSize - this.#gathered.length)));
    }
    const { length } = this.#gathered;
    return length === batchSize || (length > 0 && performance.now() >= this.#windowEndsAtMs);
  }

  /** With all its invocations under way, the end of one wakes it. */
  #sleep(): void {
    clearTimeout(this.#timer);
    if (this.#running >= this.#options.concurrency) return;
    const windowEndsInMs = this.#gathered.length > 0 ? this.#windowEndsAtMs - performance.now() : Infinity;
    const wakeInMs = Math.min(windowEndsInMs, this.#options.queue.nextVisibleInMs() ?? Infinity);
    if (wakeInMs === Infinity) return;
    this.#timer = setTimeout(() => detached(() => this.#poll()), Math.max(1, Math.ceil(wakeInMs)));
  }

  async #run(messages: readonly ReceivedMessage[]): Promise<void> {
    const { definition, queue, onFault } = this.#options;
    this.#running += 1;
    const visibleAgainAtMs = performance.now() + queue.visibilityTimeoutMs();
    try {
      for (const batch of batchesOf(messages, definition.sourceArn)) {
        const result = await this.#invoke(batch, visibleAgainAtMs);
        if (result !== undefined) this.#settle(batch, result);
      }
    } catch (error) {
      // Being stopped ends the call with an error; its messages stay.
      if (!this.#stopping.signal.aborted) onFault(error);
    }
    this.#running -= 1;
    detached(() => this.#poll());
  }

  /**
   * While the function is throttled "Lambda continues to retry the message until the message's timestamp exceeds your queue's
   * visibility timeout, at which point Lambda drops the message" (page services-sqs-errorhandling): the queue then has it.
   * @returns undefined when it was dropped
   */
  async #invoke({ messages, payload }: Batch, visibleAgainAtMs: number): Promise<InvokeResult | undefined> {
    const { invoke, timeScale } = this.#options;
    const about = {
      sinceMs: Math.min(...messages.map(({ sentAtMs }) => sentAtMs)),
      retries: messages.filter(({ receives }) => receives > 1).length,
    };
    for (let throttles = 1; ; throttles += 1) {
      try {
        return await invoke(payload, about);
      } catch (error) {
        const isThrottled = error instanceof LambdaServiceError && error.code === 'TooManyRequestsException';
        if (!isThrottled) throw error;
      }
      const waitMs = throttleWaitMs(throttles) / timeScale;
      if (performance.now() + waitMs >= visibleAgainAtMs) return undefined;
      await sleep(waitMs, undefined, { signal: this.#stopping.signal });
    }
  }

  #settle({ messages }: Batch, { functionError, payload }: InvokeResult): void {
    if (functionError !== undefined) return;
    const ids = new Set(messages.map(({ messageId }) => messageId));
    const failed = this.#options.definition.reportsBatchItemFailures ? reportedFailures(payload, ids) : new Set();
    if (failed === undefined) return;
    const done = messages.filter(({ messageId }) => !failed.has(messageId));
    for (let at = 0; at < done.length; at += messagesARequest) {
      this.#options.count('DeleteMessageBatch');
      const handles = done.slice(at, at + messagesARequest).map(({ receiptHandle }) => receiptHandle);
      this.#options.queue.remove(handles);
    }
  }
}
