/** The bucket on S3. Thin: it translates calls, outcomes and errors, and decides nothing. */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3ServiceException,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { ItemError, TransientError } from '../engine/errors.ts';
import type { Body, Metadata, ObjectStore } from '../engine/ports.ts';
import { withRatePlace, type RatePlace } from '../engine/rate/rate-place.ts';
import { explained } from './errors.ts';
import { createPlainRequests, type Headers } from './plain-requests.ts';

/**
 * A conditional write that races with another one is answered 409, and S3 asks to try again. Each race has a winner, so
 * the second attempt finds the object; more than a few in a row is no race.
 */
const raceAttempts = 4;

const json = 'application/json';

const metadataPrefix = 'x-amz-meta-';

/**
 * @throws in every method: TransientError for the network, throttling and 5xx (after the SDK's own attempts); otherwise S3's
 * own error with the bucket and the key in its message
 */
export function createObjectStore(client: S3Client, bucket: string): ObjectStore {
  const explain = (key: string, error: unknown): Error => explained(`[bucket=${bucket}, key=${key}]`, error);
  const sendPlainly = createPlainRequests(client, bucket);
  const writePlainly = (key: string, body: Body, contentType: string, metadata: Metadata, more: Headers = {}) =>
    sendPlainly({
      method: 'PUT',
      key,
      body,
      headers: { 'content-type': contentType, ...metadataHeaders(metadata), ...more },
    });
  const write = async (input: Omit<PutObjectCommandInput, 'Bucket'>): Promise<void> => {
    await client.send(new PutObjectCommand({ Bucket: bucket, ...input }));
  };

  const refuseSize = (key: string, sizeBytes: number, maxBytes: number): never => {
    throw new ItemError(
      'TOO_LARGE',
      `The object has ${sizeBytes} bytes; at most ${maxBytes} are read [bucket=${bucket}, key=${key}].`,
    );
  };

  return {
    async get(key, maxBytes) {
      const plain = await sendPlainly({ method: 'GET', key, maxBytes });
      if (plain?.status === 200) {
        const { headers, text } = plain;
        return {
          body: text ?? refuseSize(key, Number(headers['content-length']), maxBytes),
          eTag: unquoted(headers['etag']),
          metadata: metadataIn(headers),
          modifiedMs: Date.parse(headers['last-modified'] ?? '') || 0,
        };
      }
      if (plain?.status === 404 && plain.text?.includes('<Code>NoSuchKey</Code>') === true) return undefined;
      try {
        const object = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        const { Body: body, ContentLength: sizeBytes = 0 } = object;
        if (body === undefined)
          throw new TransientError('S3_NO_BODY', `S3 answered without a body [bucket=${bucket}, key=${key}].`);
        if (sizeBytes > maxBytes) {
          // Unread, the rest would hold the connection.
          if ('destroy' in body) body.destroy();
          return refuseSize(key, sizeBytes, maxBytes);
        }
        return {
          body: await body.transformToString(),
          eTag: unquoted(object.ETag),
          metadata: object.Metadata ?? {},
          modifiedMs: object.LastModified?.getTime() ?? 0,
        };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw explain(key, error);
      }
    },

    async head(key) {
      const plain = await sendPlainly({ method: 'HEAD', key });
      if (plain?.status === 200) return { eTag: unquoted(plain.headers['etag']), metadata: metadataIn(plain.headers) };
      if (plain?.status === 404) return undefined;
      try {
        const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
        return { eTag: unquoted(head.ETag), metadata: head.Metadata ?? {} };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw explain(key, error);
      }
    },

    async *list(prefix) {
      let token: string | undefined;
      do {
        let page;
        try {
          page = await client.send(
            new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }),
          );
        } catch (error) {
          throw explain(prefix, error);
        }
        yield (page.Contents ?? []).map(({ Key: key, ETag: eTag, Size: sizeBytes = 0, LastModified: modified }) => {
          if (key === undefined || modified === undefined) {
            throw new TransientError(
              'S3_BAD_LIST',
              `S3 listed an object without a key or a time [bucket=${bucket}, prefix=${prefix}].`,
            );
          }
          return { key, eTag: unquoted(eTag), sizeBytes, modifiedMs: modified.getTime() };
        });
        token = page.NextContinuationToken;
        if (page.IsTruncated === true && token === undefined) {
          throw new TransientError(
            'S3_BAD_LIST',
            `S3 broke a listing off without saying how to go on [bucket=${bucket}, prefix=${prefix}].`,
          );
        }
      } while (token !== undefined);
    },

    async create(key, body, metadata, contentType = json) {
      const plain = await writePlainly(key, body, contentType, metadata, { 'if-none-match': '*' });
      if (plain?.status === 200) return 'created';
      if (plain?.status === 412) return 'exists';
      for (let attempts = 1; ; attempts += 1) {
        try {
          await write({ Key: key, Body: body, ContentType: contentType, Metadata: metadata, IfNoneMatch: '*' });
          return 'created';
        } catch (error) {
          if (hasStatus(error, 412)) return 'exists';
          if (!hasStatus(error, 409) || attempts >= raceAttempts) throw explain(key, error);
        }
      }
    },

    async replace(key, body, metadata, eTag, contentType = json) {
      const condition = eTag === undefined ? { IfNoneMatch: '*' } : { IfMatch: eTag };
      try {
        await write({ Key: key, Body: body, ContentType: contentType, Metadata: metadata, ...condition });
        return 'replaced';
      } catch (error) {
        // 404: it was deleted; 409: another write of it is under way (page conditional-writes).
        if (hasStatus(error, 412) || hasStatus(error, 409) || isMissing(error)) return 'changed';
        throw explain(key, error);
      }
    },

    async remove(key) {
      try {
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
      } catch (error) {
        throw explain(key, error);
      }
    },

    async put(key, body, metadata) {
      const plain = await writePlainly(key, body, json, metadata);
      if (plain?.status === 200) return;
      try {
        await write({ Key: key, Body: body, ContentType: json, Metadata: metadata });
      } catch (error) {
        throw explain(key, error);
      }
    },
  };
}

/** @param place where the control objects are that stages share; undefined: in the bucket itself */
export function createStageStore(client: S3Client, bucket: string, place: RatePlace | undefined): ObjectStore {
  const own = createObjectStore(client, bucket);
  return place === undefined ? own : withRatePlace(own, createObjectStore(client, place.bucket), place);
}

function metadataHeaders(metadata: Metadata): Headers {
  return Object.fromEntries(Object.entries(metadata).map(([name, value]) => [metadataPrefix + name, value]));
}

function metadataIn(headers: Headers): Metadata {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith(metadataPrefix) ? [[name.slice(metadataPrefix.length), value]] : [],
    ),
  );
}

function unquoted(eTag: string | undefined): string {
  return (eTag ?? '').replaceAll('"', '');
}

function hasStatus(error: unknown, status: number): boolean {
  return error instanceof S3ServiceException && error.$metadata.httpStatusCode === status;
}

/** A missing bucket is also a 404, and is no missing object. A HEAD has no body to tell them apart, so its name is NotFound. */
function isMissing(error: unknown): boolean {
  return hasStatus(error, 404) && (error as S3ServiceException).name !== 'NoSuchBucket';
}
