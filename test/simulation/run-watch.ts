/**
 * A run that a person has paused or cancelled makes no call, and nothing of it is given out; a cancelled one's events may end, and
 * nothing is said of it. What is set is read from the bucket with a reader of its own.
 */
import type { Life } from './life.ts';
import type { VirtualTime } from './virtual-time.ts';

/** An environment looks again after 5 seconds, and stays with what it knows for half a minute while it can't. */
const takenUpMs = 60_000;

type State = 'running' | 'paused' | 'cancelled';

type Run = {
  state: State;
  sinceMs: number;
  /** When it was last in this state; -Infinity: never. */
  cancelledUntilMs: number;
  pausedUntilMs: number;
};

export class RunWatch {
  readonly #time: VirtualTime;
  readonly #runs = new Map<string, Run>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  /** @param body undefined: the object was deleted */
  changed(key: string, body: string | undefined): void {
    const run = /^control\/runs\/(.+)\.json$/.exec(key)?.[1];
    if (run === undefined) return;
    const before = this.#of(run);
    const state = stateIn(body);
    const saysRunning = body?.includes('"running"') === true;
    if (state === before.state) {
      if (!saysRunning) this.#runs.set(run, { ...before, pausedUntilMs: -Infinity });
      return;
    }
    const nowMs = this.#time.nowMs;
    this.#runs.set(run, {
      state,
      sinceMs: nowMs,
      cancelledUntilMs: before.state === 'cancelled' ? nowMs : before.cancelledUntilMs,
      // Nothing tells when a pause ended whose object was deleted or spoilt.
      pausedUntilMs: before.state === 'paused' && saysRunning ? nowMs : -Infinity,
    });
  }

  stateOf(run: string): State {
    return this.#of(run).state;
  }

  isStopped(key: string): boolean {
    return this.#of(runOf(key)).state !== 'running';
  }

  wasCancelled(key: string): boolean {
    const { state, cancelledUntilMs } = this.#of(runOf(key));
    return state === 'cancelled' || cancelledUntilMs > -Infinity;
  }

  /** @returns what is wrong with a call */
  call(run: string): string | undefined {
    const { state, sinceMs } = this.#of(run);
    const afterMs = this.#time.nowMs - sinceMs;
    return state !== 'running' && afterMs > takenUpMs
      ? `a call for ${run} ${afterMs / 1000} s after it was ${state}`
      : undefined;
  }

  /** Whether an event of an object, or a message that waits, may end with nothing done, since its run is cancelled. */
  mayEnd(key: string, by: Life): boolean {
    const { state, cancelledUntilMs } = this.#of(runOf(key));
    return state === 'cancelled' || cancelledUntilMs >= by.startedMs - takenUpMs;
  }

  /** @returns what is wrong with an event that is given to a level, by something that began when the run was stopped already */
  refires(key: string, { life, lostAfterMs }: { life: Life; lostAfterMs: number | undefined }): string | undefined {
    const { state, sinceMs, pausedUntilMs, cancelledUntilMs } = this.#of(runOf(key));
    const isBefore = state !== 'running' && sinceMs < life.startedMs;
    // A person may ask for an item of a paused run: it waits, then.
    if (isBefore && !(state === 'paused' && life.name.startsWith('replay')))
      return `${life.name} re-fires ${key}, and its run was ${state} before`;
    const isLost = life.name.startsWith('sweep') && lostAfterMs !== undefined;
    const pausedAgoMs = this.#time.nowMs - pausedUntilMs;
    return isLost && state === 'running' && cancelledUntilMs === -Infinity && pausedAgoMs < lostAfterMs
      ? `${life.name} re-fires ${key} as lost, and its run was paused until ${pausedAgoMs / 1000} s ago`
      : undefined;
  }

  /** @returns what is wrong with a note or a dead letter */
  says(key: string, text: string, by: Life): string | undefined {
    const { state, sinceMs } = this.#of(runOf(key));
    // What is set could not be read.
    if (text.includes('"code":"SlowDown"')) return undefined;
    const isOfSweep = by.name.startsWith('sweep');
    const slackMs = isOfSweep ? 0 : takenUpMs;
    const isTooLate = by.startedMs - sinceMs > slackMs && (state === 'cancelled' || (isOfSweep && state === 'paused'));
    return isTooLate && !by.name.startsWith('replay')
      ? `${by.name} says that ${key} has failed, and its run was ${state} before: ${text}`
      : undefined;
  }

  #of(run: string): Run {
    return (
      this.#runs.get(run) ?? {
        state: 'running',
        sinceMs: -Infinity,
        cancelledUntilMs: -Infinity,
        pausedUntilMs: -Infinity,
      }
    );
  }
}

/** What can't be read counts as nothing. */
function stateIn(body: string | undefined): State {
  const state = /^\{"state":"(paused|cancelled)"[,}]/.exec(body ?? '')?.[1];
  return (state as State | undefined) ?? 'running';
}

/** The second part of an item's key; of a seed, its name. */
function runOf(key: string): string {
  return (key.split('/')[1] ?? '').replace(/\.json$/, '');
}
