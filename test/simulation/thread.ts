/** A thread's share of the schedules. */
import { parentPort, workerData } from 'node:worker_threads';
import { runCampaign, type CampaignOptions, type Failure, type Tally } from './campaign.ts';
import { loadCore } from './core.ts';

export type ThreadTask = Pick<CampaignOptions, 'from' | 'to' | 'step' | 'choice' | 'chain' | 'isWhole'> & {
  coreFolder: string;
  /** One number: the lowest seed that failed. */
  lowest: Int32Array;
};

export type ThreadWord = { failure: Failure } | { schedules: number } | { tally: Tally };

const everyMs = 200;

const { coreFolder, lowest, ...task } = workerData as ThreadTask;
const say = (word: ThreadWord): void => parentPort?.postMessage(word);
let saidAtMs = performance.now();

const { tally } = await runCampaign({
  ...task,
  core: await loadCore(coreFolder),
  limit: () => (task.isWhole === true ? Infinity : Atomics.load(lowest, 0)),
  onFailure: (failure) => {
    const before = Atomics.load(lowest, 0);
    if (failure.seed < before) Atomics.compareExchange(lowest, 0, before, failure.seed);
    say({ failure });
  },
  onProgress: ({ schedules }) => {
    if (performance.now() - saidAtMs < everyMs) return;
    saidAtMs = performance.now();
    say({ schedules });
  },
});
say({ tally });
