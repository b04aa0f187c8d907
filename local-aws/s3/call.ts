/**
 * The types between a request as it comes, the operations, and the answer as it goes. They need no node:http: a method,
 * a path, headers and bytes are a call.
 */
import type { Authorize } from '../iam/identity.ts';
import type { S3Store } from './store.ts';

export interface S3Request {
  method: string;
  /** Raw: still percent-encoded, without the query. */
  path: string;
  query: URLSearchParams;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** As sent: `aws-chunked`, if that is its coding, is taken off here. */
  body: Uint8Array;
}

export interface S3Response {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: Uint8Array | string;
  /** `PutObject`, `ListObjectsV2`, ...: also of a request that was refused. */
  operation: string;
  /** What was thrown behind an InternalError, for a log: the client is not told. */
  fault?: unknown;
}

export interface BucketCall {
  store: S3Store;
  request: S3Request;
  bucket: string;
  /** Absent: a person, who may do everything. */
  may?: Authorize | undefined;
}

export interface KeyCall extends BucketCall {
  key: string;
}

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
}

export function xmlAnswer(body: string, headers: Record<string, string> = {}): Answer {
  return { status: 200, headers: { 'content-type': 'application/xml', ...headers }, body };
}

export function quoted(eTag: string): string {
  return `"${eTag}"`;
}

/** S3 keeps whole seconds only, also where its format has room for more. */
export function isoSeconds(timeMs: number): string {
  return new Date(Math.floor(timeMs / 1000) * 1000).toISOString();
}
