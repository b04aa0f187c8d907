/** The options of `npm start` and `npm run local`: their tables, their defaults, and what they mean together. */
import { tokenSecret } from './local-hermes.ts';
import { flag, number, text, UsageError, whole, type Given } from '../terminal/options.ts';

/** 1 + 10 + 10 x 20 + 10 x 20 x 9 = 2,011 calls. */
export const defaultSizes = { troops: 10, warriors: 20, groups: 9 };
export const defaultTimeScale = 60;
export const defaultServePort = 4566;

const sizeOptions = {
  troops: whole(0, 100_000, `troops that Hermes serves (default ${defaultSizes.troops})`),
  warriors: whole(0, 100_000, `warriors of each troop (default ${defaultSizes.warriors})`),
  groups: whole(0, 100_000, `data groups of each warrior (default ${defaultSizes.groups})`),
  hostile: flag('every third id is one that breaks careless crawlers: slashes, dots, emoji, 200 characters'),
};

const faultOptions = {
  'latency-ms': number(0, 600_000, 'Hermes waits so long before each answer (default 0)'),
  'fail-rate': number(0, 1, 'the share of calls that Hermes fails at random (default 0)'),
  'fail-forever': whole(0, 1_000_000, 'so many calls fail every time they are made (default 0)'),
  'rate-limit': whole(
    0,
    1_000_000,
    'Hermes answers 429 with Retry-After above so many calls a second (default 0: never)',
  ),
};

const deploymentOptions = {
  rate: number(0.1, 100_000, 'requests a second to the API, of all levels together (default: unlimited)'),
  trigger: text('MODE', 'what starts the functions: direct, S3 itself, or queue, a queue a level (default: direct)'),
};

const engineOptions = {
  'time-scale': whole(
    1,
    1_000_000,
    `Lambda's waits (60 s before the first retry, 120 s before the second, …) are so many times shorter (default ${defaultTimeScale})`,
  ),
  environments: whole(
    1,
    256,
    'execution environments at once, each of them a thread (default: 4, with a rate as many as it takes, up to 32)',
  ),
};

export const startOptions = {
  ...sizeOptions,
  run: text('NAME', "the run's name: 1 to 64 of A-Z a-z 0-9 _ - (default: today's date)"),
  'seed-file': text('FILE', 'dropped as the seed as it is (default: {}, which fetches everything)'),
  ...faultOptions,
  ...deploymentOptions,
  'data-dir': text('DIR', 'keep everything in this folder; started again on it, the run goes on where it was'),
  keep: flag('keep the temporary folder that is used without --data-dir'),
  ...engineOptions,
  port: whole(0, 65_535, 'port of the engine on 127.0.0.1 (default: any free one)'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  help: flag('this text'),
};

export const serveOptions = {
  'data-dir': text('DIR', 'keep everything in this folder (default: in memory, gone at the end)'),
  port: whole(0, 65_535, `port on 127.0.0.1 (default ${defaultServePort}; 0 for any free one)`),
  'hermes-url': text('URL', 'fetch from this API instead of a local Hermes'),
  ...sizeOptions,
  ...faultOptions,
  ...deploymentOptions,
  ...engineOptions,
  help: flag('this text'),
};

/**
 * What is deployed locally: with the parameters that `sls deploy` would be given.
 * @throws UsageError
 */
export function deploymentParams({ rate, trigger = 'direct' }: Pick<Given<typeof startOptions>, 'rate' | 'trigger'>) {
  if (trigger !== 'direct' && trigger !== 'queue')
    throw new UsageError(`--trigger must be direct or queue, not ${JSON.stringify(trigger)}.`);
  return { hermesRate: String(rate ?? 'unlimited'), trigger, hermesTokenSecret: tokenSecret };
}

/** Today where the person is, as `2026-11-20`. */
export function todaysRun(now: Date): string {
  const pad = (part: number): string => String(part).padStart(2, '0');
  return `${now.getFullYear()}-${pad(now.getMonth() + 1)}-${pad(now.getDate())}`;
}
