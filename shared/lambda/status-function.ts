/** The Lambda around status: checks what is asked, connects the engine to S3, and answers with the report. */
import { censusSockets } from '../aws/s3-client.ts';
import { lastLevel, type Chain } from '../engine/chain/chain.ts';
import { publishLevels } from '../engine/publish/publish-levels.ts';
import { publishStatus } from '../engine/publish/publish-status.ts';
import { tablesOf } from '../engine/publish/tables.ts';
import { stoppedUntilMs } from '../engine/rate/rate-control.ts';
import { readRateNow } from '../engine/rate/rate-use.ts';
import { status, type StatusDeps } from '../engine/report/status.ts';
import { systemClock } from './clock.ts';
import type { DeploymentFacts } from './deployment-facts.ts';
import { lostAfterMs, retryingForMs } from './event-life.ts';
import { readInput } from './input.ts';
import { inputsOf } from './inputs.ts';
import { createFunction, recoveryReserveMs } from './lambda-function.ts';
import { openStore } from './recovery-services.ts';
import { readRecoverySettings, type RecoverySettings } from './settings.ts';
import type { Place, StatusAnswer } from './status-answer.ts';

/** @throws ConfigError at once, so that a function with invalid settings does not start */
export function statusFunction(chain: Chain) {
  return createFunction<StatusAnswer | DeploymentFacts>({
    name: 'status',
    reserveMs: recoveryReserveMs,
    start() {
      const settings = readRecoverySettings(chain);
      const store = openStore(settings, censusSockets);
      const { bucket, rate: limits, maxFreezeMs } = settings;
      const levels = settings.levels.map(({ level, environments }) => ({ ...level, environments }));
      const rateDeps = { store, clock: systemClock, bucket, limits, maxFreezeMs, levels };
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
      const publishing = settings.publishLevels.length > 0 ? publishLevels(chain) : undefined;
      const place: Place = {
        bucket: settings.bucket,
        resultPrefix: lastLevel(chain).writes,
        tables: publishing === undefined ? [] : tablesOf(chain).map(({ name }) => name),
      };
      return async (event) => {
        const { deployment, ...request } = readInput(input, event);
        if (deployment === true) return factsOf(chain, settings);
        const found = await status(request, deps);
        if ('runs' in found || publishing === undefined) return { ...found, place };
        const published = await publishStatus(found.run, chain, publishing, store);
        return { ...found, ...(published !== undefined && { published }), place };
      };
    },
  });
}

function factsOf({ levels, params }: Chain, settings: RecoverySettings): DeploymentFacts {
  const { bucket, rate, ratePlace, maxFreezeMs } = settings;
  return {
    bucket,
    levels,
    params,
    rate,
    ...(ratePlace && { ratePlace }),
    maxFreezeMs,
    lostAfterMs: lostAfterMs(settings),
    retryingForMs: retryingForMs(settings),
  };
}
