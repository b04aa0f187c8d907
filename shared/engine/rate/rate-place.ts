/**
 * Where the stages that share one API keep what holds for all of them: the shares' table, the freeze and the API's limit, in a
 * bucket and under a prefix that all of them reach (docs/decisions/0022-shared-rate.md). What people set stays each stage's own.
 */
import { apiLimitKey, freezeKey, sharesKey } from '../chain/keys.ts';
import { ItemError, TransientError } from '../errors.ts';
import type { ObjectStore } from '../ports.ts';

/** The control objects that hold for an API, and not for one stage. */
export const sharedRateKeys: readonly string[] = [freezeKey, sharesKey, apiLimitKey];

export type RatePlace = {
  bucket: string;
  /** Put before the keys, as it is. */
  prefix: string;
};

/** @returns the stage's bucket, whose control objects of the API are those of the place */
export function withRatePlace(own: ObjectStore, shared: ObjectStore, place: RatePlace): ObjectStore {
  const at = (key: string): string => `${place.prefix}${key}`;
  const ask = async <T>(key: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      throw reachable(error, key, place);
    }
  };
  const isShared = (key: string): boolean => sharedRateKeys.includes(key);
  return {
    create: (...write) => own.create(...write),
    put: (...write) => own.put(...write),
    remove: (key) => own.remove(key),
    get: (key, maxBytes) => (isShared(key) ? ask(key, () => shared.get(at(key), maxBytes)) : own.get(key, maxBytes)),
    head: (key) => (isShared(key) ? ask(key, () => shared.head(at(key))) : own.head(key)),
    replace: (key, body, metadata, eTag, contentType) =>
      isShared(key)
        ? ask(key, () => shared.replace(at(key), body, metadata, eTag, contentType))
        : own.replace(key, body, metadata, eTag, contentType),
    list: (prefix) => (isShared(prefix) ? listed(shared.list(at(prefix)), prefix, place) : own.list(prefix)),
  };
}

async function* listed(
  pages: ReturnType<ObjectStore['list']>,
  key: string,
  place: RatePlace,
): ReturnType<ObjectStore['list']> {
  try {
    for await (const page of pages) yield page.map((each) => ({ ...each, key: each.key.slice(place.prefix.length) }));
  } catch (error) {
    throw reachable(error, key, place);
  }
}

/** A refusal may end when a person corrects a policy: until then it is as if S3 were lost, and no call is made. */
function reachable(error: unknown, key: string, { bucket, prefix }: RatePlace): unknown {
  if (error instanceof TransientError || error instanceof ItemError || !(error instanceof Error)) return error;
  const message = `The control object that stages share, s3://${bucket}/${prefix}${key}, can't be used: ${error.name}: ${error.message}. No call is made without it. Does the bucket of rateBucket exist, in this region, and does its policy let this function get and put the object and list the bucket?`;
  return new TransientError('RATE_BUCKET', message, { cause: error });
}
