/**
 * Mistakes in a chain that a deployment has to refuse, each in the schedule's own chain: with it there is one problem, which names the
 * place, and without it there is none. Next to each stands the nearest that is allowed.
 */
import type { ChainSpec, LevelSpec } from '../../shared/engine/chain/chain.ts';
import type { ParamDeclaration } from '../../shared/engine/chain/params.ts';
import type { ChainPlan } from './chain-plan.ts';
import type { Core } from './core.ts';

/** A text that the problem has in it; undefined: it is allowed. */
type Attempt = { spec: ChainSpec; about: string | undefined };

const letters = (count: number): string => 'a'.repeat(count);

/** @returns what is wrong with how mistakes are found; undefined: nothing */
export function chainMistake(core: Core, { spec }: ChainPlan): string | undefined {
  const attempts = [...levelAttempts(spec), ...shapeAttempts(spec), ...paramAttempts(spec)];
  for (const { spec: tried, about } of attempts) {
    const problems = core.chainProblems(tried);
    const isRight = about === undefined ? problems.length === 0 : problems.length === 1 && problems[0]?.includes(about);
    if (isRight !== true || isRefused(core, tried) !== (about !== undefined))
      return `the chain ${JSON.stringify(tried)} should have ${about === undefined ? 'no problem' : `one about ${about}`}, and has ${JSON.stringify(problems)}`;
  }
  return undefined;
}

function isRefused({ checkedChain }: Core, spec: ChainSpec): boolean {
  try {
    checkedChain(spec);
    return false;
  } catch {
    return true;
  }
}

/** Of the last level, and of the first where it is a list. */
function levelAttempts({ levels, params }: ChainSpec): Attempt[] {
  const change = (at: number, changed: Partial<LevelSpec>): ChainSpec => ({
    levels: levels.map((level, index) => (index === at ? { ...level, ...changed } : level)),
    params,
  });
  const last = levels.length - 1;
  const result: [Partial<LevelSpec>, string | undefined][] = [
    [{ name: letters(32), prefix: 'P' }, undefined],
    [{ name: letters(33), prefix: 'P' }, 'name must be'],
    [{ name: 'Contents' }, 'name must be'],
    [{ name: '', prefix: 'P' }, `level ${last + 1}: name must be`],
    [{ name: '9x' }, 'name must be'],
    [{ prefix: letters(64) }, undefined],
    [{ prefix: letters(65) }, 'prefix must be'],
    [{ prefix: '_x' }, 'prefix must be'],
    [{ prefix: 'a/b' }, 'prefix must be'],
    ...[
      'seeds',
      'receipts',
      'failures',
      'runs',
      'params',
      'finished',
      'control',
      'publications',
      'pieces',
      'tables',
    ].map((prefix): [Partial<LevelSpec>, string] => [{ prefix }, `prefix must not be ${prefix}`]),
    ...['publish', 'publish_piece'].map((name): [Partial<LevelSpec>, string] => [
      { name, prefix: 'P' },
      `name must not be ${name}`,
    ]),
    [{ name: 'runs', prefix: undefined }, 'name must not be runs'],
    [{ id: 'of' }, 'id is for lists only'],
    [
      { children: 'many', id: 'last', suffix: undefined, batch: undefined, callsInFlight: undefined },
      'must be a result',
    ],
    [{ suffix: '.csv.gz' }, undefined],
    [{ suffix: 'csv' }, 'suffix must be'],
    [{ suffix: '.CSV' }, 'suffix must be'],
    [{ suffix: '.' }, 'suffix must be'],
    ...[1, 2, 1000].map((batch): [Partial<LevelSpec>, undefined] => [{ batch }, undefined]),
    ...[0, 1001, 1.5].map((batch): [Partial<LevelSpec>, string] => [
      { batch },
      'batch must be a whole number from 1 to 1000',
    ]),
    ...[1, 100].map((callsInFlight): [Partial<LevelSpec>, undefined] => [{ batch: 2, callsInFlight }, undefined]),
    ...[0, 101, 1.5].map((callsInFlight): [Partial<LevelSpec>, string] => [
      { callsInFlight },
      'callsInFlight must be a whole number from 1 to 100',
    ]),
    [{ environments: 1 }, undefined],
    [{ environments: 0 }, 'environments must be'],
    [{ environments: 1.5 }, 'environments must be'],
  ];
  const list: [Partial<LevelSpec>, string | undefined][] = [
    [{ children: 'one', id: undefined }, 'must be a list'],
    [{ suffix: '.json' }, 'suffix is for results only'],
    [{ batch: 2 }, 'batch is for results only'],
    [{ callsInFlight: 2 }, 'callsInFlight is for batches only'],
    ...['fetched_at', 'data'].map((id): [Partial<LevelSpec>, string] => [{ id }, `id must not be ${id}`]),
    [{ id: undefined }, 'id is missing'],
    [{ id: letters(32) }, undefined],
    ...[letters(33), '9x', 'a-b', '', 'run', 'params', 'item', 'constructor'].map(
      (id): [Partial<LevelSpec>, string] => [{ id }, 'id must be'],
    ),
  ];
  return [
    ...result.map(([changed, about]) => ({ spec: change(last, changed), about })),
    ...(last === 0 ? [] : list.map(([changed, about]) => ({ spec: change(0, changed), about }))),
  ];
}

/** Of several levels together. */
function shapeAttempts({ levels, params }: ChainSpec): Attempt[] {
  const result: LevelSpec = { name: 'contents', children: 'one' };
  const lists = (count: number): LevelSpec[] =>
    Array.from({ length: count }, (_, at) => ({ name: `l${at}`, children: 'many' as const, id: `i${at}` }));
  const two = (first: Partial<LevelSpec>, second: Partial<LevelSpec>): ChainSpec => {
    const [a, b] = lists(2);
    return { levels: [{ ...a, ...first } as LevelSpec, { ...b, ...second } as LevelSpec, result], params };
  };
  return [
    { spec: { levels, params }, about: undefined },
    { spec: { levels: [], params }, about: 'levels: a chain has 1 to 8 levels, not 0' },
    { spec: { levels: [...lists(7), result] }, about: undefined },
    { spec: { levels: [...lists(8), result] }, about: 'levels: a chain has 1 to 8 levels, not 9' },
    { spec: two({ name: 'x' }, { name: 'x' }), about: 'name is taken by a level above' },
    { spec: two({ name: 'x', prefix: 'p' }, { name: 'x', prefix: 'q' }), about: 'name is taken by a level above' },
    { spec: two({ name: 'a1' }, { name: 'a_1' }), about: 'makes the function fetchA1' },
    { spec: two({}, { prefix: 'l0' }), about: 'prefix is the prefix of a level above' },
    { spec: two({ prefix: 'l1' }, {}), about: 'name is the prefix of a level above' },
    { spec: two({ prefix: 'l0' }, {}), about: undefined },
    { spec: two({}, { id: 'i0' }), about: 'id is taken by a level above' },
  ];
}

function paramAttempts({ levels }: ChainSpec): Attempt[] {
  const one = (name: string, declaration: object): ChainSpec => ({
    levels,
    params: { [name]: declaration as ParamDeclaration },
  });
  const name = 'must be named';
  const value = 'default must be';
  const tried: [string, object, string | undefined][] = [
    [letters(32), { type: 'text' }, undefined],
    [letters(33), { type: 'text' }, name],
    ['9x', { type: 'text' }, name],
    ['constructor', { type: 'text' }, name],
    ['a', { type: 'date' }, 'type must be'],
    ['a', { type: 'text', default: '' }, undefined],
    ['a', { type: 'text', default: 5 }, value],
    ['a', { type: 'text', default: 'now' }, undefined],
    ['a', { type: 'number', default: 0 }, undefined],
    ['a', { type: 'number', default: '5' }, value],
    ['a', { type: 'number', default: Infinity }, value],
    ['a', { type: 'boolean', default: false }, undefined],
    ['a', { type: 'boolean', default: 'true' }, value],
    ['a', { type: 'timestamp', default: '2026-11-20' }, undefined],
    ['a', { type: 'timestamp', default: '2026-11-20T00:00:00.5+01:00' }, undefined],
    ['a', { type: 'timestamp', default: '2026-13-20' }, value],
    ['a', { type: 'timestamp', default: 'yesterday' }, value],
    ['a', { type: 'timestamp', default: 5 }, value],
    ...['now', 'now-90s', 'now-15m', 'now-1h', 'now-7d'].map((usual): [string, object, undefined] => [
      'a',
      { type: 'timestamp', default: usual },
      undefined,
    ]),
    ['a', { type: 'timestamp', default: 'now+1h' }, value],
    ['a', { type: 'timestamp', default: 'now-1w' }, value],
    ['a', { type: 'number', default: 'now' }, value],
  ];
  return tried.map(([of, declaration, about]) => ({ spec: one(of, declaration), about }));
}
