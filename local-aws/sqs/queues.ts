/**
 * The queues, and what each does with its messages by its attributes: delay, visibility, retention, size and redrive. All is
 * kept in the engine's database; who polls in-process is told of every change.
 */
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '../database.ts';
import { invalidValue, SqsError } from './errors.ts';
import { attributesBytes } from './message-attributes.ts';
import {
  MessageStore,
  type DeadLetters,
  type NewMessage,
  type QueueDepth,
  type ReceivedMessage,
} from './message-store.ts';
import { checkQueueName, defaultAttributes, redrivePolicyOf, withAttributes } from './queue-attributes.ts';
import type { QueueAttributes } from './queue-attributes.ts';

export type Queue = {
  readonly name: string;
  readonly arn: string;
  readonly attributes: QueueAttributes;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
};

const schema = `
  CREATE TABLE IF NOT EXISTS sqs_queues (
    name TEXT PRIMARY KEY,
    attributes TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    modified_at_ms INTEGER NOT NULL
  );
`;

/**
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html :
 * #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF
 */
const notInABody = /[^\x09\x0A\x0D\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

export class Queues {
  readonly messages: MessageStore;
  readonly #db: DatabaseSync;
  readonly #arnPrefix: string;
  readonly #queues = new Map<string, Queue>();
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(db: DatabaseSync, { region, accountId }: { region: string; accountId: string }) {
    this.#db = db;
    this.#arnPrefix = `arn:aws:sqs:${region}:${accountId}:`;
    db.exec(schema);
    this.messages = new MessageStore(db);
    for (const row of db.prepare('SELECT * FROM sqs_queues ORDER BY name').all()) {
      const name = String(row['name']);
      this.#queues.set(name, {
        name,
        arn: this.#arnPrefix + name,
        attributes: JSON.parse(String(row['attributes'])) as QueueAttributes,
        createdAtMs: Number(row['created_at_ms']),
        modifiedAtMs: Number(row['modified_at_ms']),
      });
    }
  }

  all(): Queue[] {
    return [...this.#queues.values()];
  }

  byArn(arn: string): Queue | undefined {
    return arn.startsWith(this.#arnPrefix) ? this.#queues.get(arn.slice(this.#arnPrefix.length)) : undefined;
  }

  /** @throws SqsError QueueDoesNotExist */
  named(name: string): Queue {
    const queue = this.#queues.get(name);
    if (queue !== undefined) return queue;
    throw new SqsError('QueueDoesNotExist', 'The specified queue does not exist.');
  }

  /** @throws SqsError for another queue of the name, an invalid name or attribute */
  create(name: string, attributes: Readonly<Record<string, unknown>>): Queue {
    checkQueueName(name);
    const kept = this.#queues.get(name);
    if (kept === undefined) {
      const nowMs = Date.now();
      const made = { name, arn: this.#arnPrefix + name, createdAtMs: nowMs, modifiedAtMs: nowMs };
      return this.#keep({ ...made, attributes: withAttributes(defaultAttributes, attributes) });
    }
    const other = Object.entries(attributes).find(([key, value]) => kept.attributes[key] !== value);
    if (other === undefined) return kept;
    const message = `A queue already exists with the same name and a different value for attribute ${other[0]}`;
    throw new SqsError('QueueNameExists', message);
  }

  /** Creates the queue, or changes the one that is there to exactly these attributes; its messages stay. */
  define(name: string, attributes: QueueAttributes): void {
    const kept = this.#queues.get(name);
    if (kept === undefined) this.create(name, attributes);
    else this.#keep({ ...kept, attributes: withAttributes(defaultAttributes, attributes) });
  }

  /** @throws SqsError as `create` does */
  change(queue: Queue, attributes: Readonly<Record<string, unknown>>): void {
    this.#keep({ ...queue, attributes: withAttributes(queue.attributes, attributes), modifiedAtMs: Date.now() });
    this.#changed(queue);
  }

  delete({ name }: Queue): void {
    inTransaction(this.#db, () => {
      this.messages.purge(name);
      this.#db.prepare('DELETE FROM sqs_queues WHERE name = ?').run(name);
    });
    this.#queues.delete(name);
  }

  purge(queue: Queue): void {
    this.messages.purge(queue.name);
    this.#changed(queue);
  }

  /**
   * Joins the transaction that is open. @returns the message's id
   * @throws SqsError when it is empty, too large, or has characters that no message may have
   */
  send(queue: Queue, message: NewMessage, delaySeconds = Number(queue.attributes['DelaySeconds'])): string {
    const { body, attributes = {} } = message;
    if (body === '') throw new SqsError('MissingParameter', 'The request must contain the parameter MessageBody.');
    const mostBytes = Number(queue.attributes['MaximumMessageSize']);
    if (Buffer.byteLength(body) + attributesBytes(attributes) > mostBytes) {
      throw invalidValue(
        `One or more parameters are invalid. Reason: Message must be shorter than ${mostBytes} bytes.`,
      );
    }
    if (notInABody.test(body)) {
      throw new SqsError(
        'InvalidMessageContents',
        'Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF',
      );
    }
    const messageId = this.messages.add(queue.name, message, delaySeconds);
    this.#changed(queue);
    return messageId;
  }

  /** Messages that were received too often move to the dead-letter queue instead. */
  receive(
    queue: Queue,
    most: number,
    visibilitySeconds = Number(queue.attributes['VisibilityTimeout']),
  ): ReceivedMessage[] {
    if (!this.messages.hasVisible(queue.name)) return [];
    const deadLetters = this.#deadLettersOf(queue);
    const received = this.messages.receive(queue.name, most, {
      visibilityMs: visibilitySeconds * 1000,
      keptSinceMs: keptSinceMs(queue),
      deadLetters,
    });
    this.#changed(queue);
    if (deadLetters !== undefined) this.#changed(this.named(deadLetters.queue));
    return received;
  }

  /** A handle that is no longer valid is no error. */
  deleteMessage(queue: Queue, receiptHandle: string): void {
    this.messages.delete(queue.name, receiptHandle);
    this.#changed(queue);
  }

  /** What is written inside is kept together, or not at all. */
  atomically<T>(work: () => T): T {
    return inTransaction(this.#db, work);
  }

  changeVisibility(queue: Queue, receiptHandle: string, seconds: number): 'changed' | 'visible' | 'gone' {
    const outcome = this.messages.changeVisibility(queue.name, receiptHandle, seconds * 1000);
    this.#changed(queue);
    return outcome;
  }

  /** All that is delayed or in flight is visible now. */
  endWaits(queue: Queue): void {
    this.messages.endWaits(queue.name);
    this.#changed(queue);
  }

  /** @returns false when there is none to move */
  moveFirst(source: Queue, destinationOf: (deadLetterSourceArn: string | undefined) => Queue): boolean {
    const message = this.messages.first(source.name);
    if (message === undefined) return false;
    const destination = destinationOf(message.deadLetterSourceArn);
    this.messages.move(message, destination.name);
    this.#changed(source);
    this.#changed(destination);
    return true;
  }

  depth(queue: Queue): QueueDepth {
    return this.messages.depth(queue.name, keptSinceMs(queue));
  }

  /** Queues whose redrive policy names this one. */
  sourcesOf({ arn }: Queue): Queue[] {
    return this.all().filter(({ attributes }) => redrivePolicyOf(attributes)?.deadLetterTargetArn === arn);
  }

  /**
   * @param listener must not throw, and must not touch the queue before the next turn: a transaction may be open
   * @returns ends it
   */
  onChange(name: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  #changed({ name }: Queue): void {
    for (const listener of this.#listeners.get(name) ?? []) listener();
  }

  #deadLettersOf({ arn, attributes }: Queue): DeadLetters | undefined {
    const policy = redrivePolicyOf(attributes);
    const target = policy && this.byArn(policy.deadLetterTargetArn);
    return target && { queue: target.name, sourceArn: arn, maxReceives: policy.maxReceiveCount };
  }

  #keep(queue: Queue): Queue {
    const { name, attributes, createdAtMs, modifiedAtMs } = queue;
    this.#db
      .prepare('INSERT OR REPLACE INTO sqs_queues VALUES (?, ?, ?, ?)')
      .run(name, JSON.stringify(attributes), createdAtMs, modifiedAtMs);
    this.#queues.set(name, queue);
    return queue;
  }
}

/** What was sent before has expired. */
function keptSinceMs({ attributes }: Queue): number {
  return Date.now() - Number(attributes['MessageRetentionPeriod']) * 1000;
}
