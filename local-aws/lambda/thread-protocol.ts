/**
 * What an environment and its thread say to each other. Every message has a `type`; a later one is another member of
 * these unions.
 */

import type { MessagePort } from 'node:worker_threads';

/** Given to the thread when it starts. */
export type ThreadStart = {
  readonly functionArn: string;
  /** The folder with the unzipped artifact. */
  readonly taskRoot: string;
  readonly handler: string;
  /** The way to the local S3 that needs no socket; see local-aws/s3/port-client.ts. */
  readonly s3Port?: MessagePort | undefined;
  /** Whether to tell of every HTTP request that goes to another host than the engine. */
  readonly tellsRequests?: boolean | undefined;
};

export type ToThread = {
  readonly type: 'invoke';
  readonly requestId: string;
  readonly payload: string;
  /** Until it times out. */
  readonly remainingMs: number;
};

export type FromThread =
  | { readonly type: 'ready'; readonly initMs: number }
  /** Lines that the function wrote; not always whole ones. */
  | { readonly type: 'log'; readonly text: string }
  /** A request goes out; milliseconds since 1970. */
  | { readonly type: 'request'; readonly atMs: number }
  | {
      readonly type: 'result';
      readonly payload: string;
      readonly isError: boolean;
      readonly durationMs: number;
      readonly usedMb: number;
    }
  /** The thread ends after this one: the handler could not be loaded, or an exception was not caught. */
  | { readonly type: 'fatal'; readonly payload: string; readonly during: 'init' | 'run' };
