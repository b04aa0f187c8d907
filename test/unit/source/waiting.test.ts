import { afterEach, describe, expect, test } from '@jest/globals';
import { waitAskedBy } from '../../../shared/source/waiting-signals.ts';
import { dataFrom, failure, listFrom, serve, stopServers } from './server.ts';

afterEach(stopServers);

const nowMs = Date.parse('2026-11-26T12:00:00Z');
const nowSeconds = nowMs / 1000;
const slow = { date: 'Thu, 26 Nov 2026 11:50:00 GMT' };

describe('how long an API wants no call', () => {
  test.each<[string, number, Record<string, string>, number | undefined]>([
    ['seconds', 503, { 'retry-after': '60' }, 60_000],
    ['a date', 503, { 'retry-after': 'Thu, 26 Nov 2026 12:01:00 GMT' }, 60_000],
    [
      'a date of a server that is ten minutes slow',
      503,
      { 'retry-after': 'Thu, 26 Nov 2026 11:51:00 GMT', ...slow },
      60_000,
    ],
    ['milliseconds', 429, { 'retry-after-ms': '1500' }, 1_500],
    ['seconds to the reset', 403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '30' }, 30_000],
    ['the reset as a moment', 403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${nowSeconds + 90}` }, 90_000],
    [
      'a moment of a slow server',
      403,
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${nowSeconds - 570}`, ...slow },
      30_000,
    ],
    ['in milliseconds', 429, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${nowMs + 5_000}` }, 5_000],
    ['as a date', 429, { 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': '2026-11-26T12:00:10Z' }, 10_000],
    ['a reset that is now', 429, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${nowSeconds}` }, 1_000],
    ['a decimal', 429, { 'x-ratelimit-remaining': '0.0', 'x-ratelimit-reset-after': '2.5' }, 2_500],
    [
      'one of several windows',
      429,
      { 'x-ratelimit-remaining-minute': '0', 'x-ratelimit-remaining-hour': '7', 'ratelimit-reset': '12' },
      12_000,
    ],
    [
      'the longer of two',
      429,
      {
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '1m30s',
        'x-ratelimit-remaining-tokens': '0',
        'x-ratelimit-reset-tokens': '20ms',
      },
      90_000,
    ],
    ['only a reset', 429, { 'x-ratelimit-reset': '9' }, 9_000],
    ['only a reset, but no 429', 403, { 'x-ratelimit-reset': '9' }, undefined],
    ['calls left', 403, { 'x-ratelimit-remaining': '5', 'x-ratelimit-reset': '9' }, undefined],
    ['the drafts of 2021', 429, { 'ratelimit-remaining': '0', 'ratelimit-reset': '50' }, 50_000],
    ['the drafts of 2023', 429, { ratelimit: 'limit=10, remaining=0, reset=4' }, 4_000],
    ['the drafts of 2024', 429, { ratelimit: '"default";r=0;t=30' }, 30_000],
    ['the used-up policy of several', 403, { ratelimit: '"a, b";r=50;t=900, "day";r=0;t=60' }, 60_000],
    ['policies with calls left', 403, { ratelimit: '"default";r=10;t=30' }, undefined],
    [
      'Retry-After before the others',
      429,
      { 'retry-after': '5', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '300' },
      5_000,
    ],
    ['nothing that is understood', 429, { 'retry-after': '-5', 'x-ratelimit-reset': 'soon' }, undefined],
    ['nothing', 429, {}, undefined],
  ])('%s', (_, status, headers, waitMs) => {
    expect(waitAskedBy(status, headers, nowMs)).toBe(waitMs);
  });
});

describe('a refused call', () => {
  const refusedWith = async (status: number, headers: Record<string, string> = {}) => {
    const server = await serve(() => ({ status, headers, body: '{"error":"busy"}' }));
    return { url: server.url, error: await failure(listFrom(server.url)) };
  };

  test.each([400, 401, 403, 404, 408, 429, 500, 503, 529])(
    'with %i and an order to wait is a rate limit',
    async (status) => {
      const { url, error } = await refusedWith(status, { 'retry-after': '60' });
      expect(error).toMatchObject({ name: 'RateLimitError', code: `HTTP_${status}`, waitMs: 60_000 });
      expect(error.message).toBe(`GET ${url}/things was answered with ${status}: "{\\"error\\":\\"busy\\"}".`);
    },
  );

  test('with 403 and no calls left is a rate limit, not a matter of the secret', async () => {
    const { error } = await refusedWith(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '30' });
    expect(error).toMatchObject({ name: 'RateLimitError', waitMs: 30_000 });
    expect(error.message).not.toContain('secret');
  });

  test.each([408, 425, 429, 500, 502, 503, 504])('with %i may pass when nothing says how long', async (status) => {
    const { error } = await refusedWith(status);
    expect(error).toMatchObject({ name: 'TransientError', code: `HTTP_${status}`, retryAfterMs: undefined });
  });

  test('with Retry-After: 0 counts as an attempt, since it could be repeated without end', async () => {
    expect((await refusedWith(503, { 'retry-after': '0' })).error).toMatchObject({
      name: 'TransientError',
      retryAfterMs: 0,
    });
  });

  test('with a redirect does not wait as it says', async () => {
    const { error } = await refusedWith(302, { location: '/x', 'retry-after': '60' });
    expect(error).toMatchObject({ name: 'ItemError', code: 'REDIRECT' });
  });
});

test('an answer that used up the last call is an answer', async () => {
  const server = await serve(() => ({
    headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '30', 'retry-after': '5' },
    body: { items: [{ id: 'a' }] },
  }));
  expect(await listFrom(server.url)).toHaveLength(1);
});

test('202 is no answer yet, and says when to ask again', async () => {
  const server = await serve((_, nth) =>
    nth < 2 ? { status: 202, headers: { 'retry-after': '3' }, body: {} } : { body: { value: 1 } },
  );
  expect(await failure(dataFrom(server.url))).toMatchObject({
    name: 'TransientError',
    code: 'HTTP_202',
    retryAfterMs: 3_000,
  });
  expect(await failure(dataFrom(server.url))).toMatchObject({ code: 'HTTP_202' });
  expect(await dataFrom(server.url)).toMatchObject({ body: '{"value":1}' });
});
