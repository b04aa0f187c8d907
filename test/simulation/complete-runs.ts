/** What is tried on complete runs in a well world, as chance has it, and at last what leaves something undone. */
import { bringBackMarker, countJunk, noticeTampering, refuseOtherParams, type AfterDay } from './after-day.ts';
import type { FaultName, Site } from './faults.ts';
import { readForgedShares, refuseSpoiltParams } from './forged-records.ts';
import { passOverSpoiltReports, refuseMistakenRates, refuseMistakenSeeds } from './mistakes.ts';
import { bringBackBatches, refuseBadLists, refuseSpoiltItems } from './spoilt-items.ts';
import { StagedBatch } from './staged-batch.ts';
import { StagedMoments } from './staged-moments.ts';
import { giveBackWhatWaits, replayUpToALimit } from './staged-queues.ts';
import { stopARun } from './stopped-run.ts';

const acts = [
  ['params-changed', refuseOtherParams],
  ['mistaken-seed', refuseMistakenSeeds],
  ['mistaken-rate', refuseMistakenRates],
  ['spoilt-report', passOverSpoiltReports],
  ['spoilt-params', refuseSpoiltParams],
  ['forged-shares', readForgedShares],
  ['marker-deleted', bringBackMarker],
  ['junk-after', countJunk],
  ['run-stopped-after', stopARun],
  ['letters-limited', replayUpToALimit],
  ['messages-due', giveBackWhatWaits],
  ['item-overwritten', refuseSpoiltItems],
  ['bad-list', refuseBadLists],
  ['tampered-after', noticeTampering],
  // What is told of the results of batches that are no more is told by those that came after them.
  ['batches-deleted', bringBackBatches],
] as const satisfies readonly [FaultName, (site: Site, tries: AfterDay) => Promise<void>][];

/** @param chanceOf where a fault strikes; undefined: it does not */
export async function tryOnCompleteRuns(
  tries: AfterDay,
  chanceOf: (fault: FaultName) => Site | undefined,
): Promise<void> {
  const { checker, plan, runs } = tries.scene;
  const isSound = (): boolean => checker.violation === undefined && runs.every((run) => checker.ledger.isComplete(run));
  for (const [fault, act] of acts) {
    if (!isSound()) return;
    const site = chanceOf(fault);
    if (site !== undefined) await act(site, tries);
  }
  for (const which of ['first', 'second']) if (plan.batch > 1 && isSound()) await new StagedBatch(tries, which).try();
  if (isSound()) await new StagedMoments(tries).try();
}
