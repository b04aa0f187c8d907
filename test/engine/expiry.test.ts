/** A run whose records expire, a kind at a time in the order of the lifecycle rules: nobody fetches it again. */
import { afterEach, expect, test } from '@jest/globals';
import { expectWholeTree, startWorld, type World } from './world.ts';

let world: World;
afterEach(() => world.stop());

const small = { troops: 2, warriors: 3, groups: 2 };

function expire(...prefixes: string[]): void {
  for (const prefix of prefixes)
    for (const key of world.objects(prefix).keys()) world.engine.s3.delete(world.engine.bucket, key);
}

/** A sweep for whose clock everything is old. */
const sweep = (): Promise<unknown> => world.invoke('sweep', { olderThan: 0 });

test('a finished run is left alone at each step, by the sweep of the clock and by that of a person', async () => {
  world = await startWorld(small);
  await world.run('r1');
  expect(await sweep()).toMatchObject({ runs: [{ complete: true }] });
  const calls = world.hermes.calls().length;
  for (const step of [['seeds/'], ['receipts/', 'failures/', 'runs/'], ['finished/']]) {
    expire(...step);
    expect(await sweep()).toMatchObject({ runs: [] });
    await expect(world.invoke('sweep', { run: 'r1', olderThan: 0 })).rejects.toThrow(/there is no run r1/);
    await world.engine.idle();
  }
  expect(world.hermes.calls()).toHaveLength(calls);
  expectWholeTree(world, 'r1');
  expect(world.objects('data/r1/_SUCCESS').size).toBe(1);
});

test('a run that never finished is left alone too, once its seed has expired', async () => {
  world = await startWorld({ ...small, failForever: 1 }, { environment: { CALL_RETRIES: '0' } });
  await world.run('r1');
  expect(await sweep()).toMatchObject({ runs: [{ complete: false }] });
  await world.engine.idle();
  const calls = world.hermes.calls().length;
  expire('seeds/', 'receipts/', 'failures/', 'runs/');
  expect(await sweep()).toMatchObject({ runs: [] });
  await world.engine.idle();
  expect(world.hermes.calls()).toHaveLength(calls);
});

test('a seed that is dropped again after all of it has expired brings the run to its end; no result is fetched again', async () => {
  world = await startWorld(small);
  await world.run('r1');
  await sweep();
  expire('seeds/', 'receipts/', 'failures/', 'runs/', 'finished/');
  world.hermes.clearCalls();
  await world.run('r1');
  for (let sweeps = 0; sweeps < 5; sweeps += 1) {
    await sweep();
    await world.engine.idle();
  }
  expectWholeTree(world, 'r1');
  expect(world.objects('data/r1/_SUCCESS').size).toBe(1);
  // The lists, whose receipts are gone; not one result.
  expect(world.hermes.calls()).toHaveLength(1 + 2 + 6);
});
