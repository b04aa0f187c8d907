/**
 * Owns: how the engine's one SQLite database is opened, and what a transaction means in it.
 * Refuses: to know any table. Each module that keeps something here creates its own.
 */
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';

/** With few checkpoints a burst of small writes is not stopped every megabyte for an fsync; the log stays below about 32 MB. */
const CHECKPOINT_EVERY_PAGES = 8_000;
/** Two processes on one folder is a mistake; a moment's overlap at a restart is not. */
const BUSY_TIMEOUT_MS = 2_000;

/**
 * Opens the database in that file, or one in memory.
 *
 * A file is in WAL mode with `synchronous=NORMAL`: what was committed survives the end of the process however it comes
 * (SIGKILL included), and the last moments may be lost, never torn, when the machine itself loses power.
 */
export function openDatabase(file?: string): DatabaseSync {
  const db = new DatabaseSync(file ?? ':memory:');
  db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA temp_store = MEMORY`);
  if (file !== undefined) {
    db.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${CHECKPOINT_EVERY_PAGES}`,
    );
  }
  return db;
}

interface TransactionStatements {
  begin: StatementSync;
  commit: StatementSync;
  rollback: StatementSync;
  save: StatementSync;
  release: StatementSync;
  undo: StatementSync;
}

const statementsOf = new WeakMap<DatabaseSync, TransactionStatements>();

function transactionStatements(db: DatabaseSync): TransactionStatements {
  let statements = statementsOf.get(db);
  if (statements === undefined) {
    statements = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      rollback: db.prepare('ROLLBACK'),
      save: db.prepare('SAVEPOINT joined'),
      release: db.prepare('RELEASE joined'),
      undo: db.prepare('ROLLBACK TO joined'),
    };
    statementsOf.set(db, statements);
  }
  return statements;
}

/**
 * Runs `fn` so that all it writes is kept or, when it throws, none of it.
 *
 * A call inside another one joins it: its writes are kept when the outermost call commits. When an inner call throws,
 * only its own writes are undone, so that the outer one may catch the error (a 412 among a batch of puts) and go on.
 * `fn` must be synchronous: with an `await` inside, other people's writes would get into this transaction.
 */
export function inTransaction<T>(db: DatabaseSync, fn: () => T): T {
  const sql = transactionStatements(db);
  const joins = db.isTransaction;
  (joins ? sql.save : sql.begin).run();
  let result: T;
  try {
    result = fn();
    (joins ? sql.release : sql.commit).run();
  } catch (error) {
    // SQLite ends a transaction by itself on a full disk; then there is nothing left to roll back.
    if (db.isTransaction) {
      if (joins) {
        sql.undo.run();
        sql.release.run();
      } else {
        sql.rollback.run();
      }
    }
    throw error;
  }
  return result;
}
