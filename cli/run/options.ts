/** The options of `npm start` and `npm run local`: their tables, their defaults, and what they mean together. */
import {
  flag,
  helpOf,
  list,
  numberOr,
  text,
  UsageError,
  whole,
  type Given,
  type OptionTable,
} from '../terminal/options.ts';
import { tokenSecret, tokenVariable } from './api.ts';
import type { Source } from './source.ts';

export const defaultTimeScale = 60;
export const defaultServePort = 4566;
export const defaultPagePort = 4580;

export const sourceOptions = {
  source: text('NAME', 'the API to fetch, a folder of sources/ (default: the one that serverless.yml selects)'),
  url: text('URL', "where the API is (default: the source's own fake of it)"),
};

export const seedOptions = {
  param: list('NAME=VALUE', "a parameter of the chain, in the run's seed; for each one"),
  only: list('NAME=ID,ID', 'fetch only these ids, by the name of the id; for each name'),
};

const deploymentOptions = {
  rate: numberOr(
    'auto',
    0.1,
    100_000,
    'requests a second to the API, of all levels together; auto: what the API says that it allows (default: unlimited)',
  ),
  trigger: text(
    'MODE',
    'what starts the functions: direct, S3 itself, or queue, a queue for each level (default: direct)',
  ),
};

const engineOptions = {
  'time-scale': whole(
    1,
    1_000_000,
    `Lambda's waits (60 s before the first retry, 120 s before the second, …) are this many times shorter (default ${defaultTimeScale})`,
  ),
  environments: whole(
    1,
    256,
    'execution environments at once, each of them a thread (default: 4, with a rate as many as it takes, up to 32)',
  ),
};

export const startOptions = {
  ...sourceOptions,
  run: text('NAME', "the run's name: 1 to 64 of A-Z a-z 0-9 _ - (default: today's date)"),
  ...seedOptions,
  'seed-file': text('FILE', 'dropped as the seed as it is (default: {}, which fetches everything)'),
  ...deploymentOptions,
  'data-dir': text('DIR', 'keep everything in this folder; started again on it, the run continues where it was'),
  keep: flag('keep the temporary folder that is used without --data-dir'),
  out: text('DIR', "copy the run's tables and results to this folder as ordinary files"),
  ...engineOptions,
  port: whole(0, 65_535, 'port of the engine on 127.0.0.1 (default: any free one)'),
  page: flag('serve a page of the run, open it, and stay until Ctrl-C'),
  'page-port': whole(0, 65_535, 'port of the page on 127.0.0.1 (default: any free one)'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  help: flag('this text'),
};

export const serveOptions = {
  ...sourceOptions,
  'data-dir': text('DIR', 'keep everything in this folder (default: in memory, gone at the end)'),
  port: whole(0, 65_535, `port on 127.0.0.1 (default ${defaultServePort}; 0 for any free one)`),
  'page-port': whole(
    0,
    65_535,
    `port of the page of the runs (default ${defaultPagePort}; with --port 0 any free one)`,
  ),
  ...deploymentOptions,
  ...engineOptions,
  help: flag('this text'),
};

/** Of `npm run local`. An engine on any free port has its page on any free one. */
export function pagePort({ port, 'page-port': page }: Pick<Given<typeof serveOptions>, 'port' | 'page-port'>): number {
  return page ?? (port === 0 ? 0 : defaultPagePort);
}

/** A command's options, and those of the source's fake under a line of their own. */
export function sourceHelp(options: OptionTable, { name, fake }: Source): string {
  const own = Object.fromEntries(Object.entries(options).filter(([each]) => !Object.hasOwn(fake?.options ?? {}, each)));
  const secret = `The secret of the API at --url is taken from the environment variable ${tokenVariable}.`;
  const fakeHelp =
    fake === undefined
      ? `The source ${name} has no fake of its API, so --url is required.`
      : `Without --url, a fake ${fake.name} is fetched from (source ${name}):\n\n${helpOf(fake.options)}`;
  return `${helpOf(own)}\n\n${fakeHelp}\n\n${secret}`;
}

/**
 * What is deployed locally: with the parameters that `sls deploy` would be given.
 * @throws UsageError
 */
export function deploymentParams(
  source: Pick<Source, 'name'>,
  { rate, trigger = 'direct' }: Pick<Given<typeof startOptions>, 'rate' | 'trigger'>,
): Record<string, string> {
  if (trigger !== 'direct' && trigger !== 'queue')
    throw new UsageError(`--trigger must be direct or queue, not ${JSON.stringify(trigger)}.`);
  return { source: source.name, rate: String(rate ?? 'unlimited'), trigger, apiTokenSecret: tokenSecret };
}

/** Today where the person is, as `2026-11-20`. */
export function todaysRun(now: Date): string {
  const pad = (part: number): string => String(part).padStart(2, '0');
  return `${now.getFullYear()}-${pad(now.getMonth() + 1)}-${pad(now.getDate())}`;
}
