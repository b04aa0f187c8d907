/**
 * What says that a run is complete: the success marker, which people read, and the finished marker, which spares the sweep a
 * look. They are two objects, so that a crash or another sweep may leave one of them. Without its finished marker a run is
 * looked at by the next sweep. Without its success marker, too: `runsToSweep` asks for it.
 */
import type { Chain } from '../chain/chain.ts';
import { finishedKey, finishedPrefix, successKey } from '../chain/keys.ts';
import type { ObjectStore } from '../ports.ts';

/**
 * @param report the run's; it becomes the marker's content
 * @param seedETag the seed that the run is complete for
 */
export async function markComplete(
  chain: Pick<Chain, 'levels'>,
  report: { run: string; at: string },
  seedETag: string,
  store: ObjectStore,
): Promise<void> {
  const { run, at } = report;
  const key = finishedKey(run, seedETag);
  await removeFinished(run, store, key);
  await store.put(successKey(chain, run), JSON.stringify(report), {});
  await store.put(key, JSON.stringify({ run, at }), {});
}

/** The run is not complete, or no longer. DELETE costs nothing. */
export async function unmarkComplete(chain: Pick<Chain, 'levels'>, run: string, store: ObjectStore): Promise<void> {
  await removeFinished(run, store);
  await store.remove(successKey(chain, run));
}

/** Also those of earlier seeds: such a seed may be dropped once more. */
async function removeFinished(run: string, store: ObjectStore, keep?: string): Promise<void> {
  for await (const page of store.list(finishedPrefix(run)))
    for (const { key } of page) if (key !== keep) await store.remove(key);
}
