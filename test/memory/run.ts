/** Runs in a bucket in memory, as far as they have come. */
import { chain } from '../../shared/engine/chain/chain.ts';
import { doneKey, itemKey, type ItemPath } from '../../shared/engine/chain/keys.ts';
import type { MemoryObjectStore } from './object-store.ts';

/** A whole tree of a run, done to the last leaf. */
export async function completeRun(store: MemoryObjectStore, ids: readonly string[], run = 'r'): Promise<void> {
  const grow = async (path: ItemPath, depth: number): Promise<void> => {
    const level = chain[depth];
    if (level === undefined) return;
    store.drop(itemKey(level, path), '{}');
    const eTag = store.objects.get(itemKey(level, path))?.eTag ?? '';
    await store.put(doneKey(level, path), '{}', { 'input-etag': eTag, children: String(ids.length), 'api-calls': '1' });
    if (level.children === 'many') for (const id of ids) await grow({ run, ids: [...path.ids, id] }, depth + 1);
  };
  await grow({ run, ids: [] }, 0);
}
