/** How much of the rate is used, and why not more, for a person. Pure. */
import type { RateNow, RateUse } from '../../shared/engine/rate/rate-use.ts';
import { count } from './format.ts';

/** @returns one line; none for a rate without a limit */
export function rateLines({ requestsPerSecond, use }: RateNow): string[] {
  if (use === undefined) return [];
  const percent = Math.round(100 * use.part);
  const why = whyNotMore(use);
  return [
    `Used: ${use.perSecond.toFixed(1)} of ${requestsPerSecond} requests a second (${percent}%)${why === undefined ? '' : `: ${why}`}.`,
  ];
}

function whyNotMore({ why, callMs, levels }: RateUse): string | undefined {
  const atWork = levels.map(({ level, environments }) => `${level} ${count(environments)}`).join(', ');
  const calls = callMs === undefined ? '' : `, ${count(callMs)} ms for each`;
  switch (why) {
    case undefined:
      return undefined;
    case 'paused':
      return 'the calls are paused';
    case 'frozen':
      return 'the API ordered a wait';
    case 'idle':
      return 'no function is at work';
    case 'beginning':
      return 'functions have just begun, and divide the rate';
    case 'few-items':
      return 'there is less to fetch than might be fetched';
    case 'few-environments':
      return `too few environments are at work (${atWork}), and all wait for the API's answers${calls}; Lambda has not started more`;
    case 'latency':
      return `all environments wait for the API's answers${calls}; raise expectedCallMs to have more of them`;
  }
}
