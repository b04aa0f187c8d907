/**
 * An SQS queue in memory: at least once, invisible for a while after a receive, gone after its retention. A receive may see
 * only some of what is there; a message may be seen twice, and one that was deleted may come back.
 */
import type { MessageQueue, MessageSink, QueueMessage } from '../../shared/engine/ports.ts';
import type { Core } from './core.ts';
import type { Faults } from './faults.ts';
import type { Life, Operation } from './life.ts';
import { keysOfEvent } from './model.ts';
import type { VirtualTime } from './virtual-time.ts';

export type Message = {
  id: string;
  body: string;
  attributes: Record<string, string>;
  sentAtMs: number;
  hiddenUntilMs: number;
  receives: number;
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
  #sent = 0;

  constructor(options: {
    name: string;
    core: Core;
    time: VirtualTime;
    faults: Faults;
    onRemove: (message: Message, by: Life, queue: Queue) => void;
    onAdd?: (() => void) | undefined;
  }) {
    this.name = options.name;
    this.#core = options.core;
    this.#time = options.time;
    this.#faults = options.faults;
    this.#onRemove = options.onRemove;
    this.#onAdd = options.onAdd;
  }

  add(body: string, attributes: Record<string, string> = {}): void {
    this.#sent += 1;
    const id = `${this.name}-${this.#sent}`;
    const site = this.#faults.site(`letter ${id}`);
    if (this.#faults.strikes('letter-expires', site)) return;
    this.messages.set(id, { id, body, attributes, sentAtMs: this.#time.nowMs, hiddenUntilMs: 0, receives: 0 });
    this.#onAdd?.();
  }

  sinkFor(life: Life): MessageSink {
    return {
      send: (body) =>
        this.#ask(life, 'send', true, () => {
          this.add(body);
          const { event } = JSON.parse(body) as { event: unknown };
          for (const { key } of keysOfEvent(JSON.stringify(event))) life.sentFor.add(key);
        }),
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

  get visible(): Message[] {
    const nowMs = this.#time.nowMs;
    const all = [...this.messages.values()];
    for (const { id, sentAtMs } of all) if (nowMs - sentAtMs > retentionMs) this.messages.delete(id);
    return all.filter(({ hiddenUntilMs, sentAtMs }) => hiddenUntilMs <= nowMs && nowMs - sentAtMs <= retentionMs);
  }

  #receive(invisibleMs: number): QueueMessage[] {
    return this.visible
      .filter(({ id }) => !this.#faults.strikes('receive-misses', this.#faults.site(`receive ${id}`)))
      .slice(0, 10)
      .map((message) => {
        const { id, body, attributes, sentAtMs } = message;
        const isTwice = this.#faults.strikes('letter-twice', this.#faults.site(`hide ${id}`));
        if (!isTwice) message.hiddenUntilMs = this.#time.nowMs + invisibleMs;
        message.receives += 1;
        return { id, handle: `${id} ${message.receives}`, body, attributes, sentAtMs };
      });
  }

  #remove(handle: string, by: Life): void {
    const [id = ''] = handle.split(' ');
    const message = this.messages.get(id);
    if (message === undefined) return;
    this.#onRemove(message, by, this);
    if (!this.#faults.strikes('letter-comes-back', this.#faults.site(`delete ${id}`))) this.messages.delete(id);
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
