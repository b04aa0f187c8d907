/**
 * Explains one item: where it comes from, whether it is done, why it failed, what it waits for, and what to do. It only reads,
 * and reads a handful of objects, however large the run is.
 */
import { isBatched, lastLevel, type Chain, type Level } from '../chain/chain.ts';
import {
  doneKey,
  failurePrefix,
  itemKey,
  itemPathOf,
  isRunName,
  receiptPrefix,
  seedKey,
  type ItemPath,
} from '../chain/keys.ts';
import { InputError } from '../errors.ts';
import { readFailureNote } from '../item/failure-note.ts';
import { isDone, readReceipt, type ReceiptFacts } from '../item/receipt.ts';
import type { ObjectStore } from '../ports.ts';
import { explainBatch, explainItemOfBatch } from './explain-batch.ts';
import { failedWords, openWords, type About, type ExplainDeps, type Explanation, type Words } from './explanation.ts';

export type ExplainRequest = {
  /** A key of the bucket, of an item, its result, receipt or failure note; or the item's ids from the top down. */
  asked: string | readonly string[];
  /** Needed for ids. */
  run?: string | undefined;
};

/** @throws InputError when what is asked for is no item's key and no list of ids; what the store throws */
export async function explain(request: ExplainRequest, deps: ExplainDeps): Promise<Explanation> {
  const { level, path } = locate(request, deps.chain);
  if (isBatched(level)) {
    const parent = await parentOf(level, path, deps);
    const absent = (about: About): Words => absentWords(about, parent);
    const explainIt = typeof request.asked === 'string' ? explainBatch : explainItemOfBatch;
    return { ...(await explainIt({ level, path, absent }, deps)), ...(parent && { parent }) };
  }
  return explainObject(level, path, deps);
}

/** @throws what the store throws */
async function explainObject(level: Level, path: ItemPath, deps: ExplainDeps): Promise<Explanation> {
  const key = itemKey(level, path);
  const [listed, head, done, failure] = await Promise.all([
    listedAt(key, deps.store),
    deps.store.head(key),
    deps.store.head(doneKey(level, path)),
    readFailureNote(level, key, deps.store),
  ]);
  const about = {
    run: path.run,
    level: level.name,
    key,
    ids: path.ids.map((id, index) => ({ name: level.ids[index] ?? '', id })),
  };
  const parent = await parentOf(level, path, deps);
  const isFinished = done !== undefined && (listed === undefined || isDone(level, done, listed.eTag));
  const receipt =
    done === undefined || level.children === 'one' ? undefined : await readReceipt(level, path, deps.store);
  const facts = {
    ...about,
    ...(parent && { parent }),
    ...(listed && { writtenAt: new Date(listed.modifiedMs).toISOString() }),
    ...(head && Object.keys(head.metadata).length > 0 && { lineage: head.metadata }),
    ...(done && {
      done: { key: doneKey(level, path), ...(receipt ? { receipt } : { lineage: done.metadata }) },
    }),
    ...(failure && { failure }),
  };
  if (isFinished) return { ...facts, ...doneWords(level, receipt) };
  if (listed === undefined) return { ...facts, ...absentWords(about, parent) };
  if (failure !== undefined && failure.status !== 'refired') return { ...facts, ...failedWords(about, failure, deps) };
  const sinceMs = Math.max(listed.modifiedMs, failure === undefined ? 0 : Date.parse(failure.at));
  return { ...facts, ...(await openWords(about, level, sinceMs, deps)) };
}

/** @throws InputError */
function locate({ asked, run }: ExplainRequest, chain: Chain): { level: Level; path: ItemPath } {
  if (typeof asked === 'string') {
    const found = locateKey(asked.replace(/^s3:\/\/[^/]+\//, '').trim(), chain);
    if (found !== undefined) return found;
    throw new InputError([`${JSON.stringify(asked)} is no key of this chain; its items are ${shapesOf(chain)}`]);
  }
  if (run === undefined || !isRunName(run)) throw new InputError(['ids need the name of their run']);
  const level = chain.levels.find(({ ids }) => ids.length === asked.length);
  if (level !== undefined && asked.every((id) => id !== '')) return { level, path: { run, ids: asked } };
  const names = lastLevel(chain).ids;
  throw new InputError([
    `there are ${asked.length} ids; an item has at most ${names.length} from the top down: ${names.join(', ')}`,
  ]);
}

/** An object is found by its own key, and by those of what was made of it. */
function locateKey(key: string, { levels }: Chain): { level: Level; path: ItemPath } | undefined {
  for (const level of levels) {
    const prefixes = [level.reads, receiptPrefix(level), failurePrefix(level)];
    const candidates = prefixes.map((prefix) => swapPrefix(key, prefix, level.reads));
    if (level.children === 'one' && key.endsWith(level.suffix)) {
      const whole = key.slice(0, -level.suffix.length);
      // Later parts of a batch are numbered.
      const named = isBatched(level) ? whole.replace(/(?<=\/\d{5})\.\d+$/, '') : whole;
      candidates.push(swapPrefix(`${named}.json`, level.writes, level.reads));
    }
    for (const candidate of candidates) {
      const path = candidate === undefined ? undefined : itemPathOf(level, candidate);
      if (path !== undefined) return { level, path };
    }
  }
  return undefined;
}

function swapPrefix(key: string, from: string, to: string): string | undefined {
  return key.startsWith(`${from}/`) ? `${to}${key.slice(from.length)}` : undefined;
}

function shapesOf({ levels }: Chain): string {
  return levels
    .map(({ reads, ids }) => `${[reads, '<run>', ...ids.map((name) => `<${name}>`)].join('/')}.json`)
    .join(', ');
}

async function listedAt(key: string, store: Pick<ObjectStore, 'list'>) {
  for await (const page of store.list(key)) {
    const found = page.find((each) => each.key === key);
    // In byte order the key itself is the first of all that begin with it.
    return found;
  }
  return undefined;
}

async function parentOf(level: Level, path: ItemPath, { chain, store }: ExplainDeps): Promise<Explanation['parent']> {
  const above = chain.levels.find(({ next }) => next === level.name);
  if (above === undefined) return undefined;
  const parent = { run: path.run, ids: path.ids.slice(0, -1) };
  const key = itemKey(above, parent);
  const [item, done] = await Promise.all([store.head(key), store.head(doneKey(above, parent))]);
  if (item === undefined) return { key, state: 'absent' };
  return { key, state: done !== undefined && isDone(above, done, item.eTag) ? 'done' : 'open' };
}

function doneWords(level: Level, receipt: ReceiptFacts | undefined): Words {
  if (level.children === 'one') return { state: 'done', meaning: 'Its result is in the bucket.' };
  const { children = 0, apiCalls = 0 } = receipt ?? {};
  return { state: 'done', meaning: `It has ${children} children, listed in ${apiCalls} calls to the API.` };
}

function absentWords({ run }: About, parent: Explanation['parent']): Words {
  if (parent === undefined)
    return {
      state: 'absent',
      meaning: 'There is no such seed, so there is no such run.',
      advice: `To start it: echo '{}' | aws s3 cp - s3://BUCKET/${seedKey(run)}`,
    };
  const why = {
    done: 'The API did not list it when its parent was fetched, or it was deleted since.',
    open: 'Its parent is not done, so it may still come.',
    absent: 'Its parent is not there either.',
  }[parent.state];
  const advice = parent.state === 'done' ? {} : { advice: `Look at its parent: npm run explain -- ${parent.key}` };
  return { state: 'absent', meaning: `There is no such item. ${why}`, ...advice };
}
