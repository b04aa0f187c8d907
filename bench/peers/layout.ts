/**
 * The two layouts of what a contender writes: an object for each item, or the last level's items and results in batches, as
 * s3-cascade has them.
 */
import { lastLevel, type Level } from '../../shared/engine/chain/chain.ts';
import chain from '../../sources/hermes/chain.ts';

/** How many items of the last level a batch of s3-cascade holds. */
export const batchSize = lastLevel(chain).batch;
/** And how many of their calls one environment makes side by side. */
export const callsInFlight = lastLevel(chain).callsInFlight;

/** The example's levels. @param batch items of the last level in an object; 1: each has its own */
export function levelsOf(batch: number): Level[] {
  return chain.levels.map((level) =>
    level.children === 'one' ? { ...level, batch, suffix: batch === 1 ? '.json' : '.ndjson' } : level,
  );
}
