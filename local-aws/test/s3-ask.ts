/** Asking the local S3 without a socket, for the tests of its requests. */
import { createHash } from 'node:crypto';
import { openDatabase } from '../database.ts';
import { handleS3 } from '../s3/request.ts';
import type { S3Response } from '../s3/request.ts';
import { S3Store } from '../s3/store.ts';
import type { S3StoreOptions } from '../s3/store.ts';

export interface Ask {
  store: S3Store;
  request: (method: string, url: string, extra?: { headers?: Record<string, string>; body?: string }) => S3Response;
  /** What is in the bucket `bucket`. */
  keys: () => string[];
}

/** A store in memory with one bucket, `bucket`. */
export function newS3(options: S3StoreOptions = {}): Ask {
  const store = new S3Store(openDatabase(), options);
  store.createBucket('bucket');
  return {
    store,
    request: (method, url, { headers = {}, body = '' } = {}) => {
      const [path = '', query = ''] = url.split('?', 2);
      return handleS3(store, {
        method,
        path,
        query: new URLSearchParams(query),
        headers: { host: '127.0.0.1:4566', ...headers },
        body: Buffer.from(body),
      });
    },
    keys: () => store.list('bucket').contents.map(({ key }) => key),
  };
}

export const bodyOf = (response: S3Response) => Buffer.from(response.body as string).toString();
export const codeOf = (response: S3Response) => /<Code>(\w+)<\/Code>/.exec(bodyOf(response))?.[1];
export const md5 = (text: string) => createHash('md5').update(text).digest('base64');
