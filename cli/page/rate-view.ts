/**
 * What holds for calls to the API, from the control objects: a few small reads, so that the page may ask every few seconds;
 * and what waits while calls are stopped.
 */
import { autoStartPerSecond, boundedLimit } from '../../shared/engine/rate/api-limit.ts';
import { readHeldRate } from '../../shared/engine/rate/auto-rate.ts';
import { readFreeze, readRate } from '../../shared/engine/rate/rate-control.ts';
import type { Rate } from '../../shared/engine/rate/rate-setting.ts';
import type { RateView } from '../../page/wire.ts';
import type { OpenDeployment } from '../run/deployment.ts';
import type { Observation } from './timeline.ts';

const numberOf = (rate: Rate): number | null => (rate === 'unlimited' ? null : rate);

/** How rarely the function is asked what waits: it counts messages, and its invocations are paid for. */
const waitingMs = 15_000;

/** @returns looks at the rate; what goes wrong is in the view, with what was seen last */
export function createRateLook(deployment: Pick<OpenDeployment, 'facts' | 'store' | 'rate'>): () => Promise<RateView> {
  const { facts, store } = deployment;
  const { rate: limits, maxFreezeMs } = facts;
  const deployed = limits.deployed === 'unlimited' ? null : limits.deployed;
  let waiting: { askedMs: number; counts: RateView['waiting'] } | undefined;
  /** Only while calls are stopped: the function would give back what waits otherwise, which is not for a look to do. */
  const askWaiting = async (): Promise<RateView['waiting']> => {
    if (waiting === undefined || Date.now() - waiting.askedMs > waitingMs)
      waiting = { askedMs: Date.now(), counts: (await deployment.rate()).waiting };
    return waiting.counts;
  };
  const first = deployed === 'auto' ? boundedLimit(autoStartPerSecond, limits) : deployed;
  let last: RateView = { rate: first, deployed, minimumPerSecond: limits.minimumPerSecond, paused: false };
  return async () => {
    try {
      const [{ setting, problem }, freezeMs] = await Promise.all([
        readRate(store, limits),
        readFreeze(store, maxFreezeMs),
      ]);
      const { requestsPerSecond, auto } = await readHeldRate(store, setting, limits, Date.now());
      const isStopped = setting.paused || freezeMs > Date.now();
      if (!isStopped) waiting = undefined;
      const counts = isStopped ? await askWaiting() : undefined;
      last = {
        rate: numberOf(requestsPerSecond),
        deployed,
        ...(auto && { auto }),
        minimumPerSecond: limits.minimumPerSecond,
        paused: setting.paused,
        ...(freezeMs > 0 && { orderedUntil: new Date(freezeMs).toISOString() }),
        ...(freezeMs > Date.now() && { frozenUntil: new Date(freezeMs).toISOString() }),
        ...(counts && { waiting: counts }),
        ...(problem && { problem: problem.message }),
      };
      return last;
    } catch (error) {
      const { name, message } = error as Error;
      return { ...last, problem: `The control objects could not be read: ${name}: ${message}` };
    }
  };
}

/** What a timeline needs of it. Each order of the API to wait longer moves the end of the freeze. */
export function observe(
  { rate, paused, frozenUntil, orderedUntil }: RateView,
  { atMs, calls }: Pick<Observation, 'atMs' | 'calls'>,
): Observation {
  return {
    atMs,
    calls,
    rate,
    stop: paused ? 'paused' : frozenUntil === undefined ? 'none' : 'frozen',
    orderedMs: orderedUntil === undefined ? undefined : Date.parse(orderedUntil),
  };
}
