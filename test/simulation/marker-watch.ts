/** A run is marked complete for the seed that is there, and its marker is gone before that seed is expanded anew. */
import type { Ledger } from './ledger.ts';
import type { Life } from './life.ts';
import type { Node } from './model.ts';
import type { VirtualTime } from './virtual-time.ts';

/** The engine looks at the seed, then writes: some requests to S3, none of them slow. What takes longer is no race. */
const markingMs = 300;

export class MarkerWatch {
  readonly #time: VirtualTime;
  readonly #ledger: Ledger;

  constructor(time: VirtualTime, ledger: Ledger) {
    this.#time = time;
    this.#ledger = ledger;
  }

  /** @param key of an object that was written */
  written(key: string): void {
    const run = this.#ledger.runOfMarker(key);
    if (run !== undefined) this.#ledger.runState(run).markedMs = this.#time.nowMs;
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
