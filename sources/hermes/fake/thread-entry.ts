/** What runs in the thread that thread.ts starts. */
import { parentPort, workerData } from 'node:worker_threads';
import { startHermes, type HermesOptions } from './server.ts';
import type { ThreadReport } from './thread.ts';

async function serve(options: HermesOptions): Promise<ThreadReport> {
  try {
    const hermes = await startHermes(options);
    parentPort?.once('message', () => void hermes.stop());
    return { port: hermes.port };
  } catch (error) {
    return { error: error as Error, code: (error as NodeJS.ErrnoException).code };
  }
}

parentPort?.postMessage(await serve(workerData as HermesOptions));
