/** The options of `npm run simulate`, and what they mean together. */
import { flag, text, UsageError, whole, type Given } from '../../cli/terminal/options.ts';
import { faultNames, type FaultChoice, type FaultName } from './faults.ts';
import type { ChainChoice } from './chain-plan.ts';

export const command = 'npm run simulate --';

export const options = {
  schedules: whole(1, 100_000_000, 'how many bad days (default 1000)'),
  seed: whole(0, 2_000_000_000, 'the seed of the first one; each has the next (default 1)'),
  fault: text('NAME=ODDS,…', 'these faults happen so often, e.g. crash-after=0.1,event-dropped=0; --help lists them'),
  shrink: flag('make the first failing schedule smaller before it is shown'),
  keep: text('ID,…', 'only the faults with these ids happen: what --shrink prints'),
  levels: whole(1, 8, 'of every chain (default: each schedule draws its own)'),
  batch: whole(1, 1000, 'items in an object of the last level, where the chain can have batches (default: drawn)'),
  size: text('NxNx…', 'at most so many children of an item, by level from the top, e.g. 2x1'),
  'to-the-end': flag('do not stop at the first schedule that breaks a promise'),
  threads: whole(1, 64, 'schedules at the same time (default 2)'),
  core: text('DIR', 'try the shared/ folder in this one instead of the own'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  help: flag('this text'),
};

export type Options = Given<typeof options>;

/** @throws UsageError */
export function choiceOf({ fault, keep }: Options): FaultChoice {
  const odds: Partial<Record<FaultName, number>> = {};
  for (const setting of fault?.split(',') ?? []) {
    const [name = '', value = ''] = setting.split('=');
    if (!isFault(name)) throw new UsageError(`--fault ${name} is no fault. ${command} --help lists them.`);
    const share = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
    if (!(share <= 1)) throw new UsageError(`--fault ${name} needs odds from 0 to 1, not ${JSON.stringify(value)}.`);
    odds[name] = share;
  }
  const ids = keep?.split(',');
  const bad = ids?.find((id) => !/^[0-9a-f]{8}$/.test(id));
  if (bad !== undefined) throw new UsageError(`--keep ${bad} is no id of a fault: eight of 0-9 a-f.`);
  return { odds, ...(ids && { only: new Set(ids) }) };
}

/** @throws UsageError */
export function chainOf({ levels, size, batch }: Options): ChainChoice {
  if (size !== undefined && !/^[1-9]\d?(x[1-9]\d?)*$/.test(size))
    throw new UsageError(`--size must be like 4x2x2, each from 1 to 99, not ${JSON.stringify(size)}.`);
  return { levels, batch, size: size?.split('x').map(Number) };
}

function isFault(name: string): name is FaultName {
  return (faultNames as string[]).includes(name);
}
