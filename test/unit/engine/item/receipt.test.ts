import { beforeEach, describe, expect, test } from '@jest/globals';
import { levelNamed } from '../../../../shared/engine/chain/chain.ts';
import {
  childrenThere,
  isDone,
  isDoneSince,
  readReceipt,
  writeReceipt,
  type Receipt,
} from '../../../../shared/engine/item/receipt.ts';
import { fourLevels } from '../../../chains.ts';
import { digestOf } from '../../../memory/run.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

const shops = levelNamed(fourLevels, 'shops');
const path = { run: 'r', ids: ['a'] };
const receipt: Receipt = {
  run: 'r',
  level: 'shops',
  key: 'regions/r/a.json',
  inputETag: 'e1',
  children: 2,
  digest: digestOf(['local_shops/r/a/x.json', 'local_shops/r/a/y.json']),
  existing: 1,
  apiCalls: 3,
  attempt: 2,
  at: '2026-11-20T00:00:00.000Z',
};
let store: MemoryObjectStore;

beforeEach(() => {
  store = new MemoryObjectStore();
});

describe('a receipt', () => {
  test('says in its metadata what one HEAD has to tell, and in its body all of it', async () => {
    await writeReceipt(shops, path, receipt, store);
    expect(store.json('receipts/shops/r/a.json')).toEqual(receipt);
    const { inputETag, children, digest, apiCalls } = receipt;
    expect(await readReceipt(shops, path, store)).toEqual({ inputETag, children, digest, apiCalls });
  });

  test('of version 0.1 has no digest', async () => {
    await store.put('receipts/shops/r/a.json', '{}', { 'input-etag': 'e1', children: '2', 'api-calls': '3' });
    expect(await readReceipt(shops, path, store)).toEqual({
      inputETag: 'e1',
      children: 2,
      digest: undefined,
      apiCalls: 3,
    });
  });

  test.each<[string, Record<string, string>]>([
    ['that a person put there', {}],
    ['without its ETag', { children: '2', 'api-calls': '3' }],
    ['with a count that is none', { 'input-etag': 'e1', children: 'two', 'api-calls': '3' }],
    ['with calls below none', { 'input-etag': 'e1', children: '2', 'api-calls': '-3' }],
    ['with a digest that is none', { 'input-etag': 'e1', children: '2', 'api-calls': '3', digest: 'x' }],
  ])('%s is none', async (_what, metadata) => {
    await store.put('receipts/shops/r/a.json', '{}', metadata);
    expect(await readReceipt(shops, path, store)).toBeUndefined();
  });

  test('counts for the very item that it was written for, a result for any', () => {
    expect(isDone(shops, { metadata: { 'input-etag': 'e1' } }, 'e1')).toBe(true);
    expect(isDone(shops, { metadata: { 'input-etag': 'e1' } }, 'e2')).toBe(false);
    expect(isDone(levelNamed(fourLevels, 'stock'), { metadata: {} }, 'e2')).toBe(true);
  });

  test.each([
    [false, undefined, true],
    [true, '2026-11-20T00:00:00.001Z', true],
    [true, '2026-11-20T00:00:00.000Z', false],
    [true, 'yesterday', false],
    [true, undefined, false],
  ])('for an event that asks for a new expansion (%s), written at %s, is enough: %s', (reexpand, at, isEnough) => {
    const atMs = Date.parse('2026-11-20T00:00:00.000Z');
    expect(isDoneSince({ reexpand, atMs }, { metadata: at === undefined ? {} : { at } })).toBe(isEnough);
  });
});

test("the children that are there are the item's own, and no junk next to them", async () => {
  const keys = ['local_shops/r/a/x.json', 'local_shops/r/a/y.json'];
  for (const key of [...keys, 'local_shops/r/a/x/y.json', 'local_shops/r/a/notes.txt', 'local_shops/r/a.b/z.json'])
    store.drop(key, '{}');
  expect(await childrenThere({ chain: fourLevels, level: shops, path }, store)).toEqual({
    children: 2,
    digest: digestOf(keys),
  });
});
