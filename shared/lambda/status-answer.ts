/** What the function `status` answers: how the runs stand, and where their results and tables are. */
import type { Status } from '../engine/report/status.ts';

export type Place = {
  bucket: string;
  /** Without the slash at its end. */
  resultPrefix: string;
  /** The names of the tables; empty when nothing is published. */
  tables: string[];
};

export type StatusAnswer = Status & { place: Place };
