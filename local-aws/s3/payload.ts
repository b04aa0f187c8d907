/**
 * What a client sends with an object: the body with its checks, the headers that are kept, the headers that ask for
 * something that the local S3 does not do. A body that is not what its own checksums say is refused before anything is
 * stored.
 */
import { hash } from 'node:crypto';
import { decodeAwsChunked, isAwsChunked } from './aws-chunked.ts';
import type { S3Request } from './call.ts';
import { checksumAlgorithms, checksumAlgorithm, checksumHeader, computeChecksum, isWellFormed } from './checksum.ts';
import type { Checksum, ChecksumAlgorithm } from './checksum.ts';
import { S3Error } from './errors.ts';
import type { ObjectHeaders } from './object-table.ts';

export interface Payload {
  body: Uint8Array;
  /** The checksum that the client sent, verified. */
  checksum: Checksum | undefined;
}

const keptHeaders = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
];
const metadataPrefix = 'x-amz-meta-';
/** "Working with object metadata": names and values together, without the prefix. */
const maxMetadataBytes = 2 * 1024;

/** Headers that change what an operation does, and the values of them that change nothing here. */
const refusedHeaders: [name: string, harmless: readonly string[]][] = [
  ['x-amz-acl', ['private', 'bucket-owner-full-control']],
  ['x-amz-bucket-object-lock-enabled', ['false', 'False']],
  ['x-amz-copy-source-server-side-encryption-customer-algorithm', []],
  ['x-amz-grant-full-control', []],
  ['x-amz-grant-read', []],
  ['x-amz-grant-read-acp', []],
  ['x-amz-grant-write', []],
  ['x-amz-grant-write-acp', []],
  ['x-amz-object-lock-legal-hold', ['OFF']],
  ['x-amz-object-lock-mode', []],
  ['x-amz-object-ownership', ['BucketOwnerEnforced']],
  ['x-amz-server-side-encryption', ['AES256']],
  ['x-amz-server-side-encryption-customer-algorithm', []],
  ['x-amz-storage-class', ['STANDARD']],
  ['x-amz-tagging', []],
  ['x-amz-tagging-directive', ['COPY']],
  ['x-amz-website-redirect-location', []],
  ['x-amz-write-offset-bytes', []],
];

/** Throws NotImplemented for a header that asks for what is not done here: silence would be a fake success. */
export function refuseUnsupportedHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, harmless] of refusedHeaders) {
    const value = headers[name];
    if (value !== undefined && !harmless.includes(value)) {
      throw new S3Error(
        'NotImplemented',
        `A header you provided implies functionality that is not implemented: ${name}`,
        { Header: name },
      );
    }
  }
}

/** The body without its coding, checked against every checksum that came with it. */
export function receivePayload(request: S3Request): Payload {
  const { headers } = request;
  const { body, trailers } = decodeBody(request);
  const declaredSha256 = headers['x-amz-content-sha256'];
  if (
    declaredSha256 !== undefined &&
    /^[0-9a-f]{64}$/.test(declaredSha256) &&
    hash('sha256', body) !== declaredSha256
  ) {
    throw new S3Error(
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  }
  const md5 = headers['content-md5'];
  if (md5 !== undefined) verifyMd5(md5, body);
  return { body, checksum: verifiedChecksum({ ...headers, ...trailers }, body) };
}

/** The body without its coding, for operations whose checksum headers are about something else. */
export function decodeBody({ headers, body }: S3Request): { body: Uint8Array; trailers: Record<string, string> } {
  if (!isAwsChunked(headers)) return { body, trailers: {} };
  const announced = headers['x-amz-decoded-content-length'];
  return decodeAwsChunked(body, announced === undefined ? undefined : Number(announced));
}

/** The one checksum in those headers, not yet verified. */
export function sentChecksum(
  headers: Readonly<Record<string, string>>,
): { algorithm: ChecksumAlgorithm; value: string } | undefined {
  const sent = checksumAlgorithms.flatMap((algorithm) => {
    const value = headers[checksumHeader(algorithm)];
    return value === undefined ? [] : [{ algorithm, value }];
  });
  if (sent.length > 1) {
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  return sent[0];
}

/** The algorithm that this header names. Throws InvalidRequest for one that is not known. */
export function namedAlgorithm(name: string | undefined): ChecksumAlgorithm | undefined {
  if (name === undefined) return undefined;
  const algorithm = checksumAlgorithm(name);
  if (algorithm === undefined) {
    throw new S3Error(
      'InvalidRequest',
      `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${checksumAlgorithms.join(', ')}]`,
    );
  }
  return algorithm;
}

/** The headers that belong to the object: what every reader of it gets back. Throws MetadataTooLarge. */
export function objectHeaders(headers: Readonly<Record<string, string>>): ObjectHeaders {
  const kept: ObjectHeaders = {};
  for (const name of keptHeaders) {
    const value = headers[name];
    if (value !== undefined) kept[name] = value;
  }
  if (kept['content-encoding'] !== undefined) {
    // aws-chunked is how the body travelled, not how the object is encoded.
    const encodings = kept['content-encoding'].split(',').map((encoding) => encoding.trim());
    kept['content-encoding'] = encodings.filter((encoding) => encoding !== '' && encoding !== 'aws-chunked').join(',');
    if (kept['content-encoding'] === '') delete kept['content-encoding'];
  }
  let metadataBytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(metadataPrefix)) continue;
    kept[name] = value;
    metadataBytes += name.length - metadataPrefix.length + Buffer.byteLength(value);
  }
  if (metadataBytes > maxMetadataBytes) {
    throw new S3Error('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size', {
      Size: String(metadataBytes),
      MaxSizeAllowed: String(maxMetadataBytes),
    });
  }
  return kept;
}

export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (checksum === undefined) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

function verifyMd5(md5: string, body: Uint8Array): void {
  if (Buffer.from(md5, 'base64').length !== 16) {
    throw new S3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.', { 'Content-MD5': md5 });
  }
  const computed = hash('md5', body, 'base64');
  if (computed !== md5) {
    throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.', {
      ExpectedDigest: md5,
      CalculatedDigest: computed,
    });
  }
}

const notChecksums = ['x-amz-checksum-algorithm', 'x-amz-checksum-mode', 'x-amz-checksum-type'];

function verifiedChecksum(headers: Readonly<Record<string, string>>, body: Uint8Array): Checksum | undefined {
  const sent = sentChecksum(headers);
  if (sent === undefined) {
    const unknown = Object.keys(headers).find(
      (name) => name.startsWith('x-amz-checksum-') && !notChecksums.includes(name),
    );
    if (unknown === undefined) return undefined;
    throw new S3Error('NotImplemented', `The local S3 can't verify ${unknown}`, { Header: unknown });
  }
  const { algorithm, value } = sent;
  if (!isWellFormed(algorithm, value)) {
    throw new S3Error('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`);
  }
  if (computeChecksum(algorithm, body) !== value) {
    throw new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
  }
  return { algorithm, value, type: 'FULL_OBJECT' };
}
