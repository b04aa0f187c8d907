/** One call of a level, outside of any run: what the API answered, and what the chain makes of it. */
import type { Level } from '../../shared/engine/chain/chain.ts';
import type { Params } from '../../shared/engine/chain/params.ts';
import type { CallGate } from '../../shared/engine/ports.ts';
import type { SourceChain } from '../../shared/source/define.ts';
import { createLevelFetch } from '../../shared/source/level-fetch.ts';
import { tokenVariable } from './api.ts';
import { explainAnswer, nextPageOf, type Explained } from './answer-hints.ts';

export type TrialRequest = {
  url: string;
  /** '' for none. */
  token: string;
  /** By name, for all ids of the level's items. */
  ids: Readonly<Record<string, string>>;
  params: Params;
  /** The item's own JSON, for levels that use it. */
  item: string;
};

export type TrialCall = {
  /** The method and the URL, without secrets. */
  call: string;
  status: number;
  contentType: string | undefined;
  sizeBytes: number;
  elapsedMs: number;
  /** The beginning of the body, on one line, without secrets. */
  excerpt: string;
};

export type Trial = {
  level: string;
  kind: 'list' | 'result';
  calls: TrialCall[];
  /** Of a list's first page. */
  children?: { id: string; item: string }[];
  /** How the next page is asked for; null: this is the last one. Absent when a function pages by itself. */
  nextPage?: string | null;
  result?: { sizeBytes: number; contentType: string };
  problem?: { code: string; message: string };
  /** What was looked for, and what is there. */
  explained: Explained[];
};

const timeoutMs = 30_000;
const maxBodyBytes = 10_000_000;
/** A function of the source may need several calls for a page. */
const mostFunctionCalls = 10;
const excerptChars = 600;

/** Messages of functions name the parameter of a deployment. */
const whereTheSecretIs = `Here, the secret is the environment variable ${tokenVariable}.`;
const isOfSecret = (code: string): boolean => ['HTTP_401', 'HTTP_403', 'BAD_TOKEN', 'TOKEN_REFUSED'].includes(code);

/** Enough was asked: no further call is made. */
class EnoughError extends Error {
  override readonly name = 'EnoughError';
}

/** @throws ConfigError for an address that can't be one */
export async function tryLevel(chain: SourceChain, level: Level, request: TrialRequest): Promise<Trial> {
  const declaration = chain.declarations.find(({ name }) => name === level.name);
  if (declaration === undefined) throw new Error(`The source declares no level ${level.name}.`);
  const trial: Trial = { level: level.name, kind: declaration.kind, calls: [], explained: [] };
  const isDeclared = declaration.fetch === undefined;
  let startedMs = performance.now();
  let hide: (text: string) => string = (text) => text;
  const gate: CallGate = (call) => {
    // A 401 may be answered by getting a newer access token.
    const last = trial.calls.at(-1);
    const isEnough = isDeclared ? last !== undefined && last.status !== 401 : trial.calls.length >= mostFunctionCalls;
    if (isEnough) throw new EnoughError('One call is enough.');
    startedMs = performance.now();
    return call(AbortSignal.timeout(timeoutMs));
  };
  const fetch = createLevelFetch(chain, level, {
    apiUrl: request.url,
    ...(request.token !== '' && { secret: () => Promise.resolve(request.token) }),
    timeoutMs,
    maxBodyBytes,
    clock: { now: Date.now },
    onReply(received) {
      const { call, mask, reply } = received;
      hide = (text) => mask(text);
      const text = mask(new TextDecoder().decode(reply.bytes), { mayBeCut: true }).replaceAll(/\s+/g, ' ').trim();
      trial.calls.push({
        call,
        status: reply.status,
        contentType: reply.headers['content-type'],
        sizeBytes: reply.bytes.length,
        elapsedMs: Math.round(performance.now() - startedMs),
        excerpt: text.length > excerptChars ? `${text.slice(0, excerptChars)}…` : text,
      });
      if (!isDeclared) return;
      trial.explained = explainAnswer(declaration, received);
      const next = nextPageOf(declaration, received);
      if (next !== undefined) trial.nextPage = next;
    },
  });
  const ids = level.ids.map((name) => request.ids[name] ?? '');
  const item = { run: 'try', ids, key: `try/${level.name}`, params: request.params };
  try {
    if ('many' in fetch) {
      trial.children = [];
      for await (const { children } of fetch.many({ ...item, body: request.item }, gate)) {
        trial.children = children.map(({ id, body }) => ({ id: hide(id), item: hide(body) }));
        break;
      }
    } else {
      const { body, contentType } = await fetch.one({ ...item, read: () => Promise.resolve(request.item) }, gate);
      trial.result = { sizeBytes: Buffer.byteLength(body), contentType };
    }
  } catch (error) {
    // An empty page leads on to the next: that there was nothing on it is all that one call says.
    if (error instanceof EnoughError) return trial;
    const { name, code, message } = error as Error & { code?: unknown };
    const known = typeof code === 'string' ? code : name;
    trial.problem = { code: known, message: isOfSecret(known) ? `${message} ${whereTheSecretIs}` : message };
    delete trial.children;
  }
  return trial;
}
