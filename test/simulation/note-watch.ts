/** A failure note says what failed, of which kind it is, and counts the attempts: each one more than before. Of a batch it says so by item. */
import type { Life } from './life.ts';
import type { VirtualTime } from './virtual-time.ts';

type Failure = { class?: unknown; code?: unknown; attempts?: unknown; message?: unknown };
type Note = Failure & { key?: unknown; status?: unknown; attempts?: unknown; items?: readonly Failure[] };

/** Statuses below 500 that may pass; from 500 on all may. */
const passing = [202, 408, 425, 429];
/** An environment takes a run to be without failures for so long after it looked. */
const failuresAreSeenMs = 60_000;

export class NoteWatch {
  readonly #time: VirtualTime;
  /** By the key of what failed, when its note was last written, in milliseconds since 1970. */
  readonly #writtenMs = new Map<string, number>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  /** @param before the note that was there @returns what is wrong with a note that an invocation has written */
  problem({
    key,
    before,
    body,
    by,
  }: {
    /** Of the item, or of the batch. */
    key: string;
    before: string | undefined;
    body: string;
    by: Life;
  }): string | undefined {
    const note = JSON.parse(body) as Note;
    const writtenMs = this.#writtenMs.get(key) ?? Infinity;
    this.#writtenMs.set(key, this.#time.nowMs);
    if (note.key !== key || !['failed', 'refired', 'parked', 'isolating'].includes(String(note.status)))
      return 'does not say what failed';
    // A batch as a whole is of the class of what another attempt could do for it, whatever the code of its sample.
    const failures = note.items ?? (note.status === 'failed' ? [note] : []);
    const wrong = failures.find(isOfOtherClass);
    if (wrong !== undefined) return `says of ${String(wrong.code)} that it is of the class ${String(wrong.class)}`;
    // What the API answered is told with the call.
    const cut = note.items === undefined ? failures.find(isCut) : undefined;
    if (cut !== undefined) return `says of ${String(cut.code)}: ${String(cut.message)}`;
    const uncounted = note.items?.find(({ attempts }) => !(Number(attempts) > 0));
    if (uncounted !== undefined) return 'counts no attempt of an item that has failed';
    // The code of the batch as a whole is of one of its items, or of what stopped it.
    const codes = note.items?.map(({ code }) => code) ?? [];
    if (note.code === 'UNEXPECTED' && codes.length > 0 && !codes.includes(note.code))
      return `has the code UNEXPECTED, and its items have ${codes.join(', ')}`;
    const parkedBefore = note.status === 'parked' ? classIn(before) : undefined;
    if (parkedBefore !== undefined && note.class !== parkedBefore)
      return `is parked as ${String(note.class)}, and was ${parkedBefore}`;
    // One that began before the last note was written may not know of it. Of a batch that is isolated it is written at once, by
    // what the function knows of the run's failures.
    const unknownMs = note.status === 'isolating' || note.items !== undefined ? failuresAreSeenMs : 0;
    const isAttempt = !/^(sweep|replay)/.test(by.name) && by.startedMs - writtenMs > unknownMs;
    const attempts = attemptsIn(before);
    return isAttempt && attempts !== undefined && !(Number(note.attempts) > attempts)
      ? `counts ${String(note.attempts)} attempts, after ${attempts}`
      : undefined;
  }
}

function isOfOtherClass({ class: its, code }: Failure): boolean {
  const [, status] = /^HTTP_(\d+)$/.exec(String(code)) ?? [];
  const mayPass = Number(status) >= 500 || passing.includes(Number(status));
  return status !== undefined && its !== (mayPass ? 'transient' : 'item');
}

function isCut({ code, message }: Failure): boolean {
  return /^HTTP_[345]/.test(String(code)) && !/^(GET|The API) /.test(String(message));
}

/** @returns undefined for what is no note of a failure */
function classIn(body: string | undefined): string | undefined {
  if (attemptsIn(body) === undefined) return undefined;
  const { class: its, status } = JSON.parse(body ?? '') as Note;
  return status === 'failed' && typeof its === 'string' ? its : undefined;
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
