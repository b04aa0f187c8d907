/** A local run ends when the sweep says so; on the example source. */
import { afterEach, expect, test } from '@jest/globals';
import { lookAtRun, sweepToTheEnd } from '../../cli/run/sweep-run.ts';
import { successKey } from '../../shared/engine/chain/keys.ts';
import chain from '../../sources/hermes/chain.ts';
import { expectWholeTree, startWorld, type World } from '../engine/world.ts';

let world: World | undefined;
afterEach(async () => {
  await world?.stop();
  world = undefined;
});

const tree = { troops: 2, warriors: 2, groups: 2 };

/** Loses an event when told to, given how many events that function has had. */
const losing = (isLost: (functionName: string, nth: number) => boolean) => {
  const events = new Map<string, number>();
  return {
    loseAcceptedEvent: (_requestId: string, functionName: string) => {
      const nth = (events.get(functionName) ?? 0) + 1;
      events.set(functionName, nth);
      return isLost(functionName, nth);
    },
  };
};

test('a run whose events were lost at several levels continues until it is complete, and is marked so', async () => {
  const lambdaFaults = losing((name, nth) => nth === 1 || (name.endsWith('fetchData') && nth < 4));
  world = await startWorld(tree, { lambdaFaults });
  await world.run('r1');
  expect((await lookAtRun(world.engine, chain, 'r1')).complete).toBe(false);
  const swept = await sweepToTheEnd(world.engine, 'r1');
  expect(swept.complete).toBe(true);
  expectWholeTree(world, 'r1');
  expect(world.json(successKey(chain, 'r1'))).toMatchObject({ run: 'r1', complete: true });
});

test('a run that loses every event of a level ends, with the reason, and is not marked', async () => {
  world = await startWorld(tree, { lambdaFaults: losing((name) => name.endsWith('fetchData')) });
  await world.run('r1');
  const swept = await sweepToTheEnd(world.engine, 'r1');
  expect(swept).toMatchObject({ complete: false, reasons: [{ level: 'data', code: 'LOST', count: 8 }] });
  expect(swept.levels.at(-1)).toMatchObject({ items: 8, done: 0, failed: { dead: 8 }, open: 0 });
  expect(world.objects('data/r1/').size).toBe(0);
});

test('a run with a bad seed ends at the first sweep, with the reason', async () => {
  world = await startWorld(tree);
  await world.drop('seeds/r1.json', 'not JSON');
  const swept = await sweepToTheEnd(world.engine, 'r1');
  expect(swept).toMatchObject({ complete: false, refired: 0, reasons: [{ level: 'troops', code: 'BAD_SEED' }] });
});
