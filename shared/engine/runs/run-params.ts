/**
 * What a run was started with: its parameters, and the ids that its seed asks for below the first list. It is fixed when the seed
 * is first taken, in `params/<run>.json`: a run's levels are fetched over hours, and all of them have to ask for the same.
 */
import type { Chain } from '../chain/chain.ts';
import { paramsKey } from '../chain/keys.ts';
import { defaultOf, isRelative, type Params, type ParamValue } from '../chain/params.ts';
import { ItemError, TransientError } from '../errors.ts';
import type { Clock, ObjectStore } from '../ports.ts';
import { idNamesOf, type Seed } from './seed.ts';

export type RunParams = {
  params: Params;
  /** By the name of the id, without that of the first list: another seed of the run may ask for others of these. */
  only: Readonly<Record<string, readonly string[]>>;
};

type Fixed = RunParams & {
  /** The names of the parameters that the seed gave itself. */
  given: readonly string[];
};

/** The ids that a person lists by hand are at most some thousands. */
const maxRecordBytes = 5_000_000;

/** Reads the runs that an environment works on; there are few. */
const maxRuns = 50;

/**
 * @returns what the run was started with; with this seed, if it is the first
 * @throws ItemError `PARAMS_CHANGED` when the run was started with others
 */
export async function fixRunParams(
  run: string,
  seed: Seed,
  chain: Chain,
  deps: { store: ObjectStore; clock: Clock },
): Promise<RunParams> {
  const wanted = resolve(seed, chain, deps.clock.now(), undefined);
  const key = paramsKey(run);
  if ((await deps.store.create(key, JSON.stringify(wanted), {})) === 'created') return wanted;
  const fixed = await readFixed(key, chain, deps.store);
  if (fixed === undefined)
    throw new TransientError(
      'PARAMS_UNREADABLE',
      `The run's parameters can not be read: ${key} was deleted meanwhile.`,
    );
  const again = resolve(seed, chain, deps.clock.now(), fixed);
  const changes = [
    ...Object.keys(chain.params).filter((name) => again.params[name] !== fixed.params[name]),
    ...idNamesOf(chain)
      .filter((name) => !isSame(again.only[name], fixed.only[name]))
      .map((name) => `only.${name}`),
  ];
  if (changes.length === 0) return fixed;
  const was = changes.map(
    (name) =>
      `${name} was ${JSON.stringify(name.startsWith('only.') ? (fixed.only[name.slice(5)] ?? 'all') : fixed.params[name])}`,
  );
  throw new ItemError(
    'PARAMS_CHANGED',
    `The run ${run} was started with other parameters (${was.join(', ')}), and a run's parameters never change. Drop this seed under another name.`,
  );
}

/** @returns reads what a run was started with; one read a run is kept */
export function createRunParamsReader(
  chain: Chain,
  store: Pick<ObjectStore, 'get'>,
): (run: string) => Promise<RunParams> {
  const known = new Map<string, Promise<RunParams>>();
  return (run) => {
    const before = known.get(run);
    if (before !== undefined) return before;
    const reading = readFixed(paramsKey(run), chain, store).then((fixed) => fixed ?? withoutRecord(run, chain));
    // A read that failed is none.
    reading.catch(() => known.delete(run));
    const [oldest] = known.keys();
    if (known.size >= maxRuns && oldest !== undefined) known.delete(oldest);
    known.set(run, reading);
    return reading;
  };
}

/**
 * A run that version 0.1 began has no record; its chain had no parameters.
 * @throws ItemError `BAD_PARAMS` for a default that moves with time: nothing says when the run began
 */
function withoutRecord(run: string, chain: Chain): RunParams {
  const moving = Object.entries(chain.params).filter(
    ([, declaration]) => declaration.default !== undefined && isRelative(declaration, declaration.default),
  );
  if (moving.length > 0)
    throw new ItemError(
      'BAD_PARAMS',
      `There is no ${paramsKey(run)}, so that ${moving.map(([name]) => name).join(', ')} can not be told. Drop the seed again.`,
    );
  return { params: defaultsOf(chain, 0), only: {} };
}

function defaultsOf({ params }: Chain, nowMs: number): Params {
  const defaults = Object.entries(params).flatMap(([name, declaration]) => {
    const value = defaultOf(declaration, nowMs);
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(defaults);
}

/** @throws ItemError `BAD_PARAMS` when what is there was not written by `fixRunParams` */
async function readFixed(key: string, chain: Chain, store: Pick<ObjectStore, 'get'>): Promise<Fixed | undefined> {
  const object = await store.get(key, maxRecordBytes);
  if (object === undefined) return undefined;
  try {
    const { params, only, given } = JSON.parse(object.body) as Record<string, unknown>;
    const isFixed =
      isObject(params) &&
      isObject(only) &&
      Array.isArray(given) &&
      Object.values(only).every((ids) => Array.isArray(ids) && ids.every((id) => typeof id === 'string')) &&
      Object.values(params).every((value) => ['string', 'number', 'boolean'].includes(typeof value));
    // A parameter that the chain has got since has its default, as it was when the run began.
    if (isFixed)
      return {
        params: { ...defaultsOf(chain, object.modifiedMs), ...(params as Params) },
        only: only as RunParams['only'],
        given: given as string[],
      };
  } catch {
    // Reported below.
  }
  throw new ItemError(
    'BAD_PARAMS',
    `${key} does not hold a run's parameters as this chain declares them. Drop the seed under another name.`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param before what the run was started with: a default that moves with time stays what it was */
function resolve(seed: Seed, chain: Chain, nowMs: number, before: Fixed | undefined): Fixed {
  const params: Record<string, ParamValue> = {};
  for (const [name, declaration] of Object.entries(chain.params)) {
    const isMoving = declaration.default !== undefined && isRelative(declaration, declaration.default);
    const kept = isMoving && before?.given.includes(name) === false ? before.params[name] : undefined;
    const value = seed.params[name] ?? kept ?? defaultOf(declaration, nowMs);
    if (value !== undefined) params[name] = value;
  }
  const [first] = idNamesOf(chain);
  const only = Object.fromEntries(Object.entries(seed.only).filter(([name]) => name !== first));
  return { params, only, given: Object.keys(seed.params) };
}

function isSame(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const [one, other] = [new Set(a), new Set(b)];
  return one.size === other.size && [...one].every((id) => other.has(id));
}
