import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditCalls, readCallLog } from '../fake/audit.ts';
import { callKey } from '../fake/call-key.ts';
import { startHermes, type HermesOptions, type LocalHermes } from '../fake/server.ts';
import { startHermesThread } from '../fake/thread.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function hermesWith(options: HermesOptions = {}): Promise<LocalHermes> {
  const hermes = await startHermes({ troops: 3, warriors: 4, groups: 2, ...options });
  stops.push(hermes.stop);
  return hermes;
}

type Answer = { status: number; headers: Record<string, string | string[] | undefined>; body: string };

/** node:http rather than fetch: the target goes over the wire as it is written, and a failure keeps its code. */
function ask(url: string, target: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/${target}`, { headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      response.once('error', reject);
    });
    sent.once('error', reject);
    sent.end();
  });
}

const page = (answer: Answer): { items: { id: string }[]; next: string | null } =>
  JSON.parse(answer.body) as { items: { id: string }[]; next: string | null };

describe('the local Hermes', () => {
  test('serves the whole tree, hostile ids and all, byte for byte as the tree says', async () => {
    const hermes = await hermesWith({ troops: 7, warriors: 5, groups: 5, pageSize: 2, hostile: true });
    const served: string[] = [];
    const list = async (path: 'troops' | 'warriors' | 'data-groups', ids: string[]): Promise<string[]> => {
      const found: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const answer = await ask(hermes.url, callKey(path, ids, cursor === '' ? undefined : cursor));
        expect(answer.headers['content-type']).toBe('application/json');
        served.push(...[...answer.body.matchAll(/\{"id":.*?\}(?=,\{"id"|\],"next")/gs)].map(([body]) => body));
        const { items, next } = page(answer);
        found.push(...items.map(({ id }) => id));
        cursor = next;
      }
      return found;
    };
    for (const troop of await list('troops', [])) {
      for (const warrior of await list('warriors', [troop])) {
        for (const group of await list('data-groups', [troop, warrior])) {
          served.push((await ask(hermes.url, callKey('data', [troop, warrior, group]))).body);
        }
      }
    }
    expect(served.toSorted()).toEqual([...hermes.tree().walk()].map(({ body }) => body).toSorted());
    const audit = auditCalls(hermes.calls());
    expect(audit.calls).toBe(hermes.tree().expectedCalls(2));
    expect(audit.byStatus).toEqual({ 200: audit.calls });
    expect(Math.max(...audit.byKey.values())).toBe(1);
  });

  test('answers 401 without the right token, 404 to an unknown path or id, 400 to a bad cursor or a missing id', async () => {
    const { url, configure } = await hermesWith({ token: 'secret' });
    expect((await ask(url, 'troops')).status).toBe(401);
    expect((await ask(url, 'troops', { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await ask(url, 'troops', { authorization: 'Bearer secret' })).status).toBe(200);
    configure({ token: '' });
    expect(JSON.parse((await ask(url, 'nowhere')).body)).toMatchObject({ error: { code: 'not_found' } });
    expect((await ask(url, 'warriors?troop=nobody')).status).toBe(404);
    expect((await ask(url, 'troops?cursor=mine')).status).toBe(400);
    expect((await ask(url, 'data?troop=a&group=b')).body).toContain('lacks warrior');
  });

  test('fails calls at random at the given rate, in all kinds, and the same ones again for the same seed', async () => {
    const outcomes = async (): Promise<string[]> => {
      const { url } = await hermesWith({ warriors: 20, groups: 10, failRate: 0.3 });
      const { url: healthy, tree } = await hermesWith({ warriors: 20, groups: 10 });
      const found: string[] = [];
      for (const node of tree().walk()) {
        if (node.kind !== 'data') continue;
        const target = callKey('data', node.ids);
        const answer = await ask(url, target).catch((error: unknown) => (error as NodeJS.ErrnoException).code ?? '');
        const retryAfter = typeof answer === 'string' ? '' : String(answer.headers['retry-after'] ?? '');
        found.push(typeof answer === 'string' ? answer : `${answer.status} ${retryAfter}`.trim());
        if (found.at(-1) === '200') expect(answer).toMatchObject({ body: (await ask(healthy, target)).body });
      }
      return found;
    };
    const first = await outcomes();
    expect(first).toEqual(await outcomes());
    const failed = first.filter((outcome) => outcome !== '200');
    expect(failed.length / first.length).toBeGreaterThan(0.2);
    expect(failed.length / first.length).toBeLessThan(0.4);
    // A reset and a body cut short look alike to node:http: the code is the same.
    expect([...new Set(failed)].toSorted()).toEqual(['429 0', '429 1', '500', '502', '503', 'ECONNRESET']);
  });

  test('draws anew each time the same call is made', async () => {
    const { url } = await hermesWith({ failRate: 0.5 });
    const outcomes = new Set<string>();
    for (let nth = 0; nth < 30; nth += 1) {
      await ask(url, 'troops').then(
        ({ status }) => outcomes.add(String(status)),
        () => outcomes.add('broken'),
      );
    }
    expect(outcomes.has('200')).toBe(true);
    expect(outcomes.size).toBeGreaterThan(2);
  });

  test('fails the chosen calls for good, mostly data calls, none beneath another, until it is told to recover', async () => {
    const { url, failForeverKeys, configure } = await hermesWith({
      troops: 8,
      warriors: 10,
      groups: 5,
      failForever: 20,
    });
    const keys = failForeverKeys();
    expect(new Set(keys).size).toBe(20);
    const count = (path: string): number => keys.filter((key) => key.startsWith(`${path}?`)).length;
    expect([count('warriors'), count('data-groups'), count('data')]).toEqual([2, 2, 16]);
    const inside = (key: string): string => key.slice(key.indexOf('?') + 1);
    expect(keys.filter((key) => keys.some((other) => inside(key).startsWith(`${inside(other)}&`)))).toEqual([]);
    for (const key of keys) {
      for (let nth = 0; nth < 2; nth += 1) expect((await ask(url, key)).status).toBe(500);
    }
    configure({ failForever: 0 });
    for (const key of keys) expect((await ask(url, key)).status).toBe(200);
  });

  test('refuses more failures for good than the tree has calls to spare', async () => {
    const { configure, failForeverKeys } = await hermesWith({ troops: 1, warriors: 2, groups: 2, failForever: 4 });
    expect(failForeverKeys()).toHaveLength(4);
    expect(() => configure({ failForever: 5 })).toThrow(/spare 4 calls/);
    expect(failForeverKeys()).toHaveLength(4);
  });

  test('lets as many calls through in a second as the rate limit says, and names a whole second to the others', async () => {
    const { url, configure, calls } = await hermesWith({ rateLimit: 10 });
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(url, 'troops')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    for (const { headers } of refused) expect(headers['retry-after']).toBe('1');
    const passed = calls().filter(({ status }) => status === 200);
    expect(auditCalls(passed).worstWindow.calls).toBeLessThanOrEqual(10);
    configure({ rateLimit: 0 });
    expect((await ask(url, 'troops')).status).toBe(200);
  });

  test('lets each answer wait for the latency, without holding up the others', async () => {
    const { url, configure, calls, stop } = await hermesWith({ latencyMs: 600_000 });
    const slow = ask(url, 'troops').catch((error: unknown) => (error as NodeJS.ErrnoException).code);
    while (calls().length === 0) await new Promise(setImmediate);
    configure({ latencyMs: 1 });
    expect((await ask(url, 'troops')).status).toBe(200);
    configure({ latencyMs: 0 });
    expect((await ask(url, 'troops')).status).toBe(200);
    await stop();
    expect(await slow).toBe('ECONNRESET');
  });

  test('resizes single lists while it runs', async () => {
    const hermes = await hermesWith();
    const [troop = ''] = hermes.tree().idsAt([1]);
    const key = callKey('warriors', [troop]);
    hermes.configure({ overrides: { [key]: { children: 250 } } });
    expect(page(await ask(hermes.url, key)).items).toHaveLength(100);
    const [, last = ''] = hermes.tree().idsAt([1, 249]);
    expect((await ask(hermes.url, callKey('data-groups', [troop, last]))).status).toBe(200);
    hermes.configure({ overrides: {} });
    expect(page(await ask(hermes.url, key)).items).toHaveLength(4);
  });

  test('misbehaves in each of the ways that an override names', async () => {
    const { url, configure, calls } = await hermesWith();
    const override = async (word: Parameters<typeof configure>[0]['overrides'], target = 'troops'): Promise<Answer> => {
      configure({ overrides: word ?? {} });
      return ask(url, target);
    };
    const right = await ask(url, 'troops');
    expect((await override({ troops: 'html' })).headers['content-type']).toContain('text/html');
    const { body: half } = await override({ troops: 'truncated-json' });
    expect(right.body.startsWith(half)).toBe(true);
    expect(() => void JSON.parse(half)).toThrow(SyntaxError);
    expect(typeof page(await override({ troops: 'wrong-types' })).items[0]?.id).toBe('number');
    const ids = page(await override({ troops: 'duplicate-ids' })).items.map(({ id }) => id);
    expect(ids).toHaveLength(4);
    expect(ids[3]).toBe(ids[0]);
    expect(page(await override({ troops: 'empty-id' })).items[0]?.id).toBe('');
    const loop = page(await override({ troops: 'page-loop' })).next ?? '';
    expect(page(await ask(url, `troops?cursor=${loop}`)).next).toBe(loop);
    const endless = page(await override({ troops: 'endless-pages' }));
    expect(endless.items).toEqual([]);
    expect(page(await ask(url, `troops?cursor=${endless.next ?? ''}`)).next).not.toBe(endless.next);
    expect(await override({ troops: 'redirect' })).toMatchObject({ status: 302, headers: { location: '/redirected' } });
    expect(await override({ troops: { status: 418, headers: { 'x-tea': 'yes' }, body: 'no' } })).toMatchObject({
      status: 418,
      headers: { 'x-tea': 'yes' },
      body: 'no',
    });
    expect(calls().filter(({ fault }) => fault === undefined)).toHaveLength(1);
  });

  test('leaves a call that hangs, and one with an endless body, to its client to end', async () => {
    const { url } = await hermesWith({ overrides: { troops: 'hang', 'troops?cursor=x': 'huge-body' } });
    await expect(fetch(`${url}/troops`, { signal: AbortSignal.timeout(50) })).rejects.toThrow(/aborted/);
    const endless = await fetch(`${url}/troops?cursor=x`);
    let sizeBytes = 0;
    for await (const chunk of endless.body ?? []) {
      sizeBytes += (chunk as Uint8Array).length;
      if (sizeBytes > 1_000_000) break;
    }
    expect(sizeBytes).toBeGreaterThan(1_000_000);
  });

  test.each([
    [{ troops: -1 }, /troops must be a whole number from 0/],
    [{ failRate: 2 }, /failRate must be from 0 to 1/],
    [{ nonsense: 1 }, /no setting "nonsense"/],
    [{ overrides: { warrior: 'html' } }, /overrides must be/],
    [{ overrides: { troops: 'htlm' } }, /overrides must be/],
    [{ overrides: { 'data?troop=a&warrior=b&group=c': 'page-loop' } }, /overrides must be/],
  ])('refuses the settings %j with a reason', async (change, reason) => {
    const { configure } = await hermesWith();
    expect(() => configure(change as Partial<HermesOptions>)).toThrow(reason);
    await expect(startHermes(change as HermesOptions)).rejects.toThrow(RangeError);
  });

  test('keeps a log of calls that reads back from its file as it stands in memory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hermes-'));
    try {
      const logFile = join(folder, 'calls.jsonl');
      const hermes = await startHermes({ logFile, overrides: { 'warriors?troop=x': 'html' } });
      for (const target of ['troops', 'warriors?troop=x', 'troops', 'nowhere?at=all']) await ask(hermes.url, target);
      const calls = hermes.calls();
      await hermes.stop();
      expect(readCallLog(logFile)).toEqual(calls);
      expect(calls.map(({ key, status, nth }) => [key, status, nth])).toEqual([
        ['troops', 200, 1],
        ['warriors?troop=x', 200, 1],
        ['troops', 200, 2],
        ['nowhere?at=all', 404, 1],
      ]);
      expect(auditCalls(calls).repeats).toEqual([calls[2]]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the audit', () => {
  test('finds the worst window, which does not hold both its ends', () => {
    const at = (...times: number[]) => times.map((atMs) => ({ atMs, key: 'troops', status: 500, nth: 1 }));
    expect(auditCalls(at(0, 1000, 1001, 1999, 2000), 1000).worstWindow).toEqual({ calls: 3, startMs: 1000 });
    expect(auditCalls(at(2000, 0, 999), 1000).worstWindow).toEqual({ calls: 2, startMs: 0 });
    expect(auditCalls([]).worstWindow.calls).toBe(0);
  });

  test('takes only the truth for an answer: asking again after anything else repeats nothing', () => {
    const call = { key: 'troops', nth: 1 };
    const { repeats } = auditCalls([
      { ...call, atMs: 1, status: 0, fault: 'cut-body' },
      { ...call, atMs: 2, status: 200, fault: 'html' },
      { ...call, atMs: 3, status: 200 },
      { ...call, atMs: 4, status: 503 },
    ]);
    expect(repeats.map(({ atMs }) => atMs)).toEqual([4]);
  });
});

describe('the local Hermes in a thread of its own', () => {
  test('serves, is steered and reports over its control face', async () => {
    const hermes = await startHermesThread({ troops: 2, warriors: 10, groups: 10, failForever: 3, token: 'secret' });
    stops.push(hermes.stop);
    expect((await ask(hermes.url, 'troops')).status).toBe(401);
    await hermes.configure({ token: '' });
    const keys = await hermes.failForeverKeys();
    expect(keys).toHaveLength(3);
    expect((await ask(hermes.url, keys[0] ?? '')).status).toBe(500);
    expect(await hermes.stats()).toEqual({ calls: 2, byStatus: { 401: 1, 500: 1 } });
    expect((await hermes.calls()).map(({ key, fault }) => [key, fault])).toEqual([
      ['troops', undefined],
      [keys[0], 'fail-forever'],
    ]);
    await hermes.clearCalls();
    expect(await hermes.calls()).toEqual([]);
    await expect(hermes.configure({ latencyMs: -1 })).rejects.toThrow(/latencyMs must be/);
  });

  test('says why it can not start', async () => {
    const { port } = await hermesWith();
    await expect(startHermesThread({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(startHermesThread({ pageSize: 0 })).rejects.toThrow(/pageSize must be/);
  });
});
