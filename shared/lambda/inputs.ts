/** What each recovery function may be asked with, by people and by schedules. */
import * as v from 'valibot';
import type { Chain } from '../engine/chain/chain.ts';
import { listPublishLevels } from '../engine/publish/publish-levels.ts';
import { isRunName } from '../engine/chain/keys.ts';

const runName = 'must be the name of a run, e.g. "2026-11-20"';
const run = v.optional(v.pipe(v.string(runName), v.check(isRunName, runName)));

const trueOrFalse = 'must be true or false';
const flag = v.optional(v.boolean(trueOrFalse));

const aboveZero = 'must be a number above 0';
const rate = v.optional(v.pipe(v.number(aboveZero), v.finite(aboveZero), v.gtValue(0, aboveZero)));

const fromOne = 'must be a whole number from 1';
const limit = v.optional(v.pipe(v.number(fromOne), v.safeInteger(fromOne), v.minValue(1, fromOne)));

const fromZero = 'must be a number of seconds from 0';
const seconds = v.optional(v.pipe(v.number(fromZero), v.finite(fromZero), v.minValue(0, fromZero)));

const codeOfReason = 'must be the code of a reason, e.g. "HTTP_404"';

/** By the function's name in serverless.yml. */
export function inputsOf({ levels }: Pick<Chain, 'levels'>) {
  const names = levels.map(({ name }) => name);
  const level = v.optional(v.picklist(names, `must be one of ${names.join(', ')}`));
  const replayed = [...names, ...listPublishLevels({ levels }).map(({ name }) => name)];
  const replayLevel = v.optional(v.picklist(replayed, `must be one of ${replayed.join(', ')}`));
  const code = v.optional(v.pipe(v.string(codeOfReason), v.nonEmpty(codeOfReason)));
  const from = v.optional(v.picklist(['dead-letters', 'failures'], 'must be "dead-letters" or "failures"'));
  return {
    replay: v.strictObject({ level: replayLevel, run, code, limit, rate, dryRun: flag, from, force: flag }),
    sweep: v.strictObject({ run, level, olderThan: seconds, dryRun: flag, verify: flag }),
    /** People ask what holds with nothing; S3 sends an event when control/rate.json was set. */
    rate: v.strictObject({}),
    /** `deployment`: what commands need to know of it, instead of a run. */
    status: v.strictObject({ run, fresh: flag, deployment: flag }),
  };
}
