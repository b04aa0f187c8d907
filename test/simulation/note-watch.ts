/** A failure note says what failed, of which kind it is, and counts the attempts: each one more than before. */
import type { Life } from './life.ts';
import type { Node } from './model.ts';
import type { VirtualTime } from './virtual-time.ts';

type Note = { key?: unknown; status?: unknown; class?: unknown; code?: unknown; attempts?: unknown };

/** Statuses below 500 that may pass; from 500 on all may. */
const passing = [202, 408, 425, 429];

export class NoteWatch {
  readonly #time: VirtualTime;
  /** When an item's note was last written, in milliseconds since 1970. */
  readonly #writtenMs = new Map<Node, number>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  /** @param before the note that was there @returns what is wrong with a note that an invocation has written */
  problem({
    node,
    before,
    body,
    by,
  }: {
    node: Node;
    before: string | undefined;
    body: string;
    by: Life;
  }): string | undefined {
    const note = JSON.parse(body) as Note;
    const writtenMs = this.#writtenMs.get(node) ?? Infinity;
    this.#writtenMs.set(node, this.#time.nowMs);
    if (note.key !== node.itemKey || !['failed', 'refired', 'parked'].includes(String(note.status)))
      return 'does not say what failed';
    const [, status] = /^HTTP_(\d+)$/.exec(String(note.code)) ?? [];
    const mayPass = Number(status) >= 500 || passing.includes(Number(status));
    if (status !== undefined && note.status === 'failed' && note.class !== (mayPass ? 'transient' : 'item'))
      return `is of the class ${String(note.class)}`;
    // One that began before the last note was written may not know of it.
    const isAttempt = !/^(sweep|replay)/.test(by.name) && by.startedMs > writtenMs;
    const attempts = attemptsIn(before);
    return isAttempt && attempts !== undefined && !(Number(note.attempts) > attempts)
      ? `counts ${String(note.attempts)} attempts, after ${attempts}`
      : undefined;
  }
}

/** @returns undefined for what is no note */
function attemptsIn(body: string | undefined): number | undefined {
  try {
    const { attempts, at, key } = JSON.parse(body ?? '') as { attempts?: unknown; at?: unknown; key?: unknown };
    const isNote = typeof at === 'string' && !Number.isNaN(Date.parse(at)) && typeof key === 'string';
    return isNote && typeof attempts === 'number' && attempts >= 0 ? attempts : undefined;
  } catch {
    return undefined;
  }
}
