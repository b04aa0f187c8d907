/**
 * The example source, Hermes, deployed on a local engine, and its fake API: what most tests of whole runs look at and compare.
 * The others use a source of their own (neutral-world.ts).
 */
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { type LocalAwsOptions, packageService } from '../../local-aws/index.ts';
import { lastLevel } from '../../shared/engine/chain/chain.ts';
import { childKey } from '../../shared/engine/chain/keys.ts';
import chain from '../../sources/hermes/chain.ts';
import { startHermes, type HermesOptions, type LocalHermes } from '../../sources/hermes/fake/server.ts';
import type { HermesTree } from '../../sources/hermes/fake/tree.ts';
import { readBatchedItems, readResults, type ReadResult, type ResultObject } from '../results.ts';
import { startDeployed, type Deployed } from './deployed.ts';

const serviceDir = join(import.meta.dirname, '../..');
const secretName = 'api-token';
/** What Hermes asks for, and the local Secrets Manager has. */
export const token = 'correct-horse-battery-staple';

export type World = Deployed & { hermes: LocalHermes };

/**
 * A token is always asked for: it comes from the local Secrets Manager.
 * @param params of the deployment; without any, calls are as many as can be
 */
export async function startWorld(
  hermesOptions: HermesOptions,
  engineOptions: Partial<LocalAwsOptions> = {},
  params: Readonly<Record<string, string>> = {},
): Promise<World> {
  const { packageDir } = await packageService({
    serviceDir,
    params: { source: 'hermes', apiTokenSecret: secretName, rate: 'unlimited', ...params },
  });
  const hermes = await startHermes({ token, ...hermesOptions });
  try {
    const deployed = await startDeployed(packageDir, {
      secrets: { [secretName]: token },
      ...engineOptions,
      environment: { API_URL: hermes.url, ...engineOptions.environment },
    });
    return {
      ...deployed,
      hermes,
      async stop() {
        await deployed.stop();
        await hermes.stop();
      },
    };
  } catch (error) {
    await hermes.stop();
    throw error;
  }
}

type WholeTree = {
  /** Items of the upper levels, by key. */
  objects: Map<string, string>;
  /** Items of the last level and results, by their ids as JSON. */
  items: Map<string, string>;
  results: Map<string, string>;
};

/** What a complete run has under the prefixes of the chain, by walking Hermes's tree. */
export function expectedTree(tree: HermesTree, run: string): WholeTree {
  const expected: WholeTree = { objects: new Map(), items: new Map(), results: new Map() };
  for (const { kind, ids, body } of tree.walk()) {
    const level = chain.levels[kind === 'data' ? 3 : ids.length - 1];
    if (level === undefined) throw new Error(`The tree has a node at depth ${ids.length}.`);
    if (kind === 'data') expected.results.set(JSON.stringify(ids), body);
    else if (level.next === last.name) expected.items.set(JSON.stringify(ids), body);
    else expected.objects.set(childKey(level, { run, ids: ids.slice(0, -1) }, ids.at(-1) ?? ''), body);
  }
  return expected;
}

const last = lastLevel(chain);

function objectsUnder(world: Deployed, prefix: string): ResultObject[] {
  return [...world.objects(prefix)].map(([key, body]) => ({ key, body }));
}

/** A run's results, whatever objects they are in. */
export function resultsOf(world: Deployed, run: string): ReadResult[] {
  return readResults(last, run, objectsUnder(world, `${last.writes}/${run}/`));
}

/** The last level's items, whatever objects they are in. */
export function lastItemsOf(world: Deployed, run: string): ReadResult[] {
  return readBatchedItems(last, run, objectsUnder(world, `${last.reads}/${run}/`));
}

/** The bucket holds the tree that Hermes serves: nothing less, nothing more, nothing twice, each body byte for byte. */
export function expectWholeTree(world: World, run: string, tree = world.hermes.tree()): void {
  const expected = expectedTree(tree, run);
  const upper = chain.levels.filter(({ writes }) => writes !== last.reads && writes !== last.writes);
  const objects = new Map(upper.flatMap(({ writes }) => [...world.objects(`${writes}/${run}/`)]));
  expectSame(objects, expected.objects);
  expectSame(byIds(lastItemsOf(world, run)), expected.items);
  expectSame(byIds(resultsOf(world, run)), expected.results);
}

function byIds(found: readonly ReadResult[]): Map<string, string> {
  const all = new Map(found.map(({ ids, data }) => [JSON.stringify(ids), data]));
  expect(all.size).toBe(found.length);
  return all;
}

function expectSame(found: ReadonlyMap<string, string>, expected: ReadonlyMap<string, string>): void {
  expect(found.size).toBe(expected.size);
  const wrong = [...expected].filter(([name, body]) => found.get(name) !== body).map(([name]) => name);
  expect(wrong).toEqual([]);
}
