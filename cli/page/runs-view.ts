/** The runs of a deployment, newest first, from two listings: a report is read once, and again only when it has changed. */
import { seedPrefix } from '../../shared/engine/chain/chain.ts';
import { recordPrefixes, runOfKey } from '../../shared/engine/chain/keys.ts';
import { mapConcurrently } from '../../shared/engine/concurrency.ts';
import type { Listed, ObjectStore } from '../../shared/engine/ports.ts';
import { readStoredRun } from '../../shared/engine/report/stored-report.ts';
import type { Report, RunRow, RunsView, RunState } from '../../page/wire.ts';
import { costOfRun } from './run-cost.ts';

/** More are of no use on a page. The latest are shown. */
export const maxRuns = 1_000;
const readsAtOnce = 16;

export type Store = Pick<ObjectStore, 'list' | 'get'>;

type Known = { eTag: string; row: Omit<RunRow, 'run' | 'startedAt'> };

/** @returns looks at all runs; what goes wrong is in the view, with the runs that were seen last */
export function createRunsLook(store: Store): () => Promise<RunsView> {
  const known = new Map<string, Known>();
  let last: RunsView = { runs: [] };
  return async () => {
    try {
      last = { runs: await rowsOf(store, known) };
      return last;
    } catch (error) {
      const { name, message } = error as Error;
      return { ...last, problem: `The runs could not be listed: ${name}: ${message}` };
    }
  };
}

async function rowsOf(store: Store, known: Map<string, Known>): Promise<RunRow[]> {
  const [seeds, reports] = await Promise.all([
    listedRuns(store, seedPrefix),
    listedRuns(store, recordPrefixes.reports),
  ]);
  // S3 lists times in whole seconds; of two in the same second the later name is first, as names are mostly dates.
  const latest = [...seeds.values()]
    .sort((a, b) => b.modifiedMs - a.modifiedMs || (a.run < b.run ? 1 : -1))
    .slice(0, maxRuns);
  const changed = latest.filter(({ run }) => reports.get(run)?.eTag !== known.get(run)?.eTag);
  for await (const [run, read] of mapConcurrently(changed, readsAtOnce, async ({ run }) => {
    const { report, problem } = await readStoredRun(run, store);
    return [run, { report, problem }] as const;
  })) {
    const eTag = reports.get(run)?.eTag;
    if (eTag !== undefined) known.set(run, { eTag, row: rowOf(read.report, read.problem?.code) });
  }
  for (const run of known.keys()) if (!reports.has(run)) known.delete(run);
  return latest.map(({ run, modifiedMs }) => ({
    run,
    startedAt: new Date(modifiedMs).toISOString(),
    ...(known.get(run)?.row ?? { state: 'unknown' as const }),
  }));
}

function rowOf(report: Report | undefined, problem: string | undefined): Known['row'] {
  const more = problem === undefined ? {} : { problem };
  if (report === undefined) return { state: 'unknown', ...more };
  const { at, levels, apiCalls, complete, published } = report;
  const cost = costOfRun(report);
  const failed = levels.reduce((all, { failed: { retrying, dead, parked } }) => all + retrying + dead + parked, 0);
  return {
    state: stateOf(report),
    at,
    ...(complete && { endedAt: at }),
    items: levels.reduce((all, { items }) => all + items, 0),
    done: levels.reduce((all, { done }) => all + done, 0),
    failed,
    apiCalls,
    ...(cost && { usd: cost.soFar }),
    ...(published !== undefined && { published: Boolean(published) }),
    ...more,
  };
}

/** As the exit status of `npm run status`: failed, when only a person can bring it on. */
export function stateOf({ complete, levels }: Pick<Report, 'complete' | 'levels'>): RunState {
  if (complete) return 'complete';
  const isMoving = levels.some(({ open, short, failed: { retrying } }) => open + short + retrying > 0);
  const isStuck = levels.some(({ stray, failed: { dead, parked } }) => dead + parked + stray > 0);
  return isStuck && !isMoving ? 'failed' : 'open';
}

async function listedRuns(store: Store, prefix: string): Promise<Map<string, Listed & { run: string }>> {
  const runs = new Map<string, Listed & { run: string }>();
  for await (const page of store.list(`${prefix}/`)) {
    for (const object of page) {
      const run = runOfKey(prefix, object.key);
      if (run !== undefined) runs.set(run, { ...object, run });
    }
  }
  return runs;
}
