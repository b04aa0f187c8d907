/** How a level of a source asks the API: its declaration, or its own function, as the engine's `Fetch`. */
import type { Level } from '../engine/chain/chain.ts';
import type { Fetch, Item, Result } from '../engine/item/fetch.ts';
import type { CallGate, Page } from '../engine/ports.ts';
import { createApiCall, type CallManner, type ClientOptions, type Received } from './api-client.ts';
import type { ListDeclaration, ResultDeclaration, SourceChain } from './declaration.ts';
import type { RequestDeclaration } from './request-declaration.ts';
import { createFunctionApi, functionChildren, functionResult } from './function-fetch.ts';
import { readJson } from './json-answer.ts';
import { listReader } from './list-answer.ts';
import { listPages } from './list-pages.ts';
import type { LevelContext } from './level-context.ts';
import { usesItem } from './placeholders.ts';
import { fillRequest, type ApiRequest, type Values } from './request.ts';

export type LevelFetchOptions = ClientOptions & {
  /** Pages of one list. Default 10,000. */
  maxPages?: number;
};

/**
 * Makes the fetch of a level, for all items of an environment: tokens are kept from one item to the next.
 * @throws ConfigError when `apiUrl` can't be one
 */
export function createLevelFetch(chain: SourceChain, level: Level, options: LevelFetchOptions): Fetch {
  const declaration = chain.declarations.find(({ name }) => name === level.name);
  if (declaration === undefined) throw new Error(`The source declares no level ${level.name}.`);
  const context: LevelContext = {
    call: createApiCall(chain.api, options),
    rules: [...(declaration.answers ?? []), ...chain.api.answers],
    common: chain.api,
    maxPages: options.maxPages ?? 10_000,
  };
  const valuesOf = ({ ids, params }: Item): Values => ({
    ids: Object.fromEntries(level.ids.map((name, index) => [name, ids[index] ?? ''])),
    params,
  });
  if (declaration.kind === 'list') {
    const { fetch } = declaration;
    if (fetch === undefined)
      return { many: (item, gate) => declaredList(declaration, { ...valuesOf(item), item: item.body }, gate, context) };
    return {
      many(item, gate) {
        const values = valuesOf(item);
        const api = createFunctionApi(values, gate, context);
        return functionChildren(fetch({ run: item.run, ...values, body: item.body }, api), level.name);
      },
    };
  }
  const { fetch } = declaration;
  if (fetch === undefined) {
    const needsItem = usesItem([declaration.path, declaration.query, declaration.headers, declaration.body]);
    return {
      one: async (item, gate) => {
        const values = { ...valuesOf(item), ...(needsItem && { item: await item.read() }) };
        return declaredResult(declaration, values, gate, context);
      },
    };
  }
  return {
    async one(item, gate) {
      const values = valuesOf(item);
      const api = createFunctionApi(values, gate, context);
      const given = await fetch({ run: item.run, ...values, read: item.read }, api);
      return functionResult(given, level, declaration.contentType);
    },
  };
}

async function* declaredList(
  declaration: Extract<ListDeclaration, RequestDeclaration>,
  values: Values,
  gate: CallGate,
  { call, rules, common, maxPages }: LevelContext,
): AsyncGenerator<Page, void, undefined> {
  const { next = { type: 'singlePage' } } = declaration;
  const request = fillRequest(declaration, common, values);
  const manner: CallManner = { rules, reader: 'list', accept: 'application/json' };
  const read = listReader(declaration, (element) => element.id());
  const pages = listPages({
    next,
    maxPages,
    ask: (change) => call(request, change, manner, gate, read),
  });
  for await (const elements of pages) yield { children: elements.map((each) => ({ id: each.id(), body: each.text })) };
}

function declaredResult(
  declaration: Extract<ResultDeclaration, RequestDeclaration>,
  values: Values,
  gate: CallGate,
  { call, rules, common }: LevelContext,
): Promise<Result> {
  const { as = 'json', contentType } = declaration;
  const request: ApiRequest = fillRequest(declaration, common, values);
  const manner: CallManner = { rules, reader: 'result', accept: as === 'json' ? 'application/json' : '*/*' };
  return call(request, {}, manner, gate, (received) => resultOf(received, as, contentType));
}

const defaultTypes = { json: 'application/json', text: 'text/plain', bytes: 'application/octet-stream' } as const;

function resultOf(received: Received, as: 'json' | 'text' | 'bytes', contentType: string | undefined): Result {
  const { reply } = received;
  if (as === 'json') return { body: readJson(reply, received).text, contentType: contentType ?? defaultTypes.json };
  return { body: reply.bytes, contentType: contentType ?? reply.headers['content-type'] ?? defaultTypes[as] };
}
