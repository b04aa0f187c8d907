import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readToldLimit } from '../../../shared/source/told-limit.ts';

describe("an API's limit, in calls a second", () => {
  test.each<[string, Record<string, string>, number]>([
    ['the old field with a policy', { 'ratelimit-limit': '100, 100;w=60' }, 100 / 60],
    ['the policy in a field of its own', { 'ratelimit-limit': '100', 'ratelimit-policy': '100;w=60' }, 100 / 60],
    ['several policies: the slowest', { 'ratelimit-limit': '10, 10;w=1, 1800;w=3600' }, 0.5],
    [
      'a policy with a name',
      { 'ratelimit-policy': '"default";q=100;w=60', ratelimit: '"default";r=50;t=30' },
      100 / 60,
    ],
    ['several, with a comma in a name', { 'ratelimit-policy': '"a,b";q=10;w=1, "day";q=86400;w=86400' }, 1],
    ['a policy of something else', { 'ratelimit-policy': '"b";q=1;w=60;qu="content-bytes", "r";q=120;w=60' }, 2],
    ['a comment of a gateway', { 'x-ratelimit-limit': '10, 10;w=1;name="a"' }, 10],
    ['the window in the name', { 'x-ratelimit-limit-minute': '30', 'x-ratelimit-limit-hour': '3600' }, 0.5],
    ['the window in the name, with hyphens', { 'x-rate-limit-limit-second': '7' }, 7],
  ])('%s', (_, headers, expected) => {
    expect(readToldLimit(headers)?.perSecond).toBeCloseTo(expected, 6);
  });

  test.each<[string, Record<string, string>]>([
    ['X-RateLimit-Limit', { 'x-ratelimit-limit': '120', 'x-ratelimit-reset': '3', 'x-ratelimit-remaining': '100' }],
    ['X-Rate-Limit-Limit', { 'x-rate-limit-limit': '120' }],
    ['RateLimit-Limit', { 'ratelimit-limit': '120' }],
    ['RateLimit', { ratelimit: 'limit=120, remaining=50, reset=5' }],
    ['the same twice', { 'x-ratelimit-limit': '120, 240' }],
    ['requests, not tokens', { 'x-ratelimit-limit-requests': '120', 'x-ratelimit-limit-tokens': '1' }],
  ])('%s: without a window it is none until the source declares it', (_, headers) => {
    expect(readToldLimit(headers)).toEqual({ calls: 120 });
    expect(readToldLimit(headers, { windowSeconds: 60 })).toEqual({ perSecond: 2, calls: 120 });
  });

  test('a window of the headers counts, and not the declared one', () => {
    expect(readToldLimit({ 'ratelimit-limit': '100, 100;w=10' }, { windowSeconds: 1 })?.perSecond).toBe(10);
  });

  test('a header that the source names is read too', () => {
    const declared = { windowSeconds: 60, header: 'X-Quota' };
    expect(readToldLimit({ 'x-quota': '30' }, declared)).toEqual({ perSecond: 0.5, calls: 30 });
  });

  test.each(['0', '-5', 'none', '', 'NaN', '1e9', ' ', '9'.repeat(400), '10;w=0', '10;w=x', ';w=60', '0, 0;w=60'])(
    'what is no positive number says nothing: %j',
    (text) => {
      expect(
        readToldLimit({ 'x-ratelimit-limit': text, 'ratelimit-policy': text }, { windowSeconds: 1 }),
      ).toBeUndefined();
    },
  );

  test('no text makes it throw, or gives anything but a positive number', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-z";,=. -]{0,30}$/));
    fc.assert(
      fc.property(text, text, text, (a, b, c) => {
        const told = readToldLimit(
          { 'x-ratelimit-limit': a, 'ratelimit-policy': b, ratelimit: c },
          { windowSeconds: 7 },
        );
        if (told?.perSecond === undefined) return;
        expect(told.perSecond).toBeGreaterThan(0);
        expect(Number.isFinite(told.perSecond)).toBe(true);
      }),
    );
  });
});
