/**
 * What the bucket must hold after a run, by walking the tree that Hermes serves, and whether it does. Compared item by item,
 * whichever objects they are in. Read from the store's own file once its process has ended, so that checking takes no time from
 * what is measured.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openObjects } from '../../local-aws/index.ts';
import { hermesTree, type TreeOptions } from '../../sources/hermes/fake/tree.ts';
import type { Level } from '../../shared/engine/chain/chain.ts';
import { encodeSegment } from '../../shared/engine/chain/keys.ts';
import chain from '../../sources/hermes/chain.ts';
import { readBatchedItems, readResults, type ReadResult, type ResultObject } from '../../test/results.ts';
import { run } from './job.ts';
import { levelsOf } from './layout.ts';

/** By key. */
export type Objects = ReadonlyMap<string, string>;
/** The body of each item and each result, by the prefix that it is under and its ids: `data/a/b/c`. */
export type Items = ReadonlyMap<string, string>;
/** How many, and a hash over their names and bodies in the names' order. */
export type Digest = { count: number; hash: string };

export function digest(items: Items): Digest {
  const hash = createHash('sha256');
  // Names are ASCII, so that this order is that of their bytes.
  for (const name of [...items.keys()].sort()) hash.update(`${name}\0${items.get(name) ?? ''}\0`);
  return { count: items.size, hash: hash.digest('hex').slice(0, 16) };
}

function nameOf({ writes }: Pick<Level, 'writes'>, ids: readonly string[]): string {
  return [writes, ...ids.map(encodeSegment)].join('/');
}

export function expectedItems(options: TreeOptions): Map<string, string> {
  const expected = new Map<string, string>();
  for (const { kind, ids, body } of hermesTree(options).walk()) {
    const level = chain.levels[kind === 'data' ? 3 : ids.length - 1];
    if (level === undefined) throw new Error(`The tree has a node at depth ${ids.length}.`);
    expected.set(nameOf(level, ids), body);
  }
  return expected;
}

/**
 * The items in the objects of a run. @param batch how many of the last level's a contender writes into one object
 * @throws Error for a line that is no result or item, for one that comes twice, and for another layout's keys
 */
export function itemsIn(objects: Objects, batch: number): Map<string, string> {
  const entries = [...objects].map(([key, body]) => ({ key, body }));
  const items = new Map<string, string>();
  const levels = levelsOf(batch);
  for (const [index, level] of levels.entries()) {
    const take = ({ ids, data }: ReadResult): void => void items.set(nameOf(level, ids), data);
    const next = levels[index + 1];
    if (next === undefined) readResults(level, run, entries).forEach(take);
    else if (next.batch > 1) readBatchedItems(next, run, entries).forEach(take);
    else readSingleItems(next, entries).forEach(take);
  }
  return items;
}

/** In the shape of `readBatchedItems`. */
function readSingleItems({ reads }: Level, objects: readonly ResultObject[]): ReadResult[] {
  const prefix = `${reads}/${run}/`;
  return objects
    .filter(({ key }) => key.startsWith(prefix))
    .map(({ key, body }) => ({
      ids: key.slice(prefix.length, -'.json'.length).split('/').map(decodeURIComponent),
      data: body,
    }));
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
  expected: Items,
  found: Items,
): { missing: number; wrong: number; extra: number } | undefined {
  let missing = 0;
  let wrong = 0;
  for (const [name, body] of expected) {
    const stored = found.get(name);
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
