import { beforeEach, describe, expect, test } from '@jest/globals';
import type { S3Store } from '../s3/store.ts';
import { bodyOf, codeOf, newS3 } from './s3-ask.ts';
import type { Ask } from './s3-ask.ts';

let store: S3Store;
let request: Ask['request'];
let keys: Ask['keys'];

beforeEach(() => {
  ({ store, request, keys } = newS3({ now: () => Date.UTC(2026, 10, 20, 1, 2, 3, 456) }));
});

describe('addresses', () => {
  test.each([
    ['127.0.0.1:4566', '/bucket/a/b', 'a/b'],
    ['localhost:4566', '/bucket/a/b', 'a/b'],
    ['s3.localhost:4566', '/bucket/a/b', 'a/b'],
    ['s3.us-east-1.localhost', '/bucket/a/b', 'a/b'],
    ['bucket.localhost:4566', '/a/b', 'a/b'],
    ['bucket.s3.localhost:4566', '/a/b', 'a/b'],
    ['bucket.s3.us-east-1.localhost', '/a/b', 'a/b'],
    ['BUCKET.S3.localhost', '/a/b', 'a/b'],
    ['127.0.0.1', '/bucket//a//', '/a//'],
    ['bucket.localhost', '//a', '/a'],
    ['127.0.0.1', '/bucket/%2E%2E/a+b%2Bc%20d%2520', '../a+b+c d%20'],
    ['127.0.0.1', '/%62ucket/%F0%9F%8F%B9', '🏹'],
  ])('host %s, path %s is the key %j', (host, path, key) => {
    expect(request('PUT', path, { headers: { host }, body: 'x' }).status).toBe(200);
    expect(keys()).toEqual([key]);
  });

  test('a bucket with dots in its name can stand in the host', () => {
    store.createBucket('my.own.bucket');
    request('PUT', '/a', { headers: { host: 'my.own.bucket.s3.eu-west-1.localhost' } });
    expect(store.list('my.own.bucket').contents).toHaveLength(1);
  });

  test('a path that is not percent-encoded UTF-8 is InvalidURI', () => {
    expect(codeOf(request('PUT', '/bucket/%zz'))).toBe('InvalidURI');
    expect(codeOf(request('PUT', '/bucket/%FF'))).toBe('InvalidURI');
  });
});

describe('what is not served', () => {
  test.each([
    ['GET', '/bucket?acl', 'GetBucketAcl'],
    ['PUT', '/bucket?notification', 'PutBucketNotificationConfiguration'],
    ['GET', '/bucket?versions', 'ListObjectVersions'],
    ['GET', '/bucket?uploads', 'ListMultipartUploads'],
    ['DELETE', '/bucket?policy', 'DeleteBucketPolicy'],
    ['PUT', '/bucket/a?tagging', 'PutObjectTagging'],
    ['GET', '/bucket/a?attributes', 'GetObjectAttributes'],
    ['POST', '/bucket/a?restore', 'RestoreObject'],
    ['POST', '/bucket/a?select&select-type=2', 'SelectObjectContent'],
    ['POST', '/bucket', 'PostObject'],
    ['POST', '/bucket/a', 'POST key'],
  ])('%s %s is NotImplemented, by its name %s, and changes nothing', (method, url, operation) => {
    store.put('bucket', 'a', Buffer.from('before'));
    const response = request(method, url, { body: '<x/>' });
    expect(response).toMatchObject({ status: 501, operation });
    expect(codeOf(response)).toBe('NotImplemented');
    expect(bodyOf(response)).toContain(operation);
    expect(Buffer.from(store.get('bucket', 'a').body).toString()).toBe('before');
  });

  test.each([
    ['x-amz-tagging', 'a=b'],
    ['x-amz-storage-class', 'GLACIER'],
    ['x-amz-server-side-encryption', 'aws:kms'],
    ['x-amz-server-side-encryption-customer-algorithm', 'AES256'],
    ['x-amz-acl', 'public-read'],
    ['x-amz-object-lock-mode', 'GOVERNANCE'],
    ['x-amz-checksum-xxhash64', 'AAAAAAAAAAA='],
    ['if-none-match', '"0123"'],
  ])('a put with %s: %s is NotImplemented, not a put without it', (name, value) => {
    const response = request('PUT', '/bucket/a', { headers: { [name]: value }, body: 'x' });
    expect(codeOf(response)).toBe('NotImplemented');
    expect(keys()).toEqual([]);
  });

  test('versions and parts by number are NotImplemented; the version "null" is the object', () => {
    store.put('bucket', 'a', Buffer.from('x'));
    expect(request('GET', '/bucket/a?versionId=3sL4').status).toBe(501);
    expect(request('DELETE', '/bucket/a?versionId=3sL4').status).toBe(501);
    expect(request('HEAD', '/bucket/a?partNumber=1').status).toBe(501);
    expect(request('GET', '/bucket/a?versionId=null').status).toBe(200);
  });

  test('other methods are MethodNotAllowed', () => {
    expect(codeOf(request('PATCH', '/bucket/a'))).toBe('MethodNotAllowed');
  });
});

describe('errors', () => {
  test('are XML with code, message, context, resource and the request id of the header', () => {
    const response = request('GET', '/bucket/%3Ca%3E%20b');
    expect(response.headers['content-type']).toBe('application/xml');
    expect(response.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/);
    expect(bodyOf(response)).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>' +
        '<Message>The specified key does not exist.</Message><Key>&lt;a&gt; b</Key>' +
        '<Resource>/bucket/%3Ca%3E%20b</Resource>' +
        `<RequestId>${response.headers['x-amz-request-id'] ?? ''}</RequestId></Error>`,
    );
  });

  test('have no body when a HEAD asked', () => {
    expect(request('HEAD', '/bucket/a')).toMatchObject({ status: 404, body: '', operation: 'HeadObject' });
    expect(request('HEAD', '/nowhere')).toMatchObject({ status: 404, body: '', operation: 'HeadBucket' });
  });

  test('of the store itself are InternalError, with the fault for the caller and not for the client', () => {
    const fault = new Error('secret detail');
    const { request, keys } = newS3({
      onObjectCreated: () => {
        throw fault;
      },
    });
    const response = request('PUT', '/bucket/a', { body: 'x' });
    expect(response).toMatchObject({ status: 500, operation: 'PutObject', fault });
    expect(codeOf(response)).toBe('InternalError');
    expect(bodyOf(response)).not.toContain('secret');
    expect(keys()).toEqual([]);
  });
});

describe('listings', () => {
  test('are escaped so that any XML reader gets the keys back, but for control characters', () => {
    for (const key of ['<&>"\'', 'tab\tline\nend\r', 'bell\u0007', '🏹', '\uffff'])
      store.put('bucket', key, Buffer.from(''));
    const xml = bodyOf(request('GET', '/bucket?list-type=2'));
    expect(Array.from(xml.matchAll(/<Key>(.*?)<\/Key>/gs), ([, key]) => key)).toEqual([
      "&lt;&amp;&gt;&quot;'",
      'bell&#x7;',
      'tab\tline\nend&#xD;',
      '&#xFFFF;',
      '🏹',
    ]);
  });

  test('with encoding-type=url every key is written as S3 writes it', () => {
    store.put('bucket', "a/b c+d%\u0007é*-._~!'()", Buffer.from(''));
    store.put('bucket', 'p q/r', Buffer.from(''));
    const xml = bodyOf(request('GET', '/bucket?list-type=2&encoding-type=url&delimiter=q/&start-after=%20'));
    expect(xml).toContain('<Key>a/b+c%2Bd%25%07%C3%A9*-._%7E%21%27%28%29</Key>');
    expect(xml).toContain('<CommonPrefixes><Prefix>p+q/</Prefix></CommonPrefixes>');
    expect(xml).toContain('<Delimiter>q/</Delimiter>');
    expect(xml).toContain('<StartAfter>+</StartAfter>');
    expect(xml).toContain('<EncodingType>url</EncodingType>');
  });

  test('tell times in whole seconds, as S3 does', () => {
    store.put('bucket', 'a', Buffer.from(''));
    expect(bodyOf(request('GET', '/bucket?list-type=2'))).toContain(
      '<LastModified>2026-11-20T01:02:03.000Z</LastModified>',
    );
  });

  test.each(['encoding-type=base64', 'max-keys=ten', 'max-keys=2147483648', 'continuation-token='])(
    '?%s is InvalidArgument',
    (query) => expect(codeOf(request('GET', `/bucket?list-type=2&${query}`))).toBe('InvalidArgument'),
  );
});
