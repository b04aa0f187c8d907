/**
 * The operations on one object: put, get, head, delete, copy. There are no versions, and no reads of a multipart object
 * by its parts' numbers.
 */
import { isoSeconds, quoted, xmlAnswer } from './call.ts';
import type { Answer, KeyCall } from './call.ts';
import { decode } from './address.ts';
import { preconditionFailed, S3Error } from './errors.ts';
import type { StoredObject } from './object-table.ts';
import { checksumHeaders, namedAlgorithm, objectHeaders, receivePayload } from './payload.ts';
import { isNotModified, rangeOf, readConditions } from './read-conditions.ts';
import type { ByteRange, ObjectAddress } from './store.ts';
import { document, leaf } from './xml.ts';

/** Query parameters by which a reader overrides a header of the answer. */
const overrides = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
];

export function putObject({ store, request, bucket, key }: KeyCall): Answer {
  const { headers } = request;
  const { body, checksum } = receivePayload(request);
  const stored = store.put(bucket, key, body, {
    headers: objectHeaders(headers),
    checksum,
    ifNoneMatch: headers['if-none-match'],
    ifMatch: headers['if-match'],
  });
  return { status: 200, headers: { etag: quoted(stored.eTag), ...checksumHeaders(checksum) } };
}

export function getObject(call: KeyCall): Answer {
  const { answer, object, range } = readObject(call);
  return answer.status === 304 ? answer : { ...answer, body: call.store.body(object, range) };
}

export function headObject(call: KeyCall): Answer {
  return readObject(call).answer;
}

export function deleteObject({ store, request, bucket, key }: KeyCall): Answer {
  refuseVersions(request.query);
  store.delete(bucket, key, request.headers['if-match']);
  return { status: 204 };
}

export function copyObject({ store, request, bucket, key }: KeyCall): Answer {
  const { headers } = request;
  const from = copySource(headers['x-amz-copy-source'] ?? '');
  const directive = headers['x-amz-metadata-directive'] ?? 'COPY';
  if (directive !== 'COPY' && directive !== 'REPLACE') {
    throw new S3Error('InvalidArgument', 'Unknown metadata directive.', {
      ArgumentName: 'x-amz-metadata-directive',
      ArgumentValue: directive,
    });
  }
  if (directive === 'COPY' && from.bucket === bucket && from.key === key) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  checkCopyConditions(store.head(from.bucket, from.key), headers);
  const copied = store.copy(
    from,
    { bucket, key },
    {
      headers: directive === 'REPLACE' ? objectHeaders(headers) : undefined,
      checksumAlgorithm: namedAlgorithm(headers['x-amz-checksum-algorithm']),
      ifNoneMatch: headers['if-none-match'],
      ifMatch: headers['if-match'],
    },
  );
  return xmlAnswer(document('CopyObjectResult', ...copyResult(copied)));
}

/** What the answer to a copy tells of it, also to that of a part. */
export function copyResult({
  lastModifiedMs,
  eTag,
  checksum,
}: Pick<StoredObject, 'lastModifiedMs' | 'eTag' | 'checksum'>): string[] {
  const fields = [leaf('LastModified', isoSeconds(lastModifiedMs)), leaf('ETag', quoted(eTag))];
  if (checksum !== undefined) fields.push(leaf(`Checksum${checksum.algorithm}`, checksum.value));
  return fields;
}

/** `/bucket/key` or `bucket/key`, percent-encoded. */
export function copySource(header: string): ObjectAddress {
  const [path = '', query = ''] = header.split('?', 2);
  const [bucket = '', ...rest] = path.replace(/^\//, '').split('/');
  const key = decode(rest.join('/'));
  if (bucket === '' || key === '') {
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey', {
      ArgumentName: 'x-amz-copy-source',
      ArgumentValue: header,
    });
  }
  refuseVersions(new URLSearchParams(query));
  return { bucket: decode(bucket), key };
}

export function checkCopyConditions(source: StoredObject, headers: Readonly<Record<string, string>>): void {
  if (isNotModified(source, readConditions(headers, 'x-amz-copy-source-'))) {
    throw preconditionFailed('x-amz-copy-source-If-None-Match');
  }
}

/** GET and HEAD are the same but for the body. */
function readObject({ store, request, bucket, key }: KeyCall): {
  answer: Answer;
  object: StoredObject;
  range?: ByteRange;
} {
  const { headers, query } = request;
  refuseVersions(query);
  if (query.has('partNumber')) {
    throw new S3Error('NotImplemented', 'The local S3 reads objects whole or by Range, not by partNumber');
  }
  const object = store.head(bucket, key);
  const identity = { etag: quoted(object.eTag), 'last-modified': new Date(object.lastModifiedMs).toUTCString() };
  if (isNotModified(object, readConditions(headers, ''))) return { answer: { status: 304, headers: identity }, object };
  const answerHeaders: Record<string, string> = {
    'accept-ranges': 'bytes',
    'content-type': 'binary/octet-stream',
    ...identity,
    ...object.headers,
    'content-length': String(object.sizeBytes),
  };
  for (const name of overrides) {
    const value = query.get(`response-${name}`);
    if (value !== null) answerHeaders[name] = value;
  }
  const range = rangeOf(headers.range, object.sizeBytes);
  if (range === undefined) {
    if (headers['x-amz-checksum-mode']?.toUpperCase() === 'ENABLED') {
      Object.assign(answerHeaders, checksumHeaders(object.checksum));
    }
    return { answer: { status: 200, headers: answerHeaders }, object };
  }
  const { firstByte, lastByte } = range;
  answerHeaders['content-length'] = String(lastByte - firstByte + 1);
  answerHeaders['content-range'] = `bytes ${firstByte}-${lastByte}/${object.sizeBytes}`;
  return { answer: { status: 206, headers: answerHeaders }, object, range };
}

/** Without versioning every object has the one version `null`. */
export function refuseVersions(query: URLSearchParams): void {
  const versionId = query.get('versionId');
  if (versionId !== null && versionId !== 'null') {
    throw new S3Error('NotImplemented', 'The local S3 keeps no versions', { VersionId: versionId });
  }
}
