/**
 * An SQS queue in memory: at least once, invisible for a while after a receive, gone after its retention. A receive may see
 * only some of what is there; a message may be seen twice, and one that was deleted may come back.
 */
import type { FailureSink, MessageQueue, QueueMessage } from '../../shared/engine/ports.ts';
import { bucketName, type Core } from './core.ts';
import type { Faults } from './faults.ts';
import type { Life, Operation } from './life.ts';
import { eventTextIn, keysOfEvent } from './model.ts';
import type { VirtualTime } from './virtual-time.ts';

export type Message = {
  id: string;
  body: string;
  attributes: Record<string, string>;
  sentAtMs: number;
  hiddenUntilMs: number;
  receives: number;
  /** It is about nothing of ours, or can't be understood: only a person may delete it. */
  mustStay: boolean;
};

/** SQS keeps a message so long at most (page quotas-messages). */
const retentionMs = 14 * 24 * 3_600_000;

export class Queue {
  readonly messages = new Map<string, Message>();
  readonly name: string;
  readonly #core: Core;
  readonly #time: VirtualTime;
  readonly #faults: Faults;
  readonly #onRemove: (message: Message, by: Life, queue: Queue) => void;
  readonly #onAdd: (() => void) | undefined;
  readonly #onSent: ((key: string, by: Life, body: string) => void) | undefined;
  #sent = 0;

  constructor(options: {
    name: string;
    core: Core;
    time: VirtualTime;
    faults: Faults;
    onRemove: (message: Message, by: Life, queue: Queue) => void;
    onAdd?: (() => void) | undefined;
    /** An invocation has sent an item here. */
    onSent?: ((key: string, by: Life, body: string) => void) | undefined;
  }) {
    this.name = options.name;
    this.#core = options.core;
    this.#time = options.time;
    this.#faults = options.faults;
    this.#onRemove = options.onRemove;
    this.#onAdd = options.onAdd;
    this.#onSent = options.onSent;
  }

  add(body: string, attributes: Record<string, string> = {}, mustStay = false): void {
    this.#sent += 1;
    const id = `${this.name}-${this.#sent}`;
    const site = this.#faults.site(`letter ${this.#placeOf(body)}`);
    // The SDK lost the answer to its first attempt.
    if (this.#faults.strikes('letter-copied', site)) this.#keep(`${id}-copy`, body, attributes, mustStay);
    if (this.#faults.strikes('letter-expires', site)) return;
    this.#keep(id, body, attributes, mustStay);
  }

  sinkFor(life: Life): FailureSink {
    return {
      send: (event, reason) => {
        const body = this.#core.buildLetter(event, reason, bucketName);
        return this.#ask(life, 'send', true, () => {
          this.add(body);
          for (const { key } of keysOfEvent(eventTextIn(body))) {
            life.sentFor.add(key);
            if (this.#onSent !== undefined) life.failedFor.add(key);
            this.#onSent?.(key, life, body);
          }
        });
      },
    };
  }

  queueFor(life: Life): MessageQueue {
    return {
      receive: (invisibleMs) => this.#ask(life, 'receive', false, () => this.#receive(invisibleMs)),
      remove: (handles) =>
        this.#ask(life, 'remove', true, () => {
          for (const handle of handles) this.#remove(handle, life);
        }),
      release: (handles) =>
        this.#ask(life, 'release', true, () => {
          for (const handle of handles) {
            const message = this.#of(handle);
            if (message !== undefined) message.hiddenUntilMs = 0;
          }
        }),
      approximateCount: () => this.#ask(life, 'count', false, () => this.visible.length),
    };
  }

  /** Beside what stays until a person deletes it, or resumes its run. */
  hasItems(isMoving: (key: string) => boolean): boolean {
    return [...this.messages.values()].some(
      ({ mustStay, body }) => !mustStay && keysOfEvent(eventTextIn(body)).some(({ key }) => isMoving(key)),
    );
  }

  get visible(): Message[] {
    const nowMs = this.#time.nowMs;
    const all = [...this.messages.values()];
    for (const { id, sentAtMs } of all) if (nowMs - sentAtMs > retentionMs) this.messages.delete(id);
    return all.filter(({ hiddenUntilMs, sentAtMs }) => hiddenUntilMs <= nowMs && nowMs - sentAtMs <= retentionMs);
  }

  #keep(id: string, body: string, attributes: Record<string, string>, mustStay: boolean): void {
    const { nowMs: sentAtMs } = this.#time;
    this.messages.set(id, { id, body, attributes, sentAtMs, hiddenUntilMs: 0, receives: 0, mustStay });
    this.#onAdd?.();
  }

  #receive(invisibleMs: number): QueueMessage[] {
    return this.visible
      .filter(({ id }) => !this.#faults.strikes('receive-misses', this.#faults.site(`receive ${id}`)))
      .slice(0, 10)
      .map((message) => {
        const { id, body, attributes, sentAtMs } = message;
        const isTwice = this.#faults.strikes('letter-twice', this.#faults.site(`hide ${this.#placeOf(body)}`));
        if (!isTwice) message.hiddenUntilMs = this.#time.nowMs + invisibleMs;
        message.receives += 1;
        const letter = this.#core.parseLetter({ body, attributes, sentAtMs }, bucketName);
        return { handle: `${id} ${message.receives}`, sentAtMs, letter, excerpt: body.slice(0, 200) };
      });
  }

  #remove(handle: string, by: Life): void {
    const [id = ''] = handle.split(' ');
    const message = this.messages.get(id);
    if (message === undefined) return;
    this.#onRemove(message, by, this);
    if (!this.#faults.strikes('letter-comes-back', this.#faults.site(`delete ${this.#placeOf(message.body)}`)))
      this.messages.delete(id);
  }

  /** Named by what a message is about, so that the place is the same when the item comes again. */
  #placeOf(body: string): string {
    return `${this.name} ${keysOfEvent(eventTextIn(body))
      .map(({ key }) => key)
      .join(' ')}`;
  }

  /** The message, if this handle is of its latest receive. */
  #of(handle: string): Message | undefined {
    const [id = '', receives] = handle.split(' ');
    const message = this.messages.get(id);
    return message?.receives === Number(receives) ? message : undefined;
  }

  #ask<T>(life: Life, verb: string, mutates: boolean, act: () => T): Promise<T> {
    const name = `${verb} ${this.name}`;
    const operation: Operation<T> = {
      name,
      act,
      mutates,
      failures: {
        before: 'sqs-fails',
        answerLost: 'sqs-answer-lost',
        error: () => new this.#core.TransientError('NETWORK', `SQS failed: ${name}.`),
      },
      latencyMs: [5, 30],
    };
    return life.operate(operation);
  }
}
