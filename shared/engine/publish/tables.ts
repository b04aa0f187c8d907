/** The tables of a chain: which levels have one, and what their columns are made of. */
import type { Chain, Level } from '../chain/chain.ts';
import type { TableSpec } from '../chain/table-spec.ts';

export type Table = TableSpec & {
  /** `results`: what the last level writes. `items`: the children that a list writes, a dimension of the results. */
  of: 'results' | 'items';
  /** Whose `writes` it is made of. */
  level: Level;
  /** The level whose items they are; undefined for results. */
  itemLevel: Level | undefined;
  /** The names of the ids of a row, from the top down. */
  ids: readonly string[];
};

export function tablesOf({ levels }: Pick<Chain, 'levels'>): Table[] {
  return levels.flatMap((level, index) => {
    if (level.table === undefined) return [];
    const itemLevel = level.children === 'one' ? undefined : levels[index + 1];
    const of = itemLevel === undefined ? 'results' : 'items';
    return [{ ...level.table, of, level, itemLevel, ids: (itemLevel ?? level).ids }];
  });
}
