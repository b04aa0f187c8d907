/**
 * The asynchronous events that were accepted and are not done: one row each, in the engine's database. A row stays
 * until its event is done, also while it runs, so that what was in flight when the process ended is there again when
 * the file is opened.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { inTransaction } from '../database.ts';

export type QueuedEvent = {
  readonly id: number;
  readonly requestId: string;
  readonly payload: string;
  /** Runs that ended in a function error. */
  readonly failedRuns: number;
  readonly throttles: number;
  /** What its life has cost so far in AWS's time: scaled waits at their full length, runs as long as they took. */
  readonly ageMs: number;
  readonly readyAtMs: number;
  /** What its last failed run answered. */
  readonly lastResponse: string | undefined;
};

export type ReadyEvent = Pick<QueuedEvent, 'id' | 'readyAtMs' | 'ageMs'>;

type EventRow = Omit<QueuedEvent, 'lastResponse'> & { lastResponse: string | null };

// The payload is the last column: the small ones are then read without the pages that a big payload overflows to.
const schema = `
  CREATE TABLE IF NOT EXISTS lambda_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    function_name TEXT NOT NULL,
    ready_at_ms INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    failed_runs INTEGER NOT NULL DEFAULT 0,
    throttles INTEGER NOT NULL DEFAULT 0,
    age_ms INTEGER NOT NULL DEFAULT 0,
    last_response TEXT,
    payload TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS lambda_events_by_readiness ON lambda_events (function_name, ready_at_ms, id);
`;

export class EventQueue {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #ready: StatementSync;
  readonly #nextReady: StatementSync;
  readonly #read: StatementSync;
  readonly #postpone: StatementSync;
  readonly #delete: StatementSync;
  readonly #count: StatementSync;
  readonly #any: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec(schema);
    this.#insert = db.prepare(
      'INSERT INTO lambda_events (function_name, ready_at_ms, request_id, payload) VALUES (?, ?, ?, ?)',
    );
    this.#ready = db.prepare(`SELECT id, ready_at_ms AS readyAtMs, age_ms AS ageMs FROM lambda_events
      WHERE function_name = ? AND ready_at_ms <= ? ORDER BY ready_at_ms, id LIMIT ?`);
    this.#nextReady = db.prepare(
      'SELECT min(ready_at_ms) AS readyAtMs FROM lambda_events WHERE function_name = ? AND ready_at_ms > ?',
    );
    this.#read = db.prepare(`SELECT id, request_id AS requestId, ready_at_ms AS readyAtMs, failed_runs AS failedRuns,
      throttles, age_ms AS ageMs, last_response AS lastResponse, payload FROM lambda_events WHERE id = ?`);
    this.#postpone = db.prepare(`UPDATE lambda_events
      SET ready_at_ms = ?, failed_runs = ?, throttles = ?, age_ms = ?, last_response = ? WHERE id = ?`);
    this.#delete = db.prepare('DELETE FROM lambda_events WHERE id = ?');
    this.#count = db.prepare('SELECT count(*) AS events FROM lambda_events WHERE function_name = ?');
    this.#any = db.prepare('SELECT 1 FROM lambda_events WHERE function_name = ? LIMIT 1');
  }

  /** After the clock was set back no event waits for the time that was: none longer than it may, a new one not at all. */
  shortenWaits(nowMs: number, longestWaitMs: number): void {
    const now = Math.floor(nowMs);
    this.#db
      .prepare('UPDATE lambda_events SET ready_at_ms = ? WHERE ready_at_ms > ? AND failed_runs = 0 AND throttles = 0')
      .run(now, now);
    const latest = Math.ceil(nowMs + longestWaitMs);
    this.#db.prepare('UPDATE lambda_events SET ready_at_ms = ? WHERE ready_at_ms > ?').run(latest, latest);
  }

  /** Joins the transaction that is open, if one is: then the event exists only if that commits. */
  add(functionName: string, requestId: string, payload: string, readyAtMs: number): void {
    this.#insert.run(functionName, readyAtMs, requestId, payload);
  }

  /** The first `limit` events that may run at `nowMs`, oldest first; those in flight are among them. */
  ready(functionName: string, nowMs: number, limit: number): ReadyEvent[] {
    return this.#ready.all(functionName, nowMs, limit) as ReadyEvent[];
  }

  /** When the first event that waits becomes ready; undefined when none waits. */
  nextReadyAtMs(functionName: string, nowMs: number): number | undefined {
    const { readyAtMs } = this.#nextReady.get(functionName, nowMs) as { readyAtMs: number | null };
    return readyAtMs ?? undefined;
  }

  read(id: number): QueuedEvent {
    const row = this.#read.get(id) as EventRow | undefined;
    if (row === undefined) throw new Error(`the event queue has lost event ${id}`);
    return { ...row, lastResponse: row.lastResponse ?? undefined };
  }

  /** Requeues an event, to be retried at its `readyAtMs`. */
  postpone(event: QueuedEvent): void {
    const { readyAtMs, failedRuns, throttles, ageMs, lastResponse, id } = event;
    this.#postpone.run(Math.ceil(readyAtMs), failedRuns, throttles, Math.round(ageMs), lastResponse ?? null, id);
  }

  /** Forgets events that are done, all in one transaction. */
  remove(ids: readonly number[]): void {
    inTransaction(this.#db, () => {
      for (const id of ids) this.#delete.run(id);
    });
  }

  count(functionName: string): number {
    return (this.#count.get(functionName) as { events: number }).events;
  }

  isEmpty(functionName: string): boolean {
    return this.#any.get(functionName) === undefined;
  }
}
