/** The Lambda around replay: checks what is asked, connects the engine to SQS, S3 and Lambda, and answers with the report. */
import type { Chain } from '../engine/chain/chain.ts';
import type { ReplayReport } from '../engine/recovery/replay-report.ts';
import { replay } from '../engine/recovery/replay.ts';
import { systemClock } from './clock.ts';
import { retryingForMs } from './event-life.ts';
import { readInput } from './input.ts';
import { inputsOf } from './inputs.ts';
import { createFunction, recoveryReserveMs } from './lambda-function.ts';
import { openLevels, openPublishLevels, openStore } from './recovery-services.ts';
import { readRecoverySettings } from './settings.ts';

/** @throws ConfigError at once, so that a function with invalid settings does not start */
export function replayFunction(chain: Chain) {
  return createFunction<ReplayReport>({
    name: 'replay',
    reserveMs: recoveryReserveMs,
    start(log) {
      const settings = readRecoverySettings(chain);
      const shared = {
        levels: [...openLevels(settings), ...openPublishLevels(settings)].map(({ level, deadLetters, refire }) => ({
          level,
          queue: deadLetters,
          refire,
        })),
        store: openStore(settings),
        clock: systemClock,
        log,
        maxReplays: settings.maxReplays,
        retryingForMs: retryingForMs(settings),
      };
      const input = inputsOf(chain).replay;
      return async (event, { deadlineMs }) => {
        const request = readInput(input, event);
        const report = await replay(request, { ...shared, deadlineMs });
        log.info('Replay ended.', { request, report });
        return report;
      };
    },
  });
}
