/** An AWS that loses a share of S3's events and a share of what Lambda has accepted. */
import { createHash } from 'node:crypto';
import { type LocalAwsOptions, pseudoRandom } from '../../local-aws/index.ts';

export type LossOptions = {
  /** 0 to 1: of the keys, those whose first event S3 drops; the same ones for the same seed. */
  dropShare: number;
  /** 0 to 1: of the asynchronous events that Lambda has accepted. */
  loseShare: number;
  seed: number;
};

export function lossyFaults({
  dropShare,
  loseShare,
  seed,
}: LossOptions): Pick<LocalAwsOptions, 'notificationFaults' | 'lambdaFaults'> {
  const random = pseudoRandom(seed);
  const dropped = new Set<string>();
  const isChosen = (key: string): boolean =>
    createHash('sha256').update(`${seed} ${key}`).digest().readUInt32BE() / 2 ** 32 < dropShare;
  return {
    notificationFaults: {
      drop(key) {
        if (dropped.has(key) || !isChosen(key)) return false;
        dropped.add(key);
        return true;
      },
    },
    lambdaFaults: { loseAcceptedEvent: () => random() < loseShare },
  };
}
