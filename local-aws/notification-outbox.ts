/**
 * Owns: S3's events that are on their way to a queue: one row each in the engine's database, written in the transaction of
 * their object and deleted after they were sent. A kill in between sends some of them twice and loses none.
 * Refuses: to keep what the queue does not take: S3 drops such an event too.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { inTransaction } from './database.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS s3_events_to_queues (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue_arn TEXT NOT NULL,
    body TEXT NOT NULL
  );
`;

/** Sent before other work gets its turn. */
const EVENTS_A_TURN = 100;

type Row = { id: number; queueArn: string; body: string };

export type OutboxOptions = {
  readonly db: DatabaseSync;
  /** @throws when the queue does not take it */
  readonly send: (queueArn: string, body: string) => Promise<void>;
  /** Told of an event that was dropped. */
  readonly onFault: (error: unknown) => void;
};

export class NotificationOutbox {
  readonly #options: OutboxOptions;
  readonly #insert: StatementSync;
  readonly #oldest: StatementSync;
  readonly #delete: StatementSync;
  #pumping: Promise<void> | undefined;
  #stopped = false;

  /** What an earlier process left is sent at once. */
  constructor(options: OutboxOptions) {
    const { db } = options;
    this.#options = options;
    db.exec(SCHEMA);
    this.#insert = db.prepare('INSERT INTO s3_events_to_queues (queue_arn, body) VALUES (?, ?)');
    this.#oldest = db.prepare('SELECT id, queue_arn AS queueArn, body FROM s3_events_to_queues ORDER BY id LIMIT ?');
    this.#delete = db.prepare('DELETE FROM s3_events_to_queues WHERE id = ?');
    this.#pump();
  }

  /** Joins the transaction that is open, if one is: then the event exists only if that commits. */
  add(queueArn: string, body: string): void {
    this.#insert.run(queueArn, body);
    this.#pump();
  }

  get isEmpty(): boolean {
    return this.#pumping === undefined;
  }

  /** Resolves when all that was added is sent. */
  async drained(): Promise<void> {
    while (this.#pumping !== undefined) await this.#pumping;
  }

  /** Ends after the events that are being sent; the others stay for the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.drained();
  }

  #pump(): void {
    this.#pumping ??= this.#sendAll().finally(() => {
      this.#pumping = undefined;
    });
  }

  async #sendAll(): Promise<void> {
    for (;;) {
      // The transaction that is open now is closed then.
      await nextTurn();
      if (this.#stopped) return;
      const rows = this.#oldest.all(EVENTS_A_TURN) as Row[];
      if (rows.length === 0) return;
      for (const { queueArn, body } of rows) await this.#send(queueArn, body);
      inTransaction(this.#options.db, () => {
        for (const { id } of rows) this.#delete.run(id);
      });
    }
  }

  async #send(queueArn: string, body: string): Promise<void> {
    try {
      await this.#options.send(queueArn, body);
    } catch (error) {
      this.#options.onFault(new Error(`S3 dropped an event for ${queueArn}`, { cause: error }));
    }
  }
}
