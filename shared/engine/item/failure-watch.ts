/**
 * Whether any item of a level has failed in a run. Only then can an item have had an attempt before; asked for each
 * old event, it would be a request an item in every run that has a backlog.
 */
import type { Level } from '../chain/chain.ts';
import { listingsOf } from '../chain/keys.ts';
import type { Clock, ObjectStore } from '../ports.ts';

export type FailureWatch = (run: string) => Promise<boolean>;

/** @param maxAgeMs an answer of "none" is as good as new for so long; less than the first retry of what failed meanwhile takes */
export function createFailureWatch(level: Level, store: ObjectStore, clock: Clock, maxAgeMs: number): FailureWatch {
  const looks = new Map<string, { atMs: number; hasFailed: Promise<boolean> }>();

  async function look(run: string): Promise<boolean> {
    for await (const page of store.list(listingsOf(level, run).failures.prefix)) return page.length > 0;
    return false;
  }

  return (run) => {
    const last = looks.get(run);
    if (last !== undefined && clock.now() - last.atMs < maxAgeMs) return last.hasFailed;
    const atMs = clock.now();
    const hasFailed = look(run);
    // Notes stay: once is for good. A look that failed is none.
    hasFailed.then(
      (isTrue) => looks.set(run, { atMs: isTrue ? Infinity : atMs, hasFailed }),
      () => looks.delete(run),
    );
    looks.set(run, { atMs, hasFailed });
    return hasFailed;
  };
}
