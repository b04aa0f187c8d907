/** What Hermes answers to one call: a decision from settings, tree and counters. No sockets and no clock here. */
import { callKey, cursorAt, offsetAt, parseCall, type Call } from './call-key.ts';
import { drawFault } from './faults.ts';
import type { HermesSettings, Override } from './options.ts';
import type { HermesTree } from './tree.ts';

export type Answer = {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** How the answer ends, when it does not end well. */
  ending?: 'reset' | 'cut-body' | 'hang' | 'endless';
  /** Why it is not the truth. */
  fault?: string;
};

export type AnswerContext = {
  settings: HermesSettings;
  tree: HermesTree;
  failForever: ReadonlySet<string>;
  /** The request's Authorization header. */
  authorization: string | undefined;
  /** Counts a call against the rate limit: 0 when it is let through, otherwise the seconds until one will be. */
  secondsToWait: () => number;
  /** How many times this key has been asked, this time included. */
  nth: number;
};

const json = { 'content-type': 'application/json' };

function refuse(status: number, code: string, message: string, headers: Record<string, string> = {}): Answer {
  return { status, headers: { ...json, ...headers }, body: JSON.stringify({ error: { code, message } }) };
}

/** The key that a request is logged under. */
export function keyOf(target: string): string {
  const parsed = parseCall(target);
  return parsed === undefined ? target : callKey(parsed.call.path, parsed.call.ids, parsed.call.cursor);
}

/** @param target the path and query, without the leading slash */
export function answerCall(target: string, context: AnswerContext): Answer {
  const { settings, tree, failForever, authorization, nth } = context;
  const parsed = parseCall(target);
  if (parsed === undefined) return refuse(404, 'not_found', 'The API has no such path.');
  if (settings.token !== '' && authorization !== `Bearer ${settings.token}`) {
    return refuse(401, 'unauthorized', 'The bearer token is missing or wrong.');
  }
  const seconds = context.secondsToWait();
  if (seconds > 0) {
    const message = `More than ${settings.rateLimit} calls a second.`;
    return { ...refuse(429, 'rate_limited', message, { 'retry-after': String(seconds) }), fault: 'rate-limit' };
  }
  const { call, missing } = parsed;
  if (missing.length > 0) return refuse(400, 'bad_request', `The query lacks ${missing.join(' and ')}.`);

  const key = callKey(call.path, call.ids, call.cursor);
  const listKey = callKey(call.path, call.ids);
  const listOverride = call.path === 'data' ? undefined : settings.overrides[listKey];
  const override = settings.overrides[key] ?? (isOfList(listOverride) ? listOverride : undefined);
  if (override !== undefined && !isChildren(override)) {
    const name = typeof override === 'string' ? override : 'status';
    return { ...misbehave(override, call, context), fault: name };
  }
  if (failForever.has(listKey)) {
    return { ...refuse(500, 'internal', 'This call fails every time.'), fault: 'fail-forever' };
  }
  const fault = drawFault(settings.failRate, settings.seed, key, nth);
  if (fault === undefined) return truth(call, tree, settings.pageSize);
  if (typeof fault === 'string') return { ...truth(call, tree, settings.pageSize), ending: fault, fault };
  const headers = fault.status === 429 ? { 'retry-after': String(fault.retryAfterSeconds) } : {};
  return { ...refuse(fault.status, 'unlucky', 'Another try may do better.', headers), fault: 'unlucky' };
}

const isChildren = (override: Override): override is { children: number } =>
  typeof override === 'object' && 'children' in override;

const isOfList = (override: Override | undefined): boolean => override === 'page-loop' || override === 'endless-pages';

type Listed = { items: string[]; next: string | null };

/** One page of a list, or the refusal of an id or a cursor that this API never gave out. */
function list(call: Call, tree: HermesTree, pageSize: number): Listed | Answer {
  const parent = tree.positionOf(call.ids);
  if (parent === undefined) return refuse(404, 'not_found', 'The API has no such id.');
  const offset = call.cursor === undefined ? 0 : offsetAt(call.cursor);
  const count = tree.childCount(parent);
  if (offset === undefined || offset > count) return refuse(400, 'bad_cursor', 'The API never gave out that cursor.');
  const end = Math.min(count, offset + pageSize);
  const items: string[] = [];
  for (let index = offset; index < end; index += 1) items.push(tree.itemAt([...parent, index]));
  return { items, next: end < count ? cursorAt(end) : null };
}

function page({ items, next }: Listed): Answer {
  return { status: 200, headers: json, body: `{"items":[${items.join(',')}],"next":${JSON.stringify(next)}}` };
}

function truth(call: Call, tree: HermesTree, pageSize: number): Answer {
  if (call.path !== 'data') {
    const listed = list(call, tree, pageSize);
    return 'items' in listed ? page(listed) : listed;
  }
  const group = tree.positionOf(call.ids);
  if (group === undefined) return refuse(404, 'not_found', 'The API has no such id.');
  return { status: 200, headers: json, body: tree.dataAt(group) };
}

/** Cursors of the broken lists, which no offset reads as. */
const loopCursor = 'bG9vcA';
const endlessCursor = 'ZW5kbGVzcw';

function misbehave(override: Exclude<Override, { children: number }>, call: Call, context: AnswerContext): Answer {
  const { tree, settings } = context;
  if (typeof override === 'object') {
    return { status: override.status, headers: { ...json, ...override.headers }, body: override.body ?? '' };
  }
  const right = truth(call, tree, settings.pageSize);
  const changeList = (change: (listed: Listed) => Listed): Answer => {
    const listed = list(call, tree, settings.pageSize);
    return 'items' in listed ? page(change(listed)) : listed;
  };
  switch (override) {
    case 'html': {
      const body = '<!doctype html><html><body><h1>Please sign in</h1></body></html>';
      return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body };
    }
    case 'truncated-json':
      return { ...right, body: right.body.slice(0, right.body.length >> 1) };
    case 'wrong-types':
      return { ...right, body: call.path === 'data' ? '[1,2,3]' : '{"items":[{"id":7,"name":"seven"}],"next":null}' };
    case 'duplicate-ids':
      return changeList(({ items, next }) => ({ items: [...items, ...items.slice(0, 1)], next }));
    case 'empty-id':
      return changeList(({ items, next }) => ({ items: ['{"id":"","name":"nobody"}', ...items.slice(1)], next }));
    case 'page-loop':
      if (call.cursor === loopCursor) return page({ items: [], next: loopCursor });
      return changeList(({ items }) => ({ items, next: loopCursor }));
    case 'endless-pages': {
      const nth = Number(call.cursor?.slice(endlessCursor.length) ?? 0);
      return page({ items: [], next: `${endlessCursor}${nth + 1}` });
    }
    case 'redirect':
      return { status: 302, headers: { location: '/redirected' }, body: '' };
    case 'hang':
      return { ...right, ending: 'hang' };
    case 'huge-body':
      return { ...right, body: '{"items":[', ending: 'endless' };
  }
}
