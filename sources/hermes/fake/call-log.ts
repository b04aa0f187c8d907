/** What was asked of a local Hermes and what it answered: in columns in memory, and as a line of JSON a call in a file. */
import { closeSync, openSync, writeSync } from 'node:fs';

export type HermesCall = {
  /** When the call arrived: milliseconds since 1970, with microseconds behind the point, from a clock that never steps back. */
  atMs: number;
  /** See call-key.ts. A path that is not the API's is its own key. */
  key: string;
  /** 0 when no whole answer was sent: connection reset, body cut short, no answer at all. */
  status: number;
  /** The how-manieth call with this key this is since the server started. */
  nth: number;
  /** Why the answer is not the truth, when it is not: `html`, `reset`, `fail-forever`, `rate-limit`, ... */
  fault?: string;
};

export type CallLog = {
  add: (call: HermesCall) => void;
  readonly size: number;
  calls: () => HermesCall[];
  countByStatus: () => Record<string, number>;
  /** Forgets what is in memory. The file keeps everything. */
  clear: () => void;
  close: () => void;
};

/** @throws the file system's error when the file can not be opened for appending */
export function openCallLog(file?: string): CallLog {
  let descriptor = file === undefined ? undefined : openSync(file, 'a');
  let times: number[] = [];
  let keys: string[] = [];
  let statuses: number[] = [];
  let nths: number[] = [];
  let faults: (string | undefined)[] = [];
  let unwritten: string[] = [];

  // One write for all calls of a turn of the event loop. Synchronous: after a SIGKILL only that turn is missing.
  const flush = (): void => {
    if (descriptor !== undefined && unwritten.length > 0) writeSync(descriptor, unwritten.join(''));
    unwritten = [];
  };

  return {
    add(call) {
      times.push(call.atMs);
      keys.push(call.key);
      statuses.push(call.status);
      nths.push(call.nth);
      faults.push(call.fault);
      if (descriptor === undefined) return;
      if (unwritten.length === 0) setImmediate(flush);
      unwritten.push(`${JSON.stringify(call)}\n`);
    },
    get size() {
      return times.length;
    },
    calls: () =>
      times.map((atMs, index) => {
        const fault = faults[index];
        const call = { atMs, key: keys[index] ?? '', status: statuses[index] ?? 0, nth: nths[index] ?? 0 };
        return fault === undefined ? call : { ...call, fault };
      }),
    countByStatus() {
      const counts: Record<string, number> = {};
      for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1;
      return counts;
    },
    clear() {
      times = [];
      keys = [];
      statuses = [];
      nths = [];
      faults = [];
    },
    close() {
      flush();
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}
