/**
 * How long an event of a fetch function can be alive, derived from what the template says of it: the one place that knows
 * the waits between attempts, and where the sweep's patience comes from. Pages: invocation-async-error-handling,
 * invocation-async-retain-records.
 */
import type { RecoverySettings } from './settings.ts';

/** "Lambda waits one minute before the first retry and two minutes before the second". */
const retryWaitsMs = [60_000, 120_000] as const;

/** A message that failed is received again after this long, doubled with each attempt. */
const firstQueueWaitMs = 60_000;
const longestQueueWaitMs = 900_000;

/** The clocks of S3, Lambda and the function differ by less than this, and a notification takes less. */
const marginMs = 300_000;

type Deployment = Pick<
  RecoverySettings,
  | 'trigger'
  | 'fetchTimeoutMs'
  | 'fetchRetryAttempts'
  | 'fetchMaxEventAgeMs'
  | 'queueMaxReceives'
  | 'queueRetentionMs'
  | 'lambdaTimeScale'
>;

/** The clocks of S3 and of the function differ by less than the rest of the first wait. */
const firstWaitShare = 0.8;

/** An event younger than this is at its first attempt for certain, in milliseconds. */
export function firstRetryMs({ lambdaTimeScale }: Pick<Deployment, 'lambdaTimeScale'>): number {
  return (retryWaitsMs[0] * firstWaitShare) / lambdaTimeScale;
}

/** How long a message stays away from its function after its `delivery`th delivery failed, in milliseconds. */
export function queueWaitMs(delivery: number, { lambdaTimeScale }: Pick<Deployment, 'lambdaTimeScale'>): number {
  return Math.min(longestQueueWaitMs, firstQueueWaitMs * 2 ** (delivery - 1)) / lambdaTimeScale;
}

/** After a failure was noted: the waits and the attempts that may still follow, in milliseconds. */
export function retryingForMs(deployment: Deployment): number {
  const { trigger, fetchRetryAttempts, fetchTimeoutMs, queueMaxReceives, lambdaTimeScale } = deployment;
  const waitsMs =
    trigger === 'queue'
      ? Array.from({ length: queueMaxReceives - 1 }, (_, index) => queueWaitMs(index + 1, deployment))
      : retryWaitsMs.slice(0, fetchRetryAttempts).map((ms) => ms / lambdaTimeScale);
  return waitsMs.reduce((sum, ms) => sum + ms + fetchTimeoutMs, 0);
}

/** After an item was written: the longest that its event may wait, and then all of its attempts, in milliseconds. */
export function lostAfterMs(deployment: Deployment): number {
  const { trigger, fetchMaxEventAgeMs, fetchTimeoutMs, queueRetentionMs, lambdaTimeScale } = deployment;
  // A message's retention ends its attempts too. It is SQS's own time, which no scale makes shorter.
  if (trigger === 'queue') return queueRetentionMs + marginMs / lambdaTimeScale + fetchTimeoutMs;
  return (fetchMaxEventAgeMs + marginMs) / lambdaTimeScale + fetchTimeoutMs + retryingForMs(deployment);
}

/** After a success marker or a piece was written: the same for the functions that publish, which S3 always invokes itself. */
export function unpublishedAfterMs(deployment: Deployment): number {
  return lostAfterMs({ ...deployment, trigger: 'direct', fetchTimeoutMs: publishTimeoutMs });
}

/** As long as Lambda lets a function run (page gettingstarted-limits). */
export const publishTimeoutMs = 900_000;

/** A receipt this old was listed together with its children, in milliseconds. */
export function settleMs({ lambdaTimeScale }: Pick<Deployment, 'lambdaTimeScale'>): number {
  return marginMs / lambdaTimeScale;
}
