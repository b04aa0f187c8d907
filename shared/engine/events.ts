/** What travels between the bucket, the queues and the functions: an item's event, and why it could not be worked on. */

/** How long the API keeps one item waiting. */
export type Waiting = {
  /** When the API first ordered it to wait, in milliseconds since 1970; undefined: it has not, since the last replay. */
  waitingSinceMs?: number | undefined;
  /** How long all calls were stopped because of it since then, in milliseconds; a re-fire of the sweep begins to count anew. */
  frozenMs?: number | undefined;
  /** The API ordered it alone to wait until then, in milliseconds since 1970. Of a batch: the first of its items. */
  notBeforeMs?: number | undefined;
};

/** An object that appeared under a level's prefix. */
export type ItemEvent = Waiting & {
  /** Decoded. */
  key: string;
  /** When S3 says that the object was written, in milliseconds since 1970. */
  atMs: number;
  /** How many times a replay gave it to the function again. 0 for what S3 sent. */
  replays: number;
  /** How many times the sweep did, since the last replay. */
  refires: number;
  /** Which delivery of a queue's message this is, from 1; undefined when Lambda was invoked with the event. */
  delivery?: number | undefined;
  /** The sweep found that the item is done but short of children: expand it all the same. */
  reexpand: boolean;
  /** The same for each item of a batch that was ordered to wait, by its index. */
  waits?: Readonly<Record<string, Waiting>> | undefined;
  /** How many times it was sent to the waiting queue since the last replay. */
  waited?: number | undefined;
  /** Of a batch: some of its results were stored before it was sent to the waiting queue. */
  isBegun?: boolean | undefined;
  /** It was given up, and is on the dead-letter queue: a person who moves it back by hand wants all of it called again. */
  isDead?: boolean | undefined;
  /** What S3 sent, kept as it came; undefined for an event that the engine makes itself. */
  record?: object | undefined;
};

/** A replay begins anew: what the API had ordered before is forgotten. */
export function withoutWaits(event: ItemEvent): ItemEvent {
  return {
    ...event,
    waitingSinceMs: undefined,
    frozenMs: undefined,
    notBeforeMs: undefined,
    waits: undefined,
    waited: undefined,
    isBegun: undefined,
    isDead: undefined,
  };
}

/** The event of an item that has none any more. */
export function newEvent(
  key: string,
  atMs: number,
  counts: Partial<Pick<ItemEvent, 'replays' | 'refires' | 'reexpand'>> = {},
): ItemEvent {
  return { key, atMs, replays: 0, refires: 0, reexpand: false, ...counts };
}

/** The item was given to its function before, for certain. */
export function isRepeat({ replays, refires, reexpand, delivery = 1 }: ItemEvent): boolean {
  return replays + refires > 0 || reexpand || delivery > 1;
}

/** Why an item is on a dead-letter or waiting queue. */
export type FailureReason = {
  level: string;
  run: string | undefined;
  key: string;
  code: string;
  message: string;
  /** Absent for an item that waits. */
  attempts?: number | undefined;
  /** ISO 8601. */
  at: string;
  requestId?: string | undefined;
};

/** What is known of a failure: on a dead letter or in a note. */
export type Cause = {
  code: string;
  /** Lambda's word (`RetriesExhausted`, `EventAgeExceeded`), or `ItemError` for a letter that was sent at once. */
  condition: string;
  message: string;
  /** Milliseconds since 1970. */
  atMs: number;
};

/** What a message on a dead-letter queue turned out to be. No items: there is nothing in it to bring back. */
export type DeadLetter = Cause & { items: readonly ItemEvent[] };

/** The code of a letter that does not say why it is there. */
export const unknownCode = 'UNKNOWN';
