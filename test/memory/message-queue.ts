/** A queue in memory: at-least-once, with visibility by the test's clock. It holds the texts that SQS would hold. */
import { buildLetter, parseLetter } from '../../shared/aws/letter-codec.ts';
import type { FailureReason, ItemEvent } from '../../shared/engine/events.ts';
import type { Clock, FailureSink, MessageQueue, QueueMessage } from '../../shared/engine/ports.ts';

/** Whose items' events the letters are about. */
export const memoryBucket = 'bucket';

type Stored = {
  id: string;
  body: string;
  attributes: Record<string, string>;
  sentAtMs: number;
  hiddenUntilMs: number;
  receives: number;
};

export class MemoryMessageQueue implements MessageQueue, FailureSink {
  readonly #clock: Clock;
  readonly #messages = new Map<string, Stored>();
  #sent = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get bodies(): string[] {
    return [...this.#messages.values()].map(({ body }) => body);
  }

  /** How many a receive could have now. */
  get visible(): number {
    return [...this.#messages.values()].filter(({ hiddenUntilMs }) => hiddenUntilMs <= this.#clock.now()).length;
  }

  send(event: ItemEvent, reason: FailureReason): Promise<void> {
    return this.sendRaw(buildLetter(event, reason, memoryBucket));
  }

  /** As another service or a person sends. */
  sendRaw(body: string, attributes: Record<string, string> = {}): Promise<void> {
    this.#sent += 1;
    const id = `message-${this.#sent}`;
    this.#messages.set(id, { id, body, attributes, sentAtMs: this.#clock.now(), hiddenUntilMs: 0, receives: 0 });
    return Promise.resolve();
  }

  receive(invisibleMs: number): Promise<QueueMessage[]> {
    const nowMs = this.#clock.now();
    const messages = [...this.#messages.values()].filter(({ hiddenUntilMs }) => hiddenUntilMs <= nowMs).slice(0, 10);
    for (const message of messages) {
      message.hiddenUntilMs = nowMs + invisibleMs;
      message.receives += 1;
    }
    return Promise.resolve(
      messages.map((message) => ({
        handle: `${message.id} ${message.receives}`,
        sentAtMs: message.sentAtMs,
        letter: parseLetter(message, memoryBucket),
        excerpt: message.body.slice(0, 200),
      })),
    );
  }

  remove(handles: readonly string[]): Promise<void> {
    for (const handle of handles) if (this.#of(handle) !== undefined) this.#messages.delete(handle.split(' ')[0] ?? '');
    return Promise.resolve();
  }

  release(handles: readonly string[]): Promise<void> {
    for (const handle of handles) {
      const message = this.#of(handle);
      if (message !== undefined) message.hiddenUntilMs = 0;
    }
    return Promise.resolve();
  }

  approximateCount(): Promise<number> {
    return Promise.resolve(this.visible);
  }

  /** The message, if this handle is of its latest receive. */
  #of(handle: string): Stored | undefined {
    const [id = '', receives] = handle.split(' ');
    const message = this.#messages.get(id);
    return message?.receives === Number(receives) ? message : undefined;
  }
}
