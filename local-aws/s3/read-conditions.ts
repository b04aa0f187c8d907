/**
 * The conditions and the range of a read: If-Match and its kin, Range. Ranges in several pieces are answered with the
 * whole object, as S3 does.
 */
import { preconditionFailed, S3Error } from './errors.ts';
import { withoutQuotes } from './object-table.ts';
import type { StoredObject } from './object-table.ts';
import type { ByteRange } from './store.ts';

export interface ReadConditions {
  ifMatch: string | undefined;
  ifNoneMatch: string | undefined;
  ifModifiedSince: string | undefined;
  ifUnmodifiedSince: string | undefined;
}

export function readConditions(
  headers: Readonly<Record<string, string>>,
  prefix: '' | 'x-amz-copy-source-',
): ReadConditions {
  return {
    ifMatch: headers[`${prefix}if-match`],
    ifNoneMatch: headers[`${prefix}if-none-match`],
    ifModifiedSince: headers[`${prefix}if-modified-since`],
    ifUnmodifiedSince: headers[`${prefix}if-unmodified-since`],
  };
}

/** Whether the client has this version already. Throws PreconditionFailed. An ETag, when given, outranks a date (RFC 9110). */
export function isNotModified(object: StoredObject, conditions: ReadConditions): boolean {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  // HTTP dates are whole seconds: an object of the same second is not newer.
  const modifiedMs = Math.floor(object.lastModifiedMs / 1000) * 1000;
  if (ifMatch !== undefined) {
    if (!names(ifMatch, object.eTag)) throw preconditionFailed('If-Match');
  } else if (ifUnmodifiedSince !== undefined && modifiedMs > Date.parse(ifUnmodifiedSince)) {
    throw preconditionFailed('If-Unmodified-Since');
  }
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, object.eTag);
  return ifModifiedSince !== undefined && modifiedMs <= Date.parse(ifModifiedSince);
}

function names(list: string, eTag: string): boolean {
  return list.split(',').some((entry) => entry.trim() === '*' || withoutQuotes(entry.trim()) === eTag);
}

/** The bytes that a Range header means of an object of that size; undefined: all of it. Throws InvalidRange. */
export function rangeOf(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  const match = header === undefined ? null : /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  const [, first = '', last = ''] = match ?? [];
  if (header === undefined || (first === '' && last === '')) return undefined;
  if (first !== '' && last !== '' && Number(first) > Number(last)) return undefined;
  const firstByte = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const lastByte = first === '' || last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (firstByte > lastByte) {
    throw new S3Error('InvalidRange', 'The requested range is not satisfiable', {
      RangeRequested: header,
      ActualObjectSize: String(sizeBytes),
    });
  }
  return { firstByte, lastByte };
}
