/** Explains a batch, and an item of one: which batch holds it, which result part and line, or why it failed. It only reads. */
import type { Level } from '../chain/chain.ts';
import { batchPath, itemKey, itemPathOf, type ItemPath } from '../chain/keys.ts';
import { mapConcurrently } from '../concurrency.ts';
import { ItemError } from '../errors.ts';
import { parseBatch, type BatchItem } from '../item/batch.ts';
import { earlierNumberIn } from '../item/earlier-results.ts';
import { readFailureNote, type FailureNote, type ItemFailure } from '../item/failure-note.ts';
import { countHeld, findResultLine, partKeysOf } from '../item/result-parts.ts';
import { failuresIn, type FailedItem } from '../item/standing.ts';
import type { StoredObject } from '../ports.ts';
import {
  failedWords,
  openWords,
  type About,
  type BatchFacts,
  type ExplainDeps,
  type Explanation,
  type Failed,
  type Words,
} from './explanation.ts';

/** A batch is about a megabyte, and a part about eight; more than this is none of the engine's. */
const mostBytes = 100_000_000;
/** A parent has few batches; one with a hundred thousand children has two thousand. */
const batchesAtOnce = 8;
/** A person reads no more; the number of them is told. */
const shownFailures = 10;

/** `path`: of the batch, or with the item's own id at its end. `absent`: the words for what is not there. */
export type BatchQuestion = { level: Level; path: ItemPath; absent: (about: About) => Words };

type Batch = {
  path: ItemPath;
  object: StoredObject;
  /** undefined: it is none of the engine's. */
  items: readonly BatchItem[] | undefined;
};

/** @throws what the store throws */
export async function explainBatch({ level, path, absent }: BatchQuestion, deps: ExplainDeps): Promise<Explanation> {
  const about = { run: path.run, level: level.name, key: itemKey(level, path) };
  const ids = path.ids.slice(0, -1).map((id, index) => ({ name: level.ids[index] ?? '', id }));
  const batch = await readBatch(level, path, deps);
  if (batch === undefined) return { ...about, ids, ...absent(about) };
  const { facts, note, failed } = await lookAt(level, batch, deps);
  const { items, done } = facts;
  const [first] = failed;
  const explanation = {
    ...about,
    ids,
    ...writing(batch.object),
    ...(note && failed.length > 0 && { failure: { ...note, items: undefined } }),
    batch: facts,
  };
  if (done === items)
    return { ...explanation, state: 'done', meaning: `The results of all its ${items} items are there.` };
  const open = items - done - facts.failed;
  const counts = `${done} of its ${items} items are done, ${facts.failed} failed, ${open} are open.`;
  const words =
    open === 0 && first !== undefined && note !== undefined
      ? failedWords(about, failureOf(note, first), deps)
      : await openWords(about, level, openSinceMs(batch, note), deps);
  return { ...explanation, ...words, meaning: `${counts} ${words.meaning}` };
}

/** @throws what the store throws */
export async function explainItemOfBatch(
  { level, path, absent }: BatchQuestion,
  deps: ExplainDeps,
): Promise<Explanation> {
  const { run, ids } = path;
  const id = ids.at(-1) ?? '';
  const named = ids.map((each, index) => ({ name: level.ids[index] ?? '', id: each }));
  const parent = { run, ids: ids.slice(0, -1) };
  const batch = await findBatch(level, parent, id, deps);
  const key = batch === undefined ? batchesPrefix(level, parent) : itemKey(level, batch.path);
  const about = { run, level: level.name, key };
  if (batch === undefined) return { ...about, ids: named, ...absent(about) };
  const look = await lookAt(level, batch, deps);
  const { facts, note, failed, held } = look;
  const index = indexOf(batch, id);
  const explanation = { ...about, ids: named, ...writing(batch.object), batch: { ...facts, failures: [] } };
  if (held.has(index)) {
    const done = await findResult(level, batch, id, deps);
    return { ...explanation, ...(done && { done }), state: 'done', meaning: 'Its result is in the bucket.' };
  }
  const own = failed.find((each) => each.id === undefined || each.id === id);
  if (own !== undefined && note !== undefined) {
    const failure = failureOf(note, own);
    return { ...explanation, failure, ...failedWords(about, failure, deps) };
  }
  const words = await openWords(about, level, openSinceMs(batch, note), deps);
  return { ...explanation, ...words, meaning: `${words.meaning}${suspicionOf(note, index)}` };
}

function suspicionOf(note: FailureNote | undefined, index: number): string {
  const { suspects = [] } = note ?? {};
  if (!suspects.includes(index)) return '';
  return ` Its function was stopped while it fetched this item, or one of ${suspects.length - 1} others: they are fetched in smaller and smaller groups, until the one that does it is alone.`;
}

function batchesPrefix(level: Level, parent: ItemPath): string {
  return itemKey(level, batchPath(parent, 0)).replace(/[^/]+$/, '');
}

async function readBatch(level: Level, path: ItemPath, { store }: ExplainDeps): Promise<Batch | undefined> {
  const key = itemKey(level, path);
  const object = await store.get(key, mostBytes);
  if (object === undefined) return undefined;
  try {
    return { path, object, items: parseBatch(path.ids.slice(0, -1), key, object.body) };
  } catch (error) {
    if (error instanceof ItemError) return { path, object, items: undefined };
    throw error;
  }
}

/** Reads the parent's batches until one has the item. */
async function findBatch(level: Level, parent: ItemPath, id: string, deps: ExplainDeps): Promise<Batch | undefined> {
  const paths: ItemPath[] = [];
  for await (const page of deps.store.list(batchesPrefix(level, parent)))
    for (const { key } of page) paths.push(...[itemPathOf(level, key)].filter((path) => path !== undefined));
  for await (const batch of mapConcurrently(paths, batchesAtOnce, (path) => readBatch(level, path, deps)))
    if (batch !== undefined && indexOf(batch, id) !== -1) return batch;
  return undefined;
}

function indexOf({ items = [] }: Batch, id: string): number {
  return items.findIndex((item) => item.id === id);
}

type Look = {
  facts: BatchFacts;
  note: FailureNote | undefined;
  failed: readonly FailedItem[];
  held: ReadonlySet<number>;
};

/** What became of a batch's items, as the census counts them. */
async function lookAt(level: Level, { path, object, items }: Batch, { store }: ExplainDeps): Promise<Look> {
  const key = itemKey(level, path);
  const [note, keys] = await Promise.all([readFailureNote(level, key, store), partKeysOf(level, path, store)]);
  const { held, parts } = await countHeld(keys, object.eTag, store);
  const count = items?.length ?? 1;
  const failed = failuresIn(note, { items: count, held });
  const names = new Set(failed.map(({ id }) => id));
  const facts: BatchFacts = {
    key,
    number: Number(path.ids.at(-1)),
    items: count,
    done: held.size,
    parts,
    failed: failed.reduce((all, each) => all + each.count, 0),
    failures: (note?.items ?? []).filter(({ id }) => names.has(id)).slice(0, shownFailures),
    suspects: note?.suspects?.length ?? 0,
  };
  return { facts, note, failed, held };
}

/** Which part has the item's line: one of the batch's own, or of the batch that it was in before. */
async function findResult(level: Level, { path, object }: Batch, id: string, { store }: ExplainDeps) {
  const earlier = earlierNumberIn(object.metadata);
  const parent = { run: path.run, ids: path.ids.slice(0, -1) };
  const paths = [path, ...(earlier === undefined ? [] : [batchPath(parent, earlier)])];
  for (const each of paths) {
    for (const key of await partKeysOf(level, each, store)) {
      const part = await store.get(key, mostBytes);
      const found = part && findResultLine(level, path, id, part.body);
      if (found === undefined) continue;
      const { line, fetchedAt } = found;
      return { key, line, lineage: { ...part?.metadata, ...(fetchedAt !== undefined && { 'fetched-at': fetchedAt }) } };
    }
  }
  return undefined;
}

function writing({ modifiedMs, metadata }: StoredObject): Pick<Explanation, 'writtenAt' | 'lineage'> {
  return {
    writtenAt: new Date(modifiedMs).toISOString(),
    ...(Object.keys(metadata).length > 0 && { lineage: metadata }),
  };
}

/** The note of a batch, as if it were the one item's. */
function failureOf(note: FailureNote, failed: FailedItem): FailureNote & Failed {
  const own: ItemFailure | undefined = note.items?.find(({ id }) => id === failed.id);
  const { code, message, at, class: kind } = failed;
  return { ...note, items: undefined, code, message, at, class: kind, attempts: own?.attempts ?? note.attempts };
}

function openSinceMs({ object }: Batch, note: FailureNote | undefined): number {
  return Math.max(object.modifiedMs, note === undefined ? 0 : Date.parse(note.at));
}
