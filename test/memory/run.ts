/** Runs in a bucket in memory, as far as they have come. */
import type { Chain, Level } from '../../shared/engine/chain/chain.ts';
import { childKey, itemKey, resultKey, type ItemPath } from '../../shared/engine/chain/keys.ts';
import { KeyDigest } from '../../shared/engine/item/key-digest.ts';
import { writeReceipt, type Receipt } from '../../shared/engine/item/receipt.ts';
import type { MemoryObjectStore } from './object-store.ts';

/** A whole tree of a run, done to the last result; every item has the same children. */
export async function completeRun(
  chain: Chain,
  store: MemoryObjectStore,
  ids: readonly string[],
  run = 'r',
): Promise<void> {
  const grow = async (path: ItemPath, depth: number): Promise<void> => {
    const level = chain.levels[depth];
    if (level === undefined) return;
    store.drop(itemKey(level, path), '{}');
    if (level.children === 'one') {
      await store.put(resultKey(level, path), '{}', {});
      return;
    }
    await completeItem(level, path, store, ids);
    for (const id of ids) await grow({ run, ids: [...path.ids, id] }, depth + 1);
  };
  await grow({ run, ids: [] }, 0);
}

/** The receipt of an item that is there, for these children. */
export async function completeItem(
  level: Level,
  path: ItemPath,
  store: MemoryObjectStore,
  ids: readonly string[],
  change: Partial<Receipt> = {},
): Promise<void> {
  const key = itemKey(level, path);
  const item = store.objects.get(key);
  if (item === undefined) throw new Error(`There is no item ${key}.`);
  const receipt: Receipt = {
    run: path.run,
    level: level.name,
    key,
    inputETag: item.eTag,
    children: ids.length,
    digest: digestOf(ids.map((id) => childKey(level, path, id))),
    existing: 0,
    apiCalls: 1,
    attempt: 1,
    at: new Date(item.modifiedMs).toISOString(),
    ...change,
  };
  await writeReceipt(level, path, receipt, store);
}

export function digestOf(keys: readonly string[]): string {
  const digest = new KeyDigest();
  for (const key of keys) digest.add(key);
  return digest.toString();
}
