import { expect, test } from '@jest/globals';
import { levelNamed } from '../../../../shared/engine/chain/chain.ts';
import { createFailureWatch } from '../../../../shared/engine/item/failure-watch.ts';
import { fourLevels } from '../../../chains.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

test('asks once in a while for all items of a run; a failure is known from then on', async () => {
  const clock = new TestClock();
  const store = new MemoryObjectStore(clock);
  store.drop('failures/shops/another/a.json', '{}');
  const hasFailures = createFailureWatch(levelNamed(fourLevels, 'shops'), store, clock, 20_000);
  for (let item = 0; item < 100; item += 1) expect(await hasFailures('r')).toBe(false);
  expect(store.lists).toEqual(['failures/shops/r/']);
  store.drop('failures/shops/r/a.json', '{}');
  clock.nowMs += 20_000;
  for (let item = 0; item < 100; item += 1) expect(await hasFailures('r')).toBe(true);
  clock.nowMs += 3_600_000;
  expect(await hasFailures('r')).toBe(true);
  expect(store.lists).toHaveLength(2);
});

test('asks again after S3 has failed', async () => {
  const clock = new TestClock();
  const store = new MemoryObjectStore(clock);
  const hasFailures = createFailureWatch(levelNamed(fourLevels, 'regions'), store, clock, 20_000);
  const list = store.list.bind(store);
  store.list = () => {
    throw new Error('SlowDown');
  };
  await expect(hasFailures('r')).rejects.toThrow('SlowDown');
  store.list = list;
  store.drop('failures/regions/r.json', '{}');
  expect(await hasFailures('r')).toBe(true);
});
