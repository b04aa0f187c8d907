/** What a failure note says: an item's last error. A receipt outranks it. */
import { ItemError, TransientError } from '../errors.ts';

export type FailureNote = {
  run: string | undefined;
  level: string;
  /** The item's key, whole. */
  key: string;
  /** `parked`: replayed as often as is allowed, and failed each time; only a forced replay takes it again. */
  status: 'failed' | 'refired' | 'parked';
  /** `transient`: Lambda tries again, up to its own limit. `item`: it is given up until a person replays it. */
  class: 'transient' | 'item';
  code: string;
  message: string;
  /** Tries so far, over every event, retry and replay of the item. */
  attempts: number;
  /** How many replays the item had when it failed. */
  replays: number;
  /** How many times the sweep had re-fired it since the last replay. */
  refires: number;
  /** ISO 8601. */
  at: string;
  /** Lambda's, to find the try in the log. */
  requestId: string;
};

/** The code of an item that has fewer children than its receipt counts. */
export const shortCode = 'SHORT';

export type FailureReason = Pick<FailureNote, 'class' | 'code' | 'message'>;

/** A note is some hundred bytes. Whatever is larger is none, and is not read. */
export const maxNoteBytes = 1_000_000;

/** S3 takes any body, but a note is for reading: an error message is cut to this many characters. */
const maxMessageLength = 2000;

export function reasonOf(error: unknown): FailureReason {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, maxMessageLength);
  if (error instanceof ItemError) return { class: 'item', code: error.code, message };
  if (error instanceof TransientError) return { class: 'transient', code: error.code, message };
  return {
    class: 'transient',
    code: 'UNEXPECTED',
    message: error instanceof Error ? `${error.name}: ${message}` : message,
  };
}

/** @returns undefined for a body that is no failure note, e.g. since a person put it there */
export function parseFailureNote(body: string): FailureNote | undefined {
  try {
    const note = JSON.parse(body) as Partial<FailureNote> | null;
    return typeof note?.key === 'string' && typeof note.code === 'string' && typeof note.attempts === 'number'
      ? { ...(note as FailureNote), refires: note.refires ?? 0 }
      : undefined;
  } catch {
    return undefined;
  }
}
