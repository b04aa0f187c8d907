/**
 * What the decisions in this folder need from outside. Adapters implement these: `shared/aws` on S3 and SQS,
 * `shared/hermes` on the API, the tests in memory.
 */

/** User metadata of an object: lower-case names, ASCII values (S3 sends them as HTTP headers). */
export type Metadata = Readonly<Record<string, string>>;

export type StoredObject = {
  body: string;
  /** Without quotes. */
  eTag: string;
  metadata: Metadata;
};

export type ObjectHead = { eTag: string; metadata: Metadata };

/**
 * The bucket. Every method throws `TransientError` when S3 fails in a way that may pass. An object that is not there is
 * `undefined`, a missing bucket or a refusal is an error.
 */
export interface ObjectStore {
  /** @throws ItemError `TOO_LARGE` when the object is larger than `maxBytes`; its body is not read then. */
  get(key: string, maxBytes: number): Promise<StoredObject | undefined>;
  head(key: string): Promise<ObjectHead | undefined>;
  /** Writes only if there is nothing under the key, atomically. */
  create(key: string, body: string, metadata: Metadata): Promise<'created' | 'exists'>;
  /** Writes whatever is there: for receipts and failure notes only, never for an item. */
  put(key: string, body: string, metadata: Metadata): Promise<void>;
}

/** A level's dead-letter queue, for what must not wait for Lambda's retries. */
export interface DeadLetterQueue {
  /** Returns once the queue has the message. Throws when it has not. */
  send(body: string): Promise<void>;
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
