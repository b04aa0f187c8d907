/** A receipt: an item of a level with many children is done. Written after the last child, never before. */
import type { Chain, Level } from '../chain/chain.ts';
import { childrenPrefix, itemPathOf, receiptKey, type ItemPath } from '../chain/keys.ts';
import type { ItemEvent } from '../events.ts';
import type { Metadata, ObjectStore } from '../ports.ts';
import { KeyDigest } from './key-digest.ts';

export type Receipt = {
  run: string;
  level: string;
  /** The item's key. */
  key: string;
  /** The item as it was read: an item that was dropped again with another content is not done. */
  inputETag: string;
  /** How many children the API gave. */
  items?: number;
  /** How many objects they are in; after a repair all that are in the bucket. */
  children: number;
  /** Of their keys, as `KeyDigest` makes it. */
  digest: string;
  /** Of these, how many were there already, from an earlier attempt or a duplicate event. */
  existing: number;
  apiCalls: number;
  /** Which attempt it was, counting from 1. */
  attempt: number;
  /** ISO 8601. */
  at: string;
};

/** What the census and a second attempt need of a receipt. It is in the metadata, so that one HEAD tells it. */
export type ReceiptFacts = Pick<Receipt, 'inputETag' | 'children' | 'apiCalls'> & {
  /** undefined in receipts of version 0.1. */
  digest: string | undefined;
};

export async function writeReceipt(
  level: Level,
  path: ItemPath,
  receipt: Receipt,
  store: Pick<ObjectStore, 'put'>,
): Promise<void> {
  await store.put(receiptKey(level, path), JSON.stringify(receipt), {
    'input-etag': receipt.inputETag,
    children: String(receipt.children),
    digest: receipt.digest,
    'api-calls': String(receipt.apiCalls),
    at: receipt.at,
  });
}

/** @returns undefined when it is gone, or what is there is no receipt, e.g. since a person put it there */
export async function readReceipt(
  level: Level,
  path: ItemPath,
  store: Pick<ObjectStore, 'head'>,
): Promise<ReceiptFacts | undefined> {
  const head = await store.head(receiptKey(level, path));
  if (head === undefined) return undefined;
  const { 'input-etag': inputETag, children, digest, 'api-calls': apiCalls } = head.metadata;
  if (inputETag === undefined || !/^\d+$/.test(children ?? '') || !/^\d+$/.test(apiCalls ?? '')) return undefined;
  if (digest !== undefined && !/^[0-9a-f]{16}$/.test(digest)) return undefined;
  return { inputETag, children: Number(children), apiCalls: Number(apiCalls), digest };
}

/**
 * Whether an item is done, going by the object under its `doneKey`. A result is never overwritten, so any result will do; a
 * receipt counts only for the very item that it was written for.
 */
export function isDone(level: Level, done: { metadata: Metadata }, itemETag: string): boolean {
  return level.children === 'one' || done.metadata['input-etag'] === itemETag;
}

/**
 * Whether there is nothing more to do for an item that is done. An event that asks for a new expansion asks for a receipt that
 * is younger than itself: then it has been expanded since.
 */
export function isDoneSince(event: Pick<ItemEvent, 'reexpand' | 'atMs'>, done: { metadata: Metadata }): boolean {
  return !event.reexpand || Date.parse(done.metadata['at'] ?? '') > event.atMs;
}

/**
 * All children in the bucket. The API's list may have changed between two attempts: what an earlier one wrote stays, and is the
 * parent's too. A receipt that counted only the last list would differ from the bucket for ever.
 */
export async function childrenThere(
  { chain, level, path }: { chain: Chain; level: Level; path: ItemPath },
  store: Pick<ObjectStore, 'list'>,
): Promise<Pick<Receipt, 'children' | 'digest'>> {
  const next = chain.levels.find(({ name }) => name === level.next);
  const digest = new KeyDigest();
  let children = 0;
  for await (const page of store.list(childrenPrefix(level, path))) {
    for (const { key } of page) {
      if (next === undefined || itemPathOf(next, key) === undefined) continue;
      children += 1;
      digest.add(key);
    }
  }
  return { children, digest: digest.toString() };
}
