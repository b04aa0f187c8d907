/** The API as a level's own function sees it, and what is made of what the function gives. */
import { isBatched, type Level } from '../engine/chain/chain.ts';
import { ItemError } from '../engine/errors.ts';
import type { Result } from '../engine/item/fetch.ts';
import type { CallGate, Child, Page } from '../engine/ports.ts';
import type { Received } from './api-client.ts';
import type { Answer, Api, Call, JsonText, ListEntry, PagesCall } from './api.ts';
import { JsonElement, readElements } from './elements.ts';
import { decodeUtf8, readJson, type JsonAnswer } from './json-answer.ts';
import { stepsOf } from './json-path.ts';
import type { LevelContext } from './level-context.ts';
import { listReader } from './list-answer.ts';
import { listPages } from './list-pages.ts';
import { plainRequest, type Values } from './request.ts';
import { SeenIds } from './seen-ids.ts';

const accept = 'application/json, */*;q=0.5';

export function createFunctionApi(values: Values, gate: CallGate, context: LevelContext): Api {
  const { call, rules, common } = context;
  const request = (asked: Call): Promise<Answer> =>
    call(plainRequest(asked, common, values), {}, { rules, reader: 'function', accept }, gate, answerOf);
  return {
    request,
    get: (path, options = {}) => request({ ...options, path }),
    post: (path, body, options = {}) => request({ ...options, path, method: 'POST', body }),
    pages: (asked) => functionPages(asked, values, gate, context),
  };
}

async function* functionPages(
  asked: PagesCall,
  values: Values,
  gate: CallGate,
  { call, rules, common, maxPages }: LevelContext,
): AsyncGenerator<JsonText[], void, undefined> {
  const { next = { type: 'singlePage' } } = asked;
  const request = plainRequest(asked, common, values);
  const read = listReader(asked, markOf);
  yield* listPages({
    next,
    maxPages,
    ask: (change) => call(request, change, { rules, reader: 'list', accept }, gate, read),
  });
}

/** The function may know a better id, so that an element without one is no fault here. */
function markOf(element: JsonElement): string {
  try {
    return `id ${element.id()}`;
  } catch (error) {
    if (error instanceof ItemError) return `text ${element.text}`;
    throw error;
  }
}

function answerOf(received: Received): Answer {
  const { reply, call, mask } = received;
  let parsed: JsonAnswer | undefined;
  const parse = (): JsonAnswer => (parsed ??= readJson(reply, received));
  // Within the gate, so that a cut answer is asked for again at once.
  if (/json/i.test(reply.headers['content-type'] ?? '') && reply.bytes.length > 0) {
    try {
      parse();
    } catch (error) {
      if (!(error instanceof ItemError)) throw error; // NOT_JSON: the function may not want JSON.
    }
  }
  return {
    status: reply.status,
    headers: reply.headers,
    bytes: reply.bytes,
    get text() {
      const decoded = decodeUtf8(reply.bytes);
      if (decoded !== undefined && !decoded.isCut) return decoded.text;
      throw new ItemError('NOT_TEXT', `The answer to ${call} is not UTF-8; its bytes are in answer.bytes.`);
    },
    json: () => parse().value,
    elements: (path = '$') => readElements(parse(), stepsOf(path), ['id'], { call, mask }),
  };
}

/**
 * The children that a function gives, with exact repetitions left out.
 * @throws ItemError `BAD_ENTRY` for what is no list of `{ id, item }`; what the function throws
 */
export async function* functionChildren(
  given: AsyncIterable<readonly ListEntry[]>,
  levelName: string,
): AsyncGenerator<Page, void, undefined> {
  const seen = new SeenIds();
  for await (const entries of given as AsyncIterable<unknown>) {
    if (!Array.isArray(entries)) throw badEntry(levelName, 'must yield lists of { id, item }');
    const children = (entries as readonly unknown[]).map((entry) => childOf(entry, levelName));
    yield { children: children.filter(({ id, body }) => seen.add(id, body) !== 'same') };
  }
}

function childOf(entry: unknown, levelName: string): Child {
  const { id, item } = (typeof entry === 'object' && entry !== null ? entry : {}) as Partial<ListEntry>;
  const isId = typeof id === 'string' || (typeof id === 'number' && Number.isFinite(id));
  const body = jsonTextOf(item);
  if (!isId || body === undefined)
    throw badEntry(levelName, 'must yield lists of { id: a text or number, item: a JSON value }');
  return { id: String(id), body };
}

/**
 * @throws ItemError `BAD_ENTRY` for what is no result
 */
export function functionResult(given: unknown, level: Level, contentType: string | undefined): Result {
  const { name: levelName } = level;
  if (isResult(given)) return isBatched(level) ? jsonResult(given, levelName) : given;
  if (typeof given === 'string') {
    try {
      JSON.parse(given);
    } catch {
      throw badEntry(levelName, 'gave a text that is not JSON: return { body, contentType } for anything else');
    }
  }
  const body = typeof given === 'string' ? given : jsonTextOf(given);
  if (body === undefined || given instanceof Uint8Array)
    throw badEntry(levelName, 'must return { body, contentType }, a JSON text or a JSON value');
  return { body, contentType: contentType ?? 'application/json' };
}

/** A line of a batch's results. */
function jsonResult({ body, contentType }: Result, levelName: string): Result {
  const text = typeof body === 'string' ? body : decodeUtf8(body)?.text;
  try {
    JSON.parse(text ?? '');
  } catch {
    throw badEntry(levelName, `gave a result (${contentType}) that is not JSON: declare batch: 1 to store it as it is`);
  }
  return { body: text ?? '', contentType };
}

function isResult(given: unknown): given is Result {
  if (typeof given !== 'object' || given === null) return false;
  const { body, contentType } = given as Partial<Result>;
  return typeof contentType === 'string' && (typeof body === 'string' || body instanceof Uint8Array);
}

/** A piece of an answer as the API wrote it; anything else as JSON.stringify writes it. */
function jsonTextOf(item: unknown): string | undefined {
  return item instanceof JsonElement ? item.text : JSON.stringify(item);
}

function badEntry(levelName: string, problem: string): ItemError {
  return new ItemError('BAD_ENTRY', `The fetch function of level ${levelName} ${problem}.`);
}
