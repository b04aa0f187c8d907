/**
 * A thread that tries one changed core after another: schedules from the first seed on, up to the first that breaks a promise,
 * and worlds with nothing but the rate.
 */
import { parentPort } from 'node:worker_threads';
import { runCampaign, type Failure } from '../simulation/campaign.ts';
import { loadCore } from '../simulation/core.ts';
import { tryRateWorld } from '../simulation/rate-worlds.ts';

export type SimulationTask = { coreFolder: string; from: number; to: number; hasRateWorlds: boolean };
export type SimulationWord = { schedules: number } | { ended: true; failure?: Failure } | { thrown: string };

const say = (word: SimulationWord): void => parentPort?.postMessage(word);

parentPort?.on('message', (task: SimulationTask) => {
  run(task).catch((error: unknown) =>
    say({ thrown: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }),
  );
});

async function run({ coreFolder, from, to, hasRateWorlds }: SimulationTask): Promise<void> {
  const core = await loadCore(coreFolder);
  const { failures } = await runCampaign({
    core,
    from,
    to,
    onProgress: ({ schedules }) => say({ schedules }),
  });
  let [failure] = failures;
  for (let seed = from; hasRateWorlds && seed < to && failure === undefined; seed += 1) {
    const what = await tryRateWorld(core, seed);
    if (what !== undefined) failure = { seed, promise: 'rate', what };
    say({ schedules: to - from + seed });
  }
  // A promise that was not awaited may have failed: that ends the thread, and is this mutant's doing.
  await new Promise((resolve) => setImmediate(resolve));
  say({ ended: true, ...(failure && { failure }) });
}
