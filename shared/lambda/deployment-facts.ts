/** What the function `status` says of its deployment: all that a command needs to read the bucket as the deployment does. */
import type { Chain, Level } from '../engine/chain/chain.ts';
import type { RatePlace } from '../engine/rate/rate-place.ts';
import type { RateLimits } from '../engine/rate/rate-setting.ts';

export type DeploymentFacts = {
  bucket: string;
  levels: readonly Level[];
  params: Chain['params'];
  rate: RateLimits;
  /** Absent: the rate is shared with no other stage. */
  ratePlace?: RatePlace;
  maxFreezeMs: number;
  /** After this, no event of an open item can be alive, in milliseconds. */
  lostAfterMs: number;
  /** How long Lambda may still retry an item after its failure was noted, in milliseconds. */
  retryingForMs: number;
};
