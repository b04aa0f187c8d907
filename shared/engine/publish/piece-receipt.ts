/** What is known of a part that was written: the receipt of its piece. The only place that builds, reads or writes one. */
import type { Level } from '../chain/chain.ts';
import { receiptKey, type ItemPath } from '../chain/keys.ts';
import type { ObjectStore } from '../ports.ts';
import type { Column } from './columns.ts';

export type PieceReceipt = {
  /** The piece's. */
  key: string;
  /** Of the piece. */
  inputETag: string;
  table: string;
  part: number;
  rows: number;
  bytes: number;
  /** Of the part. */
  eTag: string;
  /** As the part has them. */
  columns: readonly Column[];
  /** ISO 8601. */
  at: string;
};

const maxReceiptBytes = 5_000_000;

export async function writePieceReceipt(
  level: Level,
  path: ItemPath,
  receipt: PieceReceipt,
  store: Pick<ObjectStore, 'put'>,
): Promise<void> {
  await store.put(receiptKey(level, path), JSON.stringify(receipt), {
    'input-etag': receipt.inputETag,
    rows: String(receipt.rows),
    at: receipt.at,
  });
}

/** @returns undefined when there is none, or what is there is none of ours */
export async function readPieceReceipt(
  level: Level,
  path: ItemPath,
  store: Pick<ObjectStore, 'get'>,
): Promise<PieceReceipt | undefined> {
  const object = await store.get(receiptKey(level, path), maxReceiptBytes);
  if (object === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(object.body);
  } catch {
    return undefined;
  }
  const receipt = (value ?? {}) as Partial<PieceReceipt>;
  const isReceipt =
    [receipt.key, receipt.inputETag, receipt.eTag].every((text) => typeof text === 'string') &&
    [receipt.part, receipt.rows, receipt.bytes].every((count) => Number.isSafeInteger(count)) &&
    Array.isArray(receipt.columns);
  return isReceipt ? (receipt as PieceReceipt) : undefined;
}
