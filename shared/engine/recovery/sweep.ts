/**
 * Finds what nobody will ever tell of: items whose event AWS lost. It looks at every run that is not finished, gives lost
 * items to their function again, a bounded number of times, has short parents expanded again, writes each run's report, and
 * marks a run that is complete. It never writes an item.
 */
import { chain, type Level, type LevelName } from '../chain/chain.ts';
import type { Finding } from '../report/census.ts';
import { InputError, TransientError } from '../errors.ts';
import { maxNoteBytes, parseFailureNote, shortCode, type FailureNote } from '../item/failure-note.ts';
import { failureKeyOf, finishedKey, itemKey, itemPathOf, reportKey, runOfKey } from '../chain/keys.ts';
import { mark, unmark } from '../runs/markers.ts';
import type { Clock, Listed, Log, ObjectStore, Refire } from '../ports.ts';
import { parseRunReport, takeRunReport, type RunReport } from '../report/run-report.ts';

export type SweepRequest = {
  /** Absent: every run that is not finished. */
  run?: string | undefined;
  /** Act on this level's items only. The report is of the whole run all the same. */
  level?: LevelName | undefined;
  /** In seconds, instead of the time that is derived from the deployment. */
  olderThan?: number | undefined;
  /** Look and count, change nothing. */
  dryRun?: boolean | undefined;
};

export type SweepDeps = {
  store: ObjectStore;
  refires: ReadonlyMap<string, Refire>;
  /** The record of an item's event; `again` has the function work on an item that is done. */
  recordFor: (key: string, options: { replays: number; refires: number; again: boolean }) => object;
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
};

export type SweepReport = {
  dryRun: boolean;
  runs: SweptRun[];
  /** Runs that were not looked at since the time was up; the next sweep begins with them. */
  runsLeft: number;
  seconds: number;
  stoppedBecause: 'finished' | 'time';
};

/** A report has some thousand bytes, however large the run. */
export const maxReportBytes = 1_000_000;

/**
 * @throws InputError when the run that is asked for has no seed
 * @throws what the store or Lambda throw: a run's report is whole or it is none
 */
export async function sweep(request: SweepRequest, deps: SweepDeps): Promise<SweepReport> {
  const { clock, deadlineMs } = deps;
  const startedMs = clock.now();
  const runs = request.run === undefined ? await unfinishedRuns(deps) : [request.run];
  const stoppedUntilMs = await deps.stoppedUntilMs();
  const swept: SweptRun[] = [];
  let left = runs.length;
  for (const run of runs) {
    if (clock.now() >= deadlineMs) break;
    try {
      swept.push(await sweepRun(run, request, stoppedUntilMs, deps));
    } catch (error) {
      if (!(error instanceof TransientError && error.code === 'OUT_OF_TIME')) throw error;
      deps.log.warn(
        'The sweep ran out of time in a run; what it re-fired stays re-fired, and the next sweep goes on.',
        { run },
      );
      break;
    }
    left -= 1;
  }
  return {
    dryRun: request.dryRun === true,
    runs: swept,
    runsLeft: left,
    seconds: (clock.now() - startedMs) / 1000,
    stoppedBecause: left === 0 ? 'finished' : 'time',
  };
}

async function sweepRun(
  run: string,
  request: SweepRequest,
  stoppedUntilMs: number,
  deps: SweepDeps,
): Promise<SweptRun> {
  const { store, clock, deadlineMs } = deps;
  const startedMs = clock.now();
  const isWet = request.dryRun !== true;
  const counts = { refired: 0, givenUp: 0 };
  const { olderThan } = request;
  const lostAfterMs = olderThan === undefined ? deps.lostAfterMs : (): number => olderThan * 1000;
  const seedETag = await seedETagOf(run, store);
  // The seed of an expired run is the first to go. What is left of one has lost its receipts, or will: its items would be
  // taken for lost and fetched again.
  if (seedETag === undefined && request.run !== undefined)
    throw new InputError([`there is no run ${run}: no seed lies under ${itemKey(chain[0], { run, ids: [] })}`]);
  const before = (await store.get(reportKey(run), maxReportBytes))?.body;
  const found = await takeRunReport({
    run,
    store,
    now: () => clock.now(),
    lostAfterMs,
    stoppedUntilMs,
    retryingForMs: deps.retryingForMs,
    before: before === undefined ? undefined : parseRunReport(before),
    onFinding: async (finding, isLost) => {
      if (clock.now() >= deadlineMs)
        throw new TransientError('OUT_OF_TIME', `The sweep ran out of time in the run ${run}.`);
      if (request.level !== undefined && finding.level.level !== request.level) return;
      const isSettled = startedMs - finding.modifiedMs > deps.settleMs && clock.now() > stoppedUntilMs;
      if (!isLost && !(finding.kind === 'short' && isSettled)) return;
      const patienceMs = lostAfterMs(finding.level);
      const outcome = await bringOn(finding, { isWet, patienceMs, stoppedUntilMs }, deps);
      if (outcome !== 'waits') counts[outcome] += 1;
    },
  });
  // A seed that was dropped again meanwhile has more to do than was counted.
  const isStill = seedETag !== undefined && (await seedETagOf(run, store)) === seedETag;
  const report = { ...found, complete: found.complete && isStill };
  if (isWet) {
    await store.put(reportKey(run), JSON.stringify(report), {});
    if (report.complete && isStill) {
      await mark(report, seedETag, store);
      deps.log.info('The run is complete.', { run, apiCalls: report.apiCalls });
    } else {
      // It may have been: its seed was dropped again, or an object deleted.
      await unmark(run, store);
    }
  }
  return { ...report, ...counts };
}

async function seedETagOf(run: string, store: ObjectStore): Promise<string | undefined> {
  return (await store.head(itemKey(chain[0], { run, ids: [] })))?.eTag;
}

/**
 * Notes the re-fire, then re-fires: a crash between the two costs one of the few times, and never makes it endless.
 */
async function bringOn(
  { level, key, kind, note: seen }: Finding,
  { isWet, patienceMs, stoppedUntilMs }: { isWet: boolean; patienceMs: number; stoppedUntilMs: number },
  deps: SweepDeps,
): Promise<'refired' | 'givenUp' | 'waits'> {
  const { store, clock, log, maxRefires } = deps;
  const noteKey = failureKeyOf(level, key);
  const kept = kind === 'short' ? await store.get(noteKey, maxNoteBytes) : undefined;
  const before = kept === undefined ? seen : parseFailureNote(kept.body);
  const code = kind === 'short' ? shortCode : 'LOST';
  // The note of a try that failed since then keeps the count.
  const { refires = 0, replays = 0 } = before ?? {};
  // The census reads no notes of items that are done, so it can't know that a short parent's last event may still be alive.
  const sinceMs = Math.max(Date.parse(before?.at ?? ''), stoppedUntilMs);
  if (kind === 'short' && refires > 0 && clock.now() - sinceMs <= patienceMs) return 'waits';
  const wasGivenUp = before?.status === 'failed' && before.code === code;
  const isGivenUp = wasGivenUp || refires >= maxRefires;
  if (!isWet || wasGivenUp) return isGivenUp ? 'givenUp' : 'refired';
  const run = itemPathOf(level, key)?.run;
  const note: FailureNote = {
    run,
    level: level.level,
    key,
    status: isGivenUp ? 'failed' : 'refired',
    class: 'item',
    code,
    message:
      kind === 'short'
        ? 'The item has fewer children than its receipt counts.'
        : `The item's event was lost: it was neither done nor failed after ${refires + 1} event${refires === 0 ? '' : 's'}.`,
    attempts: before?.attempts ?? 0,
    replays,
    refires: isGivenUp ? refires : refires + 1,
    at: new Date(clock.now()).toISOString(),
    requestId: before?.requestId ?? '',
  };
  await store.put(noteKey, JSON.stringify(note), { attempts: String(note.attempts), code: note.code });
  const fields = { run, level: level.level, key, code: note.code, refires };
  if (isGivenUp) {
    log.error(
      'The item was re-fired as often as is allowed and is still not done; it is noted as failed. Replay it from the failures.',
      fields,
    );
    return 'givenUp';
  }
  const refire = deps.refires.get(level.level);
  if (refire === undefined) throw new Error(`Nothing is known to re-fire items of the level ${level.level}.`);
  await refire.send(deps.recordFor(key, { replays, refires: note.refires, again: kind === 'short' }));
  log.warn(
    kind === 'short' ? 'The item is short of children; it is expanded again.' : 'The item was lost; it was re-fired.',
    fields,
  );
  return 'refired';
}

/**
 * The runs whose seed has no marker of a finished one, those first whose report is oldest. Three listings for all the finished
 * ones: a thousand cost three requests.
 */
async function unfinishedRuns({ store, log }: SweepDeps): Promise<string[]> {
  const seeds = await runsUnder(chain[0].reads);
  const reported = await runsUnder('runs');
  const finished = new Set<string>();
  for await (const page of store.list('finished/')) for (const { key } of page) finished.add(key);
  return [...seeds]
    .filter(([run, { eTag }]) => !finished.has(finishedKey(run, eTag)))
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
    else log.warn('This is no run; nobody sweeps it.', { key: object.key });
  }
}
