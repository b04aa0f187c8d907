/**
 * What an answer means: the source's own rules first, then those of HTTP. An answer that is not whole, or not yet one, is an
 * error; nothing of it is stored.
 */
import { ItemError, RateLimitError, TransientError } from '../engine/errors.ts';
import { isRetryableStatus } from '../engine/rate/call-gate.ts';
import type { AnswerRule, StatusMatch } from './declaration.ts';
import type { Reply } from './exchange.ts';
import { excerpt, shorten, type Asked } from './json-answer.ts';
import { stepsOf, valueAt } from './json-path.ts';
import { readWait, waitAskedBy } from './waiting-signals.ts';

/** Who reads the answer: the pages of a declared list, a declared result, or a function of the source. */
export type Reader = 'list' | 'result' | 'function';

export type Judging = Asked & {
  rules: readonly AnswerRule[];
  reader: Reader;
  /** Milliseconds since 1970. */
  nowMs: number;
  maxBodyBytes: number;
};

/** `nothing`: there are no children. `unauthorized`: what was sent as a proof was refused. */
export type Meaning = 'answer' | 'nothing' | 'unauthorized';

/**
 * @throws TransientError, RateLimitError, ItemError: what an answer stands for that is not one
 */
export function judgeAnswer(reply: Reply, judging: Judging): Meaning {
  const rule = findRule(reply, judging.rules);
  if (rule !== undefined) return applyRule(rule, reply, judging);
  const { status } = reply;
  if (status >= 400) return judgeRefusal(reply, judging);
  if (status >= 300) throw redirect(reply, judging);
  return judgeSuccess(reply, judging);
}

/** Whether an answer with this status may have to be read whole. */
export function isWantedStatus(status: number, rules: readonly AnswerRule[]): boolean {
  return (status >= 200 && status < 300) || rules.some((rule) => rule.then === 'accept' && fitsStatus(status, rule));
}

function judgeSuccess(reply: Reply, { reader, call, nowMs, maxBodyBytes, ...asked }: Judging): Meaning {
  const { status } = reply;
  const code = `HTTP_${status}`;
  const answered = `${call} was answered with ${status}`;
  switch (status) {
    case 200:
    case 201:
    case 203:
      if (!reply.isTooLarge) return 'answer';
      throw tooLarge(call, maxBodyBytes);
    case 202:
      throw new TransientError(code, `${answered}: the answer is not ready yet.`, {
        retryAfterMs: waitAskedBy(status, reply.headers, nowMs),
      });
    case 204:
    case 205:
      if (reader === 'list') return 'nothing';
      if (reader === 'function') return 'answer';
      throw new ItemError(
        'NO_CONTENT',
        `${answered}, which has no content, so there is no result. If that is one, declare { status: ${status}, then: 'accept' } for text or bytes.`,
      );
    case 206:
      throw new TransientError(code, `${answered}: a part of the content, though all of it was asked for.`);
    default:
      throw new ItemError(
        code,
        `${answered}: ${excerpt(reply, asked.mask)}. It is not known to be whole; if it is, declare { status: ${status}, then: 'accept' }.`,
      );
  }
}

function tooLarge(call: string, maxBodyBytes: number): ItemError {
  const message = `The answer to ${call} is larger than ${maxBodyBytes} bytes, the most that is read of one.`;
  return new ItemError('BODY_TOO_LARGE', message);
}

/** Any refusal may say how long to wait: a 403 as well as a 429. */
function judgeRefusal(reply: Reply, { call, mask, nowMs }: Judging): Meaning {
  const { status, headers } = reply;
  const code = `HTTP_${status}`;
  const message = `${call} was answered with ${status}: ${excerpt(reply, mask)}.`;
  const waitMs = waitAskedBy(status, headers, nowMs);
  // No time to wait is no order: without a limit on attempts, it would be asked without end.
  if (waitMs !== undefined && waitMs > 0) throw new RateLimitError(code, message, { waitMs });
  if (isRetryableStatus(status)) throw new TransientError(code, message, { retryAfterMs: waitMs });
  if (status === 401) return 'unauthorized';
  const advice =
    status === 403 ? ' Check the secret in apiTokenSecret: is it there, valid, and allowed to read this?' : '';
  throw new ItemError(code, message + advice);
}

function redirect({ status, headers }: Reply, { call, mask }: Judging): ItemError {
  if (status === 304) {
    const message = `${call} was answered with 304, "not modified", though nothing was asked that allows it. A cache in between is at fault.`;
    return new ItemError('HTTP_304', message);
  }
  const { location } = headers;
  // Without the query, which may hold a session.
  const target =
    location === undefined ? 'without saying where to' : `to ${shorten(mask(location).replace(/[?#][^]*$/, ''), '""')}`;
  const advice = 'It was not followed, since it would take the secret along: set apiUrl to where the API is.';
  return new ItemError('REDIRECT', `${call} was answered with ${status}, a redirect ${target}. ${advice}`);
}

function applyRule(rule: AnswerRule, reply: Reply, judging: Judging): Meaning {
  const { call, mask, nowMs, maxBodyBytes } = judging;
  const { then } = rule;
  if (then === 'accept') {
    if (reply.isTooLarge) throw tooLarge(call, maxBodyBytes);
    return 'answer';
  }
  if (then === 'ignore') return judging.reader === 'list' ? 'nothing' : 'answer';
  const { status, headers } = reply;
  const code = status < 300 ? 'API_ERROR' : `HTTP_${status}`;
  const said = rule.message === undefined ? undefined : valueAt(jsonOf(reply), stepsOf(rule.message));
  const text = typeof said === 'string' ? shorten(mask(said), '""') : excerpt(reply, mask);
  const message = `${call} was answered with ${status}: ${text}.`;
  if (then === 'fail') throw new ItemError(code, `${message} The source's answer rules call that a failure.`);
  const named = then === 'retry' ? undefined : readWait(headers[then.rateLimit.toLowerCase()], headers, nowMs);
  const waitMs = named ?? waitAskedBy(status, headers, nowMs);
  if (then !== 'retry' && waitMs !== undefined && waitMs > 0) throw new RateLimitError(code, message, { waitMs });
  throw new TransientError(code, message, { retryAfterMs: waitMs });
}

function findRule(reply: Reply, rules: readonly AnswerRule[]): AnswerRule | undefined {
  let body: { value: unknown } | undefined;
  return rules.find((rule) => {
    if (!fitsStatus(reply.status, rule) || !fitsHeader(reply, rule)) return false;
    if (rule.body === undefined) return true;
    body ??= { value: jsonOf(reply) };
    return fitsBody(body.value, rule.body);
  });
}

function fitsStatus(status: number, rule: AnswerRule): boolean {
  if (rule.status === undefined) return true;
  const matches: readonly StatusMatch[] = typeof rule.status === 'object' ? rule.status : [rule.status];
  return matches.some((match) => match === status || match === `${Math.floor(status / 100)}xx`);
}

function fitsHeader({ headers }: Reply, { header }: AnswerRule): boolean {
  if (header === undefined) return true;
  const value = headers[header.name.toLowerCase()];
  return value !== undefined && (header.matches === undefined || new RegExp(header.matches, 'i').test(value));
}

function fitsBody(value: unknown, { path, equals, exists = true }: NonNullable<AnswerRule['body']>): boolean {
  const found = valueAt(value, stepsOf(path));
  return equals === undefined ? (found !== undefined) === exists : found === equals;
}

/** For rules and messages only: undefined for what is not JSON, or not whole. */
function jsonOf(reply: Reply): unknown {
  if (reply.isTooLarge) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(reply.bytes)) as unknown;
  } catch {
    return undefined;
  }
}
