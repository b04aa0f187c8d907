/** How an object stands: of its items, which are done and which have failed. Nothing but metadata is read for it, and its note. */
import { isBatched, type Level } from '../chain/chain.ts';
import { doneKey, itemPathOf } from '../chain/keys.ts';
import type { ItemEvent } from '../events.ts';
import type { ObjectStore } from '../ports.ts';
import { itemsIn } from './batch.ts';
import { lostCode, type FailureNote } from './failure-note.ts';
import { isDone, isDoneSince } from './receipt.ts';
import { countHeld, partKeysOf, type HeldItems } from './result-parts.ts';

/** How many items an object holds, and the indexes of those that are done. */
export type Standing = { items: number; held: ReadonlySet<number> };

/** Some items that failed alike. */
export type FailedItem = {
  /** Of a batch's item; undefined: the object's key says which it is. */
  id?: string;
  class: FailureNote['class'];
  code: string;
  message: string;
  /** ISO 8601. */
  at: string;
  /** How many items it stands for. */
  count: number;
};

/** @param partKeys the result parts that a listing tells of */
export async function batchStanding(
  { key, eTag }: { key: string; eTag: string },
  partKeys: readonly string[],
  store: Pick<ObjectStore, 'head'>,
): Promise<Standing & Pick<HeldItems, 'foreign'>> {
  const { items, held, foreign } = await countHeld(partKeys, eTag, store);
  if (items !== undefined) return { items, held, foreign };
  // An object that a person put there has no count: it fails as one.
  return { items: itemsIn((await store.head(key))?.metadata ?? {}) ?? 1, held, foreign };
}

/**
 * @param event what is asked of the item: a new expansion asks for a younger receipt
 * @returns undefined when the object is gone
 */
export async function readStanding(
  level: Level,
  event: Pick<ItemEvent, 'key' | 'reexpand' | 'atMs'>,
  store: Pick<ObjectStore, 'head' | 'list'>,
): Promise<Standing | undefined> {
  const { key } = event;
  const path = itemPathOf(level, key);
  const [object, done] = await Promise.all([
    store.head(key),
    path === undefined || isBatched(level) ? undefined : store.head(doneKey(level, path)),
  ]);
  if (object === undefined) return undefined;
  if (path !== undefined && isBatched(level))
    return batchStanding({ key, eTag: object.eTag }, await partKeysOf(level, path, store), store);
  const isOver = done !== undefined && isDone(level, done, object.eTag) && isDoneSince(event, done);
  return { items: 1, held: new Set(isOver ? [0] : []) };
}

/**
 * Which items a note tells of. One that the sweep left when it re-fired the object, or a function before it continued with a
 * batch, is no failure yet; but of a batch it still names those that failed.
 */
export function failuresIn(note: FailureNote | undefined, { items, held }: Standing): FailedItem[] {
  if (note === undefined) return [];
  const isOfAll = note.items === undefined || note.code === lostCode;
  if (isOfAll && note.status !== 'refired' && note.status !== 'isolating') {
    const { class: kind, code, message, at } = note;
    return [{ class: kind, code, message, at, count: items - held.size }];
  }
  return (note.items ?? [])
    .filter(({ index }) => index < items && !held.has(index))
    .map((failure) => ({ ...failure, count: 1 }));
}
