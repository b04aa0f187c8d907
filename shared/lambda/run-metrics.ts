/** How the unfinished runs stand, as metrics: what infra/alarms.ts and infra/dashboard.ts look at. */
import { type Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { SweepReport, SweptRun } from '../engine/recovery/sweep.ts';

/**
 * @param functionName tells two stages in one account apart
 * @param isStopped the API may not be called now: a run that makes no progress then is not stuck
 */
export function publishRuns(
  metrics: Metrics,
  { runs, unsweepable }: Pick<SweepReport, 'runs' | 'unsweepable'>,
  { functionName, isStopped }: { functionName: string; isStopped: boolean },
): void {
  // A cancelled run is not waited for.
  const unfinished = runs.filter(({ complete, control }) => !complete && control?.state !== 'cancelled');
  const sum = (of: (level: SweptRun['levels'][number]) => number): number =>
    unfinished.flatMap(({ levels }) => levels).reduce((all, level) => all + of(level), 0);
  const figures = {
    UnfinishedRuns: unfinished.length + unsweepable.length,
    UnsweepableRuns: unsweepable.length,
    ChangedRuns: runs.filter(({ changes }) => changes !== undefined && changes.length > 0).length,
    StuckRuns: isStopped ? 0 : unfinished.filter(isStuck).length,
    OpenItems: sum(({ open }) => open),
    LostItems: sum(({ lost }) => lost),
    FailedItems: sum(({ failed: { retrying, dead, parked } }) => retrying + dead + parked),
  };
  metrics.addDimension('function_name', functionName);
  for (const [name, value] of Object.entries(figures)) metrics.addMetric(name, MetricUnit.Count, value);
  metrics.publishStoredMetrics();
}

/** Something is open in a run that is not paused, and nothing was done since the report before. Without one it can't be told, so that is not enough by itself. */
function isStuck({ levels, itemsPerSecond, control }: SweptRun): boolean {
  return control === undefined && itemsPerSecond === undefined && levels.some(({ open }) => open > 0);
}
