/**
 * Finds what no service will ever tell of: items whose event AWS lost. It looks at every run that is not finished, gives lost
 * items to their function again, a bounded number of times, has short parents expanded again, writes each run's report, and
 * marks a run that is complete. It never writes an item.
 */
import type { Chain, Level } from '../chain/chain.ts';
import { seedKey } from '../chain/keys.ts';
import { mapConcurrently } from '../concurrency.ts';
import { InputError, ItemError, TransientError } from '../errors.ts';
import type { Clock, EventSink, Log, ObjectStore } from '../ports.ts';
import { takeCensus, type Finding } from '../report/census.ts';
import { changesSince, ReportBuilder, type RunReport, type SweepProblem } from '../report/run-report.ts';
import { readRunReport, readSuccess, writeProblem, writeRunReport } from '../report/stored-report.ts';
import { markComplete, unmarkComplete } from '../runs/markers.ts';
import { logInvalidControl, readRunControl, runStopOf, runStoppedUntilMs } from '../runs/run-control.ts';
import { refireOrGiveUp, type RefireTerms } from './lost-item.ts';
import { runsToSweep } from './runs-to-sweep.ts';
import { isOver, returnsOf } from './stopped-run.ts';

export type SweepRequest = {
  /** Absent: every run that is not finished. */
  run?: string | undefined;
  /** Act on this level's items only. The report is of the whole run all the same. */
  level?: string | undefined;
  /** In seconds, instead of the time that is derived from the deployment. */
  olderThan?: number | undefined;
  /** Look and count, change nothing. */
  dryRun?: boolean | undefined;
  /** Look at finished runs too: are they still what they were when they were marked complete? */
  verify?: boolean | undefined;
};

export type SweepDeps = {
  chain: Chain;
  store: ObjectStore;
  /** By level: where its events go. */
  refires: ReadonlyMap<string, EventSink>;
  clock: Clock;
  log: Log;
  lostAfterMs: (level: Level) => number;
  /** Until when calls to the API were stopped, as `stoppedUntilMs` tells. */
  stoppedUntilMs: () => Promise<number>;
  retryingForMs: number;
  /** Receipts younger than this are not held against a parent: its children may have been listed before they were written. */
  settleMs: number;
  /** An item is re-fired this often before it is noted as failed. */
  maxRefires: number;
  /** Milliseconds since 1970 by which to have stopped. */
  deadlineMs: number;
};

export type SweptRun = RunReport & {
  /** Items that were given to their function again: `lost` ones and `short` parents. In a dry run: that would have been. */
  refired: number;
  /** Items that were re-fired as often as is allowed, and are noted as failed now. */
  givenUp: number;
  /** For a run that was marked complete, whether it still is or not: what is another than it was then. Empty: nothing. */
  changes?: string[];
};

export type SweepReport = {
  dryRun: boolean;
  runs: SweptRun[];
  /** Cancelled runs, which were counted before and are left alone until they are resumed; absent: none. */
  cancelled?: string[];
  /** Runs that could not be swept, and why. The others were. */
  unsweepable: { run: string; code: string; message: string }[];
  /** The run in which the time was up; what was re-fired of it stays so. The next sweep looks at it last. */
  cutShort?: string;
  /** Runs that were not looked at since the time was up; the next sweep begins with them. */
  runsLeft: number;
  seconds: number;
  stoppedBecause: 'finished' | 'time';
};

/** Findings that are worked on at the same time: notes, re-fires. */
const refiresAtOnce = 32;

/**
 * A run that can't be swept keeps no other run from being swept: it is named in the report.
 * @throws InputError when the run that is asked for has no seed
 * @throws what listing the runs, and a sweep of the one run that is asked for, throw
 */
export async function sweep(request: SweepRequest, deps: SweepDeps): Promise<SweepReport> {
  const { clock, deadlineMs, log } = deps;
  const startedMs = clock.now();
  const runs = request.run === undefined ? await runsToSweep(deps, request.verify === true) : [request.run];
  const stoppedUntilMs = await deps.stoppedUntilMs();
  const swept: SweptRun[] = [];
  const cancelled: string[] = [];
  const unsweepable: SweepReport['unsweepable'] = [];
  let left = runs.length;
  let cutShort: string | undefined;
  for (const run of runs) {
    if (cutShort !== undefined || clock.now() >= deadlineMs) break;
    left -= 1;
    try {
      const outcome = await sweepRun(run, request, stoppedUntilMs, deps);
      if (outcome === 'leftAlone') cancelled.push(run);
      else swept.push(outcome);
    } catch (error) {
      const isLate = isOutOfTime(error);
      if (request.run !== undefined && !isLate) throw error;
      const problem = problemOf(error, clock.now());
      if (request.dryRun !== true) await noteProblem(run, problem, deps);
      if (isLate) {
        log.warn('The sweep ran out of time in a run; what it re-fired stays re-fired, and a later sweep continues.', {
          run,
        });
        cutShort = run;
        continue;
      }
      unsweepable.push({ run, code: problem.code, message: problem.message });
      log.error('The run could not be swept; the others are. Correct the error, then sweep it by hand.', {
        run,
        error,
      });
    }
  }
  return {
    dryRun: request.dryRun === true,
    runs: swept,
    ...(cancelled.length > 0 && { cancelled }),
    unsweepable,
    ...(cutShort !== undefined && { cutShort }),
    runsLeft: left,
    seconds: (clock.now() - startedMs) / 1000,
    stoppedBecause: left === 0 && cutShort === undefined ? 'finished' : 'time',
  };
}

function problemOf(error: unknown, nowMs: number): SweepProblem {
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  const code = error instanceof TransientError || error instanceof ItemError ? error.code : name;
  return { code, message: message.slice(0, 2000), at: new Date(nowMs).toISOString() };
}

/** With the last figures, if there are any. The run is looked at last then, and does not keep the others from their turn. */
async function noteProblem(run: string, problem: SweepProblem, { store, log }: SweepDeps): Promise<void> {
  try {
    await writeProblem(run, problem, store);
  } catch (error) {
    log.error('What keeps the run from being swept could not be noted.', { run, error });
  }
}

function isOutOfTime(error: unknown): boolean {
  return error instanceof TransientError && error.code === 'OUT_OF_TIME';
}

async function sweepRun(
  run: string,
  request: SweepRequest,
  stoppedUntilMs: number,
  deps: SweepDeps,
): Promise<SweptRun | 'leftAlone'> {
  const { chain, store, clock, retryingForMs } = deps;
  const { olderThan } = request;
  const lostAfterMs = olderThan === undefined ? deps.lostAfterMs : (): number => olderThan * 1000;
  const seedETag = await seedETagOf(run, store);
  // The seed of an expired run is the first to go. What is left of one has lost its receipts, or will: its items would be
  // taken for lost and fetched again.
  if (seedETag === undefined && request.run !== undefined)
    throw new InputError([`there is no run ${run}: there is no seed ${seedKey(run)}`]);
  const before = await readRunReport(run, store);
  const control = await readRunControl(run, store);
  logInvalidControl(run, control, deps.log);
  if (request.run === undefined && isOver(control, before, deps)) return 'leftAlone';
  const runStoppedMs = Math.max(stoppedUntilMs, runStoppedUntilMs(control));
  // Read before anything is re-fired, which removes it.
  const wasMarked = await readSuccess(chain, run, store);
  const census = takeCensus(chain, run, store);
  const waits = { lostAfterMs, stoppedUntilMs: runStoppedMs };
  const builder = new ReportBuilder({ now: () => clock.now(), ...waits, retryingForMs });
  const terms = { startedMs: clock.now(), isDry: request.dryRun === true, ...waits };
  const isReturned = returnsOf(control, terms, deps);
  const counts = { refired: 0, givenUp: 0, waits: 0 };
  const toRefire = refirable(
    census.findings,
    { ...terms, run, level: request.level, builder, returns: isReturned },
    deps,
  );
  // Only a sweep by name, or one that verifies, comes to a run that is marked complete. Should it crash after a re-fire, no
  // scheduled sweep would look at the run again.
  const mayBeMarked = !terms.isDry && (request.run !== undefined || request.verify === true);
  const unmarkOnce = once(() => (mayBeMarked ? unmarkComplete(chain, run, store) : Promise.resolve()));
  for await (const { outcome, items } of mapConcurrently(toRefire, refiresAtOnce, async (finding) => {
    await unmarkOnce();
    const outcome = await refireOrGiveUp(finding, { ...terms, isReturned: isReturned(finding) }, deps);
    return { outcome, items: itemsOf(finding) };
  }))
    counts[outcome] += items;
  // A seed that was dropped again meanwhile has more to do than was counted.
  const isSameSeed = seedETag !== undefined && (await seedETagOf(run, store)) === seedETag;
  const found = builder.report(run, census, before, runStopOf(control));
  const report = { ...found, complete: found.complete && isSameSeed };
  const marked = report.complete ? await readSuccess(chain, run, store) : wasMarked;
  const changes = marked && changesSince(marked, report);
  if (!terms.isDry) await leaveReport(report, { seedETag, changes }, deps);
  return { ...report, refired: counts.refired, givenUp: counts.givenUp, ...(changes && { changes }) };
}

/** A short parent is one item. What failed is re-fired only when it comes back with its run. */
function itemsOf({ kind, open, failures }: Finding): number {
  if (kind !== 'failed') return Math.max(1, open);
  return failures.reduce((sum, { count }) => sum + count, 0);
}

function once(work: () => Promise<void>): () => Promise<void> {
  let begun: Promise<void> | undefined;
  return () => (begun ??= work());
}

type SweepTerms = RefireTerms & { startedMs: number };

/** Of all findings, which go into the report, those that the sweep has to bring on. */
async function* refirable(
  findings: AsyncIterable<Finding>,
  {
    run,
    level,
    builder,
    startedMs,
    stoppedUntilMs,
    returns,
  }: SweepTerms & {
    run: string;
    level: string | undefined;
    builder: ReportBuilder;
    returns: (finding: Finding) => boolean;
  },
  { clock, log, deadlineMs, settleMs }: SweepDeps,
): AsyncGenerator<Finding> {
  for await (const finding of findings) {
    const isLost = builder.add(finding);
    if (finding.isNoteUnreadable === true)
      log.warn('The failure note of this item is no note, and is ignored.', { run, key: finding.key });
    if (clock.now() >= deadlineMs)
      throw new TransientError('OUT_OF_TIME', `The sweep ran out of time in the run ${run}.`);
    if (level !== undefined && finding.level.name !== level) continue;
    const isSettled = startedMs - finding.modifiedMs > settleMs && clock.now() > stoppedUntilMs;
    if (isLost || returns(finding) || (finding.kind === 'short' && isSettled)) yield finding;
  }
}

/** @param changes since the run was marked complete; undefined: it is not marked */
async function leaveReport(
  report: RunReport,
  { seedETag, changes }: { seedETag: string | undefined; changes: string[] | undefined },
  deps: SweepDeps,
): Promise<void> {
  const { chain, store, log, clock } = deps;
  const { run, apiCalls, complete } = report;
  const isChanged = changes !== undefined && changes.length > 0;
  const message = isChanged ? changedMessage(changes, complete) : '';
  const problem: SweepProblem = { code: 'CHANGED', message, at: new Date(clock.now()).toISOString() };
  if (isChanged) log.error(message, { run, code: problem.code });
  await writeRunReport(isChanged ? { ...report, problem } : report, store);
  // The marker stays as it is: marked anew, the run would look as if it had always been so.
  if (isChanged && complete) return;
  if (complete && seedETag !== undefined) {
    await markComplete(chain, report, seedETag, store);
    log.info('The run is complete.', { run, apiCalls });
  } else {
    // It may have been: its seed was dropped again, or an object deleted.
    await unmarkComplete(chain, run, store);
  }
}

function changedMessage(changes: readonly string[], isComplete: boolean): string {
  const what = `Objects were overwritten, deleted or added since the run was complete: ${changes.join(', ')}.`;
  return isComplete
    ? `${what} Delete what is wrong, and the success marker, and sweep the run.`
    : `${what} It is not complete any more, and is marked anew when it is: what was overwritten can not be told then. Compare the results with what is expected, and delete what is wrong.`;
}

async function seedETagOf(run: string, store: ObjectStore): Promise<string | undefined> {
  return (await store.head(seedKey(run)))?.eTag;
}
