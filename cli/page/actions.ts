/** What the page's buttons do: the functions and the control object that the commands use, and the answer in a sentence. */
import * as v from 'valibot';
import { isRunName } from '../../shared/engine/chain/keys.ts';
import type { ReplayReport } from '../../shared/engine/recovery/replay-report.ts';
import type { ActionOutcome, ActionRequest } from '../../page/wire.ts';
import type { OpenDeployment } from '../run/deployment.ts';
import { DeploymentError } from '../run/function-client.ts';
import { rateChangeOf, type RateAnswer } from '../run/rate-change.ts';
import { changedWords } from '../run/run-change.ts';
import { count, plural } from '../terminal/format.ts';
import { UsageError } from '../terminal/options.ts';
import { rateNumber } from '../terminal/rate-lines.ts';

const run = v.pipe(v.string(), v.check(isRunName));
const word = v.pipe(v.string(), v.minLength(1), v.maxLength(200));
const requests = v.variant('action', [
  v.strictObject({ action: v.picklist(['pause', 'resume', 'default']) }),
  v.strictObject({ action: v.literal('rate'), requestsPerSecond: v.pipe(v.number(), v.finite(), v.gtValue(0)) }),
  v.strictObject({ action: v.picklist(['pause-run', 'resume-run', 'cancel-run']), run }),
  v.strictObject({ action: v.literal('sweep'), run }),
  v.strictObject({
    action: v.literal('replay'),
    run,
    level: v.exactOptional(word),
    code: v.exactOptional(word),
    parked: v.exactOptional(v.boolean()),
  }),
]);

/** @returns undefined for what is no action */
export function parseAction(body: unknown): ActionRequest | undefined {
  const parsed = v.safeParse(requests, body);
  return parsed.success ? parsed.output : undefined;
}

const question = v.object({ asked: v.pipe(v.string(), v.maxLength(10_000)), run: v.optional(run) });
export type Question = v.InferOutput<typeof question>;

/** @returns undefined for what is no question to explain */
export function parseQuestion(body: unknown): Question | undefined {
  const parsed = v.safeParse(question, body);
  return parsed.success ? parsed.output : undefined;
}

type Doers = Pick<OpenDeployment, 'setRate' | 'setRun' | 'sweep' | 'replay'>;

/** What a person can act on is an outcome; anything else is thrown. */
export async function act(request: ActionRequest, deployment: Doers): Promise<ActionOutcome> {
  try {
    return { ok: true, message: await messageOf(request, deployment) };
  } catch (error) {
    if (error instanceof DeploymentError || error instanceof UsageError) return { ok: false, message: error.message };
    throw error;
  }
}

async function messageOf(request: ActionRequest, deployment: Doers): Promise<string> {
  switch (request.action) {
    case 'pause':
    case 'resume':
    case 'default':
      return rateWords(await deployment.setRate(rateChangeOf(request.action)));
    case 'rate':
      return rateWords(await deployment.setRate(rateChangeOf(String(request.requestsPerSecond))));
    case 'pause-run':
      return changedWords(await deployment.setRun(request.run, { wish: 'pause' }));
    case 'resume-run':
      return changedWords(await deployment.setRun(request.run, { wish: 'resume' }));
    case 'cancel-run':
      return changedWords(await deployment.setRun(request.run, { wish: 'cancel' }));
    case 'sweep':
      return sweepWords(await deployment.sweep({ run: request.run }));
    case 'replay': {
      const { level, code, parked } = request;
      const wanted = { run: request.run, ...(level !== undefined && { level }), ...(code !== undefined && { code }) };
      return replayWords(
        await deployment.replay(parked === true ? { ...wanted, from: 'failures', force: true } : wanted),
      );
    }
  }
}

function rateWords({ paused, requestsPerSecond, auto, resumed, frozenUntil }: RateAnswer): string {
  const number = requestsPerSecond === 'unlimited' ? 'no limit' : `${rateNumber(requestsPerSecond)} calls a second`;
  const rate = auto === undefined ? number : `as many as the API says that it allows, now ${number}`;
  const waits = frozenUntil === undefined ? '' : ` The API ordered a wait until ${frozenUntil}.`;
  if (paused) return `Paused: no call from now on, within ten seconds. After that: ${rate}.${waits}`;
  return `Calls are made, ${rate}, within ten seconds.${waits} ${plural(resumed, 'item')} that waited ${resumed === 1 ? 'was' : 'were'} requeued.`;
}

function sweepWords({ runs: [swept], unsweepable: [problem] }: Awaited<ReturnType<Doers['sweep']>>): string {
  if (problem !== undefined) return `The sweep failed: ${problem.code}: ${problem.message}`;
  if (swept === undefined) return 'The sweep ran out of time; the next one continues.';
  const { complete, refired, givenUp } = swept;
  const gaveUp =
    givenUp === 0 ? '' : ` ${plural(givenUp, 'item')} had been re-fired as often as is allowed, and failed.`;
  return `Swept: ${complete ? 'the run is complete' : 'the run is not complete'}, ${plural(refired, 'item')} re-fired.${gaveUp}`;
}

function replayWords({
  replayed,
  alreadyDone,
  parked,
  skipped,
  remaining,
  refusals,
  stoppedBecause,
}: ReplayReport): string {
  const { filter, unreadable, missing, failedAgain, retrying, refused } = skipped;
  const others: [number, string][] = [
    [alreadyDone, 'done already'],
    [parked, 'parked, since replays did not help'],
    [skipped.parked, 'parked before'],
    [retrying, 'left to AWS, which may still retry them'],
    [failedAgain, 'failed again meanwhile'],
    [missing, 'deleted since'],
    [unreadable, 'unreadable'],
    [refused, `refused (${refusals[0]?.message ?? ''})`],
  ];
  const told = others.filter(([items]) => items > 0).map(([items, what]) => `${count(items)} ${what}`);
  const left = remaining > 0 && filter < remaining ? ` About ${plural(remaining, 'dead letter')} left.` : '';
  const early = stoppedBecause === 'time' ? ' The time was up: replay once more.' : '';
  return `${[`${plural(replayed, 'item')} replayed`, ...told].join(', ')}.${left}${early}`;
}
