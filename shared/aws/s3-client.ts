/** The SDK's S3 client of a function. */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { limited, requestHandlerOptions } from './request-limits.ts';

/**
 * The local engine may give its functions a way to its S3 that needs no socket: the same requests and the same answers, at
 * a fraction of the CPU. On AWS there is none.
 */
const localConfig = Symbol.for('local-aws.s3-client-config');

/** More connections than a census makes at once: its listings and its reads. */
export const censusSockets = 64;

/** @param maxSockets connections at once: with fewer than there are calls side by side, calls queue up in the client */
export function createS3Client(maxSockets: number): S3Client {
  const local = (globalThis as { [localConfig]?: S3ClientConfig })[localConfig];
  const client = new S3Client(local ?? { requestHandler: requestHandlerOptions(maxSockets) });
  // It prepares a copy of every input and output for a logger that there is not.
  client.middlewareStack.remove('loggerMiddleware');
  return limited(client);
}
