/** Turns that come at once, and keep what the API asked for. */
import type { Turns } from '../../shared/engine/rate/turns.ts';

export function freeTurns(): Turns & { freezes: number[] } {
  const freezes: number[] = [];
  return {
    freezes,
    take: async (_deadlineMs, check) => check?.(),
    answered: () => undefined,
    freeze: (forMs) => Promise.resolve(void freezes.push(forMs)),
    told: () => undefined,
    settle: () => Promise.resolve(),
  };
}
