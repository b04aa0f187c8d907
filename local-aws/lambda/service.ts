/**
 * The local Lambda service: a durable asynchronous queue, direct calls, schedules, and the figures of all that ran.
 * There are no versions, aliases or layers, and no function changes once the service is made.
 *
 * Only Lambda's own waits (retries, throttling, schedules, an event's age in them) are divided by the time scale. What a
 * function does, and its timeout, take the time they take.
 */
import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { MessagePort } from 'node:worker_threads';
import { steadyNow } from '../clock.ts';
import { detached } from '../lifecycle.ts';
import { asyncPayloadLimitBytes, longestThrottleWaitMs, syncPayloadLimitBytes } from './async-rules.ts';
import { AsyncEvents } from './async-events.ts';
import type { SendMessage } from './async-events.ts';
import { bareFunctionName } from './definition.ts';
import type { FunctionDefinition } from './definition.ts';
import { Dispatcher } from './dispatcher.ts';
import type { RunResult } from './environment.ts';
import { Environments } from './environments.ts';
import { LambdaServiceError } from './errors.ts';
import { EventQueue } from './event-queue.ts';
import { noCounts } from './figures.ts';
import type { LambdaStats } from './figures.ts';
import { Lane } from './lane.ts';
import type { DirectCall } from './lane.ts';
import { Runs } from './runs.ts';
import { startSchedule } from './schedule.ts';
import type { Schedule } from './schedule.ts';

export type LambdaServiceOptions = {
  /** The engine's database: events are accepted in the same transactions as the objects that cause them. */
  readonly db: DatabaseSync;
  readonly functions: readonly FunctionDefinition[];
  /** How many execution environments there are at once, of all functions together. */
  readonly maxEnvironments: number;
  /** How many times shorter Lambda's own waits are than on AWS. */
  readonly timeScale: number;
  readonly sendMessage: SendMessage;
  /** Every line that a function writes, and Lambda's own START, end and REPORT. Must not block. */
  readonly onLog?: ((functionName: string, line: string) => void) | undefined;
  /** Milliseconds since 1970. Default: they never jump, whatever the machine's clock does. */
  readonly now?: (() => number) | undefined;
  /** Told of every HTTP request that a function sends to another host than the engine. Must not block. */
  readonly onRequest?: ((functionName: string, atMs: number) => void) | undefined;
  /** Opens a way to the local S3 for a new environment; absent: it goes over the socket. */
  readonly openS3Port?: ((definition: FunctionDefinition) => MessagePort) | undefined;
  /** How long loading a function may take; AWS's 10 seconds unless a test says otherwise. */
  readonly initLimitMs?: number | undefined;
  /** What tests make go wrong. */
  readonly faults?: LambdaFaults | undefined;
};

export type LambdaFaults = {
  /** True: the event is accepted and then lost, as AWS may lose one. */
  readonly loseAcceptedEvent?: (requestId: string, functionName: string) => boolean;
};

export type InvokeResult = {
  readonly statusCode: 200;
  readonly functionError?: 'Unhandled';
  readonly payload: string;
  readonly logTail: string;
  readonly requestId: string;
};

export class LambdaService {
  readonly #options: LambdaServiceOptions;
  readonly #now: () => number;
  readonly #queue: EventQueue;
  readonly #lanes: readonly Lane[];
  readonly #laneByName = new Map<string, Lane>();
  readonly #environments: Environments;
  readonly #events: AsyncEvents;
  readonly #dispatcher: Dispatcher;
  readonly #schedules: Schedule[] = [];
  readonly #runs: Runs;
  readonly #counts = noCounts();
  #idleWaiters: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #stopped = false;

  /** Events that an earlier process left on disk are taken up at once; those of functions that are gone stay where they are. */
  constructor(options: LambdaServiceOptions) {
    const { db, functions, maxEnvironments, timeScale, sendMessage, onLog, onRequest, openS3Port, initLimitMs } =
      options;
    if (!(timeScale > 0)) throw new RangeError(`timeScale must be above 0, not ${timeScale}`);
    if (!(maxEnvironments >= 1)) throw new RangeError(`maxEnvironments must be at least 1, not ${maxEnvironments}`);
    this.#options = options;
    this.#now = options.now ?? steadyNow;
    this.#queue = new EventQueue(db);
    this.#queue.shortenWaits(this.#now(), longestThrottleWaitMs / timeScale);
    this.#lanes = functions.map((definition) => new Lane(definition, this.#queue));
    for (const lane of this.#lanes) {
      this.#laneByName.set(lane.definition.logicalId, lane);
      this.#laneByName.set(lane.name, lane);
    }
    const onRoom = () => this.#dispatcher.wake();
    this.#environments = new Environments({ maxEnvironments, onLog, onRequest, openS3Port, initLimitMs, onRoom });
    const shared = { queue: this.#queue, counts: this.#counts, onChange: () => this.#changed() };
    const events = new AsyncEvents({ ...shared, sendMessage, timeScale, now: this.#now, onLog });
    const runs = new Runs({ ...shared, events });
    this.#events = events;
    this.#runs = runs;
    this.#dispatcher = new Dispatcher({
      lanes: this.#lanes,
      environments: this.#environments,
      events,
      now: this.#now,
      run: (lane, work, runner) => {
        if ('resolve' in work) runs.call(lane, work, runner);
        else runs.event(lane, work.id, runner);
      },
    });
    this.#dispatcher.wake();
  }

  get functions(): readonly FunctionDefinition[] {
    return this.#lanes.map(({ definition }) => definition);
  }

  /**
   * Accepts an event for asynchronous invocation. Inside an open transaction it exists only if that commits.
   *
   * @param reference a name, `name:qualifier`, ARN or logical id
   * @param payload JSON, 1 MB at most
   * @returns the request id, the same for every attempt
   * @throws LambdaServiceError ResourceNotFoundException, InvalidRequestContentException or RequestTooLargeException
   */
  enqueue(reference: string, payload: string): string {
    const lane = this.#lane(reference);
    this.#refuseWhenStopped(lane);
    checkPayload(lane, payload, asyncPayloadLimitBytes);
    const requestId = randomUUID();
    if (this.#options.faults?.loseAcceptedEvent?.(requestId, lane.name) === true) return requestId;
    this.#queue.add(lane.name, requestId, payload, this.#now());
    lane.added();
    this.#dispatcher.wake();
    return requestId;
  }

  /**
   * Runs a function and waits for its answer (`RequestResponse`). It waits for a free environment too; only reserved
   * concurrency throttles.
   *
   * @param batch of an event source mapping: since when its oldest message waits, and how many were received before
   * @throws LambdaServiceError as `enqueue` does (6 MB at most), and TooManyRequestsException; never for a function's own error
   */
  async invoke(
    reference: string,
    payload: string,
    batch: { sinceMs: number; retries: number } = { sinceMs: this.#now(), retries: 0 },
  ): Promise<InvokeResult> {
    const lane = this.#lane(reference);
    this.#refuseWhenStopped(lane);
    checkPayload(lane, payload, syncPayloadLimitBytes);
    if (lane.running + lane.directCalls.length >= (lane.definition.reservedConcurrency ?? Infinity)) {
      this.#counts.throttles++;
      throw new LambdaServiceError('TooManyRequestsException', 'Rate Exceeded.', {
        functionName: lane.name,
        reason: 'ReservedFunctionConcurrentInvocationLimitExceeded',
      });
    }
    this.#counts.retries += batch.retries;
    const requestId = randomUUID();
    const result = await new Promise<RunResult>((resolve, reject) => {
      const { sinceMs } = batch;
      const call: DirectCall = { functionName: lane.name, requestId, payload, sinceMs, resolve, reject };
      lane.directCalls.push(call);
      this.#runs.openCalls.add(call);
      this.#dispatcher.wake();
    });
    const answer = { statusCode: 200, payload: result.payload, logTail: result.logTail, requestId } as const;
    return result.outcome === 'success' ? answer : { ...answer, functionError: 'Unhandled' };
  }

  /** @throws LambdaServiceError ResourceNotFoundException */
  definition(reference: string): FunctionDefinition {
    return this.#lane(reference).definition;
  }

  /** Gives the function an event every `everyMs` of AWS's time; without `input`, EventBridge's scheduled event. */
  addSchedule(schedule: { functionName: string; everyMs: number; input?: string }): void {
    const { name, arn } = this.#lane(schedule.functionName).definition;
    const everyMs = schedule.everyMs / this.#options.timeScale;
    const fire = (payload: string) => detached(() => void this.enqueue(name, payload));
    this.#schedules.push(startSchedule({ everyMs, input: schedule.input, functionArn: arn, now: this.#now, fire }));
  }

  /** Resolves when nothing is queued (nor waits for a retry), runs or is being delivered; rejects when stopped before. */
  idle(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#idleWaiters.push({ resolve, reject });
      setImmediate(() => detached(() => this.#tellIdle()));
    });
  }

  /** Events accepted and not done, and calls: queued, waiting, running or being delivered. Counts rows: for people, not for loops. */
  pending(reference?: string): number {
    const lanes = reference === undefined ? this.#lanes : [this.#lane(reference)];
    const names = new Set(lanes.map(({ name }) => name));
    let pending = 0;
    for (const name of names) pending += this.#queue.count(name);
    for (const call of this.#runs.openCalls) if (names.has(call.functionName)) pending++;
    return pending;
  }

  stats(): LambdaStats {
    const byFunction: LambdaStats['byFunction'] = {};
    for (const lane of this.#lanes) {
      const queued = Math.max(0, this.#queue.count(lane.name) - lane.runningEvents) + lane.directCalls.length;
      byFunction[lane.name] = { ...lane.figures, queued, running: lane.running };
    }
    return {
      ...this.#counts,
      coldStarts: this.#environments.coldStarts,
      lambdaGbSeconds: this.#runs.gbSeconds,
      byFunction,
    };
  }

  /** Ends every environment, whatever it is doing. What is not done stays on disk for the next start; callers get an error. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#dispatcher.stop();
    for (const schedule of this.#schedules) schedule.stop();
    const stopped = new LambdaServiceError('ServiceException', 'The Lambda service was stopped');
    for (const call of this.#runs.openCalls) call.reject(stopped);
    for (const waiter of this.#idleWaiters) waiter.reject(stopped);
    this.#idleWaiters = [];
    await this.#environments.closeAll();
    await this.#events.settle();
  }

  #lane(reference: string): Lane {
    const lane = this.#laneByName.get(bareFunctionName(reference));
    if (lane !== undefined) return lane;
    throw new LambdaServiceError('ResourceNotFoundException', `Function not found: ${reference}`, {
      functionName: reference,
    });
  }

  #refuseWhenStopped({ name }: Lane): void {
    if (!this.#stopped) return;
    throw new LambdaServiceError('ServiceException', 'The Lambda service was stopped', { functionName: name });
  }

  #changed(): void {
    if (this.#stopped) return;
    this.#dispatcher.dispatch();
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#idleWaiters.length === 0 || !this.#runs.isQuiet || !this.#events.isQuiet) return;
    if (!this.#lanes.every(({ name }) => this.#queue.isEmpty(name))) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const waiter of waiters) waiter.resolve();
  }
}

function checkPayload({ name }: Lane, payload: string, limitBytes: number): void {
  const sizeBytes = Buffer.byteLength(payload);
  if (sizeBytes > limitBytes) {
    const message = `${sizeBytes} byte payload is too large for this invocation type (limit ${limitBytes} bytes)`;
    throw new LambdaServiceError('RequestTooLargeException', message, { functionName: name });
  }
  try {
    JSON.parse(payload);
  } catch (error) {
    const message = `Could not parse request body into json: ${error instanceof Error ? error.message : String(error)}`;
    throw new LambdaServiceError('InvalidRequestContentException', message, { functionName: name });
  }
}
