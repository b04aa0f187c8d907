import { afterEach, expect, test } from '@jest/globals';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createExchange, type Reply } from '../../../shared/source/exchange.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** @param answer gets the number of the call, from 0 */
async function exchangeWith(
  answer: (response: ServerResponse, call: number) => void,
): Promise<(signal?: AbortSignal) => Promise<Reply>> {
  let calls = 0;
  const server = createServer((_, response) => answer(response, (calls += 1) - 1));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const exchange = createExchange({ timeoutMs: 20_000, maxBodyBytes: 10_000_000 });
  return (signal = new AbortController().signal) =>
    exchange(
      { method: 'GET', url, headers: {}, call: 'GET /' },
      signal,
      () => true,
      (text) => text,
    );
}

const large = Buffer.alloc(3_000_000, 'x');

test('large bodies that come side by side are all read', async () => {
  const ask = await exchangeWith((response) => response.end(large));
  const replies = await Promise.all(Array.from({ length: 6 }, () => ask()));
  expect(replies.map(({ bytes }) => bytes.length)).toEqual(Array.from({ length: 6 }, () => large.length));
});

test('a small body does not wait for a large one that is still coming', async () => {
  let end = (): void => undefined;
  const ask = await exchangeWith((response, call) => {
    if (call > 0) return void response.end('small');
    response.write(large);
    end = () => response.end();
  });
  const first = ask();
  expect(Buffer.from((await ask()).bytes).toString()).toBe('small');
  end();
  expect((await first).bytes.length).toBe(large.length);
});

test('a large body that waits for another is given up at the deadline, and the next one is read', async () => {
  const nothing = (): void => undefined;
  let [end, arrive] = [nothing, nothing];
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  const ask = await exchangeWith((response, call) => {
    response.write(large);
    if (call === 0) end = () => response.end();
    else response.end();
    if (call === 1) arrive();
  });
  const first = ask();
  const deadline = new AbortController();
  const second = ask(deadline.signal);
  second.catch(() => undefined);
  await arrived;
  deadline.abort();
  await expect(second).rejects.toMatchObject({ code: 'OUT_OF_TIME' });
  const third = ask();
  end();
  expect((await first).bytes.length).toBe(large.length);
  expect((await third).bytes.length).toBe(large.length);
});
