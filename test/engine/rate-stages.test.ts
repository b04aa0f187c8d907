/** Two stages that share one API: they keep one rate together, and an order of the API holds for both. */
import { afterEach, describe, expect, test } from '@jest/globals';
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import { burstOver, callsBetween, environmentsOf, secondsOf, watchStalls } from './call-rate.ts';
import { treeApi } from './neutral-world.ts';
import { rateBucket, ratePrefix, startTwoStages, type TwoStages } from './two-stages.ts';

let world: TwoStages;
const stalls = watchStalls();
afterEach(async () => {
  await world.stop();
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function called(times: number): Promise<void> {
  while (world.api.calls.length < times) await sleep(10);
}

async function runBoth(): Promise<void> {
  await Promise.all([world.first, world.second].map((stage) => stage.drop('seeds/r1.json', '{}')));
  await Promise.all([world.first, world.second].map((stage) => stage.complete('r1')));
}

describe.each(['direct', 'queue'] as const)('with trigger %s', (trigger) => {
  test('two stages at 10 requests a second make 10 together, and use them', async () => {
    world = await startTwoStages('chain2', ['10', '10'], { trigger });
    world.api.answer(treeApi([120], () => false));
    await runBoth();
    const { calls } = world.api;
    expect(calls).toHaveLength(242);
    expect(burstOver(calls, 10)).toBeLessThanOrEqual(environmentsOf(world.engine) + stalls.late(10));
    expect(secondsOf(calls)).toBeLessThan(10 + (1.05 * calls.length) / 10 + stalls.totalSeconds() + 3);
    const { environments } = world.shared('control/shares.json') as { environments: { bucket: string }[] };
    expect(environments.map(({ bucket }) => bucket)).toEqual(
      environments.map(() => expect.stringMatching(/^s3-cascade-(dev|two)-/)),
    );
    const own = world.engine.s3.list(world.engine.bucket, { prefix: 'control/' }).contents;
    expect(own.map(({ key }) => key)).toEqual([]);
  });
});

test('stages that are set to different rates keep the slower one while both are at work', async () => {
  world = await startTwoStages('chain2', ['20', '4'], { trigger: 'queue' });
  world.api.answer(treeApi([100], () => false));
  await Promise.all([world.first, world.second].map((stage) => stage.drop('seeds/r1.json', '{}')));
  await called(10);
  const fromMs = Date.now() + 5_000;
  await called(60);
  expect((await world.first.invoke('rate', {})) as RateReport).toMatchObject({
    requestsPerSecond: 20,
    use: { others: { stages: 1, slowest: 4 } },
  });
  const both = world.api.calls.filter(({ atMs }) => atMs >= fromMs);
  expect(both.length).toBeGreaterThan(10);
  expect(burstOver(both, 4)).toBeLessThanOrEqual(environmentsOf(world.engine) + stalls.late(4));
  await Promise.all([
    world.first.drop('control/rate.json', '{}'),
    world.second.drop('control/rate.json', '{"requestsPerSecond":20}'),
  ]);
  await Promise.all([world.first, world.second].map((stage) => stage.complete('r1')));
});

test('an order of the API to one stage to wait stops the other, too', async () => {
  world = await startTwoStages('chain2', ['10', '10'], { trigger: 'direct' });
  const answer = treeApi([80], () => false);
  let frozenMs: number | undefined;
  world.api.answer((call) => {
    if (world.api.calls.length < 60 || frozenMs !== undefined) return answer(call);
    frozenMs = Date.now();
    return { status: 429, headers: { 'retry-after': '9' }, body: '{}' };
  });
  await runBoth();
  expect(frozenMs).toBeDefined();
  expect(callsBetween(world.api.calls, (frozenMs ?? 0) + 6_000, (frozenMs ?? 0) + 9_000)).toBe(0);
  expect(world.shared('control/freeze.json')).toEqual({ until: expect.any(String) });
});

test('without the bucket that they share, no call is made, and the failure says which bucket and what to do', async () => {
  world = await startTwoStages('chain2', ['10', '10'], { trigger: 'direct' }, false);
  world.api.answer(treeApi([5], () => false));
  await world.first.drop('seeds/r1.json', '{}');
  await world.engine.idle();
  expect(world.api.calls).toEqual([]);
  const [note] = world.engine.s3.list(world.engine.bucket, { prefix: 'failures/' }).contents;
  const text = Buffer.from(world.engine.s3.get(world.engine.bucket, note?.key ?? '').body).toString();
  expect(JSON.parse(text)).toMatchObject({ code: 'RATE_BUCKET' });
  expect(text).toContain(`s3://${rateBucket}/${ratePrefix}control/`);
  expect(text).toContain('Does the bucket of rateBucket exist');
});
