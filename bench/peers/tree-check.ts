/**
 * What the bucket must hold after a run, by walking the tree that Hermes serves, and whether it does. Read from the store's
 * own file once its process has ended, so that checking takes no time from anybody.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openObjects } from '../../local-aws/index.ts';
import { hermesTree, type TreeOptions } from '../../sources/hermes/fake/tree.ts';
import { childKey, resultKey } from '../../shared/engine/chain/keys.ts';
import chain from '../../sources/hermes/chain.ts';
import { run } from './job.ts';

/** How many objects, and a hash over their keys and bodies in the keys' order. */
export type Digest = { count: number; hash: string };
export type Objects = ReadonlyMap<string, string>;

export function digest(objects: Objects): Digest {
  const hash = createHash('sha256');
  // Keys are ASCII, so that this order is that of their bytes.
  for (const key of [...objects.keys()].sort()) hash.update(`${key}\0${objects.get(key) ?? ''}\0`);
  return { count: objects.size, hash: hash.digest('hex').slice(0, 16) };
}

export function expectedObjects(options: TreeOptions): Map<string, string> {
  const expected = new Map<string, string>();
  for (const { kind, ids, body } of hermesTree(options).walk()) {
    const level = chain.levels[kind === 'data' ? 3 : ids.length - 1];
    if (level === undefined) throw new Error(`The tree has a node at depth ${ids.length}.`);
    const parent = { run, ids: ids.slice(0, -1) };
    expected.set(kind === 'data' ? resultKey(level, { run, ids }) : childKey(level, parent, ids.at(-1) ?? ''), body);
  }
  return expected;
}

/** The run's objects under the prefixes of the chain, the success marker aside. */
export function storedObjects(dataDir: string, bucket: string | undefined): Map<string, string> {
  const { s3: store, close } = openObjects(dataDir);
  try {
    const name = bucket ?? store.listBuckets()[0]?.name ?? '';
    const found = new Map<string, string>();
    for (const { writes } of chain.levels) {
      let continuationToken: string | undefined;
      do {
        const page = store.list(name, { prefix: `${writes}/${run}/`, continuationToken });
        for (const { key } of page.contents) found.set(key, Buffer.from(store.get(name, key).body).toString());
        continuationToken = page.nextContinuationToken;
      } while (continuationToken !== undefined);
    }
    found.delete(`data/${run}/_SUCCESS`);
    return found;
  } finally {
    close();
  }
}

/** What is missing, wrong or too much; undefined when nothing is. */
export function differences(
  expected: Objects,
  found: Objects,
): { missing: number; wrong: number; extra: number } | undefined {
  let missing = 0;
  let wrong = 0;
  for (const [key, body] of expected) {
    const stored = found.get(key);
    if (stored === undefined) missing += 1;
    else if (stored !== body) wrong += 1;
  }
  const extra = found.size - (expected.size - missing);
  return missing + wrong + extra === 0 ? undefined : { missing, wrong, extra };
}

/** What serverless-s3-local's store keeps: a file for each object's body, beside its metadata. */
export function s3rverObjects(folder: string): Map<string, string> {
  const ending = '._S3rver_object';
  const found = new Map<string, string>();
  for (const { writes } of chain.levels) {
    const prefix = `${writes}/${run}`;
    if (!existsSync(join(folder, prefix))) continue;
    for (const file of readdirSync(join(folder, prefix), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith(ending)) continue;
      found.set(`${prefix}/${file.slice(0, -ending.length)}`, readFileSync(join(folder, prefix, file), 'utf8'));
    }
  }
  return found;
}
