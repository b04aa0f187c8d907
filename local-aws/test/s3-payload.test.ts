import { beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import type { S3Store } from '../s3/store.ts';
import { codeOf, md5, newS3 } from './s3-ask.ts';
import type { Ask } from './s3-ask.ts';

let store: S3Store;
let request: Ask['request'];
let keys: Ask['keys'];

beforeEach(() => {
  ({ store, request, keys } = newS3());
});

describe('a body', () => {
  const chunked = (text: string) => ({
    headers: { 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'content-encoding': 'aws-chunked' },
    body: text,
  });

  test('in signed chunks is stored without them, and so is its encoding', () => {
    const signature = `chunk-signature=${'0'.repeat(64)}`;
    const response = request('PUT', '/bucket/a', {
      headers: {
        'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        'x-amz-decoded-content-length': '11',
        'content-encoding': 'aws-chunked,gzip',
      },
      body: `6;${signature}\r\nhello \r\n5;${signature}\r\nworld\r\n0;${signature}\r\n\r\n`,
    });
    expect(response.status).toBe(200);
    const { body, headers } = store.get('bucket', 'a');
    expect(Buffer.from(body).toString()).toBe('hello world');
    expect(headers['content-encoding']).toBe('gzip');
  });

  test('in chunks with a trailing checksum is verified against it', () => {
    const right = request('PUT', '/bucket/a', chunked('9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n'));
    expect(right.headers['x-amz-checksum-crc32']).toBe('y/Q5Jg==');
    const wrong = request('PUT', '/bucket/b', chunked('9\r\n123456780\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n'));
    expect(codeOf(wrong)).toBe('BadDigest');
    expect(keys()).toEqual(['a']);
  });

  test.each(['9\r\n12345', '3\r\nabcd\r\n0\r\n\r\n', 'zz\r\nab\r\n0\r\n\r\n', '3\r\nabc\r\n', '', 'just text'])(
    'whose chunks are broken (%j) is IncompleteBody and stores nothing',
    (text) => {
      expect(codeOf(request('PUT', '/bucket/a', chunked(text)))).toBe('IncompleteBody');
      expect(keys()).toEqual([]);
    },
  );

  test('shorter than x-amz-decoded-content-length says is IncompleteBody', () => {
    const { headers, body } = chunked('3\r\nabc\r\n0\r\n\r\n');
    const announced = { ...headers, 'x-amz-decoded-content-length': '4' };
    expect(codeOf(request('PUT', '/bucket/a', { headers: announced, body }))).toBe('IncompleteBody');
  });

  test.each([
    ['content-md5', md5('other'), 'BadDigest'],
    ['content-md5', 'short', 'InvalidDigest'],
    ['x-amz-checksum-crc32', 'AAAAAA==', 'BadDigest'],
    ['x-amz-checksum-crc32', 'nonsense', 'InvalidRequest'],
    ['x-amz-checksum-crc32c', 'AAAAAA==', 'BadDigest'],
    ['x-amz-checksum-crc64nvme', 'AAAAAAAAAAA=', 'BadDigest'],
    ['x-amz-checksum-sha1', createHash('sha1').update('other').digest('base64'), 'BadDigest'],
    ['x-amz-checksum-sha256', createHash('sha256').update('other').digest('base64'), 'BadDigest'],
    ['x-amz-content-sha256', '0'.repeat(64), 'XAmzContentSHA256Mismatch'],
  ])('that does not fit %s: %s is %s and stores nothing', (name, value, code) => {
    const response = request('PUT', '/bucket/a', { headers: { [name]: value }, body: '123456789' });
    expect(codeOf(response)).toBe(code);
    expect(keys()).toEqual([]);
  });

  test.each([
    ['crc32', 'y/Q5Jg=='],
    ['crc32c', '4waSgw=='],
    ['crc64nvme', 'rosUhgp5mIg='],
    ['sha1', '98O8HYCOBHMq32eZZczDTKeuNEE='],
    ['sha256', 'FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU='],
  ])('with its right %s is stored, and the checksum told to who asks, not with a range', (algorithm, value) => {
    const header = `x-amz-checksum-${algorithm}`;
    expect(request('PUT', '/bucket/a', { headers: { [header]: value }, body: '123456789' }).status).toBe(200);
    const asking = { 'x-amz-checksum-mode': 'ENABLED' };
    expect(request('HEAD', '/bucket/a', { headers: asking }).headers[header]).toBe(value);
    expect(request('GET', '/bucket/a').headers[header]).toBeUndefined();
    expect(request('GET', '/bucket/a', { headers: { ...asking, range: 'bytes=0-1' } }).headers[header]).toBeUndefined();
  });

  test('with two checksums is InvalidRequest', () => {
    const headers = { 'x-amz-checksum-crc32': 'y/Q5Jg==', 'x-amz-checksum-crc32c': '4waSgw==' };
    expect(codeOf(request('PUT', '/bucket/a', { headers, body: '123456789' }))).toBe('InvalidRequest');
  });
});

describe('metadata', () => {
  test('of 2,048 bytes is kept, of one more is MetadataTooLarge', () => {
    const put = (length: number) => request('PUT', '/bucket/a', { headers: { 'x-amz-meta-k': 'v'.repeat(length) } });
    expect(put(2_047).status).toBe(200);
    expect(request('HEAD', '/bucket/a').headers['x-amz-meta-k']).toHaveLength(2_047);
    expect(codeOf(put(2_048))).toBe('MetadataTooLarge');
  });

  test('a reader may override the headers of the answer', () => {
    request('PUT', '/bucket/a', { headers: { 'content-type': 'text/plain' }, body: 'x' });
    const { headers } = request('GET', '/bucket/a?response-content-type=text%2Fcss&response-cache-control=no-cache');
    expect(headers).toMatchObject({ 'content-type': 'text/css', 'cache-control': 'no-cache' });
  });
});

describe('a deletion of many', () => {
  const deletion = (xml: string, headers: Record<string, string> = { 'content-md5': md5(xml) }) =>
    request('POST', '/bucket?delete', { headers, body: xml });
  const objects = (...names: string[]) =>
    `<Delete>${names.map((name) => `<Object><Key>${name}</Key></Object>`).join('')}</Delete>`;

  beforeEach(() => {
    for (const key of [' a ', 'b&<', 'c\r', '007', 'é']) store.put('bucket', key, Buffer.from(''));
  });

  test('takes keys with entities, references, spaces and digits as they are meant', () => {
    const xml = `<?xml version="1.0"?>\n<!-- five -->\n${objects(' a ', 'b&amp;&lt;', 'c&#13;', '007', '&#xE9;')}`;
    expect(deletion(xml).status).toBe(200);
    expect(keys()).toEqual([]);
  });

  test.each([
    objects('007').slice(0, -3),
    objects('007').replace('</Key>', ''),
    `${objects('007')}<Delete/>`,
    `<!DOCTYPE x [<!entity k "007">]>${objects('&k;')}`,
    objects('007 & 008'),
    objects('&nbsp;'),
    '<Delete></Delete>',
    '<Delete><Object></Object></Delete>',
    '<Other><Object><Key>007</Key></Object></Other>',
    'text',
    '',
  ])('of %j is MalformedXML and deletes nothing', (xml) => {
    expect(codeOf(deletion(xml))).toBe('MalformedXML');
    expect(keys()).toHaveLength(5);
  });

  test('without a checksum of its body is refused, as S3 does', () => {
    expect(codeOf(deletion(objects('007'), {}))).toBe('InvalidRequest');
    expect(keys()).toHaveLength(5);
  });

  test('of versions is NotImplemented, not a deletion of the object', () => {
    const xml = '<Delete><Object><Key>007</Key><VersionId>3sL4</VersionId></Object></Delete>';
    expect(codeOf(deletion(xml))).toBe('NotImplemented');
    expect(keys()).toHaveLength(5);
  });
});
