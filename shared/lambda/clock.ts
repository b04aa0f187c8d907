/** The machine's clock, for the functions. The core gets it as an argument. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../engine/ports.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  wait: (ms) => wait(ms),
};
