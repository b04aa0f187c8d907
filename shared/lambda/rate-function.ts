/** The Lambda around the rate: connects the engine to S3, SQS and Lambda, and answers with what holds. */
import { isS3Event } from '../aws/event-codec.ts';
import type { Chain } from '../engine/chain/chain.ts';
import { applyRate, type RateReport } from '../engine/recovery/apply-rate.ts';
import { systemClock } from './clock.ts';
import { readInput } from './input.ts';
import { inputsOf } from './inputs.ts';
import { createFunction, recoveryReserveMs } from './lambda-function.ts';
import { openLevels, openStore } from './recovery-services.ts';
import { readRecoverySettings } from './settings.ts';

/** It reads three objects. */
const s3Sockets = 4;

/** @throws ConfigError at once, so that a function with invalid settings does not start */
export function rateFunction(chain: Chain) {
  return createFunction<RateReport & { bucket: string }>({
    name: 'rate',
    reserveMs: recoveryReserveMs,
    start(log) {
      const settings = readRecoverySettings(chain);
      const { bucket, rate, maxFreezeMs } = settings;
      const shared = {
        store: openStore(settings, s3Sockets),
        bucket,
        limits: rate,
        maxFreezeMs,
        levels: openLevels(settings),
        clock: systemClock,
        log,
      };
      const input = inputsOf(chain).rate;
      return async (event, { deadlineMs }) => {
        // S3 sends an event when control/rate.json was set.
        if (!isS3Event(event)) readInput(input, event);
        return { bucket, ...(await applyRate({ ...shared, deadlineMs })) };
      };
    },
  });
}
