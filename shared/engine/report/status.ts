/** Answers how runs stand. It only reads. */
import { InputError } from '../errors.ts';
import { itemKey, reportKey, runOfKey } from '../chain/keys.ts';
import { levelNamed } from '../chain/chain.ts';
import type { Clock, ObjectStore } from '../ports.ts';
import { parseRunReport, takeRunReport, type RunReport, type RunReportOptions } from './run-report.ts';
import { maxReportBytes } from '../recovery/sweep.ts';

export type StatusRequest = {
  /** Absent: the latest runs. */
  run?: string | undefined;
  /** Take a census now, whatever the last report says. */
  fresh?: boolean | undefined;
};

export type StatusDeps = {
  store: ObjectStore;
  clock: Clock;
  stoppedUntilMs: () => Promise<number>;
} & Pick<RunReportOptions, 'lostAfterMs' | 'retryingForMs'>;

/** A run's report, and how old its figures are. */
export type RunStatus = RunReport & { ageSeconds: number; from: 'report' | 'census' };

/** A run in a line. A run that no sweep has seen yet has no figures. */
export type RunLine = { run: string; line: string; complete: boolean | undefined; at: string | undefined };

export type Status = RunStatus | { runs: RunLine[] };

/** A report of a run that is still going on is used this long; then status takes a census of its own. */
const usefulForMs = 60_000;

const latestRuns = 20;

/** @throws InputError when there is no such run; what the store throws */
export async function status(request: StatusRequest, deps: StatusDeps): Promise<Status> {
  return request.run === undefined
    ? { runs: await runLines(deps) }
    : runStatus(request.run, request.fresh === true, deps);
}

async function runStatus(run: string, fresh: boolean, deps: StatusDeps): Promise<RunStatus> {
  const { store, clock } = deps;
  const last = await lastReport(run, store);
  const ageMs = last === undefined ? Infinity : clock.now() - Date.parse(last.at);
  if (last !== undefined && !fresh && (last.complete || ageMs < usefulForMs))
    return { ...last, ageSeconds: ageMs / 1000, from: 'report' };
  if ((await store.head(itemKey(levelNamed('troops'), { run, ids: [] }))) === undefined) {
    throw new InputError([`there is no run ${run}: no seed lies under seeds/${run}.json`]);
  }
  const { lostAfterMs, retryingForMs } = deps;
  const report = await takeRunReport({
    run,
    store,
    now: () => clock.now(),
    lostAfterMs,
    stoppedUntilMs: await deps.stoppedUntilMs(),
    retryingForMs,
    before: last,
  });
  return { ...report, ageSeconds: 0, from: 'census' };
}

async function runLines({ store, clock }: StatusDeps): Promise<RunLine[]> {
  const seeds = new Map<string, number>();
  for await (const page of store.list(`${levelNamed('troops').reads}/`)) {
    for (const { key, modifiedMs } of page) {
      const run = runOfKey(levelNamed('troops').reads, key);
      if (run !== undefined) seeds.set(run, modifiedMs);
    }
  }
  // S3 lists times in whole seconds; of two in the same second the later name is first, as names are mostly dates.
  const latest = [...seeds].sort(([runA, a], [runB, b]) => b - a || (runA < runB ? 1 : -1)).slice(0, latestRuns);
  return Promise.all(
    latest.map(async ([run]) => {
      const report = await lastReport(run, store);
      if (report === undefined) return { run, line: `${run}: no report yet`, complete: undefined, at: undefined };
      const age = Math.round((clock.now() - Date.parse(report.at)) / 1000);
      return { run, line: `${run}: ${summaryOf(report)}, ${age} s ago`, complete: report.complete, at: report.at };
    }),
  );
}

/** A report in half a line. */
export function summaryOf({ complete, levels, apiCalls }: RunReport): string {
  const sum = (of: (level: RunReport['levels'][number]) => number): number =>
    levels.reduce((all, level) => all + of(level), 0);
  const failed = sum(({ failed: { retrying, dead, parked } }) => retrying + dead + parked);
  const word = complete ? 'complete' : failed > 0 ? 'has failures' : 'open';
  return `${word}, ${sum(({ done }) => done)} of ${sum(({ items }) => items)} items done, ${failed} failed, ${sum(({ lost }) => lost)} lost, ${apiCalls} API calls`;
}

async function lastReport(run: string, store: ObjectStore): Promise<RunReport | undefined> {
  const object = await store.get(reportKey(run), maxReportBytes);
  return object && parseRunReport(object.body);
}
