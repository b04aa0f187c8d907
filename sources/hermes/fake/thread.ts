/** A local Hermes in a thread of its own, so that its work and the crawler's don't wait for each other. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { hermesControl, type HermesControl } from './control.ts';
import type { HermesOptions } from './server.ts';

export type HermesThread = HermesControl & {
  readonly url: string;
  readonly port: number;
  /** Cuts all connections, writes what is left of the call log and ends the thread. */
  stop: () => Promise<void>;
};

/** What the thread says first. An error's own properties are lost between threads, so its code is sent separately. */
export type ThreadReport = { port: number } | { error: Error; code: string | undefined };

/** @throws what `startHermes` throws */
export async function startHermesThread(options: HermesOptions = {}): Promise<HermesThread> {
  const worker = new Worker(new URL('./thread-entry.ts', import.meta.url), { workerData: options });
  const [report] = (await once(worker, 'message')) as [ThreadReport];
  if ('error' in report) {
    await worker.terminate();
    throw Object.assign(report.error, { code: report.code });
  }
  const url = `http://127.0.0.1:${report.port}`;
  return {
    url,
    port: report.port,
    ...hermesControl(url),
    stop: async () => {
      const ended = once(worker, 'exit');
      worker.postMessage('stop');
      await ended;
    },
  };
}
