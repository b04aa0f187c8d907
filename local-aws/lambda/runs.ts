/** One run of a function in an environment, for an event or for a caller, and what is counted of it. */
import { detached } from '../lifecycle.ts';
import { responseLimitBytes } from './async-rules.ts';
import type { AsyncEvents } from './async-events.ts';
import type { Invocation, RunResult } from './environment.ts';
import type { EventQueue } from './event-queue.ts';
import type { Counts } from './figures.ts';
import { errorPayload } from './handler-module.ts';
import type { DirectCall, Lane } from './lane.ts';

/** What runs an invocation: an environment, or what stands for one that could not be started. */
export type Runner = { run: (invocation: Invocation) => Promise<RunResult> };

export type RunsOptions = {
  readonly queue: EventQueue;
  readonly events: AsyncEvents;
  readonly counts: Counts;
  readonly onChange: () => void;
};

export class Runs {
  gbSeconds = 0;
  /** Calls that have no answer yet, running or not. */
  readonly openCalls = new Set<DirectCall>();
  readonly #options: RunsOptions;
  #running = 0;

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  get isQuiet(): boolean {
    return this.#running === 0 && this.openCalls.size === 0;
  }

  event(lane: Lane, id: number, runner: Runner): void {
    const { queue, events, counts } = this.#options;
    const event = queue.read(id);
    counts.asyncInvocations++;
    if (event.failedRuns > 0) counts.retries++;
    lane.runningEvents++;
    const { requestId, payload } = event;
    this.#run(lane, runner, { requestId, payload, wantsLogTail: false }, (result) => {
      lane.runningEvents--;
      events.ran(lane, event, result);
    });
  }

  call(lane: Lane, call: DirectCall, runner: Runner): void {
    const { requestId, payload } = call;
    this.#run(lane, runner, { requestId, payload, wantsLogTail: true }, (result) => {
      this.openCalls.delete(call);
      call.resolve(withinLimit(result));
    });
  }

  #run(lane: Lane, runner: Runner, invocation: Invocation, ended: (result: RunResult) => void): void {
    lane.running++;
    this.#running++;
    const settle = (result: RunResult): void => {
      lane.running--;
      this.#running--;
      // There is a place within its reserved concurrency: no reason to read slowly.
      lane.pausedUntilMs = -Infinity;
      lane.throttlesInARow = 0;
      this.#count(lane, result);
      ended(result);
      this.#options.onChange();
    };
    void runner.run(invocation).then((result) => detached(() => settle(result)));
  }

  #count(lane: Lane, { outcome, durationMs, billedMs }: RunResult): void {
    const { counts } = this.#options;
    const { figures } = lane;
    counts.invocations++;
    figures.invocations++;
    figures.durationMs += durationMs;
    if (outcome !== 'success') {
      counts.errors++;
      figures.errors++;
    }
    if (outcome === 'timeout') counts.timeouts++;
    if (outcome === 'crash') counts.crashes++;
    this.gbSeconds += (lane.definition.memoryMb / 1_024) * (billedMs / 1_000);
  }
}

/** The answer of an environment that could not be started, for instance for a bad NODE_OPTIONS. */
export function notStarted(error: unknown): RunResult {
  return { outcome: 'error', payload: errorPayload(error), logTail: '', durationMs: 0, billedMs: 0 };
}

function withinLimit(result: RunResult): RunResult {
  const sizeBytes = Buffer.byteLength(result.payload);
  if (sizeBytes <= responseLimitBytes) return result;
  const errorMessage = `Response payload size (${sizeBytes} bytes) exceeded maximum allowed payload size (${responseLimitBytes} bytes).`;
  const payload = JSON.stringify({ errorType: 'Function.ResponseSizeTooLarge', errorMessage });
  return { ...result, outcome: 'error', payload };
}
