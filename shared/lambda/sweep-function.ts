/** The Lambda around the sweep: checks what is asked, connects the engine to S3 and Lambda, and answers with the report. */
import { Metrics } from '@aws-lambda-powertools/metrics';
import { censusSockets } from '../aws/s3-client.ts';
import { lastLevel, type Chain } from '../engine/chain/chain.ts';
import { stoppedUntilMs } from '../engine/rate/rate-control.ts';
import { sweep, type SweepReport } from '../engine/recovery/sweep.ts';
import { sweepPublications } from '../engine/publish/lost-publications.ts';
import { publishLevels } from '../engine/publish/publish-levels.ts';
import { systemClock } from './clock.ts';
import { lostAfterMs, retryingForMs, settleMs, unpublishedAfterMs } from './event-life.ts';
import { readInput } from './input.ts';
import { inputsOf } from './inputs.ts';
import { createFunction, recoveryReserveMs } from './lambda-function.ts';
import { openLevels, openPublishLevels, openStore } from './recovery-services.ts';
import { publishRuns } from './run-metrics.ts';
import { readRecoverySettings } from './settings.ts';
import type { SweepAnswer } from './sweep-answer.ts';

/** @throws ConfigError at once, so that a function with invalid settings does not start */
export function sweepFunction(chain: Chain) {
  return createFunction<SweepAnswer>({
    name: 'sweep',
    reserveMs: recoveryReserveMs,
    start(log) {
      const settings = readRecoverySettings(chain);
      const metrics = new Metrics({ namespace: 's3-cascade', serviceName: 'sweep' });
      const store = openStore(settings, censusSockets);
      const shared = {
        chain,
        store,
        refires: new Map(openLevels(settings).map(({ level, refire }) => [level.name, refire])),
        clock: systemClock,
        log,
        lostAfterMs: () => lostAfterMs(settings),
        retryingForMs: retryingForMs(settings),
        settleMs: settleMs(settings),
        maxRefires: settings.maxRefires,
      };
      const publishing = settings.publishLevels.length > 0 ? publishLevels(chain) : undefined;
      const publishRefires = new Map(openPublishLevels(settings).map(({ level, refire }) => [level.name, refire]));
      const input = inputsOf(chain).sweep;
      return async (event, { context, deadlineMs }) => {
        const request = readInput(input, event);
        let stopped: Promise<number> | undefined;
        const stoppedOnce = (): Promise<number> =>
          (stopped ??= stoppedUntilMs(store, settings.rate, settings.maxFreezeMs));
        const report = await sweep(request, { ...shared, stoppedUntilMs: stoppedOnce, deadlineMs });
        // After the runs: those that are complete now have their event.
        const publications =
          publishing === undefined
            ? []
            : await sweepPublications(
                { ...request, except: markedIn(report) },
                {
                  ...{ ...shared, levels: publishing, refires: publishRefires, deadlineMs },
                  lostAfterMs: unpublishedAfterMs(settings),
                },
              );
        log.info('Sweep ended.', { request, report, publications });
        // What is asked for by hand is not all there is.
        if (request.run === undefined && !report.dryRun) {
          const isStopped = (await stoppedOnce()) > systemClock.now();
          publishRuns(metrics, report, { functionName: context.functionName, isStopped });
        }
        return { ...report, publications, bucket: settings.bucket, resultPrefix: lastLevel(chain).writes };
      };
    },
  });
}

/** Runs whose success marker this sweep has written. */
function markedIn({ runs, dryRun }: SweepReport): ReadonlySet<string> {
  return new Set(
    dryRun ? [] : runs.filter(({ complete, changes = [] }) => complete && changes.length === 0).map(({ run }) => run),
  );
}
