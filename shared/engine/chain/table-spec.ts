/** The table that a level's children become, as the chain asks for it. */
import type { PathSteps } from '../json-text.ts';

/** A column that the chain asks for, from any place in the answer. */
export type DeclaredColumn = { name: string; path: PathSteps; type?: 'timestamp' | undefined };

export type TableSpec = {
  /** Its folder under `tables/`. */
  name: string;
  columns: readonly DeclaredColumn[];
  /** Whether there is a column with the whole answer as JSON text. */
  raw: boolean;
};
