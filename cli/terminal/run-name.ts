/** The name of a run as it is typed. */
import { isRunName } from '../../shared/engine/chain/keys.ts';
import { UsageError } from './options.ts';

/** @throws UsageError */
export function checkRunName(run: string): string {
  if (isRunName(run)) return run;
  throw new UsageError(
    `--run must be 1 to 64 of A-Z a-z 0-9 _ - and not start with _ or -, not ${JSON.stringify(run)}.`,
  );
}
