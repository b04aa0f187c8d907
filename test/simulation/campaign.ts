/** Many schedules, one after the other: what they had in them, and the first that broke a promise. */
import type { ChainChoice } from './chain-plan.ts';
import type { Core } from './core.ts';
import type { FaultChoice, FaultName } from './faults.ts';
import { runSchedule, type Verdict } from './schedule.ts';

export type Tally = {
  schedules: number;
  steps: number;
  calls: number;
  invocations: number;
  hours: number;
  /** Schedules by the number of levels of their chain. */
  levels: Record<number, number>;
  faults: Partial<Record<FaultName, number>>;
  /** Which help the runs needed once all was well. */
  needed: Partial<Record<NonNullable<Verdict['needed']>, number>>;
};

export type Failure = Pick<Verdict, 'seed'> & { promise: string; what: string };

export type CampaignOptions = {
  core: Core;
  /** Every `step`th seed from `from` up to `to`, without it. */
  from: number;
  to: number;
  step?: number;
  choice?: FaultChoice;
  chain?: ChainChoice;
  /** Go on after a failure. */
  isWhole?: boolean;
  /** Asked before each schedule: no seed from there on is of interest any more. */
  limit?: () => number;
  onFailure?: (failure: Failure) => void;
  onProgress?: (tally: Tally) => void;
};

export function emptyTally(): Tally {
  return { schedules: 0, steps: 0, calls: 0, invocations: 0, hours: 0, levels: {}, faults: {}, needed: {} };
}

export async function runCampaign(options: CampaignOptions): Promise<{ tally: Tally; failures: Failure[] }> {
  const { core, from, to, step = 1, choice = {}, chain = {}, isWhole = false, limit = () => Infinity } = options;
  const tally = emptyTally();
  const failures: Failure[] = [];
  for (let seed = from; seed < to && seed < limit(); seed += step) {
    const verdict = await runSchedule({ seed, core, choice, chain });
    count(tally, verdict);
    if (verdict.violation !== undefined) {
      const { promise, what } = verdict.violation;
      failures.push({ seed, promise, what });
      options.onFailure?.({ seed, promise, what });
      if (!isWhole) break;
    }
    options.onProgress?.(tally);
    // Messages and Ctrl-C get their turn.
    if (tally.schedules % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { tally, failures };
}

function count(tally: Tally, { injected, figures, levels, needed }: Verdict): void {
  tally.schedules += 1;
  tally.steps += figures.steps;
  tally.calls += figures.calls;
  tally.invocations += figures.invocations;
  tally.hours += figures.hours;
  tally.levels[levels] = (tally.levels[levels] ?? 0) + 1;
  for (const { fault } of injected) tally.faults[fault] = (tally.faults[fault] ?? 0) + 1;
  if (needed !== undefined) tally.needed[needed] = (tally.needed[needed] ?? 0) + 1;
}

export function addTally(sum: Tally, { levels, faults, needed, ...figures }: Tally): void {
  for (const name of ['schedules', 'steps', 'calls', 'invocations', 'hours'] as const) sum[name] += figures[name];
  for (const [count, times] of Object.entries(levels))
    sum.levels[Number(count)] = (sum.levels[Number(count)] ?? 0) + times;
  for (const [name, times] of Object.entries(faults) as [FaultName, number][])
    sum.faults[name] = (sum.faults[name] ?? 0) + times;
  for (const [name, times] of Object.entries(needed) as [keyof Tally['needed'], number][])
    sum.needed[name] = (sum.needed[name] ?? 0) + times;
}
