/**
 * The chain: its levels from the seed down, each declared once. What a level reads, the ids in its items' keys, its function's
 * name and its share of the rate follow from the list. The engine gets a chain as an argument and knows no other.
 */
import type { TableSpec } from '../publish/table-spec.ts';
import type { ParamDeclaration } from './params.ts';

export type Level = {
  /** Its name in commands, receipts, failure notes, queues and logs. */
  name: string;
  /** The prefix whose objects are this level's items: `seeds`, or what the level above writes. */
  reads: string;
  /** The names of the ids in an item's key, after the run, from the top down. */
  ids: readonly string[];
  /** The prefix of its items' children. */
  writes: string;
  /** What the keys under `writes` end with, e.g. `.json`. */
  suffix: string;
  /** What the keys of its items end with; undefined: `.json`. */
  itemSuffix?: string | undefined;
  /** The table that what it writes is published as; undefined: none. */
  table?: TableSpec | undefined;
  /** Its Lambda function, as `sls invoke -f` names it. */
  function: string;
  /** `many`: an item becomes a list of items of the next level. `one`: an item becomes one result; the last level only. */
  children: 'many' | 'one';
  /** The name of the level that reads what this one writes; undefined for the last. */
  next: string | undefined;
  /** Its part of the rate, to the sum of all weights. */
  weight: number;
  /** How many of its environments run at once; undefined: as many as its share of the rate takes. */
  environments: number | undefined;
};

export type Chain = {
  /** From the seed down; at least one. */
  levels: readonly Level[];
  /** What a seed may set, by name. */
  params: Readonly<Record<string, ParamDeclaration>>;
};

/** A level as it is declared. */
export type LevelSpec = {
  name: string;
  /** Where its children go. Default: its name. */
  prefix?: string | undefined;
  children: 'many' | 'one';
  /** The name of its children's id; for `many` only. */
  id?: string | undefined;
  /** For `one` only. Default `.json`. */
  suffix?: string | undefined;
  /** Default: what it writes becomes no table. */
  table?: TableSpec | undefined;
  /** Default: 85 of 100 for the last level, the rest in equal parts. */
  weight?: number | undefined;
  environments?: number | undefined;
};

export type ChainSpec = {
  levels: readonly LevelSpec[];
  params?: Readonly<Record<string, ParamDeclaration>> | undefined;
};

/** The prefix that people drop seeds under. */
export const seedPrefix = 'seeds';

/** The last level makes most of the calls: each of its items is one, and there are more of them than of all others. */
const lastLevelWeight = 85;
const allWeights = 100;

/** @param spec one that `chainProblems` finds nothing wrong with */
export function createChain({ levels, params = {} }: ChainSpec): Chain {
  const otherWeight = levels.length > 1 ? (allWeights - lastLevelWeight) / (levels.length - 1) : 0;
  const ids: string[] = [];
  let reads = seedPrefix;
  const rows = levels.map((level, index): Level => {
    const { name, prefix = name, children, suffix = '.json', environments } = level;
    const next = levels[index + 1];
    const row: Level = {
      name,
      reads,
      ids: [...ids],
      writes: prefix,
      suffix,
      function: functionName(name),
      children,
      next: next?.name,
      weight: level.weight ?? (next === undefined ? lastLevelWeight : otherWeight),
      environments,
      table: level.table,
    };
    reads = prefix;
    if (level.id !== undefined) ids.push(level.id);
    return row;
  });
  return { levels: rows, params };
}

/** `shelf_items` → `fetchShelfItems` */
export function functionName(levelName: string): string {
  return `fetch${levelName.replaceAll(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())}`;
}

/** The level whose items are the seeds. */
export function firstLevel({ levels }: Pick<Chain, 'levels'>): Level {
  const [first] = levels;
  if (first === undefined) throw new Error('The chain has no levels.');
  return first;
}

/** The level that writes the results. */
export function lastLevel({ levels }: Pick<Chain, 'levels'>): Level {
  const last = levels.at(-1);
  if (last === undefined) throw new Error('The chain has no levels.');
  return last;
}

/** @throws Error when the chain has no such level */
export function levelNamed({ levels }: Pick<Chain, 'levels'>, name: string): Level {
  const level = levels.find((each) => each.name === name);
  if (level === undefined)
    throw new Error(`There is no level ${name}; the levels are ${levels.map((each) => each.name).join(', ')}.`);
  return level;
}

/** The name of the id that a level's children have; `result` at the last level, whose result has no id of its own. */
export function nextIdOf({ levels }: Pick<Chain, 'levels'>, level: Level): string {
  return levels.find(({ name }) => name === level.next)?.ids.at(-1) ?? 'result';
}
