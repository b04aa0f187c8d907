/** What a receipt says: an item of a level with many children is done. Written after the last child, never before. */
import type { Metadata } from './ports.ts';

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
 * The ETag is repeated in the metadata, so that one HEAD tells whether an item is done.
 */
export function receiptMetadata(receipt: Receipt): Metadata {
  return { 'input-etag': receipt.inputETag, children: String(receipt.children) };
}

/** Whether the receipt with this metadata was written for the item with this ETag. */
export function receiptCovers(metadata: Metadata, inputETag: string): boolean {
  return metadata['input-etag'] === inputETag;
}
