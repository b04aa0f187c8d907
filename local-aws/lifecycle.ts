/** How the engine's parts are closed, where they are kept, and where it reports its own faults. */
import { join } from 'node:path';
import { FolderError } from './folder-lock.ts';

export type Closer = () => Promise<void> | void;

/** undefined: in memory. */
export function databaseFile(dataDir: string | undefined): string | undefined {
  return dataDir === undefined ? undefined : join(dataDir, 'engine.sqlite');
}

/**
 * A fault of the engine itself: the client got an error, and the person who runs the engine should know. A folder that
 * fails is told once, as the engine's `failure`.
 */
export function onFault(error: unknown): void {
  if (error instanceof FolderError) return;
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
}

export function say(message: string): void {
  process.stderr.write(`The local engine: ${message}\n`);
}

/**
 * Runs work that no caller waits for, in a turn of its own: it must not end the process when the folder fails, which is
 * told as the engine's `failure`.
 */
export function detached(work: () => void): void {
  try {
    work();
  } catch (error) {
    ignoreFailedFolder(error);
  }
}

/** For what is thrown later. @throws any other error */
export function ignoreFailedFolder(error: unknown): void {
  if (!(error instanceof FolderError)) throw error;
}

/** Closes all, last opened first, also when one fails; then throws the first failure. */
export async function closeAll(closers: readonly Closer[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closers.toReversed()) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

export function once(work: () => Promise<void>): () => Promise<void> {
  let started: Promise<void> | undefined;
  return () => (started ??= work());
}
