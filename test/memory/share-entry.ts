import type { ShareEntry } from '../../shared/engine/rate/share-table.ts';

/** An environment at work, as the table of the shares has it. */
export function shareEntry(more: Partial<ShareEntry> = {}): ShareEntry {
  return {
    id: 'a',
    bucket: 'own',
    rate: 20,
    level: 'leaf',
    share: 0.25,
    saves: 0,
    wants: 0.25,
    perSecond: 4,
    waited: 0,
    inFlight: 0,
    untilMs: 5_000,
    ...more,
  };
}
