/** Which runs the sweep looks at, and in which order. */
import { seedPrefix, type Chain } from '../chain/chain.ts';
import { finishedKey, recordPrefixes, runOfKey, successKey } from '../chain/keys.ts';
import { forEachConcurrently } from '../concurrency.ts';
import type { Clock, Listed, Log, ObjectStore } from '../ports.ts';

/**
 * Whatever can part a run's two markers, such as a crash, does so within minutes of the finished one's writing. A week holds at
 * least two sweeps: no schedule is slower than three and a half days.
 */
const recentMs = 7 * 24 * 3_600_000;

/** Runs finished earlier whose success marker a sweep asks for, others at each sweep: it may not have run for a week. */
const earlierRuns = 10;

const headsAtOnce = 32;

export type RunsToSweepDeps = {
  chain: Pick<Chain, 'levels'>;
  store: Pick<ObjectStore, 'list' | 'head'>;
  clock: Clock;
  log: Log;
};

/**
 * The runs that are not finished, those first whose report is oldest. A run is finished when its seed has a finished marker, and
 * its success marker is there as well. The first takes three listings for all runs: a thousand cost three requests. The second
 * takes a request a run, and is asked of those that finished within a week, and of a few others.
 * @param isWhole the finished ones too
 */
export async function runsToSweep(deps: RunsToSweepDeps, isWhole: boolean): Promise<string[]> {
  const { store, log } = deps;
  const seeds = await runsUnder(seedPrefix);
  const reported = await runsUnder(recordPrefixes.reports);
  const finished = isWhole ? new Set<string>() : await finishedRuns(seeds, deps);
  return [...seeds.keys()]
    .filter((run) => !finished.has(run))
    .sort((a, b) => (reported.get(a)?.modifiedMs ?? 0) - (reported.get(b)?.modifiedMs ?? 0));

  async function runsUnder(prefix: string): Promise<Map<string, Listed>> {
    const runs = new Map<string, Listed>();
    for await (const page of store.list(`${prefix}/`)) for (const object of page) addRun(runs, prefix, object);
    return runs;
  }

  function addRun(runs: Map<string, Listed>, prefix: string, object: Listed): void {
    const run = runOfKey(prefix, object.key);
    if (run !== undefined) runs.set(run, object);
    else log.warn('This object is no run, and is left alone.', { key: object.key });
  }
}

async function finishedRuns(
  seeds: ReadonlyMap<string, Listed>,
  { chain, store, clock, log }: RunsToSweepDeps,
): Promise<Set<string>> {
  const markedMs = new Map<string, number>();
  for await (const page of store.list(`${recordPrefixes.finished}/`))
    for (const { key, modifiedMs } of page) markedMs.set(key, modifiedMs);
  const marked = [...seeds].flatMap(([run, { eTag }]) => {
    const atMs = markedMs.get(finishedKey(run, eTag));
    return atMs === undefined ? [] : [{ run, atMs }];
  });
  const nowMs = clock.now();
  const recent = marked.filter(({ atMs }) => nowMs - atMs < recentMs);
  const earlier = marked.filter(({ atMs }) => nowMs - atMs >= recentMs);
  const step = Math.ceil(earlier.length / earlierRuns);
  const inTurn = earlier.filter((_, index) => index % step === Math.floor(nowMs) % step);
  const finished = new Set(marked.map(({ run }) => run));
  await forEachConcurrently([...recent, ...inTurn], headsAtOnce, async ({ run }) => {
    if ((await store.head(successKey(chain, run))) !== undefined) return;
    finished.delete(run);
    log.warn('The run has a finished marker but no success marker; it is counted again.', { run });
  });
  return finished;
}
