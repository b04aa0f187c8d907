/** The store's end of the way from a function to the local S3 without a socket. */
import type { MessagePort } from 'node:worker_threads';
import type { Authorize } from '../iam/identity.ts';
import type { PortRequest, PortResponse } from './port-client.ts';
import { handleS3 } from './request.ts';
import type { S3Store } from './store.ts';

/** Told of every request that came over a port. */
export type OnPortRequest = (answered: { operation: string; fault?: unknown }) => void;

/**
 * Answers what comes over the port.
 * @param may what the function at the other end may; absent: everything
 */
export function servePort(port: MessagePort, store: S3Store, onRequest: OnPortRequest, may?: Authorize): void {
  const encoder = new TextEncoder();
  port.on('message', ({ id, method, path, query, headers, body }: PortRequest) => {
    const bytes = typeof body === 'string' ? encoder.encode(body) : (body ?? new Uint8Array());
    const answer = handleS3(store, { method, path, query: new URLSearchParams(query), headers, body: bytes }, may);
    onRequest({ operation: answer.operation, fault: answer.fault });
    port.postMessage({ id, status: answer.status, headers: answer.headers, body: answer.body } satisfies PortResponse);
  });
}
