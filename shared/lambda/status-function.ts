/** The Lambda around status: checks what is asked, connects the engine to S3, and answers with the report. */
import { censusSockets } from '../aws/s3-client.ts';
import type { Chain } from '../engine/chain/chain.ts';
import { stoppedUntilMs } from '../engine/rate/rate-control.ts';
import { readRateNow } from '../engine/rate/rate-use.ts';
import { status, type Status, type StatusDeps } from '../engine/report/status.ts';
import { systemClock } from './clock.ts';
import { lostAfterMs, retryingForMs } from './event-life.ts';
import { readInput } from './input.ts';
import { inputsOf } from './inputs.ts';
import { createFunction, recoveryReserveMs } from './lambda-function.ts';
import { openStore } from './recovery-services.ts';
import { readRecoverySettings } from './settings.ts';

/** @throws ConfigError at once, so that a function with invalid settings does not start */
export function statusFunction(chain: Chain) {
  return createFunction<Status>({
    name: 'status',
    reserveMs: recoveryReserveMs,
    start() {
      const settings = readRecoverySettings(chain);
      const store = openStore(settings, censusSockets);
      const { rate: limits, maxFreezeMs } = settings;
      const levels = settings.levels.map(({ level, environments }) => ({ ...level, environments }));
      const rateDeps = { store, clock: systemClock, limits, maxFreezeMs, levels };
      const deps: StatusDeps = {
        chain,
        store,
        clock: systemClock,
        lostAfterMs: () => lostAfterMs(settings),
        stoppedUntilMs: () => stoppedUntilMs(store, settings.rate, settings.maxFreezeMs),
        readRate: () => readRateNow(rateDeps),
        retryingForMs: retryingForMs(settings),
      };
      const input = inputsOf(chain).status;
      return (event) => status(readInput(input, event), deps);
    },
  });
}
