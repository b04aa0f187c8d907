/** What a receipt says: an item of a level with many children is done. Written after the last child, never before. */
import type { Level } from '../chain/chain.ts';
import type { Metadata } from '../ports.ts';

export type Receipt = {
  run: string;
  level: string;
  /** The item's key. */
  key: string;
  /** The item as it was read: an item that was dropped again with another content is not done. */
  inputETag: string;
  /** How many children the API gave. The level below has that many items from this one. */
  children: number;
  /** Of these, how many were there already, from an earlier try or a duplicate event. */
  existing: number;
  apiCalls: number;
  /** Which try it was, counting from 1. */
  attempt: number;
  /** ISO 8601. */
  at: string;
};

/**
 * What the census and a second try need to know is in the metadata too, so that one HEAD tells it.
 */
export function receiptMetadata(receipt: Receipt): Metadata {
  return {
    'input-etag': receipt.inputETag,
    children: String(receipt.children),
    'api-calls': String(receipt.apiCalls),
    at: receipt.at,
  };
}

/** @returns undefined for metadata that are no receipt's, e.g. since a person put the object there */
export function readReceiptMetadata(
  metadata: Metadata,
): { inputETag: string; children: number; apiCalls: number } | undefined {
  const { 'input-etag': inputETag, children, 'api-calls': apiCalls } = metadata;
  if (inputETag === undefined || !/^\d+$/.test(children ?? '') || !/^\d+$/.test(apiCalls ?? '')) return undefined;
  return { inputETag, children: Number(children), apiCalls: Number(apiCalls) };
}

/**
 * Whether an item is done, going by the object under its `doneKey`. A leaf's result is never overwritten, so any result will
 * do; a receipt counts only for the very item that it was written for.
 */
export function isDone(level: Level, done: { metadata: Metadata }, itemETag: string): boolean {
  return level.children === 'one' || done.metadata['input-etag'] === itemETag;
}

/**
 * Whether there is nothing more to do for an item that is done. An event that wants it worked on again wants a receipt that is
 * younger than itself: then somebody has done so since.
 */
export function isDoneSince(event: { again: boolean; atMs: number }, done: { metadata: Metadata }): boolean {
  return !event.again || Date.parse(done.metadata['at'] ?? '') > event.atMs;
}
