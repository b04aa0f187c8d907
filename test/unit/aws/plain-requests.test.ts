/**
 * Requests past the SDK's layers: they are what the SDK would have sent, signed as AWS's documentation has it (computed here
 * once more), and whatever is not plain goes the SDK's way.
 */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createObjectStore } from '../../../shared/aws/object-store.ts';

type Received = { method: string; path: string; headers: IncomingHttpHeaders; body: Buffer };
type Answer = { status: number; headers?: Record<string, string>; body?: string } | 'reset';

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'session' };
const region = 'eu-central-1';

let client: S3Client;
let server: Server;
let endpoint: string;
let received: Received[];
/** What comes next; afterwards, and by default, 200. */
let answers: Answer[];

beforeEach(async () => {
  [received, answers] = [[], []];
  server = createServer((request, response) => {
    void buffer(request).then((body) => {
      const { method = '', url: path = '', headers } = request;
      received.push({ method, path, headers, body });
      const answer = answers.shift() ?? { status: 200, headers: { etag: '"e"' } };
      if (answer === 'reset') return request.socket.resetAndDestroy();
      response.writeHead(answer.status, answer.headers);
      // Shorter than it says: the connection breaks off behind it.
      if (answer.headers?.['content-length'] === undefined) return response.end(answer.body);
      return response.write(answer.body, () => request.socket.resetAndDestroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  client.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function storeWith(config: S3ClientConfig = { endpoint }) {
  client = new S3Client({ region, credentials, ...config });
  return createObjectStore(client, 'bucket');
}

/** A store that has found its address, and whose requests from now on are looked at. */
async function warmStore(config: S3ClientConfig = { endpoint }) {
  const store = storeWith(config);
  await store.head('first');
  received.length = 0;
  return store;
}

const isPlain = ({ headers }: Received): boolean => headers['amz-sdk-invocation-id'] === undefined;

const hostileKeys = [
  'items/a.json',
  'data/run/a%20b/%2E%2E%2F/c.json',
  "items/sp ace+plus&=?#!'()*.json",
  'items/🏹/שלום.json',
];

describe('a request past the layers', () => {
  test.each(hostileKeys)('goes where the SDK goes: %s', async (key) => {
    const store = storeWith();
    await store.put(key, '{"a":1}', { run: 'r' });
    await store.put(key, '{"a":1}', { run: 'r' });
    const [throughSdk, plain] = received;
    expect([throughSdk, plain].map((one) => one && isPlain(one))).toEqual([false, true]);
    // S3 ignores x-id: it is for logs.
    expect(plain?.path).toBe(throughSdk?.path.replace('?x-id=PutObject', ''));
    expect(plain?.body).toEqual(throughSdk?.body);
    const same = ['host', 'user-agent', 'content-type', 'content-length', 'x-amz-meta-run', 'x-amz-content-sha256'];
    for (const name of same) expect([name, plain?.headers[name]]).toEqual([name, throughSdk?.headers[name]]);
  });

  test.each(hostileKeys)('is signed as S3 wants it: %s', async (key) => {
    const store = await warmStore();
    await store.head(key);
    await store.create(key, '{"name":"Penthesilea 🏹"}', { run: 'r', parent: 'a%20b' });
    expect(received.map(isPlain)).toEqual([true, true]);
    for (const request of received) {
      expect(request.headers['x-amz-security-token']).toBe('session');
      expect(request.headers['x-amz-content-sha256']).toBe(sha256(request.body));
      expect(request.headers.authorization).toBe(authorizationOf(request));
    }
    expect(received[1]?.headers).toMatchObject({ 'if-none-match': '*', 'x-amz-meta-parent': 'a%20b' });
  });

  test('goes to the host of the bucket, where that has one', async () => {
    const hosts: string[] = [];
    const requestHandler = {
      handle({ hostname, path, headers }: { hostname: string; path: string; headers: Record<string, string> }) {
        hosts.push(
          `${hostname}${path} ${headers['host']} ${/Credential=([^,]+)/.exec(headers['authorization'] ?? '')?.[1]}`,
        );
        return Promise.resolve({ response: { statusCode: 200, headers: {}, body: undefined } });
      },
      metadata: { handlerProtocol: 'http/1.1' },
      destroy: () => undefined,
      updateHttpClientConfig: () => undefined,
      httpHandlerConfigs: () => ({}),
    } as unknown as NonNullable<S3ClientConfig['requestHandler']>;
    const store = storeWith({ requestHandler });
    await store.put('a/1.json', '1', {});
    await store.put('a/2.json', '2', {});
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    const host = 'bucket.s3.eu-central-1.amazonaws.com';
    const scope = `AKIDEXAMPLE/${day}/eu-central-1/s3/aws4_request`;
    expect(hosts).toEqual([`${host}/a/1.json ${host} ${scope}`, `${host}/a/2.json ${host} ${scope}`]);
  });

  test('is signed with the credentials of the moment', async () => {
    let asked = 0;
    const store = await warmStore({
      endpoint,
      credentials: () => {
        asked += 1;
        return Promise.resolve({ ...credentials, accessKeyId: `AKID${asked}`, expiration: new Date() });
      },
    });
    const before = asked;
    await store.head('a');
    await store.head('a');
    const ids = received.map(({ headers }) => /Credential=([^/]+)/.exec(headers.authorization ?? '')?.[1]);
    expect(ids).toEqual([`AKID${before + 1}`, `AKID${before + 2}`]);
  });

  test('is understood: there, not there, and there already', async () => {
    const store = await warmStore();
    answers = [
      { status: 200, headers: { etag: '"abc"', 'x-amz-meta-run': 'r', 'x-amz-meta-parent': 'p' } },
      { status: 404 },
      { status: 200, headers: { etag: '"abc"' } },
      { status: 412 },
      { status: 200, headers: { etag: '"abc"' } },
    ];
    expect(await store.head('a')).toEqual({ eTag: 'abc', metadata: { run: 'r', parent: 'p' } });
    expect(await store.head('a')).toBeUndefined();
    expect(await store.create('a', '1', {})).toBe('created');
    expect(await store.create('a', '1', {})).toBe('exists');
    await store.put('a', '1', {});
    expect(received.map(isPlain)).toEqual(Array.from({ length: 5 }, () => true));
  });
});

describe('a GET past the layers', () => {
  const found = (body: string, more: Record<string, string> = {}): Answer => ({
    status: 200,
    headers: { etag: '"abc"', 'last-modified': 'Fri, 27 Nov 2026 06:00:00 GMT', 'x-amz-meta-run': 'r', ...more },
    body,
  });

  test('gives the object as it is, with what is known of it', async () => {
    const store = await warmStore();
    answers = [found('\uFEFF{"name":"Penthesilea 🏹"}'), found('')];
    const known = { eTag: 'abc', metadata: { run: 'r' }, modifiedMs: Date.parse('2026-11-27T06:00:00Z') };
    expect(await store.get('a', 100)).toEqual({ body: '\uFEFF{"name":"Penthesilea 🏹"}', ...known });
    expect(await store.get('empty', 100)).toEqual({ body: '', ...known });
    expect(received.map(isPlain)).toEqual([true, true]);
  });

  test('says that there is none, as S3 says it', async () => {
    const store = await warmStore();
    answers = [{ status: 404, body: '<Error><Code>NoSuchKey</Code></Error>' }];
    expect(await store.get('a', 100)).toBeUndefined();
    expect(received.map(isPlain)).toEqual([true]);
  });

  test('does not take a missing bucket for a missing object', async () => {
    const store = await warmStore();
    const noBucket = { status: 404, body: '<Error><Code>NoSuchBucket</Code><Message>None.</Message></Error>' };
    answers = [noBucket, noBucket];
    await expect(store.get('a', 100)).rejects.toMatchObject({ name: 'NoSuchBucket' });
    expect(received.map(isPlain)).toEqual([true, false]);
  });

  test.each([
    ['by its length', { 'content-length': '101' }],
    ['by what comes, without a length', {}],
  ])('does not read what is too large: %s', async (_, headers) => {
    const store = await warmStore();
    answers = [found('x'.repeat(101), headers)];
    await expect(store.get('a', 100)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    expect(received.map(isPlain)).toEqual([true]);
  });

  test.each<Answer>([{ status: 500 }, { status: 503 }, 'reset', found('cut', { 'content-length': '10' })])(
    'is made again through the SDK after %j',
    async (answer) => {
      const store = await warmStore();
      answers = [answer, found('whole')];
      expect(await store.get('a', 100)).toMatchObject({ body: 'whole' });
      expect(received.map(isPlain)).toEqual([true, false]);
    },
  );
});

describe('the SDK takes over', () => {
  test('the first request, which shows where the bucket is', async () => {
    const store = storeWith();
    await store.head('a');
    await store.head('b');
    expect(received.map(isPlain)).toEqual([false, true]);
  });

  test('what is larger than a megabyte', async () => {
    await (await warmStore()).put('a', 'x'.repeat(1_000_001), {});
    expect(received.map(isPlain)).toEqual([false]);
  });

  test.each<Answer>([{ status: 500 }, { status: 503 }, { status: 409 }, { status: 307 }, 'reset'])(
    'after an answer that may be another next time: %j',
    async (answer) => {
      const store = await warmStore();
      answers = [answer, { status: 200 }, answer, { status: 200 }, answer, { status: 200, headers: { etag: '"e"' } }];
      expect(await store.create('a', '1', {})).toBe('created');
      await store.put('a', '1', {});
      expect(await store.head('a')).toEqual({ eTag: 'e', metadata: {} });
      expect(received.map(isPlain)).toEqual([true, false, true, false, true, false]);
    },
  );

  test('after a write that had come through: the object is there already', async () => {
    const store = await warmStore();
    answers = ['reset', { status: 412, body: '<Error><Code>PreconditionFailed</Code></Error>' }];
    expect(await store.create('a', '1', {})).toBe('exists');
  });

  test('not after an answer whose body is cut short: its status has said all', async () => {
    const store = await warmStore();
    answers = [{ status: 200, headers: { 'content-length': '10' }, body: 'cut' }];
    expect(await store.create('a', '1', {})).toBe('created');
    expect(received.map(isPlain)).toEqual([true]);
    await store.head('a');
  });

  test('after a refusal, whose reason it tells', async () => {
    const store = await warmStore();
    const refusal = { status: 403, body: '<Error><Code>AccessDenied</Code><Message>No.</Message></Error>' };
    answers = [refusal, refusal];
    await expect(store.put('a/1', '1', {})).rejects.toMatchObject({
      name: 'AccessDenied',
      message: 'No. [bucket=bucket, key=a/1]',
    });
  });

  test('when it can not be sent at all', async () => {
    const store = await warmStore();
    await expect(store.put('a', '1', { bad: 'line\nbreak' })).rejects.toThrow(/Invalid character/);
    expect(received).toEqual([]);
  });
});

function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Signature Version 4, from the pages on signing AWS API requests: S3's path is not encoded twice. */
function authorizationOf({ method, path, headers, body }: Received): string {
  const signed = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1] ?? '';
  const names = signed.split(';');
  const canonical = names.map((name) => `${name}:${String(headers[name]).trim().replaceAll(/ +/g, ' ')}\n`).join('');
  const request = [method, path, '', canonical, signed, sha256(body)].join('\n');
  const time = String(headers['x-amz-date']);
  const scope = [time.slice(0, 8), region, 's3', 'aws4_request'];
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const signingKey = scope.reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`);
  const signature = hmac(signingKey, ['AWS4-HMAC-SHA256', time, scope.join('/'), sha256(request)].join('\n'));
  return `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope.join('/')}, SignedHeaders=${signed}, Signature=${signature.toString('hex')}`;
}
