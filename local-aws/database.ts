/**
 * How the engine's one SQLite database is opened, and what a transaction means in it. Each module that keeps something
 * in it creates its own tables.
 */
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import { dirname } from 'node:path';
import { FolderError } from './folder-lock.ts';

/** With few checkpoints a burst of small writes is not stopped every megabyte for an fsync; the log stays below about 32 MB. */
const checkpointEveryPages = 8_000;
/** Two processes on one folder is a mistake; a moment's overlap at a restart is not. */
const busyTimeoutMs = 2_000;

/**
 * Opens the database in that file, or one in memory.
 *
 * A file is in WAL mode with `synchronous=NORMAL`: what was committed survives the end of the process however it comes
 * (SIGKILL included), and the last moments may be lost, never torn, when the machine itself loses power.
 *
 * @param onFailure told of every FolderError that a statement throws later
 * @throws FolderError when the file can't be read or written; every statement does, too
 */
export function openDatabase(file?: string, onFailure?: (error: FolderError) => void): DatabaseSync {
  const db = file === undefined ? new DatabaseSync(':memory:') : openFile(file);
  db.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA temp_store = MEMORY`);
  if (file === undefined) return db;
  translateErrors(db, (error) => {
    const fault = folderErrorOf(error, file);
    if (fault !== undefined) onFailure?.(fault);
    return fault ?? error;
  });
  db.exec(
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${checkpointEveryPages}`,
  );
  return db;
}

function openFile(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file);
  } catch (error) {
    throw folderErrorOf(error, file) ?? error;
  }
}

/** What a statement throws is translated, whichever module prepared it. */
function translateErrors(db: DatabaseSync, translate: (error: unknown) => unknown): void {
  const translating =
    <Args extends unknown[], Result>(call: (...args: Args) => Result) =>
    (...args: Args): Result => {
      try {
        return call(...args);
      } catch (error) {
        throw translate(error);
      }
    };
  const prepare = translating(db.prepare.bind(db));
  db.exec = translating(db.exec.bind(db));
  db.prepare = (...args) => {
    const statement = prepare(...args);
    statement.run = translating(statement.run.bind(statement)) as StatementSync['run'];
    statement.get = translating(statement.get.bind(statement)) as StatementSync['get'];
    statement.all = translating(statement.all.bind(statement)) as StatementSync['all'];
    const iterate = statement.iterate.bind(statement);
    statement.iterate = function* (...values: Parameters<typeof iterate>) {
      try {
        yield* iterate(...values);
      } catch (error) {
        throw translate(error);
      }
    } as StatementSync['iterate'];
    return statement;
  };
}

/** By SQLite's primary result codes (https://www.sqlite.org/rescode.html). undefined: the error is of another kind. */
function folderErrorOf(error: unknown, file: string): FolderError | undefined {
  const { errcode, errstr = '' } = error as { errcode?: number; errstr?: string };
  const folder = dirname(file);
  switch ((errcode ?? 0) & 0xff) {
    case 13: // SQLITE_FULL
      return new FolderError('FULL', folder, `The disk of ${folder} is full; what was committed is kept.`, error);
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return new FolderError(
        'BROKEN',
        folder,
        `The database ${file} is damaged (${errstr}); delete the folder, or choose another one.`,
        error,
      );
    case 8: // SQLITE_READONLY
    case 10: // SQLITE_IOERR
    case 14: // SQLITE_CANTOPEN
      return new FolderError('NOT_WRITABLE', folder, `The database ${file} can not be written (${errstr}).`, error);
    default:
      return undefined;
  }
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
