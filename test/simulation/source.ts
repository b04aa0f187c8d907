/** How the schedule's chain asks the API: as a source does, with its own reading of answers and of lists in pages. */
import type { Fetch, Item } from '../../shared/engine/item/fetch.ts';
import type { CallGate, Page } from '../../shared/engine/ports.ts';
import type { Reader } from '../../shared/source/answers.ts';
import type { Reply } from '../../shared/source/exchange.ts';
import type { ListPage } from '../../shared/source/list-pages.ts';
import type { Answer, Api, Question } from './api.ts';
import type { ChainPlan, Row } from './chain-plan.ts';
import type { Core } from './core.ts';
import type { Life } from './life.ts';
import type { ApiNode } from './model.ts';

export type SourceDeps = {
  core: Core;
  plan: ChainPlan;
  api: Api;
  /** The API's own node for ids that the engine decoded; undefined: the API has no such thing. */
  nodeOf: (ids: readonly string[]) => ApiNode | undefined;
  nowMs: () => number;
};

/** What a call came to. */
type Received = { reply: Reply; call: string; mask: (text: string) => string; isNothing: boolean };

const maxBodyBytes = 1_000_000;
const maxPages = 10_000;
const url = new URL('http://api.invalid/');

export function fetchOf(row: Row, deps: SourceDeps, life: Life): Fetch {
  const ask = createAsk(deps, life);
  return row.id === undefined
    ? { one: (item, gate) => fetchResult(item, gate) }
    : { many: (item, gate) => fetchList(item, gate) };

  async function fetchResult(
    item: Parameters<Extract<Fetch, { one: unknown }>['one']>[0],
    gate: CallGate,
  ): ReturnType<Extract<Fetch, { one: unknown }>['one']> {
    const body = deps.plan.readsItems ? await item.read() : undefined;
    return ask(item, { cursor: undefined, body }, 'result', gate, (received) => {
      if (deps.plan.results === 'csv') return { body: received.reply.bytes, contentType: 'text/csv' };
      return { body: deps.core.readJson(received.reply, received).text, contentType: 'application/json' };
    });
  }

  async function* fetchList(item: Item & { body: string }, gate: CallGate): AsyncGenerator<Page> {
    const { core } = deps;
    const lists = core.listPages({
      next: { type: 'cursor', path: 'next' },
      maxPages,
      ask: ({ query }) =>
        ask(item, { cursor: query?.['cursor'], body: item.body }, 'list', gate, (received) => pageOf(received, core)),
    });
    for await (const elements of lists)
      yield { children: elements.map((each) => ({ id: each.id(), body: each.text })) };
  }
}

function pageOf(received: Received, core: Core): ListPage | undefined {
  if (received.isNothing) return undefined;
  const answer = core.readJson(received.reply, received);
  const elements = core.readElements(answer, core.stepsOf('items'), core.stepsOf('id'), received);
  const { headers } = received.reply;
  return { ...received, ...answer, url, headers, elements: elements.map((element) => ({ id: element.id(), element })) };
}

type Ask = <T>(
  item: Item,
  more: Pick<Question, 'cursor' | 'body'>,
  reader: Reader,
  gate: CallGate,
  read: (received: Received) => T,
) => Promise<T>;

function createAsk({ core, api, nodeOf, nowMs }: SourceDeps, life: Life): Ask {
  const mask = (text: string): string => text;
  return ({ key, ids, run, params }, more, reader, gate, read) =>
    gate(async (signal) => {
      const node = nodeOf(ids);
      if (node === undefined) throw new core.ItemError('HTTP_404', `The API has nothing at ${JSON.stringify(ids)}.`);
      const reply = replyOf(await api.ask({ node, run, params, ...more }, signal, life));
      const call = `GET ${key}`;
      const meaning = core.judgeAnswer(reply, { call, mask, rules: [], reader, nowMs: nowMs(), maxBodyBytes });
      return read({ reply, call, mask, isNothing: meaning === 'nothing' });
    });
}

function replyOf({ status, headers, text }: Answer): Reply {
  return { status, headers, bytes: Buffer.from(text), isTooLarge: false, isFramed: true };
}
