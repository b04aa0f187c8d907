/**
 * What the engine needs from outside. Adapters implement these: `shared/aws` on S3, SQS and Lambda, `shared/source` on the
 * API, the tests in memory.
 */
import type { DeadLetter, FailureReason, ItemEvent } from './events.ts';

/** User metadata of an object: lower-case names, ASCII values (S3 sends them as HTTP headers). */
export type Metadata = Readonly<Record<string, string>>;

export type StoredObject = {
  body: string;
  /** Without quotes. */
  eTag: string;
  metadata: Metadata;
  /** When S3 says that it was written, in milliseconds since 1970. */
  modifiedMs: number;
};

/** An object as a listing tells of it. */
export type Listed = {
  key: string;
  /** Without quotes. */
  eTag: string;
  sizeBytes: number;
  /** When S3 says that it was written, in milliseconds since 1970. */
  modifiedMs: number;
};

export type ObjectHead = { eTag: string; metadata: Metadata };

/** What is stored: JSON text unless its type is given. */
export type Body = string | Uint8Array;

/**
 * The bucket. Every method throws `TransientError` when S3 fails in a way that may pass. An object that is not there is
 * `undefined`, a missing bucket or a refusal is an error.
 */
export interface ObjectStore {
  /** @throws ItemError `TOO_LARGE` when the object is larger than `maxBytes`; its body is not read then. */
  get(key: string, maxBytes: number): Promise<StoredObject | undefined>;
  head(key: string): Promise<ObjectHead | undefined>;
  /**
   * Writes only if there is nothing under the key, atomically.
   * @param contentType default `application/json`
   */
  create(key: string, body: Body, metadata: Metadata, contentType?: string): Promise<'created' | 'exists'>;
  /**
   * Writes only over the version that the caller has seen, atomically: for what several environments write.
   * @param eTag of that version; undefined: there was nothing
   * @param contentType default `application/json`
   */
  replace(
    key: string,
    body: Body,
    metadata: Metadata,
    eTag: string | undefined,
    contentType?: string,
  ): Promise<'replaced' | 'changed'>;
  /** What lies under a prefix, in byte order, a page at a time. A listing that breaks off is an error, never a short answer. */
  list(prefix: string): AsyncIterable<readonly Listed[]>;
  /** Writes whatever is there: for receipts and failure notes only, never for an item. */
  put(key: string, body: string, metadata: Metadata): Promise<void>;
  /** For markers only, never for an item. What is not there is removed already. */
  remove(key: string): Promise<void>;
}

/** A level's dead-letter queue or waiting queue, as its function sees it. */
export interface FailureSink {
  /** Returns once the queue has the event and the reason. Throws when it has not. */
  send(event: ItemEvent, reason: FailureReason): Promise<void>;
}

/** Gives an item to its level's function. Returns once the event was accepted; throws when it was not. */
export interface EventSink {
  send(event: ItemEvent): Promise<void>;
}

/** A message on a level's dead-letter or waiting queue. Until it is removed or released, or its time is up, no other receiver sees it. */
export type QueueMessage = {
  /** Names this receiving of the message. */
  handle: string;
  /** When it was sent to the queue, in milliseconds since 1970. */
  sentAtMs: number;
  /** undefined: it holds no event that can be understood. */
  letter: DeadLetter | undefined;
  /** The beginning of its text, for messages about it. */
  excerpt: string;
};

/** A level's dead-letter or waiting queue, for emptying it. Throws when SQS refuses or fails: a partial answer is an error. */
export interface MessageQueue {
  /** Up to ten messages, invisible to others for `invisibleMs`. Empty when there are none to be had now. */
  receive(invisibleMs: number): Promise<QueueMessage[]>;
  /** Any number of handles. */
  remove(handles: readonly string[]): Promise<void>;
  /** Makes messages visible again at once. Any number of handles; one whose time was up already is visible anyway. */
  release(handles: readonly string[]): Promise<void>;
  /** SQS calls its own counts approximate: they lag by up to a minute. */
  approximateCount(): Promise<number>;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  wait(ms: number): Promise<void>;
}

/** A child as the API gave it: its id and its own JSON text. */
export type Child = { id: string; body: string };

/** One page of a list, in the API's order. */
export type Page = { children: readonly Child[] };

/**
 * Every single HTTP call to the API goes through the gate: it counts the call, retries it and ends it in time.
 * `call` must stop when its signal says so.
 */
export type CallGate = <T>(call: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/** A structured line. The fields are JSON values; never a secret. */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}
