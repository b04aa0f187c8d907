/** The command line of those commands that fetch from a source: which source, from where, and all options together. */
import { resolve } from 'node:path';
import { readOptions, refuseSwallowed, UsageError, type Given, type GivenValue } from '../terminal/options.ts';
import { checkUrl, takeToken } from './api.ts';
import { sourceHelp, type sourceOptions } from './options.ts';
import { readRunFile, type RunSettings } from './run-file.ts';
import { loadSource, peekOption, selectedSource, withFakeOptions, type Source } from './source.ts';
import type { OptionTable } from '../terminal/options.ts';

type Common = typeof sourceOptions & { 'data-dir'?: { kind: 'text'; value: string; help: string } };

export type LocalCommand<Options extends OptionTable> = {
  options: Given<Options>;
  source: Source;
  /** Of `--help`, when it is asked for. */
  help: string | undefined;
  /** The secret of the API at the URL; '' for none. */
  token: string;
  /** Absolute. */
  dataDir: string | undefined;
  /** What the data folder holds. */
  remembered: RunSettings | undefined;
  /** Given now. */
  url: string | undefined;
  /** Options of the source's fake that were given; and of these, those that decide which data it serves. */
  given: Record<string, GivenValue>;
  data: RunSettings['data'];
};

/**
 * Reads the command line, and takes the secret out of the environment.
 * @param command how the user typed it, for the messages
 * @param intro of the help
 * @throws UsageError
 */
export async function readLocalCommand<Options extends OptionTable & Common>(
  table: Options,
  command: string,
  intro: { before: string; after?: string },
): Promise<LocalCommand<Options>> {
  const token = takeToken(process.env);
  const args = process.argv.slice(2);
  refuseSwallowed(table, process.env, command);
  const folder = 'data-dir' in table ? peekOption(args, 'data-dir') : undefined;
  const dataDir = folder === undefined || folder === '' ? undefined : resolve(folder);
  const remembered = dataDir === undefined ? undefined : readRunFile(dataDir);
  const source = await loadSource(peekOption(args, 'source') ?? remembered?.source ?? selectedSource());
  const whole = withFakeOptions(table, source);
  refuseSwallowed(whole, process.env, command);
  const options = readOptions(whole, args, command);
  const all: Readonly<Record<string, GivenValue | undefined>> = options;
  const url = typeof all['url'] === 'string' ? checkUrl(all['url']) : undefined;
  const given = fakeGiven(all, source, url ?? remembered?.url);
  const ofData = Object.entries(given).filter(([name]) => Object.hasOwn(source.fake?.data ?? {}, name));
  return {
    options,
    source,
    help: all['help'] === true ? `${intro.before}\n\n${sourceHelp(whole, source)}\n${intro.after ?? ''}` : undefined,
    token,
    dataDir,
    remembered,
    url,
    given,
    data: Object.fromEntries(ofData) as RunSettings['data'],
  };
}

/**
 * The options that are the fake's, of all that were given.
 * @throws UsageError when there are any together with an address
 */
function fakeGiven(
  all: Readonly<Record<string, GivenValue | undefined>>,
  { fake }: Source,
  url: string | undefined,
): Record<string, GivenValue> {
  const given = Object.entries(all).filter(([name]) => Object.hasOwn(fake?.options ?? {}, name));
  if (url !== undefined && given[0] !== undefined)
    throw new UsageError(`--${given[0][0]} is an option of the fake ${fake?.name ?? ''}: it does nothing with --url.`);
  return Object.fromEntries(given) as Record<string, GivenValue>;
}

/** What the fake of a source serves unless it is told otherwise. */
export function defaultData({ fake }: Source): RunSettings['data'] {
  return { ...fake?.data } as RunSettings['data'];
}
