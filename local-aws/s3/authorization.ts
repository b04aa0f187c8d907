/**
 * What each S3 operation needs to be allowed (page "Required permissions for Amazon S3 API operations"), and what a
 * caller without s3:ListBucket is not told.
 */
import type { Context } from '../iam/conditions.ts';
import type { Authorize } from '../iam/identity.ts';
import type { Address } from './address.ts';
import type { OperationRequest } from './operation.ts';
import { copySource } from './object-operations.ts';
import { S3Error } from './errors.ts';

/** Where the action is not named as the operation is. */
const actions: Readonly<Record<string, string>> = {
  CompleteMultipartUpload: 's3:PutObject',
  CopyObject: 's3:PutObject',
  CreateMultipartUpload: 's3:PutObject',
  HeadBucket: 's3:ListBucket',
  HeadObject: 's3:GetObject',
  ListBuckets: 's3:ListAllMyBuckets',
  ListMultipartUploads: 's3:ListBucketMultipartUploads',
  ListObjects: 's3:ListBucket',
  ListObjectsV2: 's3:ListBucket',
  ListObjectVersions: 's3:ListBucketVersions',
  ListParts: 's3:ListMultipartUploadParts',
  UploadPart: 's3:PutObject',
  UploadPartCopy: 's3:PutObject',
};

export type Asked = { may: Authorize; operation: string; request: OperationRequest; address: Address };

/** @throws S3Error AccessDenied */
export function authorize(asked: Asked): void {
  const { may, operation, request, address } = asked;
  const { headers, query } = request;
  // Judged key by key, when the keys are read.
  if (operation === 'DeleteObjects') return;
  if (copies(operation)) demand(may, 's3:GetObject', source(request));
  const action = actions[operation] ?? `s3:${operation}`;
  demand(may, action, address, contextOf(action, query, headers));
  // A caller that compares an ETag learns something of what is there (page conditional-writes).
  if (headers['if-match'] !== undefined && action !== 's3:GetObject' && headers['if-match'] !== '*') {
    demand(may, 's3:GetObject', address);
  }
}

/** Why one of DeleteObjects' keys can't go; undefined: it may. */
export function deletionRefusal(may: Authorize, address: Address, ifMatch: string | undefined): S3Error | undefined {
  const refused = may('s3:DeleteObject', arnOf(address));
  if (refused !== undefined) return accessDenied(refused);
  if (ifMatch === undefined || ifMatch === '*') return undefined;
  const unread = may('s3:GetObject', arnOf(address));
  return unread === undefined ? undefined : accessDenied(unread);
}

/**
 * "If you don't have the s3:ListBucket permission, Amazon S3 returns an HTTP status code 403" for an object that is not there
 * (pages API_GetObject, API_HeadObject, API_CopyObject).
 * @throws what `serve` throws, or AccessDenied in the place of NoSuchKey
 */
export function withoutHints<Result>({ may, operation, request, address }: Asked, serve: () => Result): Result {
  try {
    return serve();
  } catch (error) {
    if (error instanceof S3Error && error.code === 'NoSuchKey') {
      const { bucket } = copies(operation) ? source(request) : address;
      demand(may, 's3:ListBucket', { bucket, key: undefined });
    }
    throw error;
  }
}

function copies(operation: string): boolean {
  return operation === 'CopyObject' || operation === 'UploadPartCopy';
}

function source({ headers }: OperationRequest): Address {
  return copySource(headers['x-amz-copy-source'] ?? '');
}

/** What a policy's conditions can ask of a request (pages amazon-s3-policy-keys and conditional-writes-enforce). */
function contextOf(
  action: string,
  query: OperationRequest['query'],
  headers: OperationRequest['headers'],
): Context | undefined {
  const prefix = action === 's3:ListBucket' ? query.get('prefix') : null;
  if (prefix !== null) return { 's3:prefix': prefix };
  const ifNoneMatch = action === 's3:PutObject' ? headers['if-none-match'] : undefined;
  return ifNoneMatch === undefined ? undefined : { 's3:if-none-match': ifNoneMatch };
}

function demand(may: Authorize, action: string, address: Address, context?: Context): void {
  const refused = may(action, arnOf(address), context);
  if (refused !== undefined) throw accessDenied(refused);
}

function arnOf({ bucket, key }: Address): string {
  if (bucket === undefined) return '*';
  return key === undefined ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`;
}

function accessDenied(message: string): S3Error {
  return new S3Error('AccessDenied', message);
}
