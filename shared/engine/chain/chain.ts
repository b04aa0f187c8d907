/**
 * The level table: the whole chain in one place. A project with another API changes this table, the functions that it
 * names and the source client. serverless.yml must agree with it; a test compares the compiled template with this.
 */

export type Level = {
  /** Its name in commands, receipts, failures and logs. */
  level: string;
  /** The prefix whose objects are this level's items. */
  reads: string;
  /** The ids in an item's key, after the run. */
  ids: readonly string[];
  /** The prefix that its items' children go to. */
  writes: string;
  /** The function in serverless.yml. */
  function: string;
  /** `many`: an item becomes a list of items of the next level. `one`: an item becomes one result, the leaf. */
  children: 'many' | 'one';
};

export const chain = [
  {
    level: 'troops',
    reads: 'seeds',
    ids: [],
    writes: 'troops',
    function: 'fetchTroops',
    children: 'many',
  },
  {
    level: 'warriors',
    reads: 'troops',
    ids: ['troop'],
    writes: 'amazon_warriors',
    function: 'fetchWarriors',
    children: 'many',
  },
  {
    level: 'data_groups',
    reads: 'amazon_warriors',
    ids: ['troop', 'warrior'],
    writes: 'data_groups',
    function: 'fetchDataGroups',
    children: 'many',
  },
  {
    level: 'data',
    reads: 'data_groups',
    ids: ['troop', 'warrior', 'group'],
    writes: 'data',
    function: 'fetchData',
    children: 'one',
  },
] as const satisfies readonly Level[];

type Row = (typeof chain)[number];
export type LevelName = Row['level'];

/** The ids of an item, one text for each name in the table's row. */
export type IdsOf<Name extends LevelName> = {
  [Position in keyof Extract<Row, { level: Name }>['ids']]: string;
};

/** The level that reads what this one writes; undefined for the leaf. */
export function nextLevel(level: Level): Level | undefined {
  return chain.find((row) => row.reads === level.writes);
}

/** @throws Error when the table has no such level */
export function levelNamed(name: LevelName): Level {
  const level = chain.find((row) => row.level === name);
  if (level === undefined)
    throw new Error(`There is no level ${name}; the levels are ${chain.map((row) => row.level).join(', ')}.`);
  return level;
}
