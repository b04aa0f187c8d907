/**
 * What can go wrong with an item, by what is done about it. The class decides, never the text of the message.
 *
 * - `TransientError`: the same work may succeed later. Waits inside the invocation, then Lambda's own retries.
 * - `RateLimitError`: the API ordered its callers to wait. All wait, and no attempt is counted.
 * - `ItemError`: a retry can't help. A failure note and a dead letter at once.
 * - `DeferredError`: nothing went wrong, but the API may not be called now. The item is requeued, which counts as no attempt.
 * - `CancelledError`: a person has cancelled the run. The event ends: no attempt, no note, no dead letter.
 * - `ConfigError`: the deployment is wrong. The function does not start.
 * - `ChainError`: the chain is declared wrongly. It is not packaged.
 *
 * Anything else that is thrown is handled like a `TransientError` with the code `UNEXPECTED`: nothing is given up for good
 * on account of a mistake of ours.
 */

/** The API, S3 or the network failed in a way that may pass. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
  /** Upper-case word that stays the same over releases, e.g. `HTTP_503`, `NETWORK`, `OUT_OF_TIME`. */
  readonly code: string;
  /** How long the server asked us to stay away, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(code: string, message: string, options: { retryAfterMs?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The API ordered its callers to wait: every environment stops calling until then, and no attempt is counted. */
export class RateLimitError extends Error {
  override readonly name = 'RateLimitError';
  /** Upper-case word that stays the same over releases, e.g. `HTTP_429`. */
  readonly code: string;
  /** How long the API wants no call, in milliseconds from now. */
  readonly waitMs: number;

  constructor(code: string, message: string, options: { waitMs: number; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.code = code;
    this.waitMs = options.waitMs;
  }
}

/** This item, or the API's answer for it, is wrong: another attempt would end the same way. */
export class ItemError extends Error {
  override readonly name = 'ItemError';
  /** Upper-case word that stays the same over releases, e.g. `BAD_KEY`, `HTTP_404`, `DUPLICATE_ID`. */
  readonly code: string;

  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
  }
}

/** The API may not be called before this invocation ends. It is no failure of the item, and counts as no attempt. */
export class DeferredError extends Error {
  override readonly name = 'DeferredError';
  /**
   * `PAUSED` by a person, or `RUN_PAUSED`, the item's run alone; `FROZEN`: the API ordered all callers to wait; `RATE_LIMITED`: it orders this item to wait, and lets
   * others call; `NO_TURN`: the next turn is too far away.
   */
  readonly code: 'PAUSED' | 'RUN_PAUSED' | 'FROZEN' | 'RATE_LIMITED' | 'NO_TURN';

  constructor(code: DeferredError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** A person has cancelled the item's run: nothing is done for it any more, and nothing is said of it. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
  readonly code = 'CANCELLED';
}

/** One or more settings are missing or bad. Lists all of them, so that one deployment corrects them all. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'BAD_CONFIG';
  /** One line a mistake: the setting, what is wrong, what is allowed. Never a secret's value. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length} mistake${problems.length === 1 ? '' : 's'}: ${problems.join('; ')}`,
    );
    this.problems = problems;
  }
}

/** A chain is declared in a way that can't work. Lists everything that is wrong, so that one edit corrects all of it. */
export class ChainError extends Error {
  override readonly name = 'ChainError';
  readonly code = 'BAD_CHAIN';
  /** One line a problem: the level, the field, what is allowed. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The chain has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n  ${problems.join('\n  ')}`);
    this.problems = problems;
  }
}

/** What a person asked of a function can't be done as it is. */
export class InputError extends Error {
  override readonly name = 'InputError';
  readonly code = 'BAD_INPUT';

  /** @param problems one line a mistake: the field, and what is allowed */
  constructor(problems: readonly string[]) {
    super(`Bad input: ${problems.join('; ')}`);
  }
}
