import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createServer, request } from 'node:http';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { openDatabase } from '../database.ts';
import { maxBodyBytes, serveS3 } from '../s3/http.ts';
import type { Served } from '../s3/http.ts';
import { S3Store } from '../s3/store.ts';

let server: Server;
let port: number;
let store: S3Store;
let served: Promise<Served>[];

beforeEach(async () => {
  store = new S3Store(openDatabase());
  store.createBucket('bucket');
  served = [];
  server = createServer((req, res) => void served.push(serveS3(store, req, res)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const url = (path: string) => `http://127.0.0.1:${port}${path}`;

describe('the local S3 on a socket', () => {
  test('tells its caller the operation and the status of what it served', async () => {
    await fetch(url('/bucket/a'), { method: 'PUT', body: 'x' });
    await fetch(url('/bucket/b'));
    await fetch(url('/bucket?list-type=2'));
    expect(await Promise.all(served)).toEqual([
      { operation: 'PutObject', status: 200 },
      { operation: 'GetObject', status: 404 },
      { operation: 'ListObjectsV2', status: 200 },
    ]);
  });

  test('gives every answer a request id and a length, those without a body too', async () => {
    store.put('bucket', 'a', Buffer.from('hello'));
    const ids = new Set<string | null>();
    for (const [method, path] of [
      ['GET', '/bucket/a'],
      ['HEAD', '/bucket/a'],
      ['HEAD', '/bucket/no'],
      ['GET', '/no'],
    ] as const) {
      const response = await fetch(url(path), { method });
      ids.add(response.headers.get('x-amz-request-id'));
      expect(response.headers.get('content-length')).not.toBeNull();
      await response.arrayBuffer();
    }
    expect(ids.size).toBe(4);
    const head = await fetch(url('/bucket/a'), { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe('5');
  });

  test('a client that expects 100-continue is told to go on', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { expect: '100-continue', 'content-length': 5 };
      const req = request(url('/bucket/a'), { method: 'PUT', headers }, (res) => {
        res.resume();
        resolve(res.statusCode);
      });
      req.on('continue', () => req.end('hello'));
      req.on('error', reject);
      req.flushHeaders();
    });
    expect(status).toBe(200);
    expect(Buffer.from(store.get('bucket', 'a').body).toString()).toBe('hello');
  });

  test('a body announced above the bound is EntityTooLarge, before it is read', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(`PUT /bucket/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${maxBodyBytes + 1}\r\n\r\n`);
      });
      socket.once('data', (data) => {
        resolve(String(data));
        socket.destroy();
      });
      socket.once('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('<Code>EntityTooLarge</Code>');
    expect(await served[0]).toEqual({ operation: 'PutObject', status: 400 });
  });

  test('a client that goes away in the middle of a body leaves nothing behind', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write('PUT /bucket/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf');
    await new Promise<void>((resolve) => server.once('request', () => resolve()));
    socket.destroy();
    expect(await served[0]).toEqual({ operation: 'PutObject', status: 400 });
    expect(store.list('bucket').contents).toEqual([]);
  });

  test('a key goes over the wire in whatever way it is encoded', async () => {
    await fetch(url('/bucket/a%20b+c/%F0%9F%8F%B9'), { method: 'PUT', body: 'x' });
    expect(store.list('bucket').contents.map(({ key }) => key)).toEqual(['a b+c/🏹']);
  });
});
