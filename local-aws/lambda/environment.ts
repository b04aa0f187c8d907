/**
 * One execution environment: a thread with its own variables and its own bound on memory, that loads one function and
 * runs one invocation at a time. Timeouts and crashes end the thread and become the answer that Lambda would give.
 */
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker, type MessagePort } from 'node:worker_threads';
import { initPhaseLimitMs } from './async-rules.ts';
import { latestVersion, regionOf } from './definition.ts';
import type { FunctionDefinition } from './definition.ts';
import { errorPayload } from './handler-module.ts';
import { InvocationLog } from './invocation-log.ts';
import type { FromThread, ThreadStart, ToThread } from './thread-protocol.ts';

export type Outcome = 'success' | 'error' | 'timeout' | 'crash';

export type RunResult = {
  readonly outcome: Outcome;
  /** JSON: what the handler returned, or the error. */
  readonly payload: string;
  /** Empty unless the invocation asked for it. */
  readonly logTail: string;
  readonly durationMs: number;
  /** Whole milliseconds, the init phase of a new environment included, as AWS bills it since August 2025. */
  readonly billedMs: number;
};

export type EnvironmentOptions = {
  readonly onLog?: ((functionName: string, line: string) => void) | undefined;
  /** Told of every HTTP request that a function sends to another host than the engine, with its time in milliseconds since 1970. */
  readonly onRequest?: ((functionName: string, atMs: number) => void) | undefined;
  /** Called once, when the thread can't take another invocation. */
  readonly onEnded: (environment: Environment) => void;
  /** Opens a way to the local S3 for a new thread; absent: it goes over the socket. */
  readonly openS3Port?: ((definition: FunctionDefinition) => MessagePort) | undefined;
  /** How long loading may take, before the function's own timeout is added to it. */
  readonly initLimitMs?: number | undefined;
};

export type Invocation = { readonly requestId: string; readonly payload: string; readonly wantsLogTail: boolean };
type Running = Invocation & { readonly resolve: (result: RunResult) => void };

/** The runtime gives V8's old space nine tenths of the function's memory. Array buffers are outside of it: V8 does not bound those. */
const heapShare = 0.9;
/** Enough for short-lived objects; V8's default would take three times as much for each thread. */
const youngGenerationMb = 16;
/** What a program needs of the machine itself; the rest of our own environment is not the function's business. */
const inheritedNames = ['PATH', 'TMPDIR', 'LANG'] as const;

/** Where Node's own `enableCompileCache()` keeps it. */
const compileCacheDir = join(tmpdir(), 'node-compile-cache');

export class Environment {
  readonly definition: FunctionDefinition;
  /** On the clock of `performance.now()`; what it means while busy is nothing. */
  idleSinceMs = performance.now();
  /** Since when it has been able to do something, on the same clock. */
  readySinceMs = Infinity;
  readonly #options: EnvironmentOptions;
  readonly #log: InvocationLog;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #phase: 'starting' | 'ready' | 'ended' = 'starting';
  #running: Running | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The first invocation reports and bills the init phase. */
  #initMs: number | undefined;
  #startedAtMs = performance.now();
  /** Of all invocations so far, as each of them ended. */
  #maxUsedMb = 0;

  /** @throws what `new Worker` throws, for instance for a bad NODE_OPTIONS of the function */
  constructor(definition: FunctionDefinition, options: EnvironmentOptions) {
    this.definition = definition;
    this.#options = options;
    const { onLog } = options;
    this.#log = new InvocationLog(onLog && ((line) => onLog(definition.name, line)));
    const s3Port = options.openS3Port?.(definition);
    this.#worker = new Worker(new URL('./environment-thread.ts', import.meta.url), {
      name: definition.name,
      env: environmentVariables(definition),
      workerData: {
        functionArn: definition.arn,
        taskRoot: definition.codeDir,
        handler: definition.handler,
        s3Port,
        tellsRequests: options.onRequest !== undefined,
      } satisfies ThreadStart,
      ...(s3Port && { transferList: [s3Port] }),
      execArgv: [],
      // What node itself writes before the thread's own capture is in place must not land on our stdout.
      stdout: true,
      stderr: true,
      resourceLimits: {
        maxOldGenerationSizeMb: Math.floor(definition.memoryMb * heapShare),
        maxYoungGenerationSizeMb: youngGenerationMb,
      },
    });
    for (const stream of [this.#worker.stdout, this.#worker.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.#log.write(text));
    }
    this.#worker.on('message', (message: FromThread) => this.#receive(message));
    this.#worker.on('error', (error) => this.#died(error));
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (exitCode) => {
        this.#exit(exitCode);
        resolve();
      });
    });
  }

  get isIdle(): boolean {
    return this.#running === undefined && this.#phase !== 'ended';
  }

  /** Runs one invocation. The caller sees to it that the environment is idle. Never rejects. */
  run(invocation: Invocation): Promise<RunResult> {
    return new Promise((resolve) => {
      this.#running = { ...invocation, resolve };
      this.#log.start(invocation.requestId);
      if (this.#phase === 'ready') {
        this.#send(invocation);
      } else {
        const limitMs = (this.#options.initLimitMs ?? initPhaseLimitMs) + this.definition.timeoutMs;
        this.#timer = setTimeout(() => this.#timeOut(), limitMs);
      }
    });
  }

  /** Ends the thread, in the middle of an invocation too: that one never gets a result. */
  async end(): Promise<void> {
    this.#running = undefined;
    this.#ended();
    await this.#worker.terminate();
    await this.#exited;
  }

  #send({ requestId, payload }: Invocation): void {
    const { timeoutMs } = this.definition;
    this.#startedAtMs = performance.now();
    this.#timer = setTimeout(() => this.#timeOut(), timeoutMs);
    const message: ToThread = { type: 'invoke', requestId, payload, remainingMs: timeoutMs };
    this.#worker.postMessage(message);
  }

  #receive(message: FromThread): void {
    if (this.#phase === 'ended') return;
    switch (message.type) {
      case 'log':
        this.#log.write(message.text);
        break;
      case 'request':
        this.#options.onRequest?.(this.definition.name, message.atMs);
        break;
      case 'ready':
        this.#phase = 'ready';
        this.readySinceMs = performance.now();
        this.#initMs = this.readySinceMs - this.#startedAtMs;
        clearTimeout(this.#timer);
        if (this.#running !== undefined) this.#send(this.#running);
        break;
      case 'result':
        this.#maxUsedMb = Math.max(this.#maxUsedMb, message.usedMb);
        this.#finish(message.isError ? 'error' : 'success', message.payload, message.durationMs);
        break;
      case 'fatal':
        this.#ended();
        this.#finish(message.during === 'init' ? 'error' : 'crash', message.payload);
        break;
    }
  }

  #timeOut(): void {
    const running = this.#running;
    if (running === undefined) return;
    const { timeoutMs } = this.definition;
    const seconds = (timeoutMs / 1000).toFixed(2);
    this.#ended();
    const errorMessage = `RequestId: ${running.requestId} Error: Task timed out after ${seconds} seconds`;
    this.#finish('timeout', JSON.stringify({ errorType: 'Sandbox.Timedout', errorMessage }), timeoutMs, errorMessage);
    // Also out of a busy loop: V8 stops the code wherever it is.
    void this.#worker.terminate();
  }

  /** What no listener in the thread can catch: out of memory, or a thread that did not come up. */
  #died(error: unknown): void {
    if (this.#phase === 'ended') return;
    const outOfMemory = Error.isError(error) && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
    this.#ended();
    if (outOfMemory) this.#crash(`signal: aborted (JavaScript heap out of memory, ${this.definition.memoryMb} MB)`);
    else this.#finish('crash', errorPayload(error));
  }

  #exit(exitCode: number): void {
    if (this.#phase === 'ended') return;
    this.#ended();
    this.#crash(exitCode === 0 ? undefined : `exit status ${exitCode}`);
  }

  #crash(reason: string | undefined): void {
    const said =
      reason === undefined ? 'Runtime exited without providing a reason' : `Runtime exited with error: ${reason}`;
    const errorMessage = `RequestId: ${this.#running?.requestId ?? ''} Error: ${said}`;
    this.#finish('crash', JSON.stringify({ errorType: 'Runtime.ExitError', errorMessage }), undefined, errorMessage);
  }

  #finish(
    outcome: Outcome,
    payload: string,
    durationMs = performance.now() - this.#startedAtMs,
    problem?: string,
  ): void {
    clearTimeout(this.#timer);
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    this.idleSinceMs = performance.now();
    const initMs = this.#initMs;
    this.#initMs = undefined;
    const billedMs = Math.ceil(durationMs + (initMs ?? 0));
    const { requestId, wantsLogTail } = running;
    const { memoryMb } = this.definition;
    const report = { requestId, durationMs, billedMs, memoryMb, maxUsedMb: this.#maxUsedMb, initMs };
    this.#log.end(report, problem);
    running.resolve({ outcome, payload, durationMs, billedMs, logTail: wantsLogTail ? this.#log.tail() : '' });
  }

  #ended(): void {
    clearTimeout(this.#timer);
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.#options.onEnded(this);
  }
}

function environmentVariables(definition: FunctionDefinition): Record<string, string> {
  const inherited: Record<string, string> = {};
  for (const name of inheritedNames) {
    const value = process.env[name];
    if (value !== undefined) inherited[name] = value;
  }
  const region = definition.environment.AWS_REGION ?? regionOf(definition.arn);
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '/');
  // The runtime's own variables come last: a function can't set them (page configuration-envvars).
  return {
    ...inherited,
    // Half of a cold start would be Node stripping the same types and compiling the same bundle again.
    NODE_COMPILE_CACHE: compileCacheDir,
    ...definition.environment,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_LAMBDA_FUNCTION_NAME: definition.name,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(definition.memoryMb),
    AWS_LAMBDA_FUNCTION_VERSION: latestVersion,
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${definition.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `${day}/[${latestVersion}]${randomUUID().replaceAll('-', '')}`,
    LAMBDA_TASK_ROOT: definition.codeDir,
    TZ: ':UTC',
    _HANDLER: definition.handler,
  };
}
