import { beforeEach, expect, test } from '@jest/globals';
import { TransientError } from '../../../../shared/engine/errors.ts';
import type { ObjectStore } from '../../../../shared/engine/ports.ts';
import { sharedRateKeys, withRatePlace } from '../../../../shared/engine/rate/rate-place.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

const place = { bucket: 'rates', prefix: 'apis/shop/' };
let own: MemoryObjectStore;
let shared: MemoryObjectStore;
let store: ObjectStore;
beforeEach(() => {
  const clock = new TestClock();
  own = new MemoryObjectStore(clock);
  shared = new MemoryObjectStore(clock);
  store = withRatePlace(own, shared, place);
});

test.each(sharedRateKeys)('%s is in the bucket that stages share, under its prefix', async (key) => {
  expect(await store.replace(key, 'one', {}, undefined)).toBe('replaced');
  expect([...shared.objects.keys()]).toEqual([`apis/shop/${key}`]);
  expect(own.objects.size).toBe(0);
  expect(await store.get(key, 100)).toMatchObject({ body: 'one' });
  expect((await store.head(key))?.eTag).toBe((await shared.head(`apis/shop/${key}`))?.eTag);
  for await (const page of store.list(key)) expect(page.map((each) => each.key)).toEqual([key]);
});

test('everything else is in the bucket of the stage, also what people set', async () => {
  await store.put('control/rate.json', '{}', {});
  await store.create('seeds/r1.json', '{}', {});
  expect(shared.objects.size).toBe(0);
  expect([...own.objects.keys()].sort()).toEqual(['control/rate.json', 'seeds/r1.json']);
  await store.remove('seeds/r1.json');
  expect([...own.objects.keys()]).toEqual(['control/rate.json']);
});

test('a refusal names the object and what to check, and may pass; what may pass stays as it is', async () => {
  shared.get = () => Promise.reject(Object.assign(new Error('Access Denied'), { name: 'AccessDenied' }));
  const refused = store.get('control/freeze.json', 100);
  await expect(refused).rejects.toMatchObject({ name: 'TransientError', code: 'RATE_BUCKET' });
  await expect(refused).rejects.toThrow(/s3:\/\/rates\/apis\/shop\/control\/freeze\.json.*AccessDenied.*rateBucket/);
  const lost = new TransientError('SlowDown', 'S3 failed.');
  shared.get = () => Promise.reject(lost);
  await expect(store.get('control/freeze.json', 100)).rejects.toBe(lost);
});
