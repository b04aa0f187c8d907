/**
 * The inside of an execution environment: loads the handler once, then runs one invocation after another. This is the
 * file that an environment's thread runs. It runs one invocation at a time, and ends with an error that nothing caught.
 * Two things of a real environment a thread can't have: its working directory and its time zone are the process's.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { portClientConfig } from '../s3/port-client.ts';
import { errorPayload, loadHandler, RuntimeError } from './handler-module.ts';
import type { Handler } from './handler-module.ts';
import { watchRequests } from './outgoing-requests.ts';
import type { FromThread, ThreadStart, ToThread } from './thread-protocol.ts';

/** What the runtime's process exits with after an uncaught exception, and after such a rejection. */
const exitUncaught = 129;
const exitUnhandled = 128;

type Output = { write: (chunk: string | Uint8Array, ...rest: unknown[]) => boolean };

/** Sends what the function writes along the same port as its results, so that a line never comes after its invocation's end. */
function captureOutput(output: Output, send: (message: FromThread) => void): void {
  const decoder = new TextDecoder();
  output.write = (chunk, ...rest) => {
    const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    if (text !== '') send({ type: 'log', text });
    const done = rest.at(-1);
    if (typeof done === 'function') process.nextTick(done);
    return true;
  };
}

function invocationContext(functionArn: string, { requestId, remainingMs }: ToThread): Record<string, unknown> {
  const env = process.env;
  const deadlineMs = performance.now() + remainingMs;
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: functionArn,
    awsRequestId: requestId,
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(deadlineMs - performance.now())),
  };
}

function stringify(result: unknown): string {
  try {
    // undefined for what JSON has no word for; a handler that returns nothing answers null.
    const json: unknown = JSON.stringify(result);
    return typeof json === 'string' ? json : 'null';
  } catch (error) {
    throw new RuntimeError('Runtime.JSONStringifyError', 'Unable to stringify response body', { cause: error });
  }
}

/** The heap of this thread, and the buffers outside of it. */
function usedMb(): number {
  const { total_physical_size: heapBytes, external_memory: outsideBytes } = getHeapStatistics();
  return Math.ceil((heapBytes + outsideBytes) / 2 ** 20);
}

type Loaded = { readonly handler: Handler; readonly functionArn: string; readonly send: (message: FromThread) => void };

/** The line that Lambda's runtime logs for what a handler throws. */
function invokeErrorLine(requestId: string, payload: string): string {
  return `${new Date().toISOString()}\t${requestId}\tERROR\tInvoke Error \t${payload}\n`;
}

async function runOne({ handler, functionArn, send }: Loaded, invocation: ToThread): Promise<void> {
  const startedAt = performance.now();
  let payload: string;
  let isError = false;
  try {
    payload = stringify(await handler(JSON.parse(invocation.payload), invocationContext(functionArn, invocation)));
  } catch (error) {
    payload = errorPayload(error);
    isError = true;
    send({ type: 'log', text: invokeErrorLine(invocation.requestId, payload) });
  }
  const durationMs = performance.now() - startedAt;
  // One turn, as the runtime does: a rejection that the handler left behind is then its own, not the next invocation's.
  await nextTurn();
  send({ type: 'result', payload, isError, durationMs, usedMb: usedMb() });
}

/** A function that looks here finds the settings of an S3 client that needs no socket (README.md, "S3 without a socket"). */
function offerS3(port: MessagePort): void {
  Object.assign(globalThis, { [Symbol.for('local-aws.s3-client-config')]: portClientConfig(port) });
}

async function serve(port: MessagePort, start: ThreadStart): Promise<void> {
  const startedAt = performance.now();
  const send = (message: FromThread) => {
    port.postMessage(message);
  };
  let during: 'init' | 'run' = 'init';
  const die = (error: unknown, exitCode: number) => {
    send({ type: 'fatal', payload: errorPayload(error), during });
    process.exit(exitCode);
  };
  captureOutput(process.stdout as Output, send);
  captureOutput(process.stderr as Output, send);
  process.on('uncaughtException', (error) => die(error, exitUncaught));
  process.on('unhandledRejection', (reason) => {
    die(new RuntimeError('Runtime.UnhandledPromiseRejection', String(reason), { cause: reason }), exitUnhandled);
  });

  if (start.s3Port !== undefined) offerS3(start.s3Port);
  if (start.tellsRequests === true)
    watchRequests(process.env.AWS_ENDPOINT_URL, (atMs) => send({ type: 'request', atMs }));
  let handler: Handler;
  try {
    handler = await loadHandler(start.taskRoot, start.handler);
  } catch (error) {
    die(error, 1);
    return;
  }
  during = 'run';
  const loaded = { handler, functionArn: start.functionArn, send };
  port.on('message', (message: ToThread) => void runOne(loaded, message));
  send({ type: 'ready', initMs: performance.now() - startedAt });
}

const given = workerData as Partial<ThreadStart> | null;
if (!isMainThread && parentPort !== null && given?.handler !== undefined) await serve(parentPort, given as ThreadStart);
