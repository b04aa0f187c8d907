/**
 * The chain: its levels from the seed down, each declared once. What a level reads, the ids in its items' keys and its
 * function's name follow from the list. The engine gets a chain as an argument and knows no other.
 */
import type { TableSpec } from './table-spec.ts';
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
  /**
   * How many items an object under `reads` holds at most. 1: the object is the item, and its ids are in its key. More: it is a
   * batch, whose key ends with a number; the last level's only.
   */
  batch: number;
  /** Calls that one of its environments makes side by side for one object. */
  callsInFlight: number;
  /** The name of the level that reads what this one writes; undefined for the last. */
  next: string | undefined;
  /** How many of its environments run at once; undefined: as many as the whole rate takes. */
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
  /** For `one` only. Default `.json`, or `.ndjson` for batches. */
  suffix?: string | undefined;
  /** For `one` only. Default 1. The seed is never in a batch. */
  batch?: number | undefined;
  /** For batches only. Default 10. */
  callsInFlight?: number | undefined;
  /** Default: what it writes becomes no table. */
  table?: TableSpec | undefined;
  environments?: number | undefined;
};

export type ChainSpec = {
  levels: readonly LevelSpec[];
  params?: Readonly<Record<string, ParamDeclaration>> | undefined;
};

/** The prefix that people drop seeds under. */
export const seedPrefix = 'seeds';

/** An object of a thousand items is a megabyte, and what is known of each in a part's metadata fits into 250 letters. */
export const mostInBatch = 1000;
/** As many as make an API that takes half a second answer 20 a second. */
const defaultCallsInFlight = 10;

/** @param spec one that `chainProblems` finds nothing wrong with */
export function createChain({ levels, params = {} }: ChainSpec): Chain {
  const ids: string[] = [];
  let reads = seedPrefix;
  const rows = levels.map((level, index): Level => {
    const { name, prefix = name, children, environments } = level;
    const batch = index === 0 ? 1 : (level.batch ?? 1);
    const next = levels[index + 1];
    const row: Level = {
      name,
      reads,
      ids: [...ids],
      writes: prefix,
      suffix: level.suffix ?? (batch > 1 ? '.ndjson' : '.json'),
      function: functionName(name),
      children,
      batch,
      callsInFlight: batch > 1 ? (level.callsInFlight ?? defaultCallsInFlight) : 1,
      next: next?.name,
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
  return nextLevel({ levels }, level)?.ids.at(-1) ?? 'result';
}

/** Whether a level's objects hold several items each. */
export function isBatched({ batch }: Pick<Level, 'batch'>): boolean {
  return batch > 1;
}

/** The level that reads what a level writes; undefined for the last. */
export function nextLevel({ levels }: Pick<Chain, 'levels'>, level: Level): Level | undefined {
  return levels.find(({ name }) => name === level.next);
}
