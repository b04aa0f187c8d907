/**
 * The failure note: an item's last error, in the bucket. The only place that builds, reads or writes one. A receipt outranks
 * it.
 */
import { failureKeyOf, itemPathOf } from '../chain/keys.ts';
import type { Level } from '../chain/chain.ts';
import { ItemError, RateLimitError, TransientError } from '../errors.ts';
import type { ObjectStore } from '../ports.ts';

export type FailureNote = {
  run: string | undefined;
  level: string;
  /** The item's key, whole. */
  key: string;
  /**
   * `refired`: the sweep gave it to its function again. `isolating`: its function was stopped in the middle, and one of the
   * `suspects` is the cause. Both are no failures.
   * `parked`: replayed as often as is allowed, and failed each time; only a forced replay takes it again.
   */
  status: 'failed' | 'refired' | 'isolating' | 'parked';
  /** `transient`: Lambda retries it, up to its own limit. `item`: it is given up until a person replays it. */
  class: 'transient' | 'item';
  code: string;
  message: string;
  /** Attempts so far, over every event, retry and replay of the item. */
  attempts: number;
  /** How many replays the item had when it failed. */
  replays: number;
  /** How many times the sweep had re-fired it since the last replay. */
  refires: number;
  /** ISO 8601. */
  at: string;
  /** Lambda's, to find the attempt in the log. */
  requestId: string;
  /** Of a batch: which of its items failed. Absent: the object as a whole did. */
  items?: readonly ItemFailure[] | undefined;
  /** Of a batch: the items, by index, one of which stops its function. */
  suspects?: readonly number[];
  /** Of a batch: those of them that are being fetched, and are suspects if that never ends. */
  running?: readonly number[];
};

/** One item of a batch that failed. */
export type ItemFailure = FailureCause & {
  /** Its place in the batch. */
  index: number;
  id: string;
  /** Attempts since the last replay. */
  attempts: number;
  /** ISO 8601. */
  at: string;
};

/** The code of an item that has fewer children than its receipt counts. */
export const shortCode = 'SHORT';
/** The code of an item that stopped its function when it was fetched alone. */
export const crashedCode = 'CRASHED';
/** The code of an item whose events were lost as often as the sweep re-fires one. */
export const lostCode = 'LOST';

export type FailureCause = Pick<FailureNote, 'class' | 'code' | 'message'>;

/** A note is some hundred bytes. A larger object is none, and is not read. */
const maxNoteBytes = 1_000_000;

/** S3 takes any body, but a note is for reading: an error message is cut to this many characters. */
const maxMessageLength = 2000;

export function failureCauseOf(error: unknown): FailureCause {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, maxMessageLength);
  if (error instanceof ItemError) return { class: 'item', code: error.code, message };
  if (error instanceof TransientError || error instanceof RateLimitError)
    return { class: 'transient', code: error.code, message };
  return {
    class: 'transient',
    code: 'UNEXPECTED',
    message: error instanceof Error ? `${error.name}: ${message}` : message,
  };
}

/**
 * @param key of the item
 * @returns undefined when there is none, or what is there is no note, e.g. since a person put it there
 */
export function readFailureNote(
  level: Level,
  key: string,
  store: Pick<ObjectStore, 'get'>,
): Promise<FailureNote | undefined> {
  return readNoteAt(failureKeyOf(level, key), store);
}

/** @param noteKey of the note itself, as a listing tells it */
export async function readNoteAt(noteKey: string, store: Pick<ObjectStore, 'get'>): Promise<FailureNote | undefined> {
  try {
    const object = await store.get(noteKey, maxNoteBytes);
    return object && parseFailureNote(object.body);
  } catch (error) {
    if (error instanceof ItemError && error.code === 'TOO_LARGE') return undefined;
    throw error;
  }
}

/** Writes it over an earlier one of the item. */
export async function writeFailureNote(
  level: Level,
  note: FailureNote,
  store: Pick<ObjectStore, 'put'>,
): Promise<void> {
  const metadata = { attempts: String(note.attempts), code: note.code };
  await store.put(failureKeyOf(level, note.key), JSON.stringify(note), metadata);
}

/** A note of an item that may have one already, of which what is not given stays. */
export function nextNote(
  level: Level,
  key: string,
  before: FailureNote | undefined,
  change: Partial<FailureNote> & FailureCause & Pick<FailureNote, 'status' | 'at'>,
): FailureNote {
  return {
    attempts: 0,
    replays: 0,
    refires: 0,
    requestId: '',
    ...before,
    ...change,
    run: itemPathOf(level, key)?.run,
    level: level.name,
    key,
  };
}

const statuses: readonly unknown[] = ['failed', 'refired', 'isolating', 'parked'];
const classes: readonly unknown[] = ['transient', 'item'];
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function isItemFailure(value: unknown): value is ItemFailure {
  const { index, id, code, message, class: kind, attempts, at } = (value ?? {}) as Partial<ItemFailure>;
  const texts = [id, code, message].every((text) => typeof text === 'string');
  return texts && classes.includes(kind) && isCount(index) && isCount(attempts) && isTime(at);
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

function isListOf(value: unknown, isOne: (element: unknown) => boolean): boolean {
  return value === undefined || (Array.isArray(value) && value.every(isOne));
}

/** @returns undefined for a body that is no failure note */
export function parseFailureNote(body: string): FailureNote | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const note = { refires: 0, ...(value as Partial<FailureNote> | null) };
  const isNote =
    typeof note.key === 'string' &&
    typeof note.code === 'string' &&
    typeof note.message === 'string' &&
    statuses.includes(note.status) &&
    classes.includes(note.class) &&
    isCount(note.attempts) &&
    isCount(note.replays) &&
    isCount(note.refires) &&
    isTime(note.at) &&
    isListOf(note.items, isItemFailure) &&
    isListOf(note.suspects, isCount) &&
    isListOf(note.running, isCount);
  return isNote
    ? { ...(note as FailureNote), requestId: typeof note.requestId === 'string' ? note.requestId : '' }
    : undefined;
}
