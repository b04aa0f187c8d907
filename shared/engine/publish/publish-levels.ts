/**
 * Publishing as two levels more: a run's success marker becomes pieces, and a piece becomes a Parquet file. So their events,
 * failure notes, receipts, dead letters and replays are those of every level.
 */
import { firstLevel, lastLevel, type Chain, type Level } from '../chain/chain.ts';
import { recordPrefixes, successName } from '../chain/keys.ts';
import { tablesOf } from './tables.ts';

export type PublishLevels = { publish: Level; piece: Level };

/** @returns undefined for a chain without tables */
export function publishLevels(chain: Pick<Chain, 'levels'>): PublishLevels | undefined {
  if (tablesOf(chain).length === 0) return undefined;
  const common = { ...firstLevel(chain), suffix: '.json', children: 'many', table: undefined } as const;
  const { pieces, tables } = recordPrefixes;
  return {
    publish: {
      ...common,
      name: 'publish',
      reads: lastLevel(chain).writes,
      itemSuffix: `/${successName}`,
      ids: [],
      writes: pieces,
      function: 'publish',
      next: 'publish_piece',
    },
    piece: {
      ...common,
      name: 'publish_piece',
      reads: pieces,
      itemSuffix: undefined,
      ids: ['publication', 'table', 'part'],
      writes: tables,
      function: 'publishPiece',
      next: undefined,
    },
  };
}

export function listPublishLevels(chain: Pick<Chain, 'levels'>): Level[] {
  const levels = publishLevels(chain);
  return levels === undefined ? [] : [levels.publish, levels.piece];
}
