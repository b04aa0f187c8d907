/** The source that a deployment is of: its folder's name, and the chain that it declares. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Chain } from '../shared/engine/chain/chain.ts';
import { ChainError } from '../shared/engine/errors.ts';
import { DeploymentError } from './mistakes.ts';

const sourcesDir = join(import.meta.dirname, '../sources');

/**
 * @param folder where the sources are
 * @throws DeploymentError with a line for each problem: the source does not exist, or what is wrong with its chain
 */
export async function loadChain(source: string, folder = sourcesDir): Promise<Chain> {
  const file = join(folder, source, 'chain.ts');
  if (!sourcesIn(folder).includes(source))
    throw new DeploymentError([
      `There is no source ${JSON.stringify(source)}: sources/${source}/chain.ts does not exist. The sources are ${sourcesIn(folder).join(', ')}.`,
    ]);
  try {
    const loaded = (await import(pathToFileURL(file).href)) as { default?: unknown };
    if (isChain(loaded.default)) return loaded.default;
  } catch (error) {
    if (isChainError(error)) throw new DeploymentError(error.problems.map((line) => `sources/${source}: ${line}`));
    throw new DeploymentError([`sources/${source}/chain.ts can not be loaded: ${(error as Error).message}`]);
  }
  throw new DeploymentError([`sources/${source}/chain.ts must export a chain as its default, made by defineChain.`]);
}

/** The folders that declare a chain. */
export function sourcesIn(folder = sourcesDir): string[] {
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'chain.ts')))
    .sort();
}

function isChain(value: unknown): value is Chain {
  return typeof value === 'object' && value !== null && Array.isArray((value as Partial<Chain>).levels);
}

/** By its name: a source outside of this checkout brings a class of its own. */
function isChainError(error: unknown): error is ChainError {
  return error instanceof ChainError || (error instanceof Error && error.name === 'ChainError' && 'problems' in error);
}
