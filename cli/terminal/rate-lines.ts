/** How much of the rate is used, and why not more, for a person. Pure. */
import type { RateNow, RateUse } from '../../shared/engine/rate/rate-use.ts';
import { count } from './format.ts';

/** @returns a line or two; none for a rate without a limit */
export function rateLines({ requestsPerSecond, auto, use }: RateNow): string[] {
  if (use === undefined || requestsPerSecond === 'unlimited') return [];
  const percent = Math.round(100 * use.part);
  const why = whyNotMore(use);
  const { others } = use;
  const used = use.perSecond + (others?.perSecond ?? 0);
  return [
    ...(others?.slowest === undefined
      ? []
      : [
          `A stage that shares the API is set to ${rateNumber(others.slowest)} requests a second, which holds for all.`,
        ]),
    `Used: ${used.toFixed(1)} of ${rateNumber(others?.slowest ?? requestsPerSecond)} requests a second${auto === undefined ? '' : ' (auto)'} (${percent}%)${otherWords(others)}${why === undefined ? '' : `: ${why}`}.`,
  ];
}

function otherWords(others: RateUse['others']): string {
  if (others === undefined) return '';
  const stages = others.stages === 1 ? 'another stage' : `${count(others.stages)} other stages`;
  return `, ${others.perSecond.toFixed(1)} of them by ${stages}`;
}

/** At most three digits behind the point: 100 in a minute is 1.667 a second. */
export function rateNumber(perSecond: number): string {
  return String(Number(perSecond.toPrecision(4)));
}

/** Where the rate `auto` has its number from. */
export function autoWords({ told, toldAt, mostPerSecond }: NonNullable<RateNow['auto']>): string {
  if (told === undefined || toldAt === undefined)
    return 'The API has told no limit that can be followed, so the rate stays where it begins (docs/operations.md).';
  const bound = told > mostPerSecond ? `; autoRateMost allows ${rateNumber(mostPerSecond)}` : '';
  return `The API says that it allows ${rateNumber(told)} requests a second (${toldAt})${bound}.`;
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
