/** The operations of a multipart upload, as requests. */
import { isoSeconds, quoted, xmlAnswer } from './call.ts';
import type { Answer, KeyCall } from './call.ts';
import { checksumHeader } from './checksum.ts';
import type { ChecksumType } from './checksum.ts';
import { S3Error } from './errors.ts';
import type { CompletedPart, Part, UploadAddress, UploadChecksum } from './multipart.ts';
import { checkCopyConditions, copyResult, copySource } from './object-operations.ts';
import { decodeBody, namedAlgorithm, objectHeaders, receivePayload, sentChecksum } from './payload.ts';
import { rangeOf } from './read-conditions.ts';
import { document, element, leaf } from './xml.ts';
import { childrenOf, malformedXml, readXml, textOf } from './xml-reader.ts';
import type { XmlElement } from './xml-reader.ts';

const maxPartsAPage = 1_000;

export function createMultipartUpload({ store, request, bucket, key }: KeyCall): Answer {
  const { headers } = request;
  const checksum = uploadChecksum(headers);
  const uploadId = store.uploads.create(bucket, key, objectHeaders(headers), checksum);
  return xmlAnswer(
    document('InitiateMultipartUploadResult', leaf('Bucket', bucket), leaf('Key', key), leaf('UploadId', uploadId)),
    checksum && { 'x-amz-checksum-algorithm': checksum.algorithm, 'x-amz-checksum-type': checksum.type },
  );
}

export function uploadPart(call: KeyCall): Answer {
  const { body, checksum } = receivePayload(call.request);
  const part = call.store.uploads.putPart(uploadAddress(call), partNumber(call), body, checksum);
  return { status: 200, headers: { etag: quoted(part.eTag), ...partChecksumHeaders(part) } };
}

export function uploadPartCopy(call: KeyCall): Answer {
  const { store, request } = call;
  const { headers } = request;
  const from = copySource(headers['x-amz-copy-source'] ?? '');
  const source = store.head(from.bucket, from.key);
  checkCopyConditions(source, headers);
  const body = store.body(source, rangeOf(headers['x-amz-copy-source-range'], source.sizeBytes));
  const part = store.uploads.putPart(uploadAddress(call), partNumber(call), body);
  return xmlAnswer(document('CopyPartResult', ...copyResult(part)));
}

export function completeMultipartUpload(call: KeyCall): Answer {
  const { store, request, bucket, key } = call;
  const { headers } = request;
  const parts = childrenOf(readXml(decodeBody(request).body, 'CompleteMultipartUpload'), 'Part').map(completedPart);
  if (parts.length === 0) throw malformedXml();
  const object = store.uploads.complete(uploadAddress(call), parts, {
    // Here the checksum header is about the whole object, not about this request's body.
    expectedChecksum: sentChecksum(headers)?.value,
    ifNoneMatch: headers['if-none-match'],
    ifMatch: headers['if-match'],
  });
  const { checksum } = object;
  return xmlAnswer(
    document(
      'CompleteMultipartUploadResult',
      leaf('Location', `http://${headers.host ?? 'localhost'}/${bucket}/${encodeURIComponent(key)}`),
      leaf('Bucket', bucket),
      leaf('Key', key),
      leaf('ETag', quoted(object.eTag)),
      checksum && leaf(`Checksum${checksum.algorithm}`, checksum.value),
      checksum && leaf('ChecksumType', checksum.type),
    ),
  );
}

export function abortMultipartUpload(call: KeyCall): Answer {
  call.store.uploads.abort(uploadAddress(call));
  return { status: 204 };
}

export function listParts(call: KeyCall): Answer {
  const { store, request, bucket, key } = call;
  const address = uploadAddress(call);
  const marker = Number(request.query.get('part-number-marker') ?? 0);
  const maxParts = Math.min(Number(request.query.get('max-parts') ?? maxPartsAPage), maxPartsAPage);
  if (!Number.isInteger(marker) || !Number.isInteger(maxParts) || maxParts < 0) {
    throw new S3Error('InvalidArgument', 'max-parts and part-number-marker must be whole numbers');
  }
  const parts = store.uploads.parts(address, marker);
  const page = parts.slice(0, maxParts);
  return xmlAnswer(
    document(
      'ListPartsResult',
      ...[leaf('Bucket', bucket), leaf('Key', key), leaf('UploadId', address.uploadId)],
      ...[leaf('PartNumberMarker', marker), leaf('NextPartNumberMarker', page.at(-1)?.number ?? marker)],
      ...[leaf('MaxParts', maxParts), leaf('IsTruncated', parts.length > page.length)],
      ...page.map((part) =>
        element(
          'Part',
          leaf('PartNumber', part.number),
          leaf('LastModified', isoSeconds(part.lastModifiedMs)),
          leaf('ETag', quoted(part.eTag)),
          leaf('Size', part.sizeBytes),
          part.checksum && leaf(`Checksum${part.checksum.algorithm}`, part.checksum.value),
        ),
      ),
    ),
  );
}

function uploadAddress({ request, bucket, key }: KeyCall): UploadAddress {
  return { bucket, key, uploadId: request.query.get('uploadId') ?? '' };
}

function partNumber({ request }: KeyCall): number {
  return Number(request.query.get('partNumber'));
}

/** A part has a checksum and no type: only the whole object has one. */
function partChecksumHeaders({ checksum }: Part): Record<string, string> {
  return checksum === undefined ? {} : { [checksumHeader(checksum.algorithm)]: checksum.value };
}

/** "Checking object integrity": CRC64NVME is always of the whole object, SHA always composite, the rest as asked. */
function uploadChecksum(headers: Readonly<Record<string, string>>): UploadChecksum | undefined {
  const algorithm = namedAlgorithm(headers['x-amz-checksum-algorithm']);
  if (algorithm === undefined) return undefined;
  const byDefault: ChecksumType = algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE';
  const type = headers['x-amz-checksum-type'] ?? byDefault;
  const onlyDefault = algorithm === 'CRC64NVME' || algorithm.startsWith('SHA');
  if ((type !== 'FULL_OBJECT' && type !== 'COMPOSITE') || (onlyDefault && type !== byDefault)) {
    throw new S3Error(
      'InvalidRequest',
      `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`,
    );
  }
  return { algorithm, type };
}

function completedPart(part: XmlElement): CompletedPart {
  const number = Number(textOf(part, 'PartNumber'));
  const eTag = textOf(part, 'ETag');
  if (!Number.isInteger(number) || eTag === undefined) throw malformedXml();
  return { number, eTag, checksum: part.children.find(({ name }) => name.startsWith('Checksum'))?.text };
}
