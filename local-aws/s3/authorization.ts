/**
 * Owns: what each S3 operation needs to be allowed (page "Required permissions for Amazon S3 API operations"), and what a
 * caller without s3:ListBucket is not told.
 * Refuses: to know policies. Who asks and what they may is the argument.
 */
import type { Authorize } from '../iam/identity.ts';
import type { Address } from './address.ts';
import type { OperationRequest } from './operation.ts';
import { copySource } from './object-operations.ts';
import { S3Error } from './errors.ts';

/** Where the action is not named as the operation is. */
const ACTIONS: Readonly<Record<string, string>> = {
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
  const action = ACTIONS[operation] ?? `s3:${operation}`;
  const prefix = action === 's3:ListBucket' ? query.get('prefix') : null;
  demand(may, action, address, prefix ?? undefined);
  // Whoever compares an ETag learns something of what is there (page conditional-writes).
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

function demand(may: Authorize, action: string, address: Address, prefix?: string): void {
  const refused = may(action, arnOf(address), prefix === undefined ? undefined : { 's3:prefix': prefix });
  if (refused !== undefined) throw accessDenied(refused);
}

function arnOf({ bucket, key }: Address): string {
  if (bucket === undefined) return '*';
  return key === undefined ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`;
}

function accessDenied(message: string): S3Error {
  return new S3Error('AccessDenied', message);
}
