/** How long an API that refused a call wants none: from every header in which APIs say so. Pure: the time is an argument. */
import { parseRetryAfter } from '../engine/rate/call-gate.ts';
import type { ReplyHeaders } from './exchange.ts';

/** `X-RateLimit-Remaining`, `RateLimit-Remaining`, `X-Rate-Limit-Remaining-Minute`, … */
const remainingName = /^((?:x-)?rate-?limit-)remaining(-[\w-]+)?$/;
/** The end of a window is told in whole seconds, so that "now" may be most of a second away. */
const shortestWindowMs = 1_000;

/**
 * @param nowMs milliseconds since 1970; dates are measured against the answer's own `Date` where it has one, since the two
 * clocks may differ by minutes
 * @returns milliseconds from now; undefined when the answer does not say
 */
export function waitAskedBy(status: number, headers: ReplyHeaders, nowMs: number): number | undefined {
  const serverMs = serverTime(headers, nowMs);
  return retryAfter(headers, serverMs) ?? windowEnd(status, headers, serverMs) ?? rateLimitField(headers);
}

/**
 * Reads a header that tells until when to wait: seconds, a moment in seconds or milliseconds since 1970, or a date.
 * @returns milliseconds from now; undefined for anything else
 */
export function readWait(text: string | undefined, headers: ReplyHeaders, nowMs: number): number | undefined {
  return readMoment(text, serverTime(headers, nowMs));
}

function serverTime(headers: ReplyHeaders, nowMs: number): number {
  const serverMs = Date.parse(headers['date'] ?? '');
  return Number.isNaN(serverMs) ? nowMs : serverMs;
}

function retryAfter(headers: ReplyHeaders, serverMs: number): number | undefined {
  for (const name of ['retry-after-ms', 'x-ms-retry-after-ms']) {
    const text = headers[name]?.trim() ?? '';
    if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text));
  }
  return parseRetryAfter(headers['retry-after'], serverMs);
}

/** The latest end of the windows in which no call is left. */
function windowEnd(status: number, headers: ReplyHeaders, serverMs: number): number | undefined {
  const ends: number[] = [];
  let isCounted = false;
  for (const [name, value] of Object.entries(headers)) {
    const match = remainingName.exec(name);
    if (match === null) continue;
    isCounted = true;
    // The old fields may list several windows: `0, 0;w=60`.
    if (!/^\s*0+(\.0*)?\s*([,;]|$)/.test(value)) continue;
    const [, family = '', suffix = ''] = match;
    const end = resetOf(headers, family, suffix, serverMs);
    if (end !== undefined) ends.push(Math.max(end, shortestWindowMs));
  }
  if (ends.length > 0) return Math.max(...ends);
  // 429 says by itself that nothing is left.
  if (isCounted || status !== 429) return undefined;
  const end = resetOf(headers, '', '', serverMs);
  return end === undefined ? undefined : Math.max(end, shortestWindowMs);
}

const families = ['x-ratelimit-', 'x-rate-limit-', 'ratelimit-', 'rate-limit-'];

/** Some gateways name the calls that are left in one family of headers, and the reset in another. */
function resetOf(headers: ReplyHeaders, family: string, suffix: string, serverMs: number): number | undefined {
  const own = family === '' ? [] : [`${family}reset${suffix}`];
  const shared = families.flatMap((name) => [`${name}reset`, `${name}reset-after`]);
  for (const name of [...own, ...shared]) {
    const waitMs = readMoment(headers[name], serverMs);
    if (waitMs !== undefined) return waitMs;
  }
  return undefined;
}

/** Seconds above this are not a wait of years, but a moment since 1970; and above the next, in milliseconds. */
const leastEpochSeconds = 1e8;
const leastEpochMs = 1e11;

function readMoment(text: string | undefined, serverMs: number): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(trimmed)) {
    const value = Number(trimmed);
    if (value >= leastEpochMs) return Math.max(0, Math.ceil(value - serverMs));
    if (value >= leastEpochSeconds) return Math.max(0, Math.ceil(value * 1000 - serverMs));
    return Math.ceil(value * 1000);
  }
  return durationOf(trimmed) ?? dateOf(trimmed, serverMs);
}

/** `1s`, `6m0s`, `20ms` */
function durationOf(text: string): number | undefined {
  const match = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/.exec(text);
  if (match === null || text === '') return undefined;
  const [hours = 0, minutes = 0, seconds = 0, ms = 0] = match
    .slice(1)
    .map((part: string | undefined) => Number(part ?? 0));
  return Math.ceil(((hours * 60 + minutes) * 60 + seconds) * 1000 + ms);
}

function dateOf(text: string, serverMs: number): number | undefined {
  // `2026-11-26T10:00:00Z`, or an HTTP date; without the check, Date.parse takes "-5" for a year.
  if (!/[A-Za-z]{3}|\dT\d/.test(text)) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - serverMs);
}

/**
 * The `RateLimit` field of the IETF drafts: `"default";r=0;t=30` (several policies with commas), and before
 * `limit=10, remaining=0, reset=4`.
 */
function rateLimitField(headers: ReplyHeaders): number | undefined {
  const text = headers['ratelimit'];
  if (text === undefined) return undefined;
  const named = /(?:^|[,;\s])remaining\s*=\s*0+\s*(?=[,;]|$)/i.test(text)
    ? /(?:^|[,;\s])reset\s*=\s*(\d+)/i.exec(text)?.[1]
    : undefined;
  if (named !== undefined) return Math.max(Number(named) * 1000, shortestWindowMs);
  const ends = text
    .replace(/"(?:[^"\\]|\\.)*"/g, '""') // A policy's name may hold a comma.
    .split(',')
    .filter((policy) => /;\s*r\s*=\s*0+\s*(?=;|$)/.test(policy))
    .map((policy) => /;\s*t\s*=\s*(\d+)/.exec(policy)?.[1])
    .filter((seconds) => seconds !== undefined)
    .map((seconds) => Number(seconds) * 1000);
  return ends.length === 0 ? undefined : Math.max(shortestWindowMs, ...ends);
}
