/** Bad days in memory: the promises hold in every one of them, and the same seed is the same day. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { runCampaign } from './campaign.ts';
import { drawChain } from './chain-plan.ts';
import { loadCore, type Core } from './core.ts';
import { faultNames, Faults, type FaultName } from './faults.ts';
import { buildScene, type Scene } from './scene.ts';
import { runSchedule } from './schedule.ts';

let core: Core;

beforeAll(async () => {
  core = await loadCore();
});

test('two hundred bad days break no promise, and every fault is in them', async () => {
  const { tally, failures } = await runCampaign({ core, from: 1, to: 201 });
  expect(failures).toEqual([]);
  expect(faultNames.filter((name) => tally.faults[name] === undefined)).toEqual([]);
});

test('the chains of the schedules have one to eight levels, and none has a problem that a deployment would refuse', () => {
  const plans = Array.from({ length: 200 }, (_, seed) => drawChain(new Faults(seed + 1, () => 0)));
  expect(new Set(plans.map(({ rows }) => rows.length))).toEqual(new Set([1, 2, 3, 4, 5, 6, 7, 8]));
  expect(plans.flatMap(({ spec }) => core.chainProblems(spec))).toEqual([]);
  expect(plans.some(({ rows }) => rows.at(-1)?.suffix === '.csv')).toBe(true);
});

test.each([1, 2, 4, 8])('fifty bad days of chains of %i levels break no promise', async (levels) => {
  const { failures } = await runCampaign({ core, from: 1, to: 51, chain: { levels } });
  expect(failures).toEqual([]);
});

test('a day without faults is complete without a sweep, each item asked for once', async () => {
  const odds = Object.fromEntries(faultNames.map((name) => [name, 0])) as Record<FaultName, number>;
  const { violation, injected, figures } = await runSchedule({ seed: 7, core, choice: { odds } });
  expect({ violation, injected }).toEqual({ violation: undefined, injected: [] });
  expect(figures.calls).toBeGreaterThan(0);
});

describe('a run without faults', () => {
  const odds = Object.fromEntries(faultNames.map((name) => [name, 0])) as Record<FaultName, number>;

  /** Only where neither bytes nor a rate make batches or parts smaller than the chain says. */
  async function runWithBatches(seed: number, batch: number): Promise<Scene | undefined> {
    const scene = buildScene({
      seed,
      core,
      choice: { odds },
      chain: { levels: 3, batch, size: [4, 24] },
      isTraced: false,
    });
    const { settings, time, plan } = scene;
    const isLarge = settings.maxBatchBytes === 1_000_000 && settings.maxPartBytes === 8_000_000 && !settings.hasRate;
    if (!isLarge || plan.batch !== batch) return undefined;
    for (const run of scene.runs) scene.drop(run);
    await time.runUntilQuiet(time.nowMs + 24 * 3_600_000);
    return scene;
  }

  test.each([2, 5, 20])(
    'has as few batches of %i as hold its items, one part each, and calls each item once',
    async (batch) => {
      let parents = 0;
      for (let seed = 1; seed <= 120; seed += 1) {
        const scene = await runWithBatches(seed, batch);
        if (scene === undefined) continue;
        const { checker, bucket, levels, api, settings } = scene;
        const { batches, parts } = checker.ledger.batches;
        expect(checker.violation).toBeUndefined();
        const there = scene.modelNodes().filter((node) => checker.ledger.isThere(node));
        let expectedCalls = 0;
        for (const node of there) {
          const { apiPageSize } = settings;
          // A list has a call for each page; an item of the last level has one.
          expectedCalls += Math.max(1, Math.ceil(node.children.length / apiPageSize));
          if (node.level !== 'cities') continue;
          parents += 1;
          const wanted = node.children.filter((leaf) => checker.ledger.isWanted(leaf)).length;
          expect(checker.ledger.batches.batchesOf(node)).toHaveLength(Math.ceil(wanted / batch));
        }
        expect(api.calls).toBe(expectedCalls);
        expect([...parts.values()].map(({ place }) => place.part)).toEqual([...batches.keys()].map(() => 0));
        expect(levels.get('contents')?.environments.invocations).toBe(batches.size);
        expect([...bucket.objects.keys()].filter((key) => key.startsWith('failures/'))).toEqual([]);
      }
      expect(parents).toBeGreaterThan(10);
    },
  );
});

describe('a seed', () => {
  test('gives the same day each time', async () => {
    const once = await runSchedule({ seed: 44, chain: { levels: 4 }, core, isTraced: true });
    const again = await runSchedule({ seed: 44, chain: { levels: 4 }, core, isTraced: true });
    expect(again).toEqual(once);
    expect(once.injected.length).toBeGreaterThan(0);
  });

  test('gives another day when faults of it are left out, and only those that are kept', async () => {
    const { injected } = await runSchedule({ seed: 44, chain: { levels: 4 }, core });
    const kept = injected.slice(0, 2).map(({ id }) => id);
    const smaller = await runSchedule({ seed: 44, chain: { levels: 4 }, core, choice: { only: new Set(kept) } });
    expect(new Set(smaller.injected.map(({ id }) => id))).toEqual(new Set(kept));
  });
});
