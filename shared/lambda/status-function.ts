/** The Lambda around status: checks what is asked, connects the engine to S3, and answers with the report. */
import { censusSockets } from '../aws/s3-client.ts';
import type { Chain } from '../engine/chain/chain.ts';
import { stoppedUntilMs } from '../engine/rate/rate-control.ts';
import { status, type Status, type StatusDeps } from '../engine/report/status.ts';
import { systemClock } from './clock.ts';
import type { DeploymentFacts } from './deployment-facts.ts';
import { lostAfterMs, retryingForMs } from './event-life.ts';
import { readInput } from './input.ts';
import { inputsOf } from './inputs.ts';
import { createFunction, recoveryReserveMs } from './lambda-function.ts';
import { openStore } from './recovery-services.ts';
import { readRecoverySettings, type RecoverySettings } from './settings.ts';

/** @throws ConfigError at once, so that a function with invalid settings does not start */
export function statusFunction(chain: Chain) {
  return createFunction<Status | DeploymentFacts>({
    name: 'status',
    reserveMs: recoveryReserveMs,
    start() {
      const settings = readRecoverySettings(chain);
      const store = openStore(settings, censusSockets);
      const deps: StatusDeps = {
        chain,
        store,
        clock: systemClock,
        lostAfterMs: () => lostAfterMs(settings),
        stoppedUntilMs: () => stoppedUntilMs(store, settings.rate, settings.maxFreezeMs),
        retryingForMs: retryingForMs(settings),
      };
      const input = inputsOf(chain).status;
      return (event) => {
        const { deployment, ...request } = readInput(input, event);
        return deployment === true ? Promise.resolve(factsOf(chain, settings)) : status(request, deps);
      };
    },
  });
}

function factsOf({ levels, params }: Chain, settings: RecoverySettings): DeploymentFacts {
  const { bucket, rate, maxFreezeMs } = settings;
  return {
    bucket,
    levels,
    params,
    rate,
    maxFreezeMs,
    lostAfterMs: lostAfterMs(settings),
    retryingForMs: retryingForMs(settings),
  };
}
