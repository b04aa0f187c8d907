/** What publishing needs from outside, besides the ports of every level. */
import type { Clock, Log, ObjectStore } from '../ports.ts';
import type { Chain } from '../chain/chain.ts';
import type { Cell } from './cell-kinds.ts';
import type { Column } from './columns.ts';
import type { PieceLimits } from './plan.ts';

/** A Parquet file that is being written. */
export interface TableFile {
  /** Adds a group of rows, given as its columns' cells. */
  write(cells: readonly (readonly Cell[])[]): void;
  /** @returns the file; nothing can be written after that */
  finish(): Uint8Array;
}

export type CreateTableFile = (columns: readonly Column[]) => TableFile;

export type PublishDeps = {
  chain: Chain;
  store: ObjectStore;
  clock: Clock;
  log: Log;
  limits: PieceLimits;
  /** Milliseconds since 1970 by which the work must end. */
  deadlineMs: number;
};

export type PieceDeps = PublishDeps & { createTableFile: CreateTableFile };
