/** The page's server, asked by other programs than its page: what it lets in, what it answers, and what it leaves alone. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { LiveEvent } from '../../page/wire.ts';
import { fourLevels } from '../chains.ts';
import { completeRun } from '../memory/run.ts';
import { servePage, type ServedPage } from './page-server.ts';

let page: ServedPage;
let cookie: string;
beforeEach(async () => {
  page = await servePage(fourLevels);
  const welcome = await ask('/runs/r', { query: `?token=${page.token}` });
  cookie = welcome.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
});
afterEach(() => page.stop());

type Asking = { method?: string; headers?: Record<string, string>; body?: string; query?: string };
type Answered = { status: number; headers: IncomingMessage['headers']; body: string };

/** Not with fetch, which sets some headers by itself. */
async function ask(path: string, { method = 'GET', headers = {}, body, query = '' }: Asking = {}): Promise<Answered> {
  const asking = request(`${page.origin}${path}${query}`, { method, headers });
  asking.end(body);
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts).toString() };
}

const json = { 'content-type': 'application/json' };
const pause = JSON.stringify({ action: 'pause' });
const act = (body: string, headers: Asking['headers'] = {}): Promise<Answered> =>
  ask('/api/actions', { method: 'POST', body, headers: { ...json, cookie, origin: page.origin, ...headers } });

describe('the token', () => {
  test('becomes a cookie that only this page sends, and leaves the address', async () => {
    const { status, headers } = await ask('/runs/r', { query: `?token=${page.token}` });
    expect([status, headers.location]).toEqual([303, '/runs/r']);
    expect(headers['set-cookie']?.[0]).toMatch(/^s3-cascade-\d+=\S+; Path=\/; HttpOnly; SameSite=Strict$/);
    expect((await ask('/runs/r', { headers: { cookie } })).status).toBe(200);
  });

  test.each(['/', '/runs/r', '/api/place', '/api/events', '/api/results?run=r'])('is needed for %s', async (path) => {
    expect((await ask(path)).status).toBe(401);
    expect((await ask(path, { headers: { cookie: `${cookie}x` } })).status).toBe(401);
    expect((await ask(path, { headers: { cookie: cookie.replace(/=.*/, '=') } })).status).toBe(401);
  });

  test('is refused when it is another page server’s', async () => {
    const { status, headers } = await ask('/', { query: `?token=${page.token.toLowerCase()}` });
    expect([status, headers['set-cookie']]).toEqual([401, undefined]);
  });
});

test('a foreign name that was pointed at this machine gets nothing', async () => {
  const headers = { cookie, host: `evil.example.com:${page.port}` };
  expect((await ask('/api/place', { headers })).status).toBe(421);
});

describe('an action', () => {
  test('is done for the page itself', async () => {
    const { status, body } = await act(pause);
    expect([status, JSON.parse(body)]).toEqual([200, { ok: true, message: expect.stringMatching(/^Paused: no call/) }]);
    expect(page.deployment.store.json('control/rate.json')).toEqual({ paused: true });
  });

  test.each<[string, number, Asking['headers']]>([
    ['another page of the web', 403, { origin: 'https://evil.example.com' }],
    ['another port of this machine', 403, { origin: 'http://127.0.0.1:1' }],
    ['a sandboxed frame', 403, { origin: 'null' }],
    ['a program without the cookie', 401, { cookie: '' }],
    ['a form, which can send no JSON', 400, { 'content-type': 'text/plain' }],
  ])('is refused for %s', async (_, status, headers) => {
    expect((await act(pause, headers)).status).toBe(status);
    expect(page.deployment.store.keys()).toEqual([]);
  });

  test('is refused without an origin, which every browser sends', async () => {
    const refused = await ask('/api/actions', { method: 'POST', body: pause, headers: { ...json, cookie } });
    expect(refused.status).toBe(403);
  });

  test.each([
    '{}',
    'no JSON',
    '[]',
    '{"action":"cancel"}',
    '{"action":"rate","requestsPerSecond":-1}',
    '{"action":"cancel-run"}',
    '{"action":"pause-run","run":"../r"}',
    '{"action":"sweep","run":"../r"}',
    '{"action":"replay","run":"r","limit":1}',
    JSON.stringify({ action: 'sweep', run: 'r', more: 'x'.repeat(30_000) }),
  ])('that is none is refused: %s', async (body) => {
    expect((await act(body)).status).toBe(400);
    expect(page.deployment.asked).toEqual([]);
  });

  test('that the deployment can not do is told as its outcome', async () => {
    const { body } = await act(JSON.stringify({ action: 'replay', run: 'r', level: 'shops', code: 'HTTP_500' }));
    expect(JSON.parse(body)).toEqual({ ok: false, message: 'The function replay is not deployed.' });
    expect(page.deployment.asked).toEqual([{ run: 'r', level: 'shops', code: 'HTTP_500' }]);
  });

  test('stops and resumes one run, which has to be there', async () => {
    const stop = async (action: string): Promise<unknown> =>
      JSON.parse((await act(`{"action":"${action}","run":"r"}`)).body);
    expect(await stop('pause-run')).toEqual({
      ok: false,
      message: 'There is no run r: there is no seed s3://bucket/seeds/r.json.',
    });
    page.deployment.store.drop('seeds/r.json', '{}');
    expect(await stop('pause-run')).toEqual({ ok: true, message: expect.stringMatching(/^The run r is paused/) });
    expect(await stop('pause-run')).toEqual({ ok: true, message: 'The run r was paused already.' });
    expect(page.deployment.store.json('control/runs/r.json')).toMatchObject({ state: 'paused' });
    expect(await stop('cancel-run')).toEqual({ ok: true, message: expect.stringMatching(/^The run r is cancelled/) });
    expect(await stop('pause-run')).toEqual({ ok: false, message: expect.stringContaining('resume it before') });
    expect(await stop('resume-run')).toEqual({ ok: true, message: expect.stringContaining('the next sweep') });
    expect(page.deployment.store.json('control/runs/r.json')).toMatchObject({ state: 'running' });
  });

  test('on parked items works from their notes', async () => {
    await act(JSON.stringify({ action: 'replay', run: 'r', code: 'LOST', parked: true }));
    expect(page.deployment.asked).toEqual([{ run: 'r', code: 'LOST', from: 'failures', force: true }]);
  });
});

test('every answer forbids scripts, styles and requests that are not the page’s own', async () => {
  for (const path of ['/', '/api/place', '/nowhere']) {
    const { headers } = await ask(path, { headers: { cookie } });
    const policy = headers['content-security-policy'];
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("connect-src 'self'");
    expect(policy).toMatch(/script-src 'sha256-[^' ]+';/);
    expect(policy).not.toMatch(/unsafe|https?:/);
    expect(headers['cache-control']).toBe('no-store');
  }
});

test('explains a key, and says what is wrong with what is none', async () => {
  await completeRun(fourLevels, page.deployment.store, ['a']);
  const explain = async (body: object): Promise<unknown> => {
    const headers = { ...json, cookie, origin: page.origin };
    return JSON.parse((await ask('/api/explain', { method: 'POST', body: JSON.stringify(body), headers })).body);
  };
  expect(await explain({ asked: 'a a', run: 'r' })).toMatchObject({
    explanation: { level: 'shelves', key: 'local_shops/r/a/a.json', state: 'done' },
  });
  expect(await explain({ asked: 'nowhere/r.json' })).toMatchObject({
    problem: expect.stringMatching(/no key of this chain/),
  });
  expect(await explain({ asked: '["a"', run: 'r' })).toMatchObject({ problem: expect.stringMatching(/no JSON list/) });
});

/** The events of a stream until one fits. */
async function eventsUntil(path: string, isLast: (event: LiveEvent) => boolean): Promise<LiveEvent[]> {
  const asking = request(`${page.origin}${path}`, { headers: { cookie } });
  asking.end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  const events: LiveEvent[] = [];
  let text = '';
  for await (const part of response as AsyncIterable<Buffer>) {
    text += part.toString();
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      if (!block.startsWith('data: ')) continue;
      const event = JSON.parse(block.slice('data: '.length)) as LiveEvent;
      events.push(event);
      if (isLast(event)) {
        asking.destroy();
        return events;
      }
    }
  }
  throw new Error('The stream has ended.');
}

describe('the stream of a run', () => {
  test('tells its figures once, and then only that they are the same', async () => {
    await completeRun(fourLevels, page.deployment.store, ['a', 'b']);
    const last = fourLevels.levels.at(-1);
    page.deployment.store.objects.delete(`stock/r/a/a/a${last?.suffix ?? ''}`);
    const events = await eventsUntil('/api/events?run=r', (event) => event.kind === 'same' && event.of === 'run');
    expect(events.filter(({ kind }) => kind === 'run')).toMatchObject([
      { view: { run: 'r', state: 'open', seed: '{}', report: { complete: false } } },
    ]);
  });

  test('says what is wrong with a run that is not there, and is not ended by it', async () => {
    const events = await eventsUntil('/api/events?run=nowhere', ({ kind }) => kind === 'run');
    expect(events.at(-1)).toMatchObject({
      view: { state: 'unknown', problem: expect.stringMatching(/no run nowhere/) },
    });
  });

  test('of one that nobody watches costs nothing: it is looked at no more', async () => {
    await completeRun(fourLevels, page.deployment.store, ['a']);
    await eventsUntil('/api/events?run=r', ({ kind }) => kind === 'run');
    const looks = page.deployment.looks();
    // The rate of another stream has been looked at twice meanwhile.
    let rates = 0;
    await eventsUntil('/api/events', (event) => (event.kind === 'same' && event.of === 'rate' ? (rates += 1) : 0) >= 2);
    expect(page.deployment.looks()).toBe(looks);
  });
});

test('the port that is taken is named with the option that gives another', async () => {
  const { deployment } = page;
  const { startPageServer } = await import('../../cli/page/server.ts');
  const bundle = { html: '', policy: '', copyOf: () => '' };
  const options = { deployment, bundle, stage: 'dev', port: page.port, portOption: '--page-port' };
  await expect(startPageServer(options)).rejects.toThrow(
    `The port ${page.port} is taken: give another with --page-port N.`,
  );
});
