/** What a failure note says: an item's last error. A receipt outranks it. */
import { ItemError, TransientError } from './errors.ts';

export type FailureNote = {
  run: string | undefined;
  level: string;
  /** The item's key, whole. */
  key: string;
  /** `transient`: Lambda tries again, up to its own limit. `item`: it is given up until a person replays it. */
  class: 'transient' | 'item';
  code: string;
  message: string;
  /** Tries so far, over every event, retry and replay of the item. */
  attempts: number;
  /** ISO 8601. */
  at: string;
  requestId: string;
};

export type FailureReason = Pick<FailureNote, 'class' | 'code' | 'message'>;

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

/**
 * How many tries an earlier note counted. A note that can't be read counts as none: it is about to be written anew, and
 * the item's fate does not hang on it.
 */
export function attemptsIn(body: string | undefined): number {
  if (body === undefined) return 0;
  try {
    const note: unknown = JSON.parse(body);
    const attempts = typeof note === 'object' && note !== null && 'attempts' in note ? note.attempts : 0;
    return typeof attempts === 'number' && Number.isSafeInteger(attempts) && attempts > 0 ? attempts : 0;
  } catch {
    return 0;
  }
}
