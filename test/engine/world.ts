/**
 * The example source, Hermes, deployed on a local engine, and its fake API: what most tests of whole runs look at and compare.
 * The others use a source of their own (neutral-world.ts).
 */
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { type LocalAwsOptions, packageService } from '../../local-aws/index.ts';
import { childKey, resultKey } from '../../shared/engine/chain/keys.ts';
import chain from '../../sources/hermes/chain.ts';
import { startHermes, type HermesOptions, type LocalHermes } from '../../sources/hermes/fake/server.ts';
import type { HermesTree } from '../../sources/hermes/fake/tree.ts';
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

/** Every object that a complete run has under the prefixes of the chain, by walking Hermes's tree. */
export function expectedObjects(tree: HermesTree, run: string): Map<string, string> {
  const expected = new Map<string, string>();
  for (const { kind, ids, body } of tree.walk()) {
    const level = chain.levels[kind === 'data' ? 3 : ids.length - 1];
    if (level === undefined) throw new Error(`The tree has a node at depth ${ids.length}.`);
    const key =
      kind === 'data'
        ? resultKey(level, { run, ids })
        : childKey(level, { run, ids: ids.slice(0, -1) }, ids.at(-1) ?? '');
    expected.set(key, body);
  }
  return expected;
}

/** The bucket holds the tree that Hermes serves: nothing less, nothing more, each body byte for byte. */
export function expectWholeTree(world: World, run: string, tree = world.hermes.tree()): void {
  const expected = expectedObjects(tree, run);
  const found = new Map(chain.levels.flatMap(({ writes }) => [...world.objects(`${writes}/${run}/`)]));
  found.delete(`data/${run}/_SUCCESS`);
  expect(found.size).toBe(expected.size);
  const wrong = [...expected].filter(([key, body]) => found.get(key) !== body).map(([key]) => key);
  expect(wrong).toEqual([]);
}
