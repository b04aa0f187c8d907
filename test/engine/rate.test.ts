/**
 * The rate of calls on whole runs, in both ways of triggering: seen from Hermes's log by a checker that knows nothing of how
 * they are paced. These runs take the time that their rate takes.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { auditCalls } from '../../sources/hermes/fake/audit.ts';
import { callKey } from '../../sources/hermes/fake/call-key.ts';
import type { HermesOptions } from '../../sources/hermes/fake/server.ts';
import { sweepToTheEnd } from '../../cli/run/sweep-run.ts';
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import type { SweepReport, SweptRun } from '../../shared/engine/recovery/sweep.ts';
import { burstOver, callsBetween, secondsOf, watchStalls } from './call-rate.ts';
import { expectWholeTree, startWorld, type World } from './world.ts';

let world: World;
const stalls = watchStalls();
afterEach(async () => {
  await world.stop();
});

/** 1 + 6 + 60 + 480 calls. */
const tree = { troops: 6, warriors: 10, groups: 8 };
const calls = 547;

/** Environments at a rate of 20: each may make a call at any moment, so as many calls may come at once. */
const environments = { direct: 5 + 5 + 5 + 5, queue: 2 + 2 + 2 + 2 };

async function start(
  trigger: 'direct' | 'queue',
  hermes: HermesOptions,
  params: Record<string, string> = {},
): Promise<void> {
  world = await startWorld(hermes, { timeScale: 200 }, { trigger, rate: '20', ...params });
}

/** Drops a seed, and resolves when the run has ended as the sweep says. */
async function run(name: string): Promise<SweptRun> {
  await world.drop(`seeds/${name}.json`, '{}');
  return sweepToTheEnd(world.engine, name);
}

/** Looks now and then: looking all the time would take the turns of what is looked at. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Resolves when Hermes has been called so often. */
async function called(times: number): Promise<void> {
  await until(() => world.hermes.calls().length >= times);
}

const setRate = (setting: object): Promise<void> => world.drop('control/rate.json', JSON.stringify(setting));
const rate = async (): Promise<RateReport> => (await world.invoke('rate', {})) as RateReport;
const clock = (): number => world.hermes.calls().at(-1)?.atMs ?? 0;

describe.each(['direct', 'queue'] as const)('with trigger %s, at 20 requests a second', (trigger) => {
  test('a run with failures, a replay and a sweep never calls faster, and takes little longer than its calls do at the rate', async () => {
    await start(trigger, { ...tree, failRate: 0.01 });
    // A run of one troop: what takes its time below is the rate, not the start of environments.
    await world.drop('seeds/warm.json', JSON.stringify({ only: { troop: world.hermes.tree().idsAt([0]) } }));
    expect(await sweepToTheEnd(world.engine, 'warm')).toMatchObject({ complete: true });
    world.hermes.clearCalls();

    // From now on it refuses more than 32 a second, less than R·t + C allows; and there is not one that it refuses.
    world.hermes.configure({ rateLimit: 32 });
    const ended = run('r1');
    await called(calls / 3);
    await world.invoke('replay', {});
    const { runs } = (await world.invoke('sweep', { olderThan: 1 })) as SweepReport;
    expect(await ended).toMatchObject({ complete: true });
    const made = world.hermes.calls();
    expect(burstOver(made, 20)).toBeLessThanOrEqual(environments[trigger] + stalls.late(20));
    // After a stall, what was sent in time came all at once.
    const refused = made.filter(({ fault, atMs }) => fault === 'rate-limit' && !stalls.wasBefore(atMs, 1000));
    expect(refused).toEqual([]);
    expect(secondsOf(made)).toBeLessThan(10 + (1.05 * made.length) / 20 + stalls.longestSeconds());
    expectWholeTree(world, 'r1');
    // The sweep was told to take what was still on its way for lost: such an item may be on its way twice.
    const refired = runs.reduce((sum, swept) => sum + swept.refired, 0);
    expect(auditCalls(made).repeats.length).toBeLessThanOrEqual(refired);
  });

  test('it goes faster when it is told to on the way, stops when it is told to, and ends with nothing failed', async () => {
    await start(trigger, tree);
    const ended = run('r1');
    await called(40);
    await setRate({ requestsPerSecond: 50 });
    const toldMs = clock();
    await called(300);
    const fasterMs = clock();
    expect(callsBetween(world.hermes.calls(), fasterMs - 4000, fasterMs) / 4).toBeGreaterThan(25);
    expect(fasterMs - toldMs).toBeLessThan((1000 * 260) / 20);

    await setRate({ requestsPerSecond: 50, paused: true });
    const pausedMs = Date.now();
    // All that is under way is handed back: then nothing runs any more.
    await world.engine.idle();
    expect(Date.now() - pausedMs).toBeLessThan(10_000);
    const before = world.hermes.calls().length;
    expect(before).toBeLessThan(calls);
    const { paused, waiting, resumed } = await rate();
    expect({ paused, resumed }).toEqual({ paused: true, resumed: 0 });
    expect(Object.values(waiting).reduce((sum, items) => sum + items, 0)).toBeGreaterThan(0);
    expect(await world.invoke('sweep', { run: 'r1', olderThan: 0 })).toMatchObject({ runs: [{ refired: 0 }] });
    expect(world.hermes.calls()).toHaveLength(before);

    await setRate({ requestsPerSecond: 50 });
    expect(await ended).toMatchObject({ complete: true });
    expect([...world.objects('failures/').keys()]).toEqual([]);
    expect(world.hermes.calls()).toHaveLength(calls);
    expectWholeTree(world, 'r1');
  });

  test('a 429 that says until when stops every environment, and fails nothing', async () => {
    await start(trigger, { ...tree, warriors: 4 });
    const ended = run('r1');
    await called(60);
    const refused = { status: 429, headers: { 'retry-after': '8' }, body: '{}' };
    const ids = world.hermes.tree().idsAt([3, 3, 7]);
    world.hermes.configure({ overrides: { [callKey('data', ids)]: refused } });
    await until(() => world.hermes.calls().some(({ status }) => status === 429));
    world.hermes.configure({ overrides: {} });
    const frozenMs = world.hermes.calls().find(({ status }) => status === 429)?.atMs ?? 0;
    expect(await ended).toMatchObject({ complete: true });
    // The others know of it when they look next, five seconds later at most.
    expect(callsBetween(world.hermes.calls(), frozenMs + 5500, frozenMs + 8000)).toBe(0);
    expect([...world.objects('failures/').keys()]).toEqual([]);
    expectWholeTree(world, 'r1');
  });
});

describe('a rate that is not understood', () => {
  test('is refused in the log, and the last good one stays', async () => {
    await start('direct', { troops: 1, warriors: 1, groups: 1 });
    await setRate({ requestsPerSecond: 30 });
    await world.engine.idle();
    await world.drop('control/rate.json', '{"requestsPerSecond": "fast"}');
    await world.engine.idle();
    expect(await rate()).toMatchObject({
      requestsPerSecond: 30,
      deployed: 20,
      problem: 'Bad input: requestsPerSecond must be a number, 0 to pause, or "auto"',
    });
    expect(await run('r1')).toMatchObject({ complete: true });
  });
});
