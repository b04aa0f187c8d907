/**
 * Without reserved concurrency nothing of AWS's bounds how many environments run: the places of `control/shares.json` bound how
 * many of them make calls. More start here than there are places. The run takes the time that its rate takes.
 */
import { afterEach, expect, test } from '@jest/globals';
import { sweepToTheEnd } from '../../cli/run/sweep-run.ts';
import { burstOver, watchStalls } from './call-rate.ts';
import { startNeutralWorld, treeApi, type NeutralWorld } from './neutral-world.ts';

const perSecond = 20;

/** By `expectedCallMs=1` each of the four levels would reserve one environment; there are ten places at the least. */
const places = 10;

/** A seed, 6, 48 and 240 items: a call each. */
const widths = [6, 8, 5];
const calls = 1 + 6 + 48 + 240;

/** So slow that the environments of a level are behind, and others are started. */
const callMs = 800;

/** As many as the local engine starts at most for a deployment that bounds them. */
const maxEnvironments = 32;

let world: NeutralWorld;
const stalls = watchStalls();
afterEach(async () => {
  await world.stop();
});

type Watched = {
  /** How many environments had a place, in every version of the table. */
  atPlaces: number[];
  /** The most environments of levels that were at an invocation at the same time. */
  mostRunning: number;
  /** Items that an environment put on its waiting queue for lack of a turn. */
  requeued: number;
};

/** Reads what the functions log, and the table whenever it is written. */
async function start(): Promise<Watched> {
  const watched: Watched = { atPlaces: [], mostRunning: 0, requeued: 0 };
  const running = new Set<string>();
  const params = { trigger: 'direct', reserve: 'false', expectedCallMs: '1', rate: String(perSecond) };
  world = await startNeutralWorld(
    'chain4',
    {
      timeScale: 200,
      maxEnvironments,
      onLog(functionName, line) {
        const [, kind, requestId = ''] = /^(START|REPORT) RequestId: (\S+)/.exec(line) ?? [];
        if (kind === 'REPORT') running.delete(requestId);
        if (kind === 'START' && functionName.includes('-fetch')) running.add(requestId);
        watched.mostRunning = Math.max(watched.mostRunning, running.size);
        if (line.includes('"code":"NO_TURN"')) watched.requeued += 1;
      },
      onObjectCreated({ key }) {
        if (key !== 'control/shares.json') return;
        const { environments } = world.json(key) as { environments: unknown[] };
        watched.atPlaces.push(environments.length);
      },
    },
    params,
  );
  const answer = treeApi(widths, () => false);
  world.api.answer(async (call) => {
    await new Promise((resolve) => setTimeout(resolve, callMs));
    return answer(call);
  });
  return watched;
}

test('without reserved environments as many make calls as there are places, and those that find none requeue their items without a call', async () => {
  const watched = await start();
  expect(world.engine.model.functions.map(({ reservedConcurrency }) => reservedConcurrency)).toEqual(
    world.engine.model.functions.map(() => undefined),
  );
  await world.drop('seeds/r1.json', '{}');
  expect(await sweepToTheEnd(world.engine, 'r1')).toMatchObject({ complete: true });

  expect(watched.mostRunning).toBeGreaterThan(places);
  expect(Math.max(...watched.atPlaces)).toBe(places);
  expect(watched.requeued).toBeGreaterThan(0);
  expect(world.objects('failures/').size).toBe(0);
  const made = world.api.calls;
  expect(burstOver(made, perSecond)).toBeLessThanOrEqual(places + stalls.late(perSecond));
  // A requeued item that had been called for would be called for twice.
  expect(new Set(made.map(({ path }) => path)).size).toBe(calls);
  expect(made).toHaveLength(calls);
});
