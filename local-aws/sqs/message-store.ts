/**
 * The messages of all queues: one row each in the engine's database, so that a message exists only if the transaction
 * around its sending commits, and survives the end of the process in whatever way.
 *
 * A message is hidden until `visible_at_ms`, on the steady clock: delayed before its first receive, in flight after it.
 * Nothing is kept in memory.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { steadyNow } from '../clock.ts';
import { inTransaction } from '../database.ts';
import type { MessageAttributes } from './message-attributes.ts';

export type Message = {
  readonly messageId: string;
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly groupId: string | undefined;
  readonly sentAtMs: number;
  readonly receives: number;
  readonly firstReceivedAtMs: number;
  /** The queue whose redrive policy moved it here. */
  readonly deadLetterSourceArn: string | undefined;
};
export type ReceivedMessage = Message & { readonly receiptHandle: string };
export type NewMessage = { body: string; attributes?: MessageAttributes; groupId?: string | undefined };
export type QueueDepth = { visible: number; inFlight: number; delayed: number };

type Row = {
  id: number;
  messageId: string;
  body: string;
  attributes: string;
  groupId: string | null;
  sentAtMs: number;
  receives: number;
  firstReceivedAtMs: number | null;
  sourceArn: string | null;
};

// `hidden_ms` is how long it was to be hidden, so that a later start finds out that the clock was set back in between.
const schema = `
  CREATE TABLE IF NOT EXISTS sqs_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    visible_at_ms INTEGER NOT NULL,
    hidden_ms INTEGER NOT NULL,
    sent_at_ms INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0,
    first_received_at_ms INTEGER,
    receipt TEXT,
    source_arn TEXT,
    group_id TEXT,
    attributes TEXT NOT NULL,
    body TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS sqs_messages_by_visibility ON sqs_messages (queue, visible_at_ms, sent_at_ms);
`;

export class MessageStore {
  readonly #db: DatabaseSync;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec(schema);
    this.#sql = prepare(db);
    const nowMs = steadyNow();
    this.#sql.shorten.run(nowMs, nowMs);
  }

  /** Joins the transaction that is open. @returns the message's id */
  add(queue: string, { body, attributes = {}, groupId }: NewMessage, delaySeconds: number): string {
    const messageId = randomUUID();
    const hiddenMs = delaySeconds * 1000;
    const visibleAtMs = steadyNow() + hiddenMs;
    const json = JSON.stringify(attributes);
    this.#sql.insert.run(queue, visibleAtMs, hiddenMs, Date.now(), messageId, groupId ?? null, json, body);
    return messageId;
  }

  /**
   * Takes the oldest visible messages, and hides them for a time.
   * @param settle.keptSinceMs what was sent before has expired, and is deleted
   * @param settle.isExhausted told of each message: true moves it to the other queue instead
   */
  receive(
    queue: string,
    most: number,
    settle: { visibilityMs: number; keptSinceMs: number; deadLetters: DeadLetters | undefined },
  ): ReceivedMessage[] {
    return inTransaction(this.#db, () => {
      const nowMs = steadyNow();
      const received: ReceivedMessage[] = [];
      while (received.length < most) {
        const rows = this.#sql.visible.all(queue, nowMs, most - received.length) as Row[];
        if (rows.length === 0) break;
        for (const row of rows) {
          if (row.sentAtMs < settle.keptSinceMs) this.#sql.deleteRow.run(row.id);
          else if (row.receives >= (settle.deadLetters?.maxReceives ?? Infinity)) this.#bury(row, queue, settle);
          else received.push(this.#hide(row, nowMs, settle.visibilityMs));
        }
        // Hidden for no time at all, it would be found again at once.
        if (settle.visibilityMs === 0) break;
      }
      return received;
    });
  }

  /** @returns false when the handle is not the message's latest, or the message is gone */
  delete(queue: string, receiptHandle: string): boolean {
    return this.#sql.deleteReceived.run(idIn(receiptHandle), queue, receiptHandle).changes > 0;
  }

  /** Keeps a received message hidden for so long from now. @returns as `delete` does; `visible` when it is not in flight */
  changeVisibility(queue: string, receiptHandle: string, visibilityMs: number): 'changed' | 'visible' | 'gone' {
    const nowMs = steadyNow();
    const row = this.#sql.received.get(idIn(receiptHandle), queue, receiptHandle) as
      { visibleAtMs: number } | undefined;
    if (row === undefined) return 'gone';
    if (row.visibleAtMs <= nowMs) return 'visible';
    this.#sql.hideAgain.run(nowMs + visibilityMs, visibilityMs, idIn(receiptHandle));
    return 'changed';
  }

  /** The oldest visible message, without receiving it. */
  first(queue: string): (Message & { id: number }) | undefined {
    const [row] = this.#sql.visible.all(queue, steadyNow(), 1) as Row[];
    return row && { ...messageOf(row), id: row.id };
  }

  /** Moves a message as a new one: another id, another time, no receives. */
  move({ id, body, attributes, groupId }: Message & { id: number }, toQueue: string): void {
    inTransaction(this.#db, () => {
      this.#sql.deleteRow.run(id);
      this.add(toQueue, { body, attributes, groupId }, 0);
    });
  }

  purge(queue: string): void {
    this.#sql.purge.run(queue);
  }

  /** All that is delayed or in flight is visible now. */
  endWaits(queue: string): void {
    const nowMs = steadyNow();
    this.#sql.show.run(nowMs, queue, nowMs);
  }

  hasVisible(queue: string): boolean {
    return this.#sql.anyVisible.get(queue, steadyNow()) !== undefined;
  }

  isEmpty(queue: string): boolean {
    return this.#sql.any.get(queue) === undefined;
  }

  /** How long until the next hidden message becomes visible; undefined when none is hidden. */
  nextVisibleInMs(queue: string): number | undefined {
    const nowMs = steadyNow();
    const { atMs } = this.#sql.nextVisible.get(queue, nowMs) as { atMs: number | null };
    return atMs === null ? undefined : atMs - nowMs;
  }

  depth(queue: string, keptSinceMs: number): QueueDepth {
    const nowMs = steadyNow();
    const visible = this.#sql.countVisible.get(queue, nowMs, keptSinceMs) as { messages: number };
    const hidden = this.#sql.countHidden.get(queue, nowMs) as { inFlight: number; delayed: number };
    return { visible: visible.messages, inFlight: hidden.inFlight, delayed: hidden.delayed };
  }

  #hide(row: Row, nowMs: number, visibilityMs: number): ReceivedMessage {
    const receiptHandle = `${row.id}-${randomUUID()}`;
    const firstReceivedAtMs = row.firstReceivedAtMs ?? Date.now();
    this.#sql.hide.run(nowMs + visibilityMs, visibilityMs, receiptHandle, firstReceivedAtMs, row.id);
    return { ...messageOf({ ...row, receives: row.receives + 1, firstReceivedAtMs }), receiptHandle };
  }

  /** With its id, its receives and the time that it was sent at. */
  #bury(row: Row, queue: string, { deadLetters }: { deadLetters: DeadLetters | undefined }): void {
    if (deadLetters === undefined) throw new Error(`${queue} has no dead-letter queue`);
    this.#sql.bury.run(deadLetters.queue, deadLetters.sourceArn, row.id);
  }
}

/** Where messages go that were received `maxReceives` times. */
export type DeadLetters = { queue: string; sourceArn: string; maxReceives: number };

export function md5Of(body: string): string {
  return createHash('md5').update(body).digest('hex');
}

/** The row's number, which a handle begins with. */
function idIn(receiptHandle: string): number {
  return Number(/^(\d{1,15})-/.exec(receiptHandle)?.[1] ?? -1);
}

function messageOf(row: Row): Message {
  const { messageId, body, sentAtMs, receives } = row;
  return {
    messageId,
    body,
    attributes: JSON.parse(row.attributes) as MessageAttributes,
    groupId: row.groupId ?? undefined,
    sentAtMs,
    receives,
    firstReceivedAtMs: row.firstReceivedAtMs ?? 0,
    deadLetterSourceArn: row.sourceArn ?? undefined,
  };
}

function prepare(db: DatabaseSync) {
  return {
    insert: db.prepare(`INSERT INTO sqs_messages
      (queue, visible_at_ms, hidden_ms, sent_at_ms, message_id, group_id, attributes, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`),
    visible:
      db.prepare(`SELECT id, message_id AS messageId, body, attributes, group_id AS groupId, sent_at_ms AS sentAtMs,
      receives, first_received_at_ms AS firstReceivedAtMs, source_arn AS sourceArn
      FROM sqs_messages WHERE queue = ? AND visible_at_ms <= ? ORDER BY visible_at_ms, sent_at_ms, id LIMIT ?`),
    hide: db.prepare(`UPDATE sqs_messages SET visible_at_ms = ?, hidden_ms = ?, receives = receives + 1, receipt = ?,
      first_received_at_ms = ? WHERE id = ?`),
    hideAgain: db.prepare('UPDATE sqs_messages SET visible_at_ms = ?, hidden_ms = ? WHERE id = ?'),
    shorten: db.prepare('UPDATE sqs_messages SET visible_at_ms = ? + hidden_ms WHERE visible_at_ms - hidden_ms > ?'),
    bury: db.prepare(`UPDATE sqs_messages SET queue = ?, source_arn = ?, hidden_ms = 0, receipt = NULL WHERE id = ?`),
    received: db.prepare(
      'SELECT visible_at_ms AS visibleAtMs FROM sqs_messages WHERE id = ? AND queue = ? AND receipt = ?',
    ),
    deleteReceived: db.prepare('DELETE FROM sqs_messages WHERE id = ? AND queue = ? AND receipt = ?'),
    deleteRow: db.prepare('DELETE FROM sqs_messages WHERE id = ?'),
    show: db.prepare('UPDATE sqs_messages SET visible_at_ms = ?, hidden_ms = 0 WHERE queue = ? AND visible_at_ms > ?'),
    purge: db.prepare('DELETE FROM sqs_messages WHERE queue = ?'),
    any: db.prepare('SELECT 1 FROM sqs_messages WHERE queue = ? LIMIT 1'),
    anyVisible: db.prepare('SELECT 1 FROM sqs_messages WHERE queue = ? AND visible_at_ms <= ? LIMIT 1'),
    nextVisible: db.prepare(
      'SELECT min(visible_at_ms) AS atMs FROM sqs_messages WHERE queue = ? AND visible_at_ms > ?',
    ),
    countVisible: db.prepare(
      'SELECT count(*) AS messages FROM sqs_messages WHERE queue = ? AND visible_at_ms <= ? AND sent_at_ms >= ?',
    ),
    countHidden: db.prepare(`SELECT count(receipt) AS inFlight, count(*) - count(receipt) AS delayed
      FROM sqs_messages WHERE queue = ? AND visible_at_ms > ?`),
  };
}
