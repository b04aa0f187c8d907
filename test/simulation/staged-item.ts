/**
 * What is staged about one item of a complete run, and what it must come to by the rules that the documents give: its own table of
 * them, to the millisecond and to the number. Nothing of the engine is asked.
 */
import type { Node } from './model.ts';

/** A failure note as the engine writes it. */
export type StagedNote = {
  status: 'failed' | 'refired' | 'isolating' | 'parked';
  class: 'transient' | 'item';
  code: string;
  replays: number;
  refires: number;
  atMs: number;
  /** Of a batch. */
  items?: readonly { index: number; id: string; class: 'transient' | 'item'; code: string; atMs: number }[];
};

export type StagedControl =
  | { state: 'paused' | 'cancelled' }
  /** Resumed; `cancelled`: it was before that, in milliseconds since 1970. */
  | { state: 'running'; cancelled?: { fromMs: number; untilMs: number } };

export type Staged = {
  nowMs: number;
  /** The items of the object that are not done; one for what is no batch. */
  undone: readonly Node[];
  /** Its receipt is there, and counts other children than there are; when that was written, at a whole second. */
  shortSinceMs: number | undefined;
  writtenMs: number;
  note: StagedNote | undefined;
  freezeMs: number;
  isPaused: boolean;
  control: StagedControl | undefined;
  /** When the control object was written. */
  controlMs: number;
  /** When the rate was set; 0: never. */
  rateSetMs: number;
};

export type Limits = {
  lostAfterMs: number;
  retryingForMs: number;
  settleMs: number;
  maxRefires: number;
  maxReplays: number;
};

/** How the object's items are told to stand, in all. */
export type Figures = { open: number; lost: number; retrying: number; dead: number; parked: number; short: number };
export type Refires = { refired: number; givenUp: number };
export type Replays = {
  replayed: number;
  alreadyDone: number;
  exhausted: number;
  retrying: number;
  parked: number;
  cancelled: number;
};
export type State = 'retrying' | 'dead' | 'parked' | 'stopped' | 'waiting' | 'lost';

/** Of an environment that took the run for cancelled. */
const resumedForMs = 60_000;

export class StagedItem {
  readonly #staged: Staged;
  readonly #limits: Limits;

  constructor(staged: Staged, limits: Limits) {
    this.#staged = staged;
    this.#limits = limits;
  }

  figures(): Figures {
    const figures: Figures = { open: 0, lost: 0, retrying: 0, dead: 0, parked: 0, short: 0 };
    if (this.#staged.shortSinceMs !== undefined) return { ...figures, short: 1 };
    for (const node of this.#staged.undone) {
      const fate = this.#fateOf(node);
      figures[fate ?? 'open'] += 1;
      if (fate === undefined && this.#isLost()) figures.lost += 1;
    }
    return figures;
  }

  /** What is told of one of the items; of what is done but short of children nothing is told. */
  stateOf(node: Node): State {
    const { control, nowMs } = this.#staged;
    const fate = this.#fateOf(node);
    if (fate !== undefined) return fate;
    if ((control?.state ?? 'running') !== 'running' || this.#stoppedMs() > nowMs) return 'stopped';
    return this.#isLost() ? 'lost' : 'waiting';
  }

  /** What a command is told to be asked about it; undefined: nothing, or it is in a batch, of which another item may be told of. */
  requestFor(node: Node, level: string): object | undefined {
    const { run } = node;
    const { code } = this.#staged.note ?? {};
    if (node.isInBatch) return undefined;
    switch (this.stateOf(node)) {
      case 'parked':
        return { run, level, code, from: 'failures', force: true };
      case 'dead':
        return { run, level, code };
      case 'lost':
        return { run };
      default:
        return undefined;
    }
  }

  /** What a sweep by name does about it. */
  refires(): Refires {
    const { undone, note, shortSinceMs, nowMs } = this.#staged;
    const { maxRefires } = this.#limits;
    if (shortSinceMs !== undefined) return this.#shortRefires(shortSinceMs);
    const open = undone.filter((node) => this.#fateOf(node) === undefined).length;
    const failed = undone.length - open;
    const items = open > 0 ? open : failed;
    if (this.#isReturned(open)) return { refired: items, givenUp: 0 };
    if (open === 0 || !this.#isLost() || this.#stoppedMs() > nowMs) return { refired: 0, givenUp: 0 };
    return (note?.refires ?? 0) >= maxRefires ? { refired: 0, givenUp: open } : { refired: open, givenUp: 0 };
  }

  /** @returns the note that a sweep by name leaves, and which counts an event has that it sends; undefined: it does nothing */
  swept(): { status: string; code: string; refires: number; replays: number; isSent: boolean } | undefined {
    const { note, shortSinceMs, undone } = this.#staged;
    const { refired, givenUp } = this.refires();
    const code = shortSinceMs === undefined ? 'LOST' : 'SHORT';
    // Given up before, it stays so.
    if (refired + givenUp === 0 || (givenUp > 0 && note?.status === 'failed' && note.code === code)) return undefined;
    const isOver = shortSinceMs !== undefined && note?.status === 'failed' && note.code === code;
    const { replays = 0 } = note ?? {};
    const before = isOver ? 0 : (note?.refires ?? 0);
    if (givenUp > 0) return { status: 'failed', code, refires: before, replays, isSent: false };
    const isReturned = this.#isReturned(undone.filter((node) => this.#fateOf(node) === undefined).length);
    const refires = isReturned ? Math.max(1, before) : before + 1;
    return { status: 'refired', code, refires, replays, isSent: true };
  }

  /** @param replays what a letter says; undefined: by the note @returns what a replay does about it, without `force` */
  replays(replays?: number): Replays {
    const { undone, note, nowMs, control, shortSinceMs } = this.#staged;
    const none: Replays = { replayed: 0, alreadyDone: 0, exhausted: 0, retrying: 0, parked: 0, cancelled: 0 };
    const items = shortSinceMs === undefined ? undone.length : 1;
    if (replays === undefined && note === undefined) return none;
    // Its receipt is there: a letter asks for no more, nor does a note, but for one that says what is wrong with it.
    const isAskedAgain = note?.code === 'SHORT' && note.status === 'failed' && note.atMs >= (shortSinceMs ?? 0);
    const isDone = shortSinceMs !== undefined && !isAskedAgain;
    if (control?.state === 'cancelled') return isDone && replays === undefined ? none : { ...none, cancelled: items };
    if (replays !== undefined) {
      if (shortSinceMs !== undefined) return { ...none, alreadyDone: 1 };
      return replays >= this.#limits.maxReplays ? { ...none, exhausted: items } : { ...none, replayed: items };
    }
    if (note === undefined || isDone) return none;
    const isUnderWay = note.status === 'failed' || note.status === 'isolating';
    if (note.status === 'parked') return { ...none, parked: items };
    if (isUnderWay && note.class === 'transient' && nowMs - note.atMs < this.#limits.retryingForMs)
      return { ...none, retrying: items };
    return note.replays >= this.#limits.maxReplays ? { ...none, exhausted: items } : { ...none, replayed: items };
  }

  /** undefined: it has not failed. */
  #fateOf(node: Node): 'retrying' | 'dead' | 'parked' | undefined {
    const { note, nowMs } = this.#staged;
    if (note === undefined) return undefined;
    const isOfAll = (note.items === undefined || note.code === 'LOST') && ['failed', 'parked'].includes(note.status);
    const failure = isOfAll ? note : note.items?.find(({ id }) => id === node.api.id);
    if (failure === undefined) return undefined;
    if (note.status === 'parked') return 'parked';
    const isFresh = nowMs - failure.atMs < this.#limits.retryingForMs;
    return failure.class === 'transient' && isFresh ? 'retrying' : 'dead';
  }

  #isLost(): boolean {
    const { nowMs, writtenMs, note } = this.#staged;
    const sinceMs = Math.max(writtenMs, note?.atMs ?? 0, this.#stoppedMs());
    return nowMs - sinceMs > this.#limits.lostAfterMs;
  }

  #stoppedMs(): number {
    const { isPaused, control, controlMs, freezeMs, rateSetMs } = this.#staged;
    if (isPaused || (control?.state ?? 'running') !== 'running') return Infinity;
    return Math.max(freezeMs, rateSetMs, control === undefined ? 0 : controlMs);
  }

  /** It comes back with its run, which was cancelled. */
  #isReturned(open: number): boolean {
    const { nowMs, note, writtenMs, control, controlMs, shortSinceMs } = this.#staged;
    if (control?.state !== 'running' || control.cancelled === undefined || this.#stoppedMs() > nowMs) return false;
    // S3 tells times in whole seconds.
    const untilMs = Math.min(control.cancelled.untilMs, controlMs + 1_000);
    if (nowMs <= untilMs + resumedForMs || shortSinceMs !== undefined) return false;
    if (Math.max(writtenMs, note?.atMs ?? 0) > untilMs) return false;
    if (open > 0) return true;
    const isRetried = note?.status === 'failed' && note.class === 'transient';
    return isRetried && note.atMs > control.cancelled.fromMs - this.#limits.retryingForMs;
  }

  #shortRefires(sinceMs: number): Refires {
    const { nowMs, note } = this.#staged;
    const { settleMs, maxRefires, lostAfterMs } = this.#limits;
    const none: Refires = { refired: 0, givenUp: 0 };
    if (!(nowMs - sinceMs > settleMs) || !(nowMs > this.#stoppedMs())) return none;
    const isGivenUp = note?.status === 'failed' && note.code === 'SHORT';
    // Given up before it was expanded once more: what is wrong now is something new.
    const isOver = isGivenUp && note.atMs < sinceMs + 1_000;
    const refires = isOver ? 0 : (note?.refires ?? 0);
    if (refires > 0 && nowMs - Math.max(note?.atMs ?? 0, this.#stoppedMs()) <= lostAfterMs) return none;
    return (isGivenUp && !isOver) || refires >= maxRefires ? { ...none, givenUp: 1 } : { ...none, refired: 1 };
  }
}
