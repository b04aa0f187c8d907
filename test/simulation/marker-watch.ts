/**
 * A run is marked complete for the seed that is there, and its marker is gone before that seed is expanded anew. What spares the sweep
 * a look at it is there after the marker, gone before it, and never there for another seed.
 */
import type { Actor } from './bucket.ts';
import type { Ledger } from './ledger.ts';
import type { Life } from './life.ts';
import type { Node } from './model.ts';
import type { VirtualTime } from './virtual-time.ts';

/** The engine looks at the seed, then writes: some requests to S3, none of them slow. What takes longer is no race. */
const markingMs = 300;

export class MarkerWatch {
  readonly #time: VirtualTime;
  readonly #ledger: Ledger;
  /** When each was written, in milliseconds since 1970. */
  readonly #finishedMs = new Map<string, number>();
  /** By run, when its success marker was last deleted. */
  readonly #unmarkedMs = new Map<string, number>();

  constructor(time: VirtualTime, ledger: Ledger) {
    this.#time = time;
    this.#ledger = ledger;
  }

  /** @param isThere it was written, and not deleted @returns what is wrong with a change of the bucket */
  changed(key: string, isThere: boolean, by: Actor): string | undefined {
    const { nowMs } = this.#time;
    const [, finishedRun] = /^finished\/([^/]+)\/[0-9a-f]+\.json$/.exec(key) ?? [];
    if (finishedRun !== undefined) {
      if (!isThere) this.#finishedMs.delete(key);
      else if (by !== 'person') this.#finishedMs.set(key, nowMs);
      // Another invocation may have unmarked the run since this one began.
      const isAlone = isThere && by !== 'person' && !this.#ledger.has(this.#ledger.markerOf(finishedRun));
      return isAlone && (this.#unmarkedMs.get(finishedRun) ?? -Infinity) < by.startedMs
        ? `${by.name} writes ${key} before the run is marked`
        : undefined;
    }
    const run = this.#ledger.runOfMarker(key);
    if (run === undefined) return undefined;
    if (isThere) this.#ledger.runState(run).markedMs = nowMs;
    else this.#unmarkedMs.set(run, nowMs);
    const { root, seedMs } = this.#ledger.runState(run);
    // It marks the run for the seed that it has looked at.
    if (by === 'person' || (isThere && seedMs >= by.startedMs)) return undefined;
    const seedETag = this.#ledger.object(root.itemKey)?.eTag;
    const left = this.#finishedOf(run).find(
      ([other, writtenMs]) => writtenMs < by.startedMs && !(isThere && other.endsWith(`/${seedETag}.json`)),
    );
    return left === undefined ? undefined : `${by.name} ${isThere ? 'marks' : 'unmarks'} ${run}, and leaves ${left[0]}`;
  }

  #finishedOf(run: string): [key: string, writtenMs: number][] {
    return [...this.#finishedMs].filter(([key]) => key.startsWith(`finished/${run}/`));
  }

  /** @returns what is wrong when the API is asked for the children of this seed */
  expanding({ run, doneKey }: Node): string | undefined {
    const { seedMs, markedMs, root } = this.#ledger.runState(run);
    const marker = this.#ledger.markerOf(run);
    const isOld = this.#ledger.has(marker) && markedMs < seedMs;
    return isOld && this.#ledger.state(root).doneSinceMs === undefined
      ? `${marker} is there while the seed is expanded anew, for ${doneKey}`
      : undefined;
  }

  /** @returns what is wrong when an invocation writes a run's marker */
  marking(run: string, by: Life): string | undefined {
    const { seedMs, root } = this.#ledger.runState(run);
    if (this.#ledger.state(root).doneSinceMs !== undefined || by.wasDelayed) return undefined;
    return by.startedMs < seedMs && this.#time.nowMs - seedMs > markingMs
      ? `${by.name} marks ${run} as complete for a seed that is there no more`
      : undefined;
  }
}
