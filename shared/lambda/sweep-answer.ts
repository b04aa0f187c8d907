/** What the function `sweep` answers: the report, and where the results are. */
import type { SweepReport } from '../engine/recovery/sweep.ts';

export type SweepAnswer = SweepReport & {
  bucket: string;
  /** Without the slash at its end. */
  resultPrefix: string;
};
