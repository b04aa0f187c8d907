/**
 * `run.json` in a data folder: which run it holds and the tree that it is of, so that a second start on the folder goes on
 * with the same run. Faults are not kept: a Hermes that failed may have recovered.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultSizes } from './run-options.ts';
import { UsageError } from '../terminal/options.ts';

/** What makes a run and its tree. */
export type RunSettings = { run: string; troops: number; warriors: number; groups: number; hostile: boolean };

const names = ['run', 'troops', 'warriors', 'groups', 'hostile'] as const;

/**
 * What is given, else what the folder remembers, else the defaults.
 * @throws UsageError when something is given that differs from what the folder remembers, or `run.json` can't be read
 */
export function settleRun(
  given: { [Name in keyof RunSettings]?: RunSettings[Name] | undefined },
  dataDir: string | undefined,
  today: string,
): RunSettings & { isResumed: boolean } {
  const remembered = dataDir === undefined ? undefined : readRunFile(dataDir);
  for (const name of names) {
    if (remembered === undefined || given[name] === undefined || given[name] === remembered[name]) continue;
    throw new UsageError(
      `The folder ${dataDir ?? ''} holds a run with --${name} ${String(remembered[name])}, not ${String(given[name])}: leave --${name} out to go on with it, or choose another --data-dir.`,
    );
  }
  if (remembered !== undefined) return { ...remembered, isResumed: true };
  const { troops, warriors, groups } = defaultSizes;
  const fresh = { run: today, troops, warriors, groups, hostile: false };
  const wanted = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { ...fresh, ...wanted, isResumed: false };
}

/** Written before the seed is dropped. */
export function writeRunFile(dataDir: string, settings: RunSettings): void {
  const { run, troops, warriors, groups, hostile } = settings;
  writeFileSync(join(dataDir, 'run.json'), `${JSON.stringify({ run, troops, warriors, groups, hostile }, null, 2)}\n`);
}

/** undefined: the folder holds no run yet. @throws UsageError */
function readRunFile(dataDir: string): RunSettings | undefined {
  const file = join(dataDir, 'run.json');
  let written: string;
  try {
    written = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A folder that is no folder is the engine's to refuse.
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new UsageError(`${file} can not be read (${code ?? 'unknown'}).`);
  }
  try {
    const value: unknown = JSON.parse(written);
    if (isRunSettings(value)) return value;
  } catch {
    // Reported below, with what to do.
  }
  throw new UsageError(`${file} is not what was written there; choose another --data-dir, or delete the folder.`);
}

function isRunSettings(value: unknown): value is RunSettings {
  if (typeof value !== 'object' || value === null) return false;
  const settings = value as Record<string, unknown>;
  return (
    typeof settings['run'] === 'string' &&
    typeof settings['hostile'] === 'boolean' &&
    [settings['troops'], settings['warriors'], settings['groups']].every(Number.isSafeInteger)
  );
}
