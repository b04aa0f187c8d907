/** A Hermes and the packaged service on a local engine: what the tests of whole runs look at and compare. */
import { join } from 'node:path';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { expect } from '@jest/globals';
import { startEngine, type Engine, type EngineOptions } from '../../local-aws/engine.ts';
import type { HermesTree } from '../../sources/hermes/fake/tree.ts';
import { startHermes, type HermesOptions, type LocalHermes } from '../../sources/hermes/fake/server.ts';
import { packageService } from '../../local-aws/package/package-service.ts';
import { chain, type LevelName } from '../../shared/engine/chain/chain.ts';
import { childKey, itemKey, resultKey } from '../../shared/engine/chain/keys.ts';

const serviceDir = join(import.meta.dirname, '../..');
const secretName = 'hermes-token';
/** What Hermes asks for, and the local Secrets Manager has. */
export const token = 'correct-horse-battery-staple';

export type World = {
  hermes: LocalHermes;
  engine: Engine;
  /** Writes an object as a person does, with the SDK. */
  drop: (key: string, body: string) => Promise<void>;
  /** Drops an empty seed and waits until nothing is queued or running. */
  run: (name: string) => Promise<void>;
  /** Calls a function of the service as `sls invoke` does. */
  invoke: (functionName: string, payload: object) => Promise<unknown>;
  /** Bodies by key. */
  objects: (prefix: string) => Map<string, string>;
  json: (key: string) => unknown;
  stop: () => Promise<void>;
};

/**
 * A token is always asked for: it comes from the local Secrets Manager.
 * @param params of the deployment; without any, calls are as many as can be
 */
export async function startWorld(
  hermesOptions: HermesOptions,
  engineOptions: Partial<EngineOptions> = {},
  params: Readonly<Record<string, string>> = {},
): Promise<World> {
  const hermes = await startHermes({ token, ...hermesOptions });
  const { packageDir } = await packageService({
    serviceDir,
    params: { hermesTokenSecret: secretName, hermesRate: 'unlimited', ...params },
  });
  const engine = await startEngine({
    packageDir,
    timeScale: 1000,
    secrets: { [secretName]: token },
    ...engineOptions,
    environment: { HERMES_URL: hermes.url, ...engineOptions.environment },
  });
  const client = {
    endpoint: engine.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'person', secretAccessKey: 'person' },
  };
  const s3 = new S3Client(client);
  const lambda = new LambdaClient(client);
  const drop = async (key: string, body: string): Promise<void> => {
    await s3.send(new PutObjectCommand({ Bucket: engine.bucket, Key: key, Body: body }));
  };
  const objects = (prefix: string): Map<string, string> => {
    const found = new Map<string, string>();
    let continuationToken: string | undefined;
    do {
      const page = engine.s3.list(engine.bucket, { prefix, continuationToken });
      for (const { key } of page.contents)
        found.set(key, Buffer.from(engine.s3.get(engine.bucket, key).body).toString());
      continuationToken = page.nextContinuationToken;
    } while (continuationToken !== undefined);
    return found;
  };
  return {
    hermes,
    engine,
    drop,
    objects,
    async run(name) {
      await drop(`seeds/${name}.json`, '{}');
      await engine.idle();
    },
    async invoke(functionName, payload) {
      const answer = await lambda.send(
        new InvokeCommand({ FunctionName: `s3-cascade-dev-${functionName}`, Payload: JSON.stringify(payload) }),
      );
      const text = new TextDecoder().decode(answer.Payload);
      if (answer.FunctionError !== undefined) throw new Error(text);
      return JSON.parse(text) as unknown;
    },
    json(key) {
      const body = objects(key).get(key);
      return body === undefined ? undefined : (JSON.parse(body) as unknown);
    },
    async stop() {
      s3.destroy();
      lambda.destroy();
      await engine.stop();
      await hermes.stop();
    },
  };
}

/** Every object that a complete run has under the prefixes of the chain, by walking Hermes's tree. */
export function expectedObjects(tree: HermesTree, run: string): Map<string, string> {
  const expected = new Map<string, string>();
  for (const { kind, ids, body } of tree.walk()) {
    const level = chain[kind === 'data' ? 3 : ids.length - 1];
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
  const found = new Map(chain.flatMap(({ writes }) => [...world.objects(`${writes}/${run}/`)]));
  found.delete(`data/${run}/_SUCCESS`);
  expect(found.size).toBe(expected.size);
  const wrong = [...expected].filter(([key, body]) => found.get(key) !== body).map(([key]) => key);
  expect(wrong).toEqual([]);
}

/** The key of a level's item, as the chain makes it. */
export function keyOf(levelName: LevelName, run: string, ...ids: string[]): string {
  const level = chain.find(({ level }) => level === levelName);
  if (level === undefined) throw new Error(`There is no level ${levelName}.`);
  return itemKey(level, { run, ids });
}
