/**
 * Which bucket and which key a request is about, in path style (`/bucket/key`) and in virtual-host style
 * (`bucket.localhost`, `bucket.s3.localhost`, `bucket.s3.REGION.localhost`). Nothing is decoded twice, and no key is
 * tidied: `//`, `..`, `+` and `%2F` are what the client meant.
 */
import { S3Error } from './errors.ts';

export interface Address {
  bucket: string | undefined;
  key: string | undefined;
}

const hostWithBucket = /^(.+)\.s3(?:[.-][a-z0-9-]+)?\.localhost$/;
const hostOfService = /^s3(?:[.-][a-z0-9-]+)?\.localhost$/;

/** `path` still percent-encoded, without its query. */
export function addressOf(host: string | undefined, path: string): Address {
  const hostBucket = bucketOfHost(host);
  if (hostBucket !== undefined) return { bucket: hostBucket, key: decodeKey(path.slice(1)) };
  const slash = path.indexOf('/', 1);
  const bucket = slash === -1 ? path.slice(1) : path.slice(1, slash);
  if (bucket === '') return { bucket: undefined, key: undefined };
  return { bucket: decode(bucket), key: slash === -1 ? undefined : decodeKey(path.slice(slash + 1)) };
}

function bucketOfHost(host: string | undefined): string | undefined {
  if (host === undefined) return undefined;
  const name = host.replace(/:\d+$/, '').toLowerCase();
  if (!name.endsWith('.localhost') || hostOfService.test(name)) return undefined;
  return hostWithBucket.exec(name)?.[1] ?? name.slice(0, -'.localhost'.length);
}

function decodeKey(path: string): string | undefined {
  return path === '' ? undefined : decode(path);
}

/** A plus in a path is a plus; only in a query is it a space. */
export function decode(encoded: string): string {
  if (!encoded.includes('%')) return encoded;
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new S3Error('InvalidURI', "Couldn't parse the specified URI: it is not percent-encoded UTF-8.", {
      URI: encoded,
    });
  }
}
