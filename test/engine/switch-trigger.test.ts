/** The trigger is changed on a stack that is at work, as docs/deployment.md tells: pause, wait, deploy, resume. Nothing is lost. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { auditCalls } from '../../sources/hermes/fake/audit.ts';
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import { expectWholeTree, startWorld, type World } from './world.ts';

let world: World;
let dataDir: string;
afterEach(async () => {
  await world.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const tree = { troops: 4, warriors: 6, groups: 5 };
const calls = 1 + 4 + 24 + 120;

const start = async (trigger: string): Promise<void> => {
  world = await startWorld(tree, { dataDir }, { trigger });
};
const setRate = (setting: object): Promise<void> => world.drop('control/rate.json', JSON.stringify(setting));

test.each([
  ['direct', 'queue'],
  ['queue', 'direct'],
])('from %s to %s in the middle of a run: each call is made once, and no sweep is needed', async (from, to) => {
  dataDir = mkdtempSync(join(tmpdir(), 's3-cascade-switch-'));
  await start(from);
  await world.drop('seeds/r1.json', '{}');
  while (world.hermes.calls().length < 10) await new Promise((resolve) => setImmediate(resolve));
  await setRate({ paused: true });
  // Everything on its way is handed back to the waiting queues: then the trigger queues may go.
  await world.engine.idle();
  const before = world.hermes.calls();
  expect(before.length).toBeLessThan(calls);
  const { waiting } = (await world.invoke('rate', {})) as RateReport;
  expect(Object.values(waiting).reduce((sum, items) => sum + items, 0)).toBeGreaterThan(0);
  for (const [name, depth] of Object.entries(world.engine.sqs.depths()))
    if (name.endsWith('-trigger')) expect([name, ...Object.values(depth)].filter((each) => each !== 0)).toEqual([name]);
  await world.stop();

  await start(to);
  await setRate({ paused: false });
  await world.invoke('rate', {});
  await world.engine.idle();
  expectWholeTree(world, 'r1');
  const audit = auditCalls([...before, ...world.hermes.calls()]);
  expect({ calls: audit.calls, repeats: audit.repeats }).toEqual({ calls, repeats: [] });
  expect(await world.invoke('sweep', {})).toMatchObject({ runs: [{ complete: true, refired: 0 }] });
});
