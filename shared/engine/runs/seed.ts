/**
 * The seed: the object that a person drops to start a run. `{}` fetches everything; `only` names the ids to fetch, `params` sets
 * what the chain declares: `{"only": {"shop": ["a", "b"]}, "params": {"from": "2026-11-20T00:00:00Z"}}`.
 */
import type { Chain } from '../chain/chain.ts';
import { allowedFor, isParamValue, type Params } from '../chain/params.ts';
import { ItemError } from '../errors.ts';
import type { Child, Page } from '../ports.ts';

export type Seed = {
  /** By the name of the id: the only ones to fetch. A name that is absent: all of them. */
  only: Readonly<Record<string, readonly string[]>>;
  /** What the seed gives; the chain's defaults are not in it. */
  params: Params;
};

/** @throws ItemError `BAD_SEED`, saying everything that is wrong with it and what a seed of this chain looks like */
export function parseSeed(body: string, chain: Chain): Seed {
  const refuse = (problems: readonly string[], cause?: unknown): never => {
    throw new ItemError('BAD_SEED', `The seed ${problems.join('; it ')}. Expected: ${exampleOf(chain)}`, { cause });
  };
  // Editors on Windows put a byte order mark before the text.
  const text = body.replace(/^\uFEFF/, '');
  if (text.trim() === '') return refuse(['is empty']);
  let seed: unknown;
  try {
    seed = JSON.parse(text);
  } catch (error) {
    return refuse([`is not JSON (${(error as SyntaxError).message})`], error);
  }
  if (!isRecord(seed)) return refuse(['is not a JSON object']);
  const { only = {}, params = {}, ...others } = seed;
  const problems = Object.keys(others).map((field) => `has the unknown field ${field}`);
  if (!isRecord(only)) problems.push('has "only" that is not an object from the names of ids to lists of ids');
  else problems.push(...onlyProblems(only, chain));
  if (!isRecord(params)) problems.push('has "params" that is not an object from names to values');
  else problems.push(...paramProblems(params, chain));
  if (problems.length > 0) return refuse(problems);
  const ids = Object.entries(only as Record<string, readonly (string | number)[]>);
  return {
    only: Object.fromEntries(ids.map(([name, values]) => [name, values.map(String)])),
    params: params as Params,
  };
}

/**
 * Of the API's children, those that the seed asks for.
 * @param wanted absent: all of them
 * @throws ItemError `UNKNOWN_ID` after the last page when `isWhole` and one that is asked for did not come
 */
export async function* selectChildren(
  pages: AsyncIterable<Page>,
  wanted: readonly string[] | undefined,
  { idName, isWhole }: { idName: string; isWhole: boolean },
): AsyncGenerator<Page> {
  if (wanted === undefined) {
    yield* pages;
    return;
  }
  const isWanted = new Set(wanted);
  const missing = new Set(wanted);
  for await (const page of pages) {
    const children: Child[] = page.children.filter((child) => isWanted.has(child.id));
    for (const child of children) missing.delete(child.id);
    yield { children };
  }
  if (isWhole && missing.size > 0) {
    const ids = [...missing].map((id) => JSON.stringify(id)).join(', ');
    throw new ItemError('UNKNOWN_ID', `The seed asks for ${idName} ${ids}, which the API does not have.`);
  }
}

/** The names of the chain's ids, from the top down. */
export function idNamesOf({ levels }: Pick<Chain, 'levels'>): readonly string[] {
  return levels.at(-1)?.ids ?? [];
}

function onlyProblems(only: Record<string, unknown>, chain: Chain): string[] {
  const names = idNamesOf(chain);
  return Object.entries(only).flatMap(([name, ids]) => {
    if (!names.includes(name)) return [`has "only" with the unknown id ${name}`];
    const isList =
      Array.isArray(ids) &&
      ids.length > 0 &&
      ids.every((id) => Number.isSafeInteger(id) || (typeof id === 'string' && id !== ''));
    return isList
      ? []
      : [`has "only.${name}" that is not a list of at least one id, each a text that is not empty or a whole number`];
  });
}

function paramProblems(params: Record<string, unknown>, { params: declared }: Chain): string[] {
  const unknown = Object.keys(params).filter((name) => !Object.hasOwn(declared, name));
  const problems = unknown.map((name) => `has the unknown parameter ${name}`);
  for (const [name, declaration] of Object.entries(declared)) {
    const value = params[name];
    if (value === undefined && declaration.default === undefined)
      problems.push(`lacks the parameter ${name}, ${allowedFor(declaration)}`);
    if (value !== undefined && !isParamValue(declaration, value))
      problems.push(`has "params.${name}" that is not ${allowedFor(declaration)}`);
  }
  return problems;
}

/** What seeds of this chain may say. */
function exampleOf(chain: Chain): string {
  const ids = idNamesOf(chain);
  const params = Object.entries(chain.params).map(
    ([name, declaration]) =>
      `"${name}": ${allowedFor(declaration)}${declaration.default === undefined ? '' : ` (default ${JSON.stringify(declaration.default)})`}`,
  );
  const fields = [
    ...(ids.length > 0 ? [`"only": {${ids.map((name) => `"${name}": ["id", …]`).join(', ')}}`] : []),
    ...(params.length > 0 ? [`"params": {${params.join(', ')}}`] : []),
  ];
  if (fields.length === 0) return '{}';
  return `{} for everything${params.length > 0 ? ' with the defaults' : ''}, or any of {${fields.join(', ')}}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
