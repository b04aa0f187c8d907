/** What functions write, one file a function: lines of JSON as they come. Never blocks, never fails a run. */
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';

export type FunctionLogs = {
  write: (functionName: string, line: string) => void;
  /** Resolves when all is on disk. */
  close: () => Promise<void>;
};

/**
 * @param folder undefined: nothing is kept
 * @param onFault told of a log that can't be written
 */
export function openFunctionLogs(folder: string | undefined, onFault: (error: unknown) => void): FunctionLogs {
  if (folder === undefined) return { write: () => undefined, close: () => Promise.resolve() };
  mkdirSync(folder, { recursive: true });
  const files = new Map<string, WriteStream>();
  return {
    write(functionName, line) {
      let file = files.get(functionName);
      if (file === undefined) {
        file = createWriteStream(join(folder, `${functionName}.log`), { flags: 'a' });
        // A full disk ends the log, not the engine; the database says the same in its own, louder way.
        file.on('error', onFault);
        files.set(functionName, file);
      }
      file.write(`${line}\n`);
    },
    async close() {
      await Promise.all([...files.values()].map((file) => new Promise<void>((resolve) => file.end(() => resolve()))));
    },
  };
}
