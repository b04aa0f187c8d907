/**
 * ListObjectsV2 and ListObjects as requests: their parameters, and how keys are written in the answer. Parameters that
 * S3 would refuse are refused, not guessed at.
 */
import { owner } from './bucket-operations.ts';
import { isoSeconds, quoted, xmlAnswer } from './call.ts';
import type { Answer, BucketCall } from './call.ts';
import { S3Error } from './errors.ts';
import { maxKeysAPage } from './listing.ts';
import type { ListPage } from './listing.ts';
import { document, element, leaf } from './xml.ts';

const maxInteger = 2 ** 31 - 1;

interface ListParameters {
  prefix: string;
  delimiter: string | undefined;
  maxKeys: number;
  encodesUrl: boolean;
  encode: (text: string) => string;
}

export function listObjectsV2({ store, request, bucket }: BucketCall): Answer {
  const { query } = request;
  const parameters = listParameters(query);
  const { prefix, delimiter, maxKeys, encodesUrl, encode } = parameters;
  const continuationToken = query.get('continuation-token') ?? undefined;
  const startAfter = query.get('start-after') ?? undefined;
  const page = store.list(bucket, { prefix, delimiter, maxKeys, continuationToken, startAfter });
  return xmlAnswer(
    document(
      'ListBucketResult',
      leaf('Name', bucket),
      leaf('Prefix', encode(prefix)),
      continuationToken === undefined ? undefined : leaf('ContinuationToken', continuationToken),
      startAfter === undefined ? undefined : leaf('StartAfter', encode(startAfter)),
      leaf('KeyCount', page.contents.length + page.commonPrefixes.length),
      leaf('MaxKeys', maxKeys),
      delimiter === undefined ? undefined : leaf('Delimiter', encode(delimiter)),
      encodesUrl ? leaf('EncodingType', 'url') : undefined,
      leaf('IsTruncated', page.nextContinuationToken !== undefined),
      page.nextContinuationToken === undefined ? undefined : leaf('NextContinuationToken', page.nextContinuationToken),
      entries(page, encode, query.get('fetch-owner') === 'true'),
    ),
  );
}

export function listObjects({ store, request, bucket }: BucketCall): Answer {
  const { query } = request;
  const { prefix, delimiter, maxKeys, encodesUrl, encode } = listParameters(query);
  const marker = query.get('marker') ?? '';
  const page = store.list(bucket, { prefix, delimiter, maxKeys, startAfter: marker });
  // S3 gives the next marker only with a delimiter; without one the last key is it.
  const nextMarker = delimiter === undefined ? undefined : page.lastEntry;
  return xmlAnswer(
    document(
      'ListBucketResult',
      leaf('Name', bucket),
      leaf('Prefix', encode(prefix)),
      leaf('Marker', encode(marker)),
      leaf('MaxKeys', maxKeys),
      delimiter === undefined ? undefined : leaf('Delimiter', encode(delimiter)),
      encodesUrl ? leaf('EncodingType', 'url') : undefined,
      leaf('IsTruncated', page.lastEntry !== undefined),
      nextMarker === undefined ? undefined : leaf('NextMarker', encode(nextMarker)),
      entries(page, encode, true),
    ),
  );
}

function entries(page: ListPage, encode: (text: string) => string, withOwner: boolean): string {
  const ownerElement = withOwner ? owner() : undefined;
  const contents = page.contents.map(({ key, lastModifiedMs, eTag, sizeBytes }) =>
    element(
      'Contents',
      leaf('Key', encode(key)),
      leaf('LastModified', isoSeconds(lastModifiedMs)),
      leaf('ETag', quoted(eTag)),
      leaf('Size', sizeBytes),
      ownerElement,
      leaf('StorageClass', 'STANDARD'),
    ),
  );
  const prefixes = page.commonPrefixes.map((prefix) => element('CommonPrefixes', leaf('Prefix', encode(prefix))));
  return contents.join('') + prefixes.join('');
}

function listParameters(query: URLSearchParams): ListParameters {
  const encoding = query.get('encoding-type');
  if (encoding !== null && encoding !== 'url') {
    throw invalidArgument('Invalid Encoding Method specified in Request', 'encoding-type', encoding);
  }
  const text = query.get('max-keys');
  const maxKeys = text === null || text === '' ? maxKeysAPage : Number(text);
  if (!Number.isInteger(maxKeys) || maxKeys < 0 || maxKeys > maxInteger) {
    throw invalidArgument(`Argument maxKeys must be an integer between 0 and ${maxInteger}`, 'maxKeys', text ?? '');
  }
  const delimiter = query.get('delimiter') ?? '';
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: delimiter === '' ? undefined : delimiter,
    maxKeys: Math.min(maxKeys, maxKeysAPage),
    encodesUrl: encoding === 'url',
    encode: encoding === 'url' ? urlEncode : (key) => key,
  };
}

/** As S3 does it: a form's encoding (a space is a plus), but slashes stay. */
function urlEncode(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/');
}

function invalidArgument(message: string, name: string, value: string): S3Error {
  return new S3Error('InvalidArgument', message, { ArgumentName: name, ArgumentValue: value });
}
