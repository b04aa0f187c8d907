/**
 * The runs of a deployment, newest first, from four listings: a report, the record of a publication, or what is set for a run is
 * read once, and again only when it has changed.
 */
import { seedPrefix, type Level } from '../../shared/engine/chain/chain.ts';
import { recordPrefixes, runControlPrefix, runOfKey } from '../../shared/engine/chain/keys.ts';
import { mapConcurrently } from '../../shared/engine/concurrency.ts';
import type { Listed, ObjectStore } from '../../shared/engine/ports.ts';
import { readPublication } from '../../shared/engine/publish/publication.ts';
import { readStoredRun } from '../../shared/engine/report/stored-report.ts';
import { readRunControl, type RunControlState } from '../../shared/engine/runs/run-control.ts';
import type { Report, RunRow, RunsView, RunState } from '../../page/wire.ts';
import { costOfRun } from './run-cost.ts';

/** More are of no use on a page. The latest are shown. */
export const maxRuns = 1_000;
const readsAtOnce = 16;

export type Store = Pick<ObjectStore, 'list' | 'get' | 'head'>;

type Known = { eTag: string; row: Omit<RunRow, 'run' | 'startedAt' | 'published'> };
/** The ETag of a publication's record, and whether it is published. */
type KnownPublication = { eTag: string; published: boolean };

type KnownControl = { eTag: string; state: RunControlState };

/** @returns looks at all runs; what goes wrong is in the view, with the runs that were seen last */
export function createRunsLook(store: Store, chain: readonly Level[]): () => Promise<RunsView> {
  const known = new Map<string, Known>();
  const publications = new Map<string, KnownPublication>();
  const controls = new Map<string, KnownControl>();
  let last: RunsView = { runs: [] };
  return async () => {
    try {
      last = { runs: await rowsOf(store, { known, publications, controls }, chain) };
      return last;
    } catch (error) {
      const { name, message } = error as Error;
      return { ...last, problem: `The runs could not be listed: ${name}: ${message}` };
    }
  };
}

type Kept = {
  known: Map<string, Known>;
  publications: Map<string, KnownPublication>;
  controls: Map<string, KnownControl>;
};

async function rowsOf(
  store: Store,
  { known, publications, controls }: Kept,
  chain: readonly Level[],
): Promise<RunRow[]> {
  const [seeds, reports, records, settings] = await Promise.all([
    listedRuns(store, seedPrefix),
    listedRuns(store, recordPrefixes.reports),
    listedRuns(store, recordPrefixes.publications),
    listedRuns(store, runControlPrefix),
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
    if (eTag !== undefined) known.set(run, { eTag, row: rowOf(read.report, read.problem?.code, chain) });
  }
  for (const run of known.keys()) if (!reports.has(run)) known.delete(run);
  await updatePublications(
    latest.map(({ run }) => run),
    records,
    publications,
    store,
  );
  await updateControls(settings, controls, store);
  return latest.map(({ run, modifiedMs }) => ({
    run,
    startedAt: new Date(modifiedMs).toISOString(),
    ...rowAsSet(known.get(run)?.row ?? { state: 'unknown' as const }, controls.get(run)),
    ...publishedOf(publications.get(run)),
  }));
}

async function updatePublications(
  runs: readonly string[],
  records: ReadonlyMap<string, Listed>,
  publications: Map<string, KnownPublication>,
  store: Store,
): Promise<void> {
  for (const run of publications.keys()) if (!records.has(run)) publications.delete(run);
  const changed = runs.filter((run) => records.get(run)?.eTag !== publications.get(run)?.eTag);
  for await (const [run, { publication, eTag }] of mapConcurrently(changed, readsAtOnce, async (each) => {
    return [each, await readPublication(each, store)] as const;
  }))
    if (eTag !== undefined) publications.set(run, { eTag, published: publication?.state === 'published' });
}

async function updateControls(
  settings: ReadonlyMap<string, Listed>,
  controls: Map<string, KnownControl>,
  store: Store,
): Promise<void> {
  for (const run of controls.keys()) if (!settings.has(run)) controls.delete(run);
  const changed = [...settings].filter(([run, { eTag }]) => eTag !== controls.get(run)?.eTag);
  for await (const [run, { eTag = '', state }] of mapConcurrently(changed, readsAtOnce, async ([each]) => {
    return [each, await readRunControl(each, store)] as const;
  }))
    controls.set(run, { eTag, state });
}

/** What is set now outranks what the last sweep found to be set. */
function rowAsSet(row: Known['row'], control: KnownControl | undefined): Known['row'] {
  const { state = 'running' } = control ?? {};
  return state === 'running' || row.state === 'complete' ? row : { ...row, state };
}

function publishedOf(known: KnownPublication | undefined): Pick<RunRow, 'published'> {
  return known === undefined ? {} : { published: known.published };
}

function rowOf(report: Report | undefined, problem: string | undefined, chain: readonly Level[]): Known['row'] {
  const more = problem === undefined ? {} : { problem };
  if (report === undefined) return { state: 'unknown', ...more };
  const { at, levels, apiCalls, complete } = report;
  const cost = costOfRun(report, chain);
  const failed = levels.reduce((all, { failed: { retrying, dead, parked } }) => all + retrying + dead + parked, 0);
  return {
    // What is set is read by itself.
    state: stateOf({ complete, levels }),
    at,
    ...(complete && { endedAt: at }),
    items: levels.reduce((all, { items }) => all + items, 0),
    done: levels.reduce((all, { done }) => all + done, 0),
    failed,
    apiCalls,
    ...(cost && { usd: cost.soFar }),
    ...more,
  };
}

/** As the exit status of `npm run status`: failed, when only a person can bring it on. */
export function stateOf({ complete, levels, control }: Pick<Report, 'complete' | 'levels' | 'control'>): RunState {
  if (complete) return 'complete';
  if (control !== undefined) return control.state;
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
