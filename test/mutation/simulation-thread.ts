/** A thread that tries one changed core after another: schedules from the first seed on, up to the first that breaks a promise. */
import { parentPort } from 'node:worker_threads';
import { runCampaign, type Failure } from '../simulation/campaign.ts';
import { loadCore } from '../simulation/core.ts';

export type SimulationTask = { coreFolder: string; from: number; to: number };
export type SimulationWord = { schedules: number } | { ended: true; failure?: Failure } | { thrown: string };

const say = (word: SimulationWord): void => parentPort?.postMessage(word);

parentPort?.on('message', ({ coreFolder, from, to }: SimulationTask) => {
  run(coreFolder, from, to).catch((error: unknown) =>
    say({ thrown: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }),
  );
});

async function run(coreFolder: string, from: number, to: number): Promise<void> {
  const { failures } = await runCampaign({
    core: await loadCore(coreFolder),
    from,
    to,
    onProgress: ({ schedules }) => say({ schedules }),
  });
  const [failure] = failures;
  // A promise that was not awaited may have failed: that ends the thread, and is this mutant's doing.
  await new Promise((resolve) => setImmediate(resolve));
  say({ ended: true, ...(failure && { failure }) });
}
