/** The seed that the command line asks for. */
import { readFileSync } from 'node:fs';
import type { Chain } from '../../shared/engine/chain/chain.ts';
import { allowedFor, defaultOf, isParamValue, type Params, type ParamValue } from '../../shared/engine/chain/params.ts';
import { ItemError } from '../../shared/engine/errors.ts';
import { idNamesOf, parseSeed } from '../../shared/engine/runs/seed.ts';
import { UsageError } from '../terminal/options.ts';

export type SeedOptions = { param?: readonly string[]; only?: readonly string[]; 'seed-file'?: string };

/**
 * @returns undefined when no option asks for one
 * @throws UsageError
 */
export function seedFrom(options: SeedOptions, chain: Chain): string | undefined {
  const { param = [], only = [], 'seed-file': file } = options;
  if (file !== undefined) {
    if (param.length + only.length > 0) throw new UsageError('Give --seed-file, or --param and --only, but not both.');
    return readSeedFile(file);
  }
  if (param.length + only.length === 0) return undefined;
  const ids = onlyFrom(only, chain);
  const seed = {
    ...(Object.keys(ids).length > 0 && { only: ids }),
    ...(param.length > 0 && { params: paramsFrom(param, chain) }),
  };
  return checkSeed(seed, chain);
}

/** `{}`: everything. @throws UsageError when the chain has a parameter that has to be given */
export function emptySeed(chain: Chain): string {
  return checkSeed({}, chain);
}

/** What the functions would refuse is refused here, before anything is packaged. */
function checkSeed(seed: object, chain: Chain): string {
  const body = JSON.stringify(seed);
  try {
    parseSeed(body, chain);
  } catch (error) {
    if (!(error instanceof ItemError)) throw error;
    throw new UsageError(`${error.message} Give --param NAME=VALUE and --only NAME=ID, or --seed-file FILE.`);
  }
  return body;
}

/** The seed as it is: a bad one is the chain's to refuse. */
function readSeedFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--seed-file ${file} can not be read (${code ?? 'unknown'}).`);
  }
}

/**
 * `name=value` texts as values of the types that the chain declares.
 * @throws UsageError
 */
export function paramsFrom(texts: readonly string[], { params: declared }: Chain): Params {
  const params: Record<string, ParamValue> = {};
  for (const text of texts) {
    const [name, value] = splitPair('--param', text);
    const declaration = Object.hasOwn(declared, name) ? declared[name] : undefined;
    if (declaration === undefined) {
      const names = Object.keys(declared);
      const known = names.length === 0 ? 'The chain has none' : `The chain has ${names.join(', ')}`;
      throw new UsageError(`There is no parameter ${JSON.stringify(name)}. ${known}.`);
    }
    if (Object.hasOwn(params, name)) throw new UsageError(`--param ${name} is given twice.`);
    const typed = typedValue(declaration.type, value);
    if (!isParamValue(declaration, typed))
      throw new UsageError(`--param ${name} must be ${allowedFor(declaration)}, not ${JSON.stringify(value)}.`);
    params[name] = typed;
  }
  return params;
}

/**
 * A run's parameters as its first function would fix them now.
 * @throws UsageError when one has to be given
 */
export function paramsWithDefaults(given: Params, { params: declared }: Chain, nowMs: number): Params {
  const entries = Object.entries(declared).map(([name, declaration]) => {
    const value = given[name] ?? defaultOf(declaration, nowMs);
    if (value === undefined) throw new UsageError(`Give --param ${name}=VALUE: ${allowedFor(declaration)}.`);
    return [name, value] as const;
  });
  return Object.fromEntries(entries);
}

function typedValue(type: string, text: string): ParamValue {
  if (type === 'number' && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function onlyFrom(texts: readonly string[], chain: Chain): Record<string, string[]> {
  const names = idNamesOf(chain);
  const only: Record<string, string[]> = {};
  for (const text of texts) {
    const [name, ids] = splitPair('--only', text);
    if (!names.includes(name)) {
      const known = names.length === 0 ? 'The chain has none' : `The chain has ${names.join(', ')}`;
      throw new UsageError(`There is no id ${JSON.stringify(name)}. ${known}.`);
    }
    only[name] = [...(only[name] ?? []), ...ids.split(',').filter((id) => id !== '')];
  }
  return only;
}

/** @throws UsageError */
export function splitPair(option: string, text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
  throw new UsageError(`${option} must be NAME=VALUE, not ${JSON.stringify(text)}.`);
}
