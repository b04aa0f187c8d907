/**
 * One process at a time in a folder. The lock is SQLite's lock on a small file, which the operating system lifts when its
 * process ends in whatever way: after a SIGKILL nothing stale is left, and no process id is trusted.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The folder can't be used. The message is one line that a person can act on. */
export class FolderError extends Error {
  override readonly name = 'FolderError';
  readonly code: 'IN_USE' | 'NOT_WRITABLE' | 'FULL' | 'BROKEN' | 'OLD_VERSION';
  readonly folder: string;

  constructor(code: FolderError['code'], folder: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.folder = folder;
  }
}

export type FolderLock = { release: () => void };

/**
 * Makes the folder if it is not there, and takes it.
 * @throws FolderError `NOT_WRITABLE`, `IN_USE` when another process (or another engine of this one) has it, `OLD_VERSION`
 */
export function lockFolder(folder: string): FolderLock {
  const pidFile = join(folder, 'lock.pid');
  let db: DatabaseSync;
  try {
    makeFolder(resolve(folder));
    db = new DatabaseSync(join(folder, 'lock.sqlite'), { timeout: 0 });
  } catch (error) {
    throw notWritable(folder, error);
  }
  try {
    db.exec('BEGIN EXCLUSIVE');
    writeFileSync(pidFile, `${process.pid}\n`);
  } catch (error) {
    db.close();
    // By SQLite's own number (SQLITE_BUSY): its text is for people.
    if ((error as { errcode?: unknown }).errcode !== 5) throw notWritable(folder, error);
    throw new FolderError(
      'IN_USE',
      folder,
      `The folder ${resolve(folder)} is in use by ${holderOf(pidFile)}; end that, or choose another folder.`,
      error,
    );
  }
  if (existsSync(join(folder, 'sqs', 'fauxqs.db'))) {
    db.close();
    const message = `The folder ${resolve(folder)} was written by an earlier version of the engine; choose another folder.`;
    throw new FolderError('OLD_VERSION', folder, message);
  }
  return { release: () => db.close() };
}

/** Like `lockFolder`, but waits while another process has the folder. */
export async function waitForFolder(folder: string, waitMs: number): Promise<FolderLock> {
  const untilMs = performance.now() + waitMs;
  for (;;) {
    try {
      return lockFolder(folder);
    } catch (error) {
      const isBusy = error instanceof FolderError && error.code === 'IN_USE';
      if (!isBusy || performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** One by one: Node's own recursive mkdir never returns where a file system refuses new folders, as /proc does. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Made by another process meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function notWritable(folder: string, cause: unknown): FolderError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === undefined || code === 'ERR_SQLITE_ERROR' ? message : code;
  return new FolderError(
    'NOT_WRITABLE',
    folder,
    `The folder ${resolve(folder)} can not be made or written to (${why}).`,
    cause,
  );
}

function holderOf(pidFile: string): string {
  try {
    return `another engine (process ${readFileSync(pidFile, 'utf8').trim()})`;
  } catch {
    return 'another engine';
  }
}
