import { expect, test } from '@jest/globals';
import { levelNamed } from '../../../../shared/engine/chain/chain.ts';
import { createFailureWatch } from '../../../../shared/engine/item/failure-watch.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

test('asks once in a while for all items of a run; a failure is known from then on', async () => {
  const clock = new TestClock();
  const store = new MemoryObjectStore(clock);
  store.drop('failures/warriors/another/a.json', '{}');
  const hasFailures = createFailureWatch(levelNamed('warriors'), store, clock, 20_000);
  for (let item = 0; item < 100; item += 1) expect(await hasFailures('r')).toBe(false);
  expect(store.lists).toEqual(['failures/warriors/r/']);
  store.drop('failures/warriors/r/a.json', '{}');
  clock.nowMs += 20_000;
  for (let item = 0; item < 100; item += 1) expect(await hasFailures('r')).toBe(true);
  clock.nowMs += 3_600_000;
  expect(await hasFailures('r')).toBe(true);
  expect(store.lists).toHaveLength(2);
});

test('asks again after S3 has failed', async () => {
  const clock = new TestClock();
  const store = new MemoryObjectStore(clock);
  const hasFailures = createFailureWatch(levelNamed('troops'), store, clock, 20_000);
  const list = store.list.bind(store);
  store.list = () => {
    throw new Error('SlowDown');
  };
  await expect(hasFailures('r')).rejects.toThrow('SlowDown');
  store.list = list;
  store.drop('failures/troops/r.json', '{}');
  expect(await hasFailures('r')).toBe(true);
});
