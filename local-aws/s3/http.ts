/**
 * The local S3 on a socket: reading a request to its end within a bound, writing the answer. Bodies above 128 MiB are
 * refused (more than an object of this service ever has; larger ones come in parts).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Authorize } from '../iam/identity.ts';
import type { S3Response } from './call.ts';
import { S3Error } from './errors.ts';
import { handleS3, refuse } from './request.ts';
import type { S3Store } from './store.ts';

export const maxBodyBytes = 128 * 1024 * 1024;

export interface Served {
  operation: string;
  status: number;
  /** What was thrown behind an InternalError. */
  fault?: unknown;
}

/**
 * Answers one request. Settles when the answer has been handed to the socket; a client that went away is no error.
 * @param may what the caller may; absent: everything
 */
export async function serveS3(
  store: S3Store,
  req: IncomingMessage,
  res: ServerResponse,
  may?: Authorize,
): Promise<Served> {
  const url = req.url ?? '/';
  const question = url.indexOf('?');
  const request = {
    method: req.method ?? 'GET',
    path: question === -1 ? url : url.slice(0, question),
    query: new URLSearchParams(question === -1 ? '' : url.slice(question + 1)),
    headers: headersOf(req),
  };
  let answer: S3Response;
  try {
    const body = await readBody(req);
    answer = handleS3(store, { ...request, body }, may);
  } catch (error) {
    answer = refuse(request, error);
    // Thrown away as it comes: a client that is still sending reads no answer before it is done.
    req.resume();
  }
  const { status, headers, body, operation, fault } = answer;
  res.writeHead(status, headers);
  res.end(request.method === 'HEAD' ? undefined : body);
  return { operation, status, ...(fault === undefined ? {} : { fault }) };
}

function headersOf(req: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(req.headers)) {
    if (value !== undefined) headers[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return headers;
}

function readBody(req: IncomingMessage): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    if (Number(req.headers['content-length'] ?? 0) > maxBodyBytes) {
      reject(entityTooLarge());
      return;
    }
    req.on('data', (chunk: Buffer) => {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > maxBodyBytes) {
        req.removeAllListeners('data');
        reject(entityTooLarge());
        return;
      }
      chunks.push(chunk);
    });
    req.on('end', () => {
      const [only] = chunks;
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
    });
    req.on('error', () => {
      reject(new S3Error('IncompleteBody', 'The connection ended before the request body did'));
    });
  });
}

function entityTooLarge(): S3Error {
  return new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
    MaxSizeAllowed: String(maxBodyBytes),
  });
}
