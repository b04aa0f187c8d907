/**
 * `run.json` in a data folder: which run it holds, and what it is fetched from, so that a second start on the folder continues
 * the same run. A fake's faults are not kept: an API that failed may have recovered.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../terminal/options.ts';

type Value = number | string | boolean;

export type RunSettings = {
  source: string;
  run: string;
  /** Absent: the source's fake. */
  url?: string | undefined;
  /** What decides which data the fake serves, by the names of its options. */
  data: Readonly<Record<string, Value>>;
  /** The seed's text. */
  seed: string;
};

/** Only what was asked for. */
export type WantedRun = { [Name in keyof RunSettings]?: RunSettings[Name] | undefined };

/**
 * What is given, else what the folder remembers, else the defaults.
 * @param remembered by the folder
 * @throws UsageError when something is given that differs from what the folder remembers
 */
export function settleRun(
  given: WantedRun,
  remembered: RunSettings | undefined,
  defaults: RunSettings,
  dataDir = '',
): RunSettings & { isResumed: boolean } {
  if (remembered === undefined) {
    const { url } = given;
    const data = url === undefined ? { ...defaults.data, ...given.data } : {};
    const { source = defaults.source, run = defaults.run, seed = defaults.seed } = given;
    return { source, run, ...(url !== undefined && { url }), data, seed, isResumed: false };
  }
  const refuse = (option: string, was: string, is: string): never => {
    throw new UsageError(
      `The folder ${dataDir} holds a run with ${was}, not ${is}: leave ${option} out to continue it, or choose another --data-dir.`,
    );
  };
  for (const name of ['source', 'run', 'url'] as const) {
    const [was, is] = [remembered[name], given[name]];
    if (is !== undefined && is !== was)
      refuse(`--${name}`, was === undefined ? `no --${name}` : `--${name} ${was}`, is);
  }
  for (const [name, is] of Object.entries(given.data ?? {})) {
    const was = remembered.data[name];
    if (is !== was) refuse(`--${name}`, `--${name} ${String(was)}`, String(is));
  }
  if (given.seed !== undefined && given.seed !== remembered.seed)
    refuse('the options of the seed', 'another seed', 'the one that is given');
  return { ...remembered, isResumed: true };
}

/** Written before the seed is dropped. */
export function writeRunFile(dataDir: string, { source, run, url, data, seed }: RunSettings): void {
  writeFileSync(join(dataDir, 'run.json'), `${JSON.stringify({ source, run, url, data, seed }, null, 2)}\n`);
}

/** undefined: the folder holds no run yet. @throws UsageError */
export function readRunFile(dataDir: string): RunSettings | undefined {
  const file = join(dataDir, 'run.json');
  let written: string;
  try {
    written = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Something else than a folder is the engine's to refuse.
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new UsageError(`${file} can not be read (${code ?? 'unknown'}).`);
  }
  try {
    const value: unknown = JSON.parse(written);
    if (isRunSettings(value)) return value;
  } catch {
    // Reported below, with what to do.
  }
  throw new UsageError(
    `${file} is not what this version writes there; choose another --data-dir, or delete the folder.`,
  );
}

function isRunSettings(value: unknown): value is RunSettings {
  if (typeof value !== 'object' || value === null) return false;
  const { source, run, url, data, seed } = value as Record<string, unknown>;
  return (
    typeof source === 'string' &&
    typeof run === 'string' &&
    typeof seed === 'string' &&
    (url === undefined || typeof url === 'string') &&
    typeof data === 'object' &&
    data !== null &&
    Object.values(data).every((each) => ['number', 'string', 'boolean'].includes(typeof each))
  );
}
