/**
 * The chain of a schedule, drawn with its names, prefixes, suffix and parameters; none of them is any API's. The model's own table
 * is made here, and not by the engine, so that a mistake there is not repeated.
 */
import type { ChainSpec } from '../../shared/engine/chain/chain.ts';
import type { ParamDeclaration } from '../../shared/engine/chain/params.ts';
import type { Faults } from './faults.ts';

/** A level as the README's table has it. */
export type Row = {
  level: string;
  /** The prefix of its items. */
  reads: string;
  /** The prefix of what its items become. */
  writes: string;
  /** What its children's id is called; undefined for the last level. */
  id: string | undefined;
  /** What the keys of its children end with. */
  suffix: string;
};

/** What the results are: one JSON or another text an item, or lines of JSON. */
export type ResultKind = 'json' | 'csv' | 'lines';

/** At most so many children of an item, by level from the top. */
export type Size = readonly number[];

export type ChainPlan = {
  spec: ChainSpec;
  rows: readonly Row[];
  size: Size;
  /** What a seed may set. */
  params: Readonly<Record<string, ParamDeclaration>>;
  /** The last level asks with a part of its item, so that it has to read it. */
  readsItems: boolean;
  /** Most items in an object of the last level; 1: each item is an object of its own. */
  batch: number;
  /** Of an environment of the last level. */
  callsInFlight: number;
  results: ResultKind;
};

const lists = [
  ['regions', 'region'],
  ['cities', 'city'],
  ['streets', 'street'],
  ['houses', 'house'],
  ['rooms', 'room'],
  ['shelves', 'shelf'],
  ['boxes', 'box'],
] as const;

/** Most children by the number of lists, so that a tree has some dozens of items whatever its depth. */
const usualSizes: readonly Size[] = [
  [],
  [9],
  [6, 6],
  [4, 4, 4],
  [4, 3, 3, 2],
  [3, 3, 2, 2, 2],
  [3, 2, 2, 2, 2, 2],
  [2, 2, 2, 2, 2, 2, 2],
];

/** In half of the schedules each item is an object of its own; few have batches so large that not each is full at once. */
const batches = [1, 1, 2, 3, 4, 5, 6, 7, 20] as const;
const largeBatch = 20;

/** Twice the four of most schedules of before, so that their seeds stay comparable in size. */
const levelCounts = [1, 2, 2, 3, 4, 4, 4, 4, 5, 6, 7, 8] as const;

export type ChainChoice = {
  /** Absent: drawn. */
  levels?: number | undefined;
  /** Absent: the usual for the number of levels. */
  size?: Size | undefined;
  /** Absent: drawn. A chain of one level, and one whose results are not JSON, have none whatever is asked for. */
  batch?: number | undefined;
};

export function drawChain(faults: Faults, choice: ChainChoice = {}): ChainPlan {
  const site = faults.site('chain');
  const count = choice.levels ?? faults.pick(site, 'levels', levelCounts);
  const names = lists.slice(0, count - 1);
  const usual = usualSizes[names.length] ?? [];
  const params = drawParams(faults);
  const result = drawResult(faults, names.length);
  const batch = count === 1 || result.suffix !== undefined ? 1 : (choice.batch ?? drawBatch(faults));
  const callsInFlight = batch > 1 ? drawCalls(faults) : 1;
  const levels: ChainSpec['levels'] = [
    ...names.map(([name, id], index) => ({ name, children: 'many' as const, id, prefix: drawPrefix(faults, index) })),
    {
      name: 'contents',
      children: 'one' as const,
      ...result,
      ...(batch > 1 && { batch, callsInFlight }),
    },
  ];
  return {
    spec: { levels, params },
    rows: rowsOf(levels),
    size: (batch < largeBatch ? usual : wideSize(usual)).map((most, depth) => choice.size?.[depth] ?? most),
    params,
    readsItems: faults.between(site, 'reads items', 0, 3) === 0,
    batch,
    callsInFlight,
    results: batch > 1 ? 'lines' : result.suffix === undefined ? 'json' : 'csv',
  };
}

function drawBatch(faults: Faults): number {
  return faults.pick(faults.site('batch'), 'items', batches);
}

function drawCalls(faults: Faults): number {
  return faults.pick(faults.site('calls in flight'), 'calls', [1, 2, 10]);
}

/** A tree in which some parents have more children than a large batch holds. */
function wideSize(usual: Size): Size {
  return usual.map((_, depth) => (depth === usual.length - 1 ? largeBatch + 4 : depth < 2 ? 2 : 1));
}

/** Some prefixes differ from their level's name, and some begin like another one. */
function drawPrefix(faults: Faults, index: number): string | undefined {
  const site = faults.site(`prefix ${index}`);
  return faults.pick(site, 'prefix', [undefined, undefined, undefined, `contents_${index}`, `${index}-List`]);
}

function drawResult(faults: Faults, index: number): { prefix: string | undefined; suffix: string | undefined } {
  const site = faults.site(`prefix ${index}`);
  return {
    prefix: faults.pick(site, 'prefix', [undefined, undefined, 'regions-out', 'R']),
    suffix: faults.pick(site, 'suffix', [undefined, undefined, '.csv']),
  };
}

function drawParams(faults: Faults): ChainPlan['params'] {
  const site = faults.site('params');
  return faults.pick<ChainPlan['params']>(site, 'params', [
    {},
    {},
    { since: { type: 'timestamp', default: 'now-1d' } },
    {
      zone: { type: 'text' },
      detail: { type: 'boolean', default: false },
      since: { type: 'timestamp', default: 'now' },
    },
  ]);
}

function rowsOf(levels: ChainSpec['levels']): Row[] {
  let reads = 'seeds';
  return levels.map(({ name, prefix, id, suffix }) => {
    const row = { level: name, reads, writes: prefix ?? name, id, suffix: suffix ?? '.json' };
    reads = row.writes;
    return row;
  });
}
