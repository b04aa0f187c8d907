/**
 * What `control/rate.json` may say. Pure. Whoever reads the object decides what to do about a bad one.
 */
import { InputError } from '../errors.ts';

/** Requests a second to the API, of all levels together. */
export type Rate = number | 'unlimited';

/** `auto`: what the API says that it allows; see api-limit.ts. */
export type DeployedRate = Rate | 'auto';

/** A person's wish for the running deployment. */
export type RateSetting = {
  /** Absent: as deployed. */
  requestsPerSecond?: number | 'auto';
  paused: boolean;
};

/** What the deployment allows. */
export type RateLimits = {
  deployed: DeployedRate;
  /** Slower than this, an environment's turns would be further apart than an invocation lasts. */
  minimumPerSecond: number;
  /** The rate `auto` rises no higher, whatever the API says. */
  autoMostPerSecond: number;
};

/** Some ten characters a number; whatever is larger is no setting. */
export const maxSettingBytes = 10_000;

const shape = 'such as { "requestsPerSecond": 5 }, { "paused": true }';

type Deployed = Pick<RateLimits, 'deployed' | 'minimumPerSecond'>;

/** @throws InputError listing everything that is wrong, and what is allowed */
export function parseRateSetting(body: string, { deployed, minimumPerSecond }: Deployed): RateSetting {
  let value: unknown;
  try {
    // Editors on Windows put a byte order mark before the text.
    value = JSON.parse(body.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new InputError([`it is not JSON (${(error as Error).message}); expected is an object ${shape}`]);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError([`it must be an object ${shape}`]);
  const { requestsPerSecond: rate, paused = false, ...others } = value as Record<string, unknown>;
  const problems = Object.keys(others).map(
    (field) => `${field} is not known; allowed are requestsPerSecond and paused`,
  );
  if (typeof paused !== 'boolean') problems.push('paused must be true or false');
  const isAuto = rate === 'auto';
  if (rate !== undefined && !isAuto && !(typeof rate === 'number' && Number.isFinite(rate) && rate >= 0))
    problems.push('requestsPerSecond must be a number, 0 to pause, or "auto"');
  else if (isAuto || (typeof rate === 'number' && rate > 0)) {
    if (deployed === 'unlimited')
      problems.push(
        'requestsPerSecond can not be kept by a deployment whose rate is unlimited, since nothing bounds its environments: deploy with --param rate=NUMBER (pausing works)',
      );
    else if (!isAuto && rate < minimumPerSecond)
      problems.push(
        `requestsPerSecond must be at least ${minimumPerSecond}, or 0 to pause: slower, an environment's turns are further apart than its functions may run`,
      );
  }
  if (problems.length > 0) throw new InputError(problems);
  return {
    paused: paused === true || rate === 0,
    ...((isAuto || (typeof rate === 'number' && rate > 0)) && { requestsPerSecond: rate }),
  };
}
