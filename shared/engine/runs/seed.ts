/**
 * The seed: the object that a person drops to start a run. `{}` fetches everything; `{"troops": ["a", "b"]}` only these.
 */
import { ItemError } from '../errors.ts';
import type { Child, Page } from '../ports.ts';

export type Seed = {
  /** The ids of the only troops to fetch; absent: all of them. */
  troops?: readonly string[];
};

const example = 'Expected {} for everything, or {"troops": ["id", …]} for some.';

/** @throws ItemError `BAD_SEED`, saying what is wrong with it and what a seed looks like */
export function parseSeed(body: string): Seed {
  const refuse = (why: string): never => {
    throw new ItemError('BAD_SEED', `The seed ${why}. ${example}`);
  };
  if (body.trim() === '') return refuse('is empty');
  let seed: unknown;
  try {
    seed = JSON.parse(body);
  } catch (error) {
    throw new ItemError('BAD_SEED', `The seed is not JSON: ${(error as SyntaxError).message}. ${example}`, {
      cause: error,
    });
  }
  if (typeof seed !== 'object' || seed === null || Array.isArray(seed)) return refuse('is not a JSON object');
  const unknown = Object.keys(seed).filter((field) => field !== 'troops');
  if (unknown.length > 0) return refuse(`has the unknown field${unknown.length > 1 ? 's' : ''} ${unknown.join(', ')}`);
  if (!('troops' in seed)) return {};
  const { troops } = seed;
  if (!Array.isArray(troops) || troops.length === 0 || !troops.every((id) => typeof id === 'string' && id !== '')) {
    return refuse('has "troops" that is not a list of at least one id, each a text that is not empty');
  }
  return { troops: troops as string[] };
}

/**
 * Of the API's troops, those that the seed asks for.
 * @throws ItemError `UNKNOWN_TROOP` after the last page when the seed names a troop that the API did not give
 */
export async function* seedTroops(seed: Seed, pages: AsyncIterable<Page>): AsyncGenerator<Page> {
  if (seed.troops === undefined) {
    yield* pages;
    return;
  }
  const missing = new Set(seed.troops);
  const wanted = new Set(seed.troops);
  for await (const page of pages) {
    const children: Child[] = page.children.filter((child) => wanted.has(child.id));
    for (const child of children) missing.delete(child.id);
    yield { children };
  }
  if (missing.size > 0) {
    throw new ItemError(
      'UNKNOWN_TROOP',
      `The seed asks for troops that the API does not have: ${[...missing].join(', ')}.`,
    );
  }
}
