/** A deployment in memory with the engine's own reports, for tests of what the page's server and the page make of them. */
import { S3Client } from '@aws-sdk/client-s3';
import type { OpenDeployment } from '../../cli/run/deployment.ts';
import { DeploymentError } from '../../cli/run/function-client.ts';
import { setRun } from '../../cli/run/run-change.ts';
import type { RateAnswer } from '../../cli/run/rate-change.ts';
import type { Chain } from '../../shared/engine/chain/chain.ts';
import { rateKey } from '../../shared/engine/chain/keys.ts';
import { InputError } from '../../shared/engine/errors.ts';
import type { ReplayRequest } from '../../shared/engine/recovery/replay-request.ts';
import { readRateNow } from '../../shared/engine/rate/rate-use.ts';
import { explain } from '../../shared/engine/report/explain.ts';
import { status, type RunStatus } from '../../shared/engine/report/status.ts';
import type { SweepRequest } from '../../shared/engine/recovery/sweep.ts';
import { MemoryObjectStore } from '../memory/object-store.ts';

export type MemoryDeployment = OpenDeployment & {
  store: MemoryObjectStore;
  /** What the functions were asked, in order. */
  asked: (SweepRequest | ReplayRequest)[];
  /** Censuses that were taken. */
  looks: () => number;
};

const lostAfterMs = 3_600_000;
const retryingForMs = 60_000;

export type MemoryChange = Partial<Omit<OpenDeployment, 'store'>>;

export function openMemoryDeployment(chain: Chain, change: MemoryChange = {}): MemoryDeployment {
  const clock = { now: Date.now, wait: () => Promise.reject(new Error('The page does not wait.')) };
  const store = new MemoryObjectStore(clock);
  const asked: MemoryDeployment['asked'] = [];
  let looks = 0;
  const rates = { deployed: 20, minimumPerSecond: 0.1, autoMostPerSecond: 20 } as const;
  const shared = {
    chain,
    store,
    clock,
    lostAfterMs: () => lostAfterMs,
    readRate: () => readRateNow({ store, clock, bucket: 'b', limits: rates, maxFreezeMs: 60_000, levels: [] }),
    stoppedUntilMs: () => Promise.resolve(0),
    retryingForMs,
  };
  const rateAnswer = (): RateAnswer => ({
    bucket: 'bucket',
    requestsPerSecond: rates.deployed,
    paused: isPaused(store),
    deployed: rates.deployed,
    minimumPerSecond: rates.minimumPerSecond,
    waiting: Object.fromEntries(chain.levels.map(({ name }) => [name, 0])),
    resumed: 0,
  });
  return {
    facts: {
      bucket: 'bucket',
      levels: chain.levels,
      params: chain.params,
      rate: rates,
      maxFreezeMs: 60_000,
      lostAfterMs,
      retryingForMs,
    },
    chain,
    store,
    asked,
    looks: () => looks,
    // No test of this deployment reads results.
    s3: new S3Client({ region: 'us-east-1' }),
    place: 'memory',
    isLocal: true,
    async status(run, fresh) {
      looks += 1;
      return (await orDeploymentError(() => status({ run, fresh }, shared))) as RunStatus;
    },
    sweep(request) {
      asked.push(request);
      const report = { dryRun: false, runs: [], unsweepable: [], runsLeft: 0, seconds: 0, bucket: 'bucket' };
      const publications: never[] = [];
      return Promise.resolve({ ...report, publications, stoppedBecause: 'finished', resultPrefix: 'results' });
    },
    replay(request) {
      asked.push(request);
      return Promise.reject(new DeploymentError('The function replay is not deployed.'));
    },
    rate: () => Promise.resolve(rateAnswer()),
    async setRate(makeSetting) {
      await store.put(rateKey, JSON.stringify(makeSetting({})), {});
      return rateAnswer();
    },
    setRun: (run, change) => setRun(run, change, { bucket: 'bucket', store }),
    explain: (request) => orDeploymentError(() => explain(request, shared)),
    close: () => undefined,
    ...change,
  };
}

function isPaused(store: MemoryObjectStore): boolean {
  return (store.json(rateKey) as { paused?: boolean } | undefined)?.paused === true;
}

async function orDeploymentError<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InputError) throw new DeploymentError(error.message);
    throw error;
  }
}
