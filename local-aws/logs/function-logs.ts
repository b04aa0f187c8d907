/**
 * What functions write: the latest lines in memory, for CloudWatch Logs' calls, and all of them in one file a function when
 * there is a folder. Never blocks, never fails a run.
 */
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';

export type LogEvent = { readonly timestampMs: number; readonly message: string };

export type FunctionLogs = {
  write: (functionName: string, line: string) => void;
  /** The latest, oldest first. */
  events: (functionName: string) => readonly LogEvent[];
  /** Resolves when all is on disk. */
  close: () => Promise<void>;
};

/** Of each function, in memory. */
const mostEvents = 10_000;
const mostChars = 4_000_000;

/**
 * @param folder undefined: no files
 * @param onFault told, once, that a log can't be written
 */
export function openFunctionLogs(folder: string | undefined, onFault: (message: string) => void): FunctionLogs {
  const latest = new Map<string, LatestEvents>();
  const files = folder === undefined ? undefined : openFiles(folder, onFault);
  return {
    write(functionName, line) {
      let events = latest.get(functionName);
      if (events === undefined) latest.set(functionName, (events = new LatestEvents()));
      events.add({ timestampMs: Date.now(), message: line });
      files?.write(functionName, line);
    },
    events: (functionName) => latest.get(functionName)?.all() ?? [],
    close: () => files?.close() ?? Promise.resolve(),
  };
}

/** Lines of so many milliseconds are written at once: a write for each of them took a tenth of the engine's own time. */
const flushMs = 50;

class LatestEvents {
  #events: LogEvent[] = [];
  #chars = 0;

  add(event: LogEvent): void {
    this.#events.push(event);
    this.#chars += event.message.length;
    if (this.#events.length <= 2 * mostEvents && this.#chars <= 2 * mostChars) return;
    // By half at a time: dropping one with each line would move all the others each time.
    let from = Math.max(0, this.#events.length - mostEvents);
    let chars = this.#events.slice(from).reduce((sum, { message }) => sum + message.length, 0);
    while (chars > mostChars && from < this.#events.length - 1) {
      chars -= this.#events[from]?.message.length ?? 0;
      from += 1;
    }
    this.#events = this.#events.slice(from);
    this.#chars = chars;
  }

  all(): readonly LogEvent[] {
    return this.#events;
  }
}

function openFiles(folder: string, onFault: (message: string) => void) {
  mkdirSync(folder, { recursive: true });
  const files = new Map<string, WriteStream>();
  let isBroken = false;
  return {
    write(functionName: string, line: string): void {
      if (isBroken) return;
      let file = files.get(functionName);
      if (file === undefined) {
        file = createWriteStream(join(folder, `${functionName}.log`), { flags: 'a' });
        // A full disk ends the files, not the engine.
        file.on('error', ({ message }) => {
          if (!isBroken) onFault(`The logs in ${folder} can no longer be written: ${message}`);
          isBroken = true;
        });
        files.set(functionName, file);
      }
      if (file.writableCorked === 0) {
        file.cork();
        setTimeout(() => file.uncork(), flushMs).unref();
      }
      file.write(`${line}\n`);
    },
    async close(): Promise<void> {
      const open = [...files.values()].filter(({ destroyed }) => !destroyed);
      await Promise.all(open.map((file) => new Promise<void>((resolve) => file.once('close', resolve).end())));
    },
  };
}
