/**
 * The local S3 as a function from a request to an answer: which operation it is, who serves it, how a refusal looks. An
 * operation that is not in its tables is refused with NotImplemented and its name, and what the caller may not with
 * AccessDenied. It checks no signature: the caller is known before.
 */
import { randomUUID } from 'node:crypto';
import type { Authorize } from '../iam/identity.ts';
import { addressOf } from './address.ts';
import type { Address } from './address.ts';
import { authorize, withoutHints } from './authorization.ts';
import * as buckets from './bucket-operations.ts';
import type { Answer, BucketCall, KeyCall, S3Request, S3Response } from './call.ts';
import { S3Error } from './errors.ts';
import * as lists from './list-operations.ts';
import * as multipart from './multipart-operations.ts';
import * as objects from './object-operations.ts';
import { operationOf } from './operation.ts';
import { refuseUnsupportedHeaders } from './payload.ts';
import type { S3Store } from './store.ts';
import { errorDocument } from './xml.ts';

export type { S3Request, S3Response } from './call.ts';

const bucketOperations: Partial<Record<string, (call: BucketCall) => Answer>> = {
  CreateBucket: buckets.createBucket,
  DeleteBucket: buckets.deleteBucket,
  DeleteObjects: buckets.deleteObjects,
  GetBucketLocation: buckets.getBucketLocation,
  GetBucketVersioning: buckets.getBucketVersioning,
  HeadBucket: buckets.headBucket,
  ListObjects: lists.listObjects,
  ListObjectsV2: lists.listObjectsV2,
};

const keyOperations: Partial<Record<string, (call: KeyCall) => Answer>> = {
  AbortMultipartUpload: multipart.abortMultipartUpload,
  CompleteMultipartUpload: multipart.completeMultipartUpload,
  CopyObject: objects.copyObject,
  CreateMultipartUpload: multipart.createMultipartUpload,
  DeleteObject: objects.deleteObject,
  GetObject: objects.getObject,
  HeadObject: objects.headObject,
  ListParts: multipart.listParts,
  PutObject: objects.putObject,
  UploadPart: multipart.uploadPart,
  UploadPartCopy: multipart.uploadPartCopy,
};

const unaddressed = 'InvalidAddress';

/**
 * Serves one request. Never throws: what went wrong is the answer.
 * @param may what the caller may; absent: everything
 */
export function handleS3(store: S3Store, request: S3Request, may?: Authorize): S3Response {
  let operation = unaddressed;
  try {
    const address = addressOf(request.headers.host, request.path);
    operation = operationOf(request, address);
    const answer = (): Answer => {
      refuseUnsupportedHeaders(request.headers);
      return serve(store, request, operation, address, may);
    };
    if (may === undefined) return response(operation, answer());
    const asked = { may, operation, request, address };
    authorize(asked);
    return response(operation, withoutHints(asked, answer));
  } catch (error) {
    return refusal(operation, request, error);
  }
}

/** The answer to a request that could not even be read to its end. */
export function refuse(request: Omit<S3Request, 'body'>, error: unknown): S3Response {
  let operation = unaddressed;
  try {
    operation = operationOf(request, addressOf(request.headers.host, request.path));
  } catch {
    // An address that can't be read has no operation; the refusal below is about something else anyhow.
  }
  return refusal(operation, request, error);
}

function serve(
  store: S3Store,
  request: S3Request,
  operation: string,
  { bucket, key }: Address,
  may: Authorize | undefined,
): Answer {
  if (bucket === undefined) {
    if (operation === 'ListBuckets') return buckets.listBuckets(store, request);
  } else if (key === undefined) {
    const handler = bucketOperations[operation];
    if (handler !== undefined) return handler({ store, request, bucket, may });
  } else {
    const handler = keyOperations[operation];
    if (handler !== undefined) return handler({ store, request, bucket, key });
  }
  if (!['GET', 'HEAD', 'PUT', 'POST', 'DELETE'].includes(request.method)) {
    throw new S3Error('MethodNotAllowed', 'The specified method is not allowed against this resource.', {
      Method: request.method,
    });
  }
  throw new S3Error('NotImplemented', `The local S3 does not implement ${operation}`);
}

function response(operation: string, { status, headers = {}, body = '' }: Answer): S3Response {
  headers['x-amz-request-id'] = newRequestId();
  if (status !== 204 && status !== 304) headers['content-length'] ??= String(Buffer.byteLength(body));
  return { status, headers, body, operation };
}

function refusal(operation: string, request: Omit<S3Request, 'body'>, error: unknown): S3Response {
  const known = error instanceof S3Error;
  const refused = known ? error : new S3Error('InternalError', 'We encountered an internal error. Please try again.');
  const requestId = newRequestId();
  const xml = errorDocument({
    Code: refused.code,
    Message: refused.message,
    ...refused.context,
    Resource: request.path,
    RequestId: requestId,
  });
  // The answer to a HEAD has no body, so that all a client learns is the status.
  const body = request.method === 'HEAD' ? '' : xml;
  const headers = {
    'content-type': 'application/xml',
    'content-length': String(Buffer.byteLength(body)),
    'x-amz-request-id': requestId,
  };
  return { status: refused.status, headers, body, operation, ...(known ? {} : { fault: error }) };
}

function newRequestId(): string {
  return randomUUID().replaceAll('-', '').slice(0, 16).toUpperCase();
}
