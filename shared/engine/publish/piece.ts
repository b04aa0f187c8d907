/** A piece: results that become one part of a table. The only place that builds or parses one. */
import { ItemError } from '../errors.ts';
import { itemKey } from '../chain/keys.ts';
import type { Level } from '../chain/chain.ts';
import type { ColumnType } from './cell-kinds.ts';
import type { Column } from './columns.ts';
import type { PlannedObject } from './plan.ts';
import { partName } from './table-keys.ts';

export type Piece = {
  run: string;
  publication: string;
  table: string;
  part: number;
  /** The objects whose rows it has, in the order of their keys, which stand behind `prefix`. */
  prefix: string;
  objects: PlannedObject[];
  /** The types of the table in the run before, by column. */
  earlier: [name: string, type: ColumnType][];
  /** Those of all parts together; absent when this is the only part, which has what its rows show. */
  columns?: Column[];
};

/** As `cutPieces` bounds it, and its columns. */
export const maxPieceBytes = 20_000_000;

export function pieceKey(
  level: Level,
  { run, publication, table, part }: Pick<Piece, 'run' | 'publication' | 'table' | 'part'>,
): string {
  return itemKey(level, { run, ids: [publication, table, partName(part)] });
}

/** @throws ItemError `BAD_PIECE` for an object that the engine did not write */
export function parsePiece(key: string, body: string): Piece {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    value = undefined;
  }
  const piece = (value ?? {}) as Partial<Piece>;
  const isPiece =
    [piece.run, piece.publication, piece.table, piece.prefix].every((text) => typeof text === 'string') &&
    Number.isSafeInteger(piece.part) &&
    Array.isArray(piece.objects) &&
    piece.objects.every(([name, sizeBytes]) => typeof name === 'string' && typeof sizeBytes === 'number') &&
    Array.isArray(piece.earlier) &&
    (piece.columns === undefined || Array.isArray(piece.columns));
  if (isPiece) return piece as Piece;
  throw new ItemError('BAD_PIECE', `The object ${key} is no piece of a publication. Was it put there by hand?`);
}
