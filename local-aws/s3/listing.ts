/**
 * The order and the paging of a listing: prefix, delimiter, where to go on. Nothing is sorted. The order is that of the
 * index: UTF-8 bytes, which JavaScript's own comparison of strings is not.
 */
import type { DatabaseSync } from 'node:sqlite';
import { S3Error } from './errors.ts';

export interface ListQuery {
  prefix?: string | undefined;
  delimiter?: string | undefined;
  /** List what comes after this key; it need not exist. */
  startAfter?: string | undefined;
  /** From the page before; outranks `startAfter`. */
  continuationToken?: string | undefined;
  maxKeys?: number | undefined;
}

export interface ListedObject {
  key: string;
  sizeBytes: number;
  eTag: string;
  lastModifiedMs: number;
}

export interface ListPage {
  contents: ListedObject[];
  commonPrefixes: string[];
  /** The last key or common prefix of this page, when there are more. */
  lastEntry: string | undefined;
  nextContinuationToken: string | undefined;
}

/** ListObjectsV2: "returns some or all (up to 1,000) of the objects". */
export const maxKeysAPage = 1_000;

/** SQLite sorts every BLOB after every TEXT: as an upper bound, the end of the index. */
const end = new Uint8Array();

export class Listing {
  readonly #page;

  constructor(db: DatabaseSync) {
    this.#page = db.prepare(
      `SELECT key, size_bytes, e_tag, modified_ms FROM s3_objects
       WHERE bucket_id = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?`,
    );
  }

  page(bucketId: number, query: ListQuery): ListPage {
    const { prefix = '', delimiter = '' } = query;
    const maxKeys = Math.min(query.maxKeys ?? maxKeysAPage, maxKeysAPage);
    const page: ListPage = {
      contents: [],
      commonPrefixes: [],
      lastEntry: undefined,
      nextContinuationToken: undefined,
    };
    const after = query.continuationToken === undefined ? query.startAfter : entryOfToken(query.continuationToken);
    const upper = firstAfterPrefix(prefix) ?? end;
    let lower: string | undefined = prefix;
    if (after !== undefined && after !== '') lower = laterOf(prefix, resumeAt(after, prefix, delimiter));
    let last: string | undefined;
    while (lower !== undefined && maxKeys > 0) {
      const room: number = maxKeys - page.contents.length - page.commonPrefixes.length;
      const from: string = lower;
      lower = undefined;
      // One more than there is room for: that one says whether there is a next page.
      for (const row of this.#page.iterate(bucketId, from, upper, room + 1)) {
        const key = row.key as string;
        if (page.contents.length + page.commonPrefixes.length === maxKeys) {
          page.lastEntry = last;
          page.nextContinuationToken = last === undefined ? undefined : tokenOfEntry(last);
          return page;
        }
        const commonPrefix = commonPrefixOf(key, prefix, delimiter);
        if (commonPrefix !== undefined) {
          page.commonPrefixes.push(commonPrefix);
          last = commonPrefix;
          // Go on behind everything under it, with a new search of the index: a million keys there cost nothing.
          lower = firstAfterPrefix(commonPrefix);
          break;
        }
        page.contents.push({
          key,
          sizeBytes: row.size_bytes as number,
          eTag: row.e_tag as string,
          lastModifiedMs: row.modified_ms as number,
        });
        last = key;
      }
    }
    return page;
  }
}

function commonPrefixOf(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '') return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at === -1 ? undefined : key.slice(0, at + delimiter.length);
}

/** The first key to look at when everything up to `after` was listed; undefined when nothing can come behind it. */
function resumeAt(after: string, prefix: string, delimiter: string): string | undefined {
  // A common prefix stands for all that is under it: a start at or inside one is past it.
  const within = after.startsWith(prefix) ? commonPrefixOf(after, prefix, delimiter) : undefined;
  return within === undefined ? `${after}\u0000` : firstAfterPrefix(within);
}

function laterOf(a: string, b: string | undefined): string | undefined {
  if (b === undefined) return undefined;
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0 ? b : a;
}

/**
 * The least key that sorts after every key with that prefix; undefined when there is none (an empty prefix).
 * By code points, whose order is that of UTF-8 bytes; the surrogates between are no characters and are jumped over.
 */
export function firstAfterPrefix(prefix: string): string | undefined {
  const codePoints = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  for (;;) {
    const lastCodePoint = codePoints.pop();
    if (lastCodePoint === undefined) return undefined;
    if (lastCodePoint === 0x10ffff) continue;
    codePoints.push(lastCodePoint === 0xd7ff ? 0xe000 : lastCodePoint + 1);
    return codePoints.map((codePoint) => String.fromCodePoint(codePoint)).join('');
  }
}

/** The version first, so that a token kept across an upgrade is refused rather than misread. */
const tokenVersion = '1';

function tokenOfEntry(entry: string): string {
  return Buffer.from(tokenVersion + entry).toString('base64url');
}

function entryOfToken(token: string): string {
  const decoded = Buffer.from(token, 'base64url').toString();
  if (!decoded.startsWith(tokenVersion) || Buffer.from(decoded).toString('base64url') !== token) {
    throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect', {
      ArgumentName: 'continuation-token',
    });
  }
  return decoded.slice(tokenVersion.length);
}
