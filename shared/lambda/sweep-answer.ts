/** What the function `sweep` answers: the report, and where the results are. */
import type { PublicationSweep } from '../engine/publish/lost-publications.ts';
import type { SweepReport } from '../engine/recovery/sweep.ts';

export type SweepAnswer = SweepReport & {
  bucket: string;
  /** Complete runs of which something was re-fired that publishes them. */
  publications: PublicationSweep[];
  /** Without the slash at its end. */
  resultPrefix: string;
};
