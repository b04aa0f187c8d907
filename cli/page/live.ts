/** The views that are watched, and the streams of events that tell of them. */
import type { ServerResponse } from 'node:http';
import type { LiveEvent, RateView, RunsView, RunView } from '../../page/wire.ts';
import type { OpenDeployment } from '../run/deployment.ts';
import { createRateLook, observe } from './rate-view.ts';
import { createRunLook, essenceOf } from './run-view.ts';
import { createRunsLook } from './runs-view.ts';
import { Timeline } from './timeline.ts';
import { Watch, type Seen } from './watch.ts';

export type Live = {
  /** Writes events until the client goes. @param run absent: the list of runs */
  stream: (run: string | undefined, response: ServerResponse) => void;
  run: (run: string) => Promise<Seen<RunView>>;
  runs: () => Promise<Seen<RunsView>>;
  rate: () => Promise<Seen<RateView>>;
  /** After an action. */
  expectChange: () => void;
  close: () => void;
};

export type LiveOptions = {
  deployment: Pick<OpenDeployment, 'facts' | 'store' | 'status' | 'rate' | 'isLocal'>;
  /** Calls of all runs so far, where an engine in this process counts them. */
  countCalls: (() => number) | undefined;
};

/**
 * A look at a run on AWS is paid for: a LIST for each thousand objects. So it is rarer there, and the rarer the larger the run.
 * `waitsForALook`: of the time, a tenth at most is spent on looking; on the local engine, where the run is at an end sooner, a fifth.
 */
const pace = {
  local: { rateMs: 2_000, runsMs: 2_000, runMs: 2_000, runMsPerItem: 0, waitsForALook: 4 },
  aws: { rateMs: 10_000, runsMs: 30_000, runMs: 15_000, runMsPerItem: 1, waitsForALook: 9 },
};

/** Proxies and browsers give up a stream that stays silent. */
const heartbeatMs = 20_000;

/** Runs that were looked at stay known: their calls over time are worth keeping. */
const maxRunsKnown = 100;

export function createLive({ deployment, countCalls }: LiveOptions): Live {
  const { rateMs, runsMs, runMs, runMsPerItem, waitsForALook } = pace[deployment.isLocal ? 'local' : 'aws'];
  const allCalls = countCalls && new Timeline();
  const lookAtRate = createRateLook(deployment);
  const rate = new Watch<RateView>({
    async look() {
      const view = await lookAtRate();
      allCalls?.add(observe(view, { atMs: Date.now(), calls: countCalls?.() }));
      return view;
    },
    waitMs: () => rateMs,
  });
  const runs = new Watch<RunsView>({
    look: createRunsLook(deployment.store, deployment.facts.levels),
    waitMs: (_, lookedMs) => Math.max(runsMs, waitsForALook * lookedMs),
  });
  const known = new Map<string, Watch<RunView>>();

  function watchOf(run: string): Watch<RunView> {
    const before = known.get(run);
    if (before !== undefined) return before;
    const { look, isFinal } = createRunLook(run, { deployment, rate: lookAtRate, allCalls });
    const watch = new Watch<RunView>({
      look,
      essence: essenceOf,
      waitMs({ report }, lookedMs) {
        if (isFinal()) return undefined;
        const items = report?.levels.reduce((all, level) => all + level.items, 0) ?? 0;
        return Math.max(runMs, waitsForALook * lookedMs, runMsPerItem * items);
      },
    });
    const idle = [...known].find(([, each]) => !each.isWatched())?.[0];
    if (known.size >= maxRunsKnown && idle !== undefined) known.delete(idle);
    known.set(run, watch);
    return watch;
  }

  return {
    stream(run, response) {
      const send = (event: LiveEvent): void => void response.write(`data: ${JSON.stringify(event)}\n\n`);
      const ends = [
        rate.subscribe((seen) => send(eventOf('rate', seen))),
        run === undefined
          ? runs.subscribe((seen) => send(eventOf('runs', seen)))
          : watchOf(run).subscribe((seen) => send(eventOf('run', seen))),
      ];
      const heartbeat = setInterval(() => response.write(': still here\n\n'), heartbeatMs);
      response.on('close', () => {
        clearInterval(heartbeat);
        for (const end of ends) end();
      });
    },
    run: (run) => watchOf(run).once(),
    runs: () => runs.once(),
    rate: () => rate.once(),
    expectChange() {
      for (const watch of [rate, runs, ...known.values()]) watch.expectChange();
    },
    close() {
      for (const watch of [rate, runs, ...known.values()]) watch.close();
    },
  };
}

function eventOf<Kind extends 'runs' | 'run' | 'rate'>(
  kind: Kind,
  { view, at, isNew }: Seen<Extract<LiveEvent, { kind: Kind }> extends { view: infer View } ? View : never>,
): LiveEvent {
  // A view that has not changed is told as short as can be: the browser need not do anything for it.
  return isNew ? ({ kind, at, view } as LiveEvent) : { kind: 'same', of: kind, at };
}
