/**
 * Results of a parent's items whose batch is gone, since a person deleted or overwrote it. Their lines are still there, in parts
 * under its number; the batch that these items are in from now on names that number, so that none of them is fetched again.
 */
import type { Level } from '../chain/chain.ts';
import { batchPath, childrenPrefix, partNumberOf, type ItemPath } from '../chain/keys.ts';
import type { Metadata, ObjectStore } from '../ports.ts';
import { idsInPart, partFacts, type PartLimits } from './result-parts.ts';

/**
 * @param level the last one
 * @param parent of the items
 * @param eTags of the parent's batches, by number
 * @returns by the ids of items that have a result in a part of a batch that is no more, the number of that part
 * @throws what the store throws
 */
export async function findEarlierResults(
  { level, parent, eTags }: { level: Level; parent: ItemPath; eTags: ReadonlyMap<number, string> },
  limits: PartLimits,
  store: Pick<ObjectStore, 'get' | 'head' | 'list'>,
): Promise<Map<string, number>> {
  const numbers = new Map<string, number>();
  const prefix = childrenPrefix(level, parent);
  for await (const page of store.list(prefix)) {
    for (const { key } of page) {
      const digits = /^\d{5}(?=\.)/.exec(key.slice(prefix.length))?.[0];
      if (digits === undefined) continue;
      const number = Number(digits);
      const path = batchPath(parent, number);
      if (partNumberOf(level, path, key) === undefined) continue;
      const facts = partFacts((await store.head(key))?.metadata ?? {});
      if (facts === undefined || facts.batchETag === eTags.get(number)) continue;
      for (const id of await idsInPart(level, path, key, limits, store)) numbers.set(id, number);
    }
  }
  return numbers;
}

const field = 'results-of';

/** @param number of the batch that some of a batch's items were in before */
export function earlierMetadata(number: number | undefined): Metadata {
  return number === undefined ? {} : { [field]: String(number) };
}

/** @returns the number under which there are results of a batch's items besides its own; undefined: there are none */
export function earlierNumberIn(metadata: Metadata): number | undefined {
  const text = metadata[field] ?? '';
  return /^\d{1,5}$/.test(text) ? Number(text) : undefined;
}
