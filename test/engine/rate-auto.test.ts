/**
 * The rate `auto` on whole runs: an API whose limit rises and falls, and that refuses nothing, so that only the checker says
 * whether it was kept. The window checker counts by what the API said at each time.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { sweepToTheEnd } from '../../cli/run/sweep-run.ts';
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import { burstOver, callsBetween, watchStalls } from './call-rate.ts';
import { startNeutralWorld, treeApi, type NeutralWorld } from './neutral-world.ts';

let world: NeutralWorld;
const stalls = watchStalls();
afterEach(async () => {
  await world.stop();
});

/** Of each level at 20 a second, calls of 250 ms: of lists five, of batches one; and with queues two at the least. */
const environments = { direct: 6, queue: 4 };

/** An environment knows what was told to another within five seconds. */
const learnMs = 6_000;

async function start(trigger: 'direct' | 'queue', limit: () => number, children: number): Promise<void> {
  world = await startNeutralWorld('chain2', { timeScale: 200 }, { trigger, rate: 'auto' });
  const answer = treeApi([children], () => false);
  world.api.answer((call) => ({
    ...answer(call),
    headers: { 'ratelimit-policy': `"default";q=${60 * limit()};w=60` },
  }));
}

const rate = async (): Promise<RateReport> => (await world.invoke('rate', {})) as RateReport;

describe.each(['direct', 'queue'] as const)('with trigger %s, the rate auto', (trigger) => {
  test('begins low, rises to what the API says and no further, and falls when it says so', async () => {
    let perSecond = 15;
    let fellMs = Infinity;
    await start(trigger, () => perSecond, 200);
    expect(await rate()).toMatchObject({ requestsPerSecond: 1, deployed: 'auto', auto: { mostPerSecond: 20 } });
    await world.drop('seeds/r1.json', '{}');
    const ended = sweepToTheEnd(world.engine, 'r1');
    while (world.api.calls.length < 120) await new Promise((resolve) => setTimeout(resolve, 20));
    perSecond = 4;
    fellMs = Date.now();
    expect(await ended).toMatchObject({ complete: true });
    const { calls } = world.api;
    const beganMs = calls[0]?.atMs ?? 0;
    // One a second, then two, …: not all that the API allows.
    expect(callsBetween(calls, beganMs, beganMs + 5_000)).toBeLessThanOrEqual(5 + environments[trigger]);
    const before = calls.filter(({ atMs }) => atMs < fellMs);
    expect(burstOver(before, 15)).toBeLessThanOrEqual(environments[trigger] + stalls.late(15));
    const after = calls.filter(({ atMs }) => atMs >= fellMs + learnMs);
    expect(after.length).toBeGreaterThan(20);
    expect(burstOver(after, 4)).toBeLessThanOrEqual(environments[trigger] + stalls.late(4));
    // It rose: at the beginning's rate these calls would have taken more than two minutes.
    expect(fellMs - beganMs).toBeLessThan(60_000 + 1000 * stalls.totalSeconds());
    expect(await rate()).toMatchObject({ requestsPerSecond: 4, auto: { told: 4 } });
    expect(world.json('control/api-limit.json')).toMatchObject({ perSecond: 4 });
  });
});

test('without a limit that it can follow, the rate auto stays low; a number that a person sets holds', async () => {
  await start('direct', () => Number.NaN, 30);
  await world.drop('seeds/r1.json', '{}');
  const ended = sweepToTheEnd(world.engine, 'r1');
  while (world.api.calls.length < 6) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(burstOver(world.api.calls, 1)).toBeLessThanOrEqual(environments.direct + stalls.late(1));
  await world.drop('control/rate.json', '{"requestsPerSecond":20}');
  expect(await ended).toMatchObject({ complete: true });
  expect(await rate()).toMatchObject({ requestsPerSecond: 20, deployed: 'auto' });
  expect(world.json('control/api-limit.json')).toBeUndefined();
});
