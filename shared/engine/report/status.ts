/** Answers how runs stand. It only reads. */
import { seedPrefix, type Chain, type Level } from '../chain/chain.ts';
import { runOfKey, seedKey } from '../chain/keys.ts';
import { InputError } from '../errors.ts';
import type { Clock, ObjectStore } from '../ports.ts';
import type { PublishStatus } from '../publish/publish-status.ts';
import type { RateNow } from '../rate/rate-use.ts';
import { readRunControl, runStopOf, runStoppedUntilMs, type RunStop } from '../runs/run-control.ts';
import { takeCensus } from './census.ts';
import { takeRunReport, type RunReport, type SweepProblem } from './run-report.ts';
import { readStoredRun } from './stored-report.ts';

export type StatusRequest = {
  /** Absent: the latest runs. */
  run?: string | undefined;
  /** Take a census now, whatever the last report says. */
  fresh?: boolean | undefined;
};

export type StatusDeps = {
  chain: Chain;
  store: ObjectStore;
  clock: Clock;
  stoppedUntilMs: () => Promise<number>;
  /** What holds of the rate, and what is used of it. */
  readRate: () => Promise<RateNow>;
  lostAfterMs: (level: Level) => number;
  retryingForMs: number;
};

/** A run's report, and how old its figures are. */
export type RunStatus = RunReport & {
  ageSeconds: number;
  from: 'report' | 'census';
  /** What holds now, of all runs; absent when the run is complete. */
  rate?: RateNow;
  /** Absent when nothing is published, or there is nothing to publish yet. */
  published?: PublishStatus;
};

/** A run in a line. A run that no sweep has seen yet has no figures. */
export type RunLine = { run: string; line: string; complete: boolean | undefined; at: string | undefined };

export type Status = RunStatus | { runs: RunLine[] };

/** A report of a run that is not complete is used this long; then status takes a census of its own. */
const usefulForMs = 60_000;

const latestRuns = 20;

/** @throws InputError when there is no such run; what the store throws */
export async function status(request: StatusRequest, deps: StatusDeps): Promise<Status> {
  if (request.run === undefined) return { runs: await runLines(deps) };
  const found = await runStatus(request.run, request.fresh === true, deps);
  return found.complete ? found : { ...found, rate: await deps.readRate() };
}

async function runStatus(run: string, fresh: boolean, deps: StatusDeps): Promise<RunStatus> {
  const { chain, store, clock, lostAfterMs, retryingForMs } = deps;
  const { report: last, problem } = await readStoredRun(run, store);
  const ageMs = last === undefined ? Infinity : clock.now() - Date.parse(last.at);
  if (last?.complete === true && !fresh) return { ...last, ageSeconds: ageMs / 1000, from: 'report' };
  const control = await readRunControl(run, store);
  const stop = runStopOf(control);
  if (last !== undefined && !fresh && ageMs < usefulForMs) {
    return { ...withStop(last, stop), ageSeconds: ageMs / 1000, from: 'report' };
  }
  if ((await store.head(seedKey(run))) === undefined)
    throw new InputError([`there is no run ${run}: there is no seed ${seedKey(run)}`]);
  const stoppedUntilMs = Math.max(await deps.stoppedUntilMs(), runStoppedUntilMs(control));
  const terms = { now: () => clock.now(), lostAfterMs, retryingForMs, stoppedUntilMs };
  const report = await takeRunReport(run, takeCensus(chain, run, store), terms, { before: last, stop });
  return { ...report, ...(problem !== undefined && { problem }), ageSeconds: 0, from: 'census' };
}

async function runLines({ store, clock }: StatusDeps): Promise<RunLine[]> {
  const seeds = new Map<string, number>();
  for await (const page of store.list(`${seedPrefix}/`)) {
    for (const { key, modifiedMs } of page) {
      const run = runOfKey(seedPrefix, key);
      if (run !== undefined) seeds.set(run, modifiedMs);
    }
  }
  // S3 lists times in whole seconds; of two in the same second the later name is first, as names are mostly dates.
  const latest = [...seeds].sort(([runA, a], [runB, b]) => b - a || (runA < runB ? 1 : -1)).slice(0, latestRuns);
  return Promise.all(
    latest.map(async ([run]) => {
      const { report, problem } = await readStoredRun(run, store);
      if (report === undefined)
        return { run, line: `${run}: no report yet${problemOf(problem)}`, complete: undefined, at: undefined };
      const age = Math.round((clock.now() - Date.parse(report.at)) / 1000);
      const line = `${run}: ${summaryOf(await asItIs(report, store))}, ${age} s ago${problemOf(problem)}`;
      return { run, line, complete: report.complete, at: report.at };
    }),
  );
}

/** A run may have been paused, or resumed, since it was counted. */
async function asItIs(report: RunReport, store: Pick<ObjectStore, 'get'>): Promise<RunReport> {
  return report.complete ? report : withStop(report, runStopOf(await readRunControl(report.run, store)));
}

function withStop(report: RunReport, stop: RunStop | undefined): RunReport {
  const { control, ...figures } = report;
  return control === stop ? report : { ...figures, ...(stop !== undefined && { control: stop }) };
}

function problemOf(problem: SweepProblem | undefined): string {
  return problem === undefined ? '' : `; its last sweep failed: ${problem.code}: ${problem.message}`;
}

/** A report in half a line. */
export function summaryOf({ complete, levels, apiCalls, control }: RunReport): string {
  const sum = (of: (level: RunReport['levels'][number]) => number): number =>
    levels.reduce((all, level) => all + of(level), 0);
  const failed = sum(({ failed: { retrying, dead, parked } }) => retrying + dead + parked);
  const word = complete ? 'complete' : (control?.state ?? (failed > 0 ? 'has failures' : 'open'));
  return `${word}, ${sum(({ done }) => done)} of ${sum(({ items }) => items)} items done, ${failed} failed, ${sum(({ lost }) => lost)} lost, ${apiCalls} API calls`;
}
