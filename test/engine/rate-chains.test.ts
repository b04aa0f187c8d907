/**
 * The rate is used, and kept, by chains of any depth: wide trees and narrow ones, side by side, each with a deployment and an API
 * of its own; with failures, and a replay on the way. They take the time that their rate takes.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { sweepToTheEnd } from '../../cli/run/sweep-run.ts';
import { burstOver, environmentsOf, secondsOf, watchStalls } from './call-rate.ts';
import { startNeutralWorld, treeApi, type Call, type NeutralWorld, type SourceName } from './neutral-world.ts';

const perSecond = 10;

/**
 * About 200 calls each: 20 seconds. The one with the most environments begins alone, the others one after the other: else a machine
 * of two processors starts them all at the same time, and it is their start that takes its time.
 */
const trees: readonly { source: SourceName; widths: readonly number[]; afterMs: number }[] = [
  { source: 'chain8', widths: [2, 2, 2, 2, 2, 2, 2], afterMs: 0 },
  { source: 'chain8', widths: [1, 1, 1, 1, 1, 1, 190], afterMs: 5_000 },
  { source: 'chain4', widths: [2, 6, 15], afterMs: 8_000 },
  { source: 'chain3', widths: [12, 16], afterMs: 9_000 },
  { source: 'chain3', widths: [1, 200], afterMs: 10_000 },
  { source: 'chain2', widths: [200], afterMs: 11_000 },
];

/** What a run may take beside its calls at the rate: its levels begin one after the other, and environments start. */
const startSeconds = 10;
/** A twentieth more than its calls take. */
const mostPart = 1.05;

const worlds: NeutralWorld[] = [];
const stalls = watchStalls();
afterEach(async () => {
  await Promise.all(worlds.splice(0).map((world) => world.stop()));
});

/** One call in a hundred fails, whichever it is. */
function onePercent(): (call: Call) => boolean {
  let calls = 0;
  return () => (calls += 1) % 100 === 50;
}

async function start(
  trigger: 'direct' | 'queue',
  source: SourceName,
  widths: readonly number[],
): Promise<NeutralWorld> {
  const params = { trigger, rate: String(perSecond) };
  const world = await startNeutralWorld(source, { timeScale: 200 }, params);
  worlds.push(world);
  world.api.answer(treeApi(widths, onePercent()));
  return world;
}

type End = { complete: boolean; seconds: number; calls: number; burst: number };

async function run(world: NeutralWorld, afterMs: number): Promise<End> {
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  await world.drop('seeds/r1.json', '{}');
  const ended = sweepToTheEnd(world.engine, 'r1');
  while (world.api.calls.length < 100) await new Promise((resolve) => setTimeout(resolve, 50));
  await world.invoke('replay', {});
  const { complete } = await ended;
  const { calls } = world.api;
  return { complete, calls: calls.length, seconds: secondsOf(calls), burst: burstOver(calls, perSecond) };
}

describe.each(['direct', 'queue'] as const)('with trigger %s, at 10 requests a second', (trigger) => {
  test('trees of 2 to 8 levels take little longer than their calls do at the rate, and never call faster', async () => {
    const started: NeutralWorld[] = [];
    for (const { source, widths } of trees) started.push(await start(trigger, source, widths));
    const ends = await Promise.all(started.map((world, index) => run(world, trees[index]?.afterMs ?? 0)));
    const stalled = stalls.totalSeconds();
    for (const [index, { complete, seconds, calls, burst }] of ends.entries()) {
      const tree = JSON.stringify(trees[index]);
      expect({ tree, complete }).toEqual({ tree, complete: true });
      const mostSeconds = startSeconds + (mostPart * calls) / perSecond + stalled;
      expect({ tree, over: Math.max(0, seconds - mostSeconds) }).toEqual({ tree, over: 0 });
      const most = environmentsOf((started[index] as NeutralWorld).engine) + stalls.late(perSecond);
      expect({ tree, over: Math.max(0, burst - most) }).toEqual({ tree, over: 0 });
    }
  });
});
