/**
 * How an invocation asks: a call that failed is made again as often as the settings say and no more, after the wait that the API asked
 * for, and not at once each time; and what an invocation answers is what it did.
 */
import type { Outcome } from '../../shared/engine/item/attempt.ts';
import type { Answer, Call } from './api.ts';
import { orderIn } from './freeze-watch.ts';
import type { Life } from './life.ts';
import type { Settings } from './settings.ts';

/** What became of the same question before, in the same invocation. */
type Before = { failures: number; endedMs: number; waitMs: number };

/** Waits are drawn by chance, and one in hundreds is of no time. */
const mostAtOnce = 4;

export class CallWatch {
  readonly #settings: Pick<Settings, 'callRetries'>;
  readonly #now: () => number;
  readonly #before = new WeakMap<Life, Map<string, Before>>();
  readonly #calls = new WeakMap<Life, number>();
  readonly #written = new WeakMap<Life, number>();
  /** Of all invocations: how many calls in a row were made again without a wait. */
  #atOnce = 0;

  constructor(settings: Pick<Settings, 'callRetries'>, now: () => number) {
    this.#settings = settings;
    this.#now = now;
  }

  /** @returns what is wrong with a call */
  call(call: Call): string | undefined {
    const { life, atMs } = call;
    this.#calls.set(life, (this.#calls.get(life) ?? 0) + 1);
    const before = this.#before.get(life)?.get(questionOf(call));
    // Of several items, two may be the same one.
    if (before === undefined || before.failures === 0 || life.events.length > 1) return undefined;
    const { failures, endedMs, waitMs } = before;
    this.#atOnce = atMs - endedMs < 1 ? this.#atOnce + 1 : 0;
    if (failures > this.#settings.callRetries)
      return `makes a call again after ${failures} failures, and not ${this.#settings.callRetries}`;
    if (atMs < endedMs + waitMs - 1)
      return `makes a call again after ${atMs - endedMs} ms, and was asked to wait for ${waitMs} ms`;
    return this.#atOnce > mostAtOnce ? `makes a call again at once, as ${this.#atOnce - 1} were before` : undefined;
  }

  /** @param answer undefined: there was none */
  answered(call: Call, answer: Answer | undefined): void {
    const { life } = call;
    const nowMs = this.#now();
    const all = this.#before.get(life) ?? new Map<string, Before>();
    this.#before.set(life, all);
    const question = questionOf(call);
    const failures = all.get(question)?.failures ?? 0;
    // What the API orders counts as no attempt, and stops all calls.
    const isOrder = answer !== undefined && orderIn(answer, nowMs) > 0;
    const isFailure = answer === undefined || answer.status === 202 || answer.status >= 400;
    const after = answer?.headers['retry-after'] ?? '';
    const waitMs = !isOrder && /^\d+$/.test(after) ? Number(after) * 1000 : 0;
    all.set(question, { failures: isOrder ? failures : isFailure ? failures + 1 : 0, endedMs: nowMs, waitMs });
  }

  /** An invocation has written an object that was not there. */
  wrote(key: string, life: Life): void {
    if (!/^(failures|receipts|runs|params|control|finished)\//.test(key))
      this.#written.set(life, (this.#written.get(life) ?? 0) + 1);
  }

  /** @returns what is wrong with what an invocation says of one item */
  outcome(life: Life, told: Outcome): string | undefined {
    const [event, another] = life.events;
    if (event === undefined || another !== undefined) return undefined;
    const calls = this.#calls.get(life) ?? 0;
    const { outcome, apiCalls, written, items } = told;
    const isSeed = event.key.startsWith('seeds/');
    const wrong =
      // An item that the API does not have fails as a call that the log does not know.
      ((apiCalls < calls || (apiCalls > calls && outcome === 'expanded' && items === undefined)) &&
        `it made ${calls} calls`) ||
      (outcome === 'expanded' && calls === 0 && 'it made no call') ||
      (outcome === 'missing' && calls > 0 && 'it made calls') ||
      (outcome === 'duplicate' && !isSeed && calls > 0 && 'it made calls') ||
      (items === undefined &&
        (written < 0 || written > (this.#written.get(life) ?? 0)) &&
        `it wrote ${this.#written.get(life) ?? 0} objects`) ||
      (outcome === 'deferred' &&
        (!life.sentFor.has(event.key) || life.failedFor.has(event.key)) &&
        'it was not sent to wait') ||
      (outcome === 'failed' && !life.failedFor.has(event.key) && 'it was not sent to the dead letters') ||
      (outcome === 'expanded' && items !== undefined && items.failed + items.deferred > 0 && 'some of it is not done');
    return typeof wrong === 'string' ? `${life.name} says ${JSON.stringify(told)}, but ${wrong}` : undefined;
  }
}

function questionOf({ node, run, cursor }: Call): string {
  return `${run} ${JSON.stringify(node.ids)} ${cursor ?? ''}`;
}
