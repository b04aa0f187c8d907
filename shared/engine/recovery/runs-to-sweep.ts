/** Which runs the sweep looks at, and in which order. */
import { seedPrefix } from '../chain/chain.ts';
import { finishedKey, recordPrefixes, runOfKey } from '../chain/keys.ts';
import type { Listed, Log, ObjectStore } from '../ports.ts';

/**
 * The runs whose seed has no marker of a finished one, those first whose report is oldest. Three listings for all the finished
 * ones: a thousand cost three requests.
 * @param isWhole the finished ones too
 */
export async function runsToSweep(
  { store, log }: { store: Pick<ObjectStore, 'list'>; log: Log },
  isWhole: boolean,
): Promise<string[]> {
  const seeds = await runsUnder(seedPrefix);
  const reported = await runsUnder(recordPrefixes.reports);
  const finished = new Set<string>();
  for await (const page of store.list(`${recordPrefixes.finished}/`)) for (const { key } of page) finished.add(key);
  return [...seeds]
    .filter(([run, { eTag }]) => isWhole || !finished.has(finishedKey(run, eTag)))
    .map(([run]) => run)
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
