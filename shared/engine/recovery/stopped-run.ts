/** What the sweep makes of a run that people have cancelled, and of one that they have resumed after that. */
import type { Finding } from '../report/census.ts';
import { waitingSinceMs, type RunReport } from '../report/run-report.ts';
import type { RunControl } from '../runs/run-control.ts';

/**
 * A cancelled run was counted after its last function had ended: nothing about it changes by itself any more. A sweep by name
 * counts it once more.
 */
export function isOver(
  { state, setMs }: RunControl,
  before: RunReport | undefined,
  { settleMs }: { settleMs: number },
): boolean {
  if (state !== 'cancelled' || before === undefined || before.complete) return false;
  return before.control?.state === 'cancelled' && Date.parse(before.at) > setMs + settleMs;
}

/** So long after a run was resumed, no environment takes it for cancelled any more, in milliseconds. */
const resumedForMs = 60_000;

/**
 * The events of a cancelled run end, so that nothing brings on what was open then. Once the run is resumed, each such item is
 * re-fired once: one whose note was written after that was re-fired, or had an attempt.
 */
export function returnsOf(
  { state, cancelled, setMs }: RunControl,
  { startedMs, stoppedUntilMs }: { startedMs: number; stoppedUntilMs: number },
  { retryingForMs }: { retryingForMs: number },
): (finding: Finding) => boolean {
  if (state !== 'running' || cancelled === undefined || stoppedUntilMs > startedMs) return () => false;
  // S3 tells times in whole seconds. A clock that is ahead must not make it endless.
  const untilMs = Math.min(Date.parse(cancelled.until), setMs + 1_000);
  const fromMs = Date.parse(cancelled.from);
  if (startedMs <= untilMs + resumedForMs) return () => false;
  return (finding) => {
    const { kind, note } = finding;
    if (waitingSinceMs(finding) > untilMs) return false;
    if (kind === 'open') return true;
    // Lambda would have retried it.
    const isRetried = note?.status === 'failed' && note.class === 'transient';
    return kind === 'failed' && isRetried && Date.parse(note.at) > fromMs - retryingForMs;
  };
}
