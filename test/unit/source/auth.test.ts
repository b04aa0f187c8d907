import { afterEach, describe, expect, test } from '@jest/globals';
import {
  apiKey,
  bearer,
  cursor,
  httpBasic,
  none,
  oauth2ClientCredentials,
  type Auth,
} from '../../../shared/source/define.ts';
import {
  chainOf,
  childrenOf,
  dataFrom,
  failure,
  fetchOf,
  listFrom,
  openGate,
  resultOf,
  secretIs,
  serve,
  stopServers,
  type Asked,
  type Reply,
} from './server.ts';
import type { CallGate } from '../../../shared/engine/ports.ts';

afterEach(stopServers);

const items = { items: [{ id: 'a' }] };

/** What a call with this auth sends. */
async function sent(auth: Auth, secret?: string): Promise<Asked | undefined> {
  const server = await serve(() => ({ body: items }));
  await listFrom(server.url, { query: { q: 1 } }, { api: { auth }, ...(secret !== undefined && secretIs(secret)) });
  return server.asked[0];
}

describe('what is sent', () => {
  test('none: nothing', async () => {
    expect((await sent(none(), 'x'))?.headers).not.toHaveProperty('authorization');
  });

  test('bearer: the token', async () => {
    expect((await sent(bearer(), 's3cret'))?.headers.authorization).toBe('Bearer s3cret');
  });

  test('apiKey: the key in its header, or in the query', async () => {
    expect((await sent(apiKey(), 'k e/y'))?.headers['x-api-key']).toBe('k e/y');
    expect((await sent(apiKey({ header: 'X-Mine' }), 'key'))?.headers['x-mine']).toBe('key');
    expect((await sent(apiKey({ query: 'key' }), 'a b&c'))?.target).toBe('/things?q=1&key=a+b%26c');
  });

  test('httpBasic: user and password', async () => {
    const { headers } = (await sent(httpBasic(), 'me:pä:ss')) ?? {};
    expect(headers?.authorization).toBe(`Basic ${Buffer.from('me:pä:ss').toString('base64')}`);
  });

  test.each([bearer(), apiKey(), httpBasic(), oauth2ClientCredentials({ tokenPath: 'token' })])(
    'no secret in the deployment: nothing, and a 401 says so (%j)',
    async (auth) => {
      expect((await sent(auth))?.headers).not.toHaveProperty('authorization');
      const server = await serve(() => ({ status: 401 }));
      const error = await failure(listFrom(server.url, {}, { api: { auth } }));
      expect(error).toMatchObject({ name: 'ItemError', code: 'HTTP_401' });
      expect(error.message).toContain('has no apiTokenSecret');
    },
  );

  test('a query key goes with the next page’s link too', async () => {
    const server = await serve((_, nth) => ({ body: { ...items, next: nth === 0 ? '/things?page=2' : null } }));
    const next = { type: 'jsonLink', path: 'next' };
    await listFrom(server.url, { next }, { api: { auth: apiKey({ query: 'key' }) }, ...secretIs('k') });
    expect(server.asked[1]?.target).toBe('/things?page=2&key=k');
  });
});

describe('a secret that can not be one', () => {
  test.each<[string, Auth, string, string]>([
    ['the word Bearer', bearer(), 'Bearer abcdef', 'word Bearer'],
    ['two lines', bearer(), 'abc\ndef', 'no HTTP header can carry'],
    ['nothing', bearer(), '', 'is empty'],
    ['a key of two lines', apiKey(), 'abc\ndef', 'no HTTP header can carry'],
    ['an empty key', apiKey({ query: 'key' }), '', 'is empty'],
    ['no colon', httpBasic(), 'abcdef', 'user:password'],
    ['no JSON', oauth2ClientCredentials({ tokenPath: 'token' }), 'abcdef', '"client_id"'],
    ['no id', oauth2ClientCredentials({ tokenPath: 'token' }), '{"client_secret":"abcdef"}', '"client_id"'],
  ])('%s is refused before the call, and not shown', async (_, auth, secret, advice) => {
    const server = await serve(() => ({ body: items }));
    const error = await failure(listFrom(server.url, {}, { api: { auth }, ...secretIs(secret) }));
    expect(error).toMatchObject({ name: 'ItemError', code: 'BAD_TOKEN' });
    expect(error.message).toContain(advice);
    expect(error.message).not.toMatch(/abc|def/);
    expect(server.asked).toEqual([]);
  });

  test('a secret that can not be read ends the call with its own error', async () => {
    const server = await serve(() => ({ body: items }));
    const secret = () => Promise.reject(new RangeError('no secret today'));
    expect(await failure(listFrom(server.url, {}, { secret }))).toBeInstanceOf(RangeError);
  });
});

describe('a refused secret', () => {
  test.each([401, 403])('%i tells a person to check it, and never shows it', async (status) => {
    const server = await serve(() => ({ status, body: 'bad token s3cret!' }));
    const error = await failure(listFrom(server.url, {}, secretIs('s3cret')));
    expect(error).toMatchObject({ name: 'ItemError', code: `HTTP_${status}` });
    expect(error.message).toMatch(/"bad token \*\*\*!"\. Check the secret in apiTokenSecret/);
  });

  test('401 after the secret was changed may pass: the next attempt has the new one', async () => {
    let valid = 'new';
    const server = await serve(({ headers }) =>
      headers.authorization === `Bearer ${valid}` ? { body: items } : { status: 401 },
    );
    let token = 'old';
    let refusals = 0;
    const fetch = fetchOf(chainOf(), 'things', server.url, {
      secret: () => Promise.resolve(token),
      onSecretRefused: () => {
        refusals += 1;
        token = 'new';
      },
    });
    expect(await failure(childrenOf(fetch))).toMatchObject({ name: 'TransientError', code: 'HTTP_401' });
    expect(await childrenOf(fetch)).toHaveLength(1);
    valid = 'newer';
    expect(await failure(childrenOf(fetch))).toMatchObject({ name: 'ItemError', code: 'HTTP_401' });
    expect(refusals).toBe(2);
  });
});

describe('oauth2ClientCredentials', () => {
  const client = secretIs('{"client_id":"me","client_secret":"s3cr/et"}');
  /** An API that gives tokens `t0`, `t1`, … and takes the last one. */
  const api = (
    answer: { expires_in?: number | string } = {},
    isValid = (token: string, last: number) => token === `t${last}`,
  ) => {
    let tokens = 0;
    return serve(({ path, headers }): Reply => {
      if (path === '/token') return { body: { access_token: `t${tokens++}`, token_type: 'bearer', ...answer } };
      const token = headers.authorization?.slice('Bearer '.length) ?? '';
      return isValid(token, tokens - 1) ? { body: items } : { status: 401, body: `bad ${token}` };
    });
  };
  const auth = oauth2ClientCredentials({ tokenPath: '/token', scope: 'read all' });
  const paths = ({ asked }: { asked: Asked[] }) => asked.map(({ path }) => path);

  test('asks once for a token, with the client’s id and secret in the form', async () => {
    const server = await api({ expires_in: 3600 });
    const fetch = fetchOf(chainOf({ api: { auth } }), 'things', server.url, client);
    await childrenOf(fetch);
    await childrenOf(fetch);
    expect(paths(server)).toEqual(['/token', '/things', '/things']);
    expect(server.asked[0]).toMatchObject({
      method: 'POST',
      body: 'grant_type=client_credentials&scope=read+all&client_id=me&client_secret=s3cr%2Fet',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(server.asked[1]?.headers.authorization).toBe('Bearer t0');
  });

  test('sends them as HTTP Basic where that is declared, with more fields, to another host', async () => {
    const tokens = await api();
    const server = await serve(() => ({ body: items }));
    const basic = oauth2ClientCredentials({
      tokenUrl: `${tokens.url}/token`,
      credentials: 'basic',
      fields: { audience: 'x' },
    });
    await listFrom(server.url, {}, { api: { auth: basic }, ...client });
    expect(tokens.asked[0]).toMatchObject({
      body: 'grant_type=client_credentials&audience=x',
      headers: { authorization: `Basic ${Buffer.from('me:s3cr%2Fet').toString('base64')}` },
    });
    expect(server.asked[0]?.headers.authorization).toBe('Bearer t0');
  });

  test('asks anew shortly before the token expires', async () => {
    const server = await api({ expires_in: '3600' });
    let nowMs = 0;
    const fetch = fetchOf(chainOf({ api: { auth } }), 'things', server.url, { ...client, clock: { now: () => nowMs } });
    await childrenOf(fetch);
    nowMs = 3_539_000;
    await childrenOf(fetch);
    nowMs = 3_541_000;
    await childrenOf(fetch);
    expect(paths(server)).toEqual(['/token', '/things', '/things', '/token', '/things']);
  });

  test('takes a new token once after a 401', async () => {
    let isRevoked = false;
    const server = await api({}, (token) => !(isRevoked && token === 't0'));
    const fetch = fetchOf(chainOf({ api: { auth } }), 'things', server.url, client);
    await childrenOf(fetch);
    isRevoked = true;
    await childrenOf(fetch);
    expect(paths(server)).toEqual(['/token', '/things', '/things', '/token', '/things']);
    const refusing = await api({}, () => false);
    const error = await failure(listFrom(refusing.url, {}, { api: { auth }, ...client }));
    expect(error).toMatchObject({ name: 'ItemError', code: 'HTTP_401' });
    expect(error.message).toContain('"bad ***"');
    expect(paths(refusing)).toEqual(['/token', '/things', '/token', '/things']);
  });

  test('calls side by side whose token was revoked share one new token', async () => {
    let isRevoked = false;
    const server = await api({}, (token) => !(isRevoked && token === 't0'));
    const fetch = fetchOf(chainOf({ api: { auth } }), 'data', server.url, client);
    await resultOf(fetch, { ids: ['0'] });
    isRevoked = true;
    await Promise.all([1, 2, 3, 4].map((id) => resultOf(fetch, { ids: [String(id)] })));
    expect(paths(server).filter((path) => path === '/token')).toHaveLength(2);
  });

  test('items side by side share one request for a token, which goes through the gate', async () => {
    const server = await api();
    const fetch = fetchOf(chainOf({ api: { auth } }), 'data', server.url, client);
    let calls = 0;
    const gate: CallGate = (call) => {
      calls += 1;
      return openGate(call);
    };
    await Promise.all([1, 2, 3, 4].map((id) => resultOf(fetch, { ids: [String(id)], gate })));
    expect(paths(server).filter((path) => path === '/token')).toHaveLength(1);
    expect(calls).toBe(5);
  });

  test('an item whose partner had no time for the token asks itself', async () => {
    const server = await api();
    const fetch = fetchOf(chainOf({ api: { auth } }), 'data', server.url, client);
    const closed: CallGate = () => Promise.reject(new RangeError('no turn'));
    const [first, second] = await Promise.allSettled([
      resultOf(fetch, { ids: ['1'], gate: closed }),
      resultOf(fetch, { ids: ['2'] }),
    ]);
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
  });

  test.each<[string, Reply, object]>([
    [
      'a refused client',
      { status: 401, body: { error: 'invalid_client', got: 's3cr/et' } },
      { name: 'ItemError', code: 'TOKEN_REFUSED' },
    ],
    [
      'a refused scope',
      { status: 400, body: { error: 'invalid_scope' } },
      { name: 'ItemError', code: 'TOKEN_REFUSED' },
    ],
    ['an order to wait', { status: 429, headers: { 'retry-after': '9' } }, { name: 'RateLimitError', waitMs: 9_000 }],
    ['a server that is down', { status: 503 }, { name: 'TransientError', code: 'HTTP_503' }],
    ['half an answer', { body: '{"access_token":"t0k' }, { name: 'TransientError', code: 'CUT_SHORT' }],
    ['no token', { body: { token_type: 'bearer' } }, { name: 'ItemError', code: 'BAD_SHAPE' }],
    [
      'a token of another kind',
      { body: { access_token: 't0k', token_type: 'mac' } },
      { name: 'ItemError', code: 'BAD_SHAPE' },
    ],
  ])('%s ends the call, without showing a secret', async (_, reply, expected) => {
    const server = await serve(() => reply);
    const error = await failure(dataFrom(server.url, {}, { api: { auth }, ...client }));
    expect(error).toMatchObject(expected);
    expect(error.message).not.toMatch(/s3cr|t0k/);
  });
});

describe('an API that sends the secret back', () => {
  const secret = 'correct/horse+"battery" stäple';
  const code = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const forms: [string, string][] = [
    ['as it is', secret],
    ['as JSON', JSON.stringify(secret)],
    ['as JSON with escaped slashes', JSON.stringify(secret).replaceAll('/', '\\/')],
    ['as JSON in JSON', JSON.stringify(JSON.stringify(secret).replaceAll('/', '\\/'))],
    ['as JSON in ASCII', Array.from(secret, code).join('')],
    ['URL-encoded', encodeURIComponent(secret)],
    ['URL-encoded twice', encodeURIComponent(encodeURIComponent(secret))],
    ['URL-encoded in lower case', encodeURIComponent(secret).replace(/%../g, (hex) => hex.toLowerCase())],
    ['form-encoded', new URLSearchParams({ secret }).toString()],
    ['in HTML', secret.replaceAll('"', '&quot;').replaceAll('/', '&#x2F;')],
    ['as base64', Buffer.from(secret).toString('base64')],
    ['as base64url', Buffer.from(secret).toString('base64url')],
  ];
  const part = /correct|horse|battery|stä|Y29ycmVjd|NhdHRl/;
  const asQueryKey = { api: { auth: apiKey({ query: 'key' }) }, ...secretIs(secret) };

  test.each(forms)('%s, in a refusal, in what is not JSON, and in a redirect', async (_, form) => {
    for (const reply of [
      { status: 400, body: `${'word '.repeat(36)} ${form}` },
      { status: 400, body: form.repeat(300) },
      { status: 200, body: `<${form}` },
      { status: 200, body: `{"items": ${form}` },
      { status: 302, headers: { location: `https://elsewhere.example/${encodeURIComponent(form)}` } },
    ]) {
      const server = await serve(() => reply);
      const error = await failure(listFrom(server.url, {}, asQueryKey));
      expect(error.message).not.toMatch(part);
    }
  });

  test.each(forms.map(([, form]) => form))('cut off within it: %s', async (form) => {
    for (let length = 8; length < form.length; length += 3) {
      const server = await serve(() => ({ status: 400, body: `you are ${form.slice(0, length)}` }));
      const { message } = await failure(listFrom(server.url, {}, asQueryKey));
      expect(message).toContain('you are');
      expect(message).not.toMatch(part);
    }
  });

  test('the URL in messages does not show the key, in causes neither', async () => {
    const error = await failure(listFrom('http://127.0.0.1:1', {}, asQueryKey));
    expect(error.message).toContain('/things?key=***');
    expect(`${error.message} ${(error.cause as Error).message} ${(error.cause as Error).stack}`).not.toMatch(part);
  });

  test('an answer that is no HTTP is not kept in the cause', async () => {
    const server = await serve(() => ({ body: items }));
    const error = await failure(listFrom(server.url.replace('http', 'https'), {}, asQueryKey));
    expect(error).toMatchObject({ name: 'TransientError', code: 'NETWORK' });
    expect(Object.keys(error.cause as Error)).toEqual([]);
  });

  test('user and password of HTTP Basic, together and apart', async () => {
    const basic = { api: { auth: httpBasic() }, ...secretIs('me:pass/word') };
    for (const form of ['me:pass/word', 'pass\\/word', Buffer.from('me:pass/word').toString('base64')]) {
      const server = await serve(() => ({ status: 400, body: `got ${form}` }));
      expect((await failure(listFrom(server.url, {}, basic))).message).toContain('"got ***"');
    }
  });

  test('a cursor that leads on is not a secret', async () => {
    const server = await serve((_, nth) => ({ body: { items: [{ id: nth }], next: nth < 1 ? 'c' : null } }));
    expect(await listFrom(server.url, { next: cursor('next') }, asQueryKey)).toHaveLength(2);
  });
});
