/**
 * How long an event of a fetch function can be alive, derived from what the template says of it: the one place that knows
 * Lambda's waits, and where the sweep's patience comes from. Pages: invocation-async-error-handling, invocation-async-retain-records.
 */
import type { RecoveryConfig } from './config.ts';

/** "Lambda waits one minute before the first retry and two minutes before the second". */
const retryWaitsMs = [60_000, 120_000] as const;

/** The clocks of S3, Lambda and the function differ by less than this, and a notification takes less. */
const marginMs = 300_000;

type Deployment = Pick<
  RecoveryConfig,
  'fetchTimeoutMs' | 'fetchRetryAttempts' | 'fetchMaxEventAgeMs' | 'lambdaTimeScale'
>;

/** The clocks of S3 and of the function differ by less than the rest of the first wait. */
const firstWaitShare = 0.8;

/** An event younger than this is at its first try for certain, in milliseconds. */
export function firstRetryMs({ lambdaTimeScale }: Pick<Deployment, 'lambdaTimeScale'>): number {
  return (retryWaitsMs[0] * firstWaitShare) / lambdaTimeScale;
}

/** After a failure was noted: the waits and the tries that may still follow, in milliseconds. */
export function retryingForMs(deployment: Deployment): number {
  const waitsMs = retryWaitsMs.slice(0, deployment.fetchRetryAttempts).reduce<number>((sum, ms) => sum + ms, 0);
  return waitsMs / deployment.lambdaTimeScale + deployment.fetchRetryAttempts * deployment.fetchTimeoutMs;
}

/** After an item was written: the longest that its event may wait, and then all of its tries, in milliseconds. */
export function lostAfterMs(deployment: Deployment): number {
  const { fetchMaxEventAgeMs, fetchTimeoutMs, lambdaTimeScale } = deployment;
  return (fetchMaxEventAgeMs + marginMs) / lambdaTimeScale + fetchTimeoutMs + retryingForMs(deployment);
}

/** A receipt this old was listed together with its children, in milliseconds. */
export function settleMs({ lambdaTimeScale }: Deployment): number {
  return marginMs / lambdaTimeScale;
}
