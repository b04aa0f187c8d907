/**
 * The words in which `sources/<name>/chain.ts` describes an API. They make plain data: nothing here calls an API, so that a
 * function which only needs the level table bundles little more than that.
 */
import { chainProblems } from '../engine/chain/chain-problems.ts';
import { createChain, type Chain } from '../engine/chain/chain.ts';
import { ChainError } from '../engine/errors.ts';
import { declarationProblems } from './declaration-problems.ts';
import { levelSpecs } from './level-specs.ts';
import type {
  ApiDeclaration,
  Auth,
  ChainDeclaration,
  ListDeclaration,
  ListFields,
  OAuth2Auth,
  ResultDeclaration,
  ResultFields,
  SourceChain,
} from './declaration.ts';
import type { Paginator } from './request-declaration.ts';
import type { JsonPath } from './json-path.ts';

export type {
  AnswerRule,
  ApiDeclaration,
  Auth,
  ChainDeclaration,
  LevelDeclaration,
  LimitDeclaration,
  ListFields,
  ResultFields,
  SourceChain,
} from './declaration.ts';
export type { JsonValue, Paginator } from './request-declaration.ts';
export type {
  Answer,
  Api,
  Call,
  JsonText,
  ListEntry,
  ListFetch,
  ListItem,
  PagesCall,
  ResultFetch,
  ResultItem,
} from './api.ts';
export type { JsonPath } from './json-path.ts';

/** True in what is deployed: the chain was checked when it was packaged, and the checks are not bundled (serverless.yml). */
declare const isPackaged: boolean;

/**
 * @throws ChainError with all that is wrong, each line naming the level, the field and what is allowed; not in a package
 */
export function defineChain(declaration: ChainDeclaration): SourceChain {
  const spec = levelSpecs(declaration);
  if (typeof isPackaged === 'undefined') {
    const problems = [...declarationProblems(declaration), ...chainProblems(spec)];
    if (problems.length > 0) throw new ChainError(problems);
  }
  const { auth = none(), headers = {}, query = {}, answers = [], limit } = declaration.api ?? {};
  const api: ApiDeclaration = { auth, headers, query, answers, ...(limit && { limit }) };
  const chain: Chain = createChain(spec);
  return { ...chain, api, declarations: declaration.levels };
}

/** A level whose items become a list of children each. */
export function list(name: string, fields: ListFields): ListDeclaration {
  return { kind: 'list', name, ...fields };
}

/** The last level, whose items become one result each. */
export function result(name: string, fields: ResultFields): ResultDeclaration {
  return { kind: 'result', name, ...fields };
}

type Options<Type extends Paginator['type'], Given extends string> = Omit<
  Extract<Paginator, { type: Type }>,
  'type' | Given
>;

/** The whole list comes in one answer. */
export function singlePage(): Paginator {
  return { type: 'singlePage' };
}

/** The answer holds the next page's link, relative or on the same origin. None, null and '' end the list. */
export function jsonLink(path: JsonPath): Paginator {
  return { type: 'jsonLink', path };
}

/** The `Link` header holds the next page's link. None ends the list. */
export function headerLink(rel = 'next'): Paginator {
  return { type: 'headerLink', rel };
}

/** The answer holds a cursor for the query parameter `param` (default `cursor`) or the place `body` in a POST's body. */
export function cursor(path: JsonPath, options: Options<'cursor', 'path'> = {}): Paginator {
  return { type: 'cursor', path, ...options };
}

/** As `cursor`, from a header. */
export function headerCursor(header: string, options: Options<'headerCursor', 'header'> = {}): Paginator {
  return { type: 'headerCursor', header, ...options };
}

/** The next page begins behind the elements received. An empty page, or `total` elements, end the list. */
export function offset(options: Options<'offset', never>): Paginator {
  return { type: 'offset', ...options };
}

/** Pages are counted from `first` (default 1). An empty page, or `totalPages` pages, end the list. */
export function pageNumber(options: Omit<Options<'pageNumber', never>, 'first'> & { first?: number } = {}): Paginator {
  return { type: 'pageNumber', first: 1, ...options };
}

/** The API asks for no proof. */
export function none(): Auth {
  return { type: 'none' };
}

/** The secret is a token, sent as `Authorization: Bearer …`. */
export function bearer(): Auth {
  return { type: 'bearer' };
}

/** The secret is a key, sent in a header (default `X-Api-Key`) or in the query. */
export function apiKey(place: { header: string } | { query: string } = { header: 'X-Api-Key' }): Auth {
  return { type: 'apiKey', ...place };
}

/** The secret is `user:password`. */
export function httpBasic(): Auth {
  return { type: 'httpBasic' };
}

/** The secret is JSON, `{"client_id": "…", "client_secret": "…"}`, for which the API gives access tokens. */
export function oauth2ClientCredentials(
  options: DistributiveOmit<OAuth2Auth, 'type'>,
): Extract<Auth, { type: 'oauth2ClientCredentials' }> {
  return { type: 'oauth2ClientCredentials', ...options };
}

type DistributiveOmit<T, Key extends PropertyKey> = T extends unknown ? Omit<T, Key> : never;
