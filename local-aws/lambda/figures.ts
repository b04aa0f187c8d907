/** The names of what the service counts. */

export type Counts = {
  /** Runs of a function, every attempt of an event included. */
  invocations: number;
  /** Those of them that came out of the asynchronous queue. */
  asyncInvocations: number;
  /** Runs that ended in a function error; timeouts and crashes are among them. */
  errors: number;
  timeouts: number;
  crashes: number;
  /** Events sent back, and direct calls refused, because the function's reserved concurrency was all in use. */
  throttles: number;
  /** Runs of an event that had failed before; and messages, each by itself, in batches of a queue that were received before. */
  retries: number;
  /** Messages that a failure destination or dead-letter queue took. */
  deadLetters: number;
  /** Messages that it did not take: their events are gone, as on AWS. */
  destinationDeliveryFailures: number;
  eventAgeExceeded: number;
};

export type FunctionFigures = {
  invocations: number;
  errors: number;
  durationMs: number;
  /** Accepted events that are not running: ready ones, and those that wait for their next attempt. */
  queued: number;
  running: number;
};

export type LambdaStats = Counts & {
  coldStarts: number;
  lambdaGbSeconds: number;
  byFunction: Record<string, FunctionFigures>;
};

export function noCounts(): Counts {
  return {
    invocations: 0,
    asyncInvocations: 0,
    errors: 0,
    timeouts: 0,
    crashes: 0,
    throttles: 0,
    retries: 0,
    deadLetters: 0,
    destinationDeliveryFailures: 0,
    eventAgeExceeded: 0,
  };
}
