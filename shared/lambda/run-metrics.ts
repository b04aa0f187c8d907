/** How the unfinished runs stand, as metrics: what infra/alarms.js and infra/dashboard.js look at. */
import { type Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { SweepReport, SweptRun } from '../engine/recovery/sweep.ts';

/**
 * @param functionName tells two stages in one account apart
 * @param isStopped nobody may call the API now: a run that does not get on then is not stuck
 */
export function publishRuns(
  metrics: Metrics,
  { runs }: Pick<SweepReport, 'runs'>,
  { functionName, isStopped }: { functionName: string; isStopped: boolean },
): void {
  const unfinished = runs.filter(({ complete }) => !complete);
  const sum = (of: (level: SweptRun['levels'][number]) => number): number =>
    unfinished.flatMap(({ levels }) => levels).reduce((all, level) => all + of(level), 0);
  const figures = {
    UnfinishedRuns: unfinished.length,
    StuckRuns: isStopped ? 0 : unfinished.filter(isStuck).length,
    OpenItems: sum(({ open }) => open),
    LostItems: sum(({ lost }) => lost),
    FailedItems: sum(({ failed: { retrying, dead, parked } }) => retrying + dead + parked),
  };
  metrics.addDimension('function_name', functionName);
  for (const [name, value] of Object.entries(figures)) metrics.addMetric(name, MetricUnit.Count, value);
  metrics.publishStoredMetrics();
}

/** Something is open, and nothing was done since the report before. Without one it can't be told, so that is not enough by itself. */
function isStuck({ levels, itemsPerSecond }: SweptRun): boolean {
  return itemsPerSecond === undefined && levels.some(({ open }) => open > 0);
}
