/** Which calls fail, and how: drawn from the seed, the call key and how often it was asked before, so that a run repeats. */
import { callKey } from './call-key.ts';
import { fraction, hash } from './hash.ts';
import type { HermesTree, Position } from './tree.ts';

/** All of them may pass: a client is right to ask again. */
export type Fault = { status: 500 | 502 | 503 } | { status: 429; retryAfterSeconds: 0 | 1 } | 'reset' | 'cut-body';

const faults: readonly Fault[] = [
  { status: 500 },
  { status: 502 },
  { status: 503 },
  { status: 429, retryAfterSeconds: 0 },
  { status: 429, retryAfterSeconds: 1 },
  'reset',
  'cut-body',
];

/** @param nth how many times this key has been asked, this time included */
export function drawFault(failRate: number, seed: number, key: string, nth: number): Fault | undefined {
  if (failRate === 0 || fraction(seed, 'fails', key, nth) >= failRate) return undefined;
  return faults[hash(seed, 'how', key, nth) % faults.length];
}

/**
 * Chooses the calls that fail for good: of every ten one is a warriors call (of at most a quarter of the troops), one a
 * data-groups call, and the others are data calls. No chosen call lies beneath another, so that each becomes one
 * failure of a crawl.
 * @throws RangeError when the tree has fewer calls to spare
 */
export function chooseFailForever(tree: HermesTree, count: number, seed: number): string[] {
  const troopCount = tree.childCount([]);
  const warriorCount = (troop: number): number => tree.childCount([troop]);
  const dead = new Set<string>();
  const isDead = (position: Position): boolean =>
    position.some((_, depth) => dead.has(position.slice(0, depth + 1).join()));
  /** Those that hold a chosen call themselves must live, or that call is never made. */
  const needed = new Set<string>();
  const keys: string[] = [];

  const choose = (position: Position): boolean => {
    if (isDead(position) || needed.has(position.join())) return false;
    dead.add(position.join());
    for (let depth = 1; depth < position.length; depth += 1) needed.add(position.slice(0, depth).join());
    const path = (['warriors', 'data-groups', 'data'] as const)[position.length - 1] ?? 'data';
    keys.push(callKey(path, tree.idsAt(position)));
    return true;
  };

  /** From a drawn place on, the first position of this depth that is free. */
  const chooseAt = (depth: 1 | 2 | 3, draw: number): boolean => {
    for (let troopStep = 0; troopStep < troopCount; troopStep += 1) {
      const troop = (draw + troopStep) % troopCount;
      if (depth === 1 && choose([troop])) return true;
      if (depth === 1) continue;
      for (let warriorStep = 0; warriorStep < warriorCount(troop); warriorStep += 1) {
        const warrior = ((draw >>> 7) + warriorStep) % warriorCount(troop);
        if (depth === 2 && choose([troop, warrior])) return true;
        if (depth === 2) continue;
        const groupCount = tree.childCount([troop, warrior]);
        for (let groupStep = 0; groupStep < groupCount; groupStep += 1) {
          if (choose([troop, warrior, ((draw >>> 14) + groupStep) % groupCount])) return true;
        }
      }
    }
    return false;
  };

  // From the top down: later, no whole troop would be free any more.
  const depths = [
    ...Array.from({ length: Math.min(Math.floor(count / 10), troopCount >> 2) }, () => 1 as const),
    ...Array.from({ length: Math.floor((count + 5) / 10) }, () => 2 as const),
  ];
  for (const [nth, depth] of depths.entries()) {
    // A small tree keeps what it has for the data calls.
    if (troopCount > 1) chooseAt(depth, hash(seed, 'fails for good', depth, nth));
  }
  for (let nth = 0; keys.length < count; nth += 1) {
    if (!chooseAt(3, hash(seed, 'fails for good', 3, nth))) {
      throw new RangeError(`failForever is ${count}, but this tree can spare ${keys.length} calls only`);
    }
  }
  return keys;
}
