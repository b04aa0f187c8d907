/** What comes of a mutant that is tried. */
import type { Mutant } from './mutants.ts';

/** `survived`: nothing was noticed. */
export type Verdict = {
  outcome: 'killed' | 'timeout' | 'survived';
  /** The test or the promise that noticed it, or why it was ended. */
  by?: string;
};

export type Trial = { mutant: Mutant; unit: Verdict; simulation: Verdict };

export const isNoticed = ({ outcome }: Verdict): boolean => outcome !== 'survived';

/** A file of the engine as it is with a mutant in it. */
export type ChangedFile = { file: string; text: string };

/** A trial that is of no use, since what it tries is broken without a mutant. */
export class BrokenBaseError extends Error {
  override readonly name = 'BrokenBaseError';
  readonly code = 'BROKEN_BASE';
}
