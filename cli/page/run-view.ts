/** One run as the page shows it: its report, what it costs, its calls over time, and what it was started with. */
import { paramsKey, seedKey } from '../../shared/engine/chain/keys.ts';
import type { RunStatus } from '../../shared/engine/report/status.ts';
import type { RateView, Report, RunView, TimelineView } from '../../page/wire.ts';
import type { OpenDeployment } from '../run/deployment.ts';
import { observe } from './rate-view.ts';
import { costOfRun } from './run-cost.ts';
import { stateOf } from './runs-view.ts';
import { Timeline } from './timeline.ts';

/** A seed's list of ids may be long; its beginning is enough to recognize it. */
const maxSeedBytes = 100_000;
const shownCharacters = 4_000;

export type RunLook = {
  look: () => Promise<RunView>;
  /** Whether nothing about the run changes by itself any more. */
  isFinal: () => boolean;
};

export type RunLookDeps = {
  deployment: Pick<OpenDeployment, 'status' | 'store' | 'facts'>;
  rate: () => Promise<RateView>;
  /** Calls of all runs, when the engine counts them; undefined: they are taken from the run's reports. */
  allCalls: Timeline | undefined;
};

export function createRunLook(run: string, { deployment, rate, allCalls }: RunLookDeps): RunLook {
  const own = new Timeline();
  let seed: Awaited<ReturnType<typeof seedOf>> = {};
  const looks: Look[] = [];
  let last: Report | undefined;
  let isFinal = false;
  let isFirst = true;
  let completeSince: string | undefined;

  const timeline = (): TimelineView =>
    allCalls === undefined ? { of: 'run', points: own.points() } : { of: 'all', points: allCalls.points() };
  const viewOf = (report: Report | undefined): Omit<RunView, 'problem'> => {
    const cost = report && costOfRun(report, deployment.facts.levels);
    return {
      run,
      state: report === undefined ? 'unknown' : stateOf(report),
      ...seed,
      ...(completeSince !== undefined && { endedAt: completeSince }),
      ...(report && { report }),
      ...(cost && { cost }),
      timeline: timeline(),
    };
  };

  return {
    isFinal: () => isFinal,
    async look() {
      try {
        // The first function fixes the parameters a moment later, and a seed may be dropped again.
        seed = await seedOf(run, deployment.store);
        // The last report, if it is young, is there at once; then the run is counted at each look.
        const status: RunStatus = await deployment.status(run, !isFirst && !isFinal);
        isFirst = false;
        const report = { ...reportIn(status), ...paceOf(looks, status) };
        last = report;
        isFinal = report.complete && status.from === 'report' && isSettled(status.published);
        completeSince = report.complete ? (completeSince ?? report.at) : undefined;
        own.add(observe(await rate(), { atMs: Date.parse(report.at), calls: report.apiCalls }));
        return viewOf(report);
      } catch (error) {
        return { ...viewOf(last), problem: (error as Error).message };
      }
    },
  };
}

/** Whether the tables of a complete run change by themselves no more; a failed publication waits for a person. */
function isSettled(published: RunStatus['published']): boolean {
  return published === undefined || published.state === 'published' || published.state === 'failed';
}

/** What changes the picture, without the time of the count and what follows from it. */
export function essenceOf(view: RunView): unknown {
  const { timeline, report, ...essence } = view;
  if (report === undefined) return { ...essence, of: timeline.of };
  const { levels, reasons, apiCalls, complete, control, problem, published, rate } = report;
  return { ...essence, levels, reasons, apiCalls, complete, control, problem, published, use: rate?.use };
}

/** What was done at a look. */
type Look = { atMs: number; done: number };

/** So many looks back: long enough to be steady, short enough to show a stall. */
const paceLooks = 10;

/** By the looks of this page, which are younger than the last sweep. Without two of them, the report's own pace stays. */
function paceOf(looks: Look[], { at, levels }: RunStatus): Pick<Report, 'itemsPerSecond' | 'secondsLeft'> {
  const sum = (of: (level: Report['levels'][number]) => number): number =>
    levels.reduce((all, level) => all + of(level), 0);
  const now = { atMs: Date.parse(at), done: sum(({ done }) => done) };
  looks.push(now);
  if (looks.length > paceLooks) looks.shift();
  const [first = now] = looks;
  const [items, seconds] = [now.done - first.done, (now.atMs - first.atMs) / 1000];
  if (!(items > 0) || !(seconds > 0)) return {};
  return { itemsPerSecond: items / seconds, secondsLeft: (sum(({ open }) => open) * seconds) / items };
}

function reportIn(status: RunStatus): Report {
  const report: Partial<RunStatus> & Report = { ...status };
  // They change with every second; the page knows them by itself.
  delete report.ageSeconds;
  delete report.from;
  return report;
}

async function seedOf(
  run: string,
  store: OpenDeployment['store'],
): Promise<Pick<RunView, 'startedAt' | 'seed' | 'params'>> {
  const textAt = async (key: string) => {
    const object = await store.get(key, maxSeedBytes).catch(() => undefined);
    return object && { text: object.body.slice(0, shownCharacters), at: new Date(object.modifiedMs).toISOString() };
  };
  const [seed, params] = await Promise.all([textAt(seedKey(run)), textAt(paramsKey(run))]);
  return { ...(seed && { startedAt: seed.at, seed: seed.text }), ...(params && { params: params.text }) };
}
