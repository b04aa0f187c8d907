/** What is wrong with a chain as it is declared: everything at once, each naming the level, the field and what is allowed. */
import {
  createChain,
  functionName,
  mostInBatch,
  seedPrefix,
  type Chain,
  type ChainSpec,
  type LevelSpec,
} from './chain.ts';
import { ChainError } from '../errors.ts';
import { isInherited, paramProblems } from './params.ts';

/** Lambda stops a function that is seen about 16 times in one chain of requests (page invocation-recursion). */
const mostLevels = 8;

/** Prefixes of the engine's own records and of the tables: a level must not write there. */
const reservedPrefixes = [
  seedPrefix,
  'receipts',
  'failures',
  'runs',
  'params',
  'finished',
  'control',
  'publications',
  'pieces',
  'tables',
] as const;

/** Names of levels that publish; see publish/publish-levels.ts. */
const reservedNames: readonly string[] = ['publish', 'publish_piece'];

/** Names of queues and functions are made of it; 64 letters is the longest that Lambda takes for all of them. */
const levelName = /^[a-z][a-z0-9_]{0,31}$/;
const levelNameRule = '1 to 32 of a-z 0-9 _, beginning with a letter';
const prefixName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const prefixRule = '1 to 64 of A-Z a-z 0-9 _ -, beginning with a letter or a digit';
const idName = /^[A-Za-z][A-Za-z0-9_]{0,31}$/;
const idNameRule = '1 to 32 of A-Z a-z 0-9 _, beginning with a letter';
/** Every other byte that may follow a segment of a key must sort after it: see keys.ts. */
const suffixForm = /^(\.[a-z0-9]+)+$/;

/** @returns one line a problem; none when the chain can be built */
export function chainProblems({ levels, params = {} }: ChainSpec): string[] {
  const problems: string[] = [];
  if (levels.length < 1 || levels.length > mostLevels)
    problems.push(`levels: a chain has 1 to ${mostLevels} levels, not ${levels.length}`);
  const seen = {
    names: new Set<string>(),
    functions: new Set<string>(),
    prefixes: new Set<string>(),
    ids: new Set<string>(),
  };
  const tables = new Set<string>();
  for (const [index, level] of levels.entries()) {
    const isLast = index === levels.length - 1;
    const say = (field: string, text: string): void =>
      void problems.push(`level ${level.name || index + 1}: ${field} ${text}`);
    nameProblems(level, seen, say);
    idProblems(level, seen, say);
    if (isLast && level.children !== 'one') say('kind', 'must be a result: the last level writes the results');
    if (!isLast && level.children !== 'many') say('kind', 'must be a list: only the last level is a result');
    if (level.suffix !== undefined && level.children === 'many')
      say('suffix', 'is for results only: the items of a list are JSON');
    else if (level.suffix !== undefined && !suffixForm.test(level.suffix))
      say('suffix', `must be a dot and a-z 0-9, e.g. ".csv", not ${JSON.stringify(level.suffix)}`);
    batchProblems(level, isLast, say);
    if (level.table !== undefined && tables.has(level.table.name))
      say('table', `is the table of a level above: ${level.table.name}`);
    if (level.table !== undefined) tables.add(level.table.name);
    if (level.environments !== undefined && !(Number.isInteger(level.environments) && level.environments > 0))
      say('environments', 'must be a whole number above 0');
  }
  return [...problems, ...paramProblems(params)];
}

/** @throws ChainError with all that `chainProblems` finds */
export function checkedChain(spec: ChainSpec): Chain {
  const problems = chainProblems(spec);
  if (problems.length > 0) throw new ChainError(problems);
  return createChain(spec);
}

type Seen = Record<'names' | 'functions' | 'prefixes' | 'ids', Set<string>>;
type Say = (field: string, text: string) => void;

function nameProblems({ name, prefix = name }: LevelSpec, seen: Seen, say: Say): void {
  const isNameTaken = seen.names.has(name);
  if (!levelName.test(name)) say('name', `must be ${levelNameRule}, not ${JSON.stringify(name)}`);
  else if (reservedNames.includes(name))
    say('name', `must not be ${name}: that name is the engine's own (${reservedNames.join(', ')})`);
  else if (isNameTaken) say('name', 'is taken by a level above');
  else if (seen.functions.has(functionName(name)))
    say('name', `makes the function ${functionName(name)}, as a level above does`);
  seen.names.add(name);
  seen.functions.add(functionName(name));
  const field = prefix === name ? 'name' : 'prefix';
  if (field === 'prefix' && !prefixName.test(prefix))
    say(field, `must be ${prefixRule}, not ${JSON.stringify(prefix)}`);
  if ((reservedPrefixes as readonly string[]).includes(prefix))
    say(field, `must not be ${prefix}: that prefix is the engine's own (${reservedPrefixes.join(', ')})`);
  else if (seen.prefixes.has(prefix) && !(field === 'name' && isNameTaken))
    say(field, `is the prefix of a level above: ${prefix}`);
  seen.prefixes.add(prefix);
}

const mostCallsInFlight = 100;
/** What a line of a result part has besides the ids. */
const lineFields: readonly string[] = ['fetched_at', 'data'];

function batchProblems({ batch, callsInFlight, children, id }: LevelSpec, isLast: boolean, say: Say): void {
  if (batch !== undefined && children === 'many') say('batch', 'is for results only');
  else if (batch !== undefined && !isWholeNumber(batch, 1, mostInBatch))
    say('batch', `must be a whole number from 1 to ${mostInBatch}`);
  if (callsInFlight !== undefined && children === 'many')
    say('callsInFlight', 'is for batches only: the pages of a list come one after the other');
  else if (callsInFlight !== undefined && !isWholeNumber(callsInFlight, 1, mostCallsInFlight))
    say('callsInFlight', `must be a whole number from 1 to ${mostCallsInFlight}`);
  if (!isLast && id !== undefined && lineFields.includes(id))
    say('id', `must not be ${id}: a line of the results has a field of that name`);
}

function isWholeNumber(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function idProblems({ children, id }: LevelSpec, seen: Seen, say: Say): void {
  if (children === 'one') {
    if (id !== undefined) say('id', 'is for lists only: a result has no children');
    return;
  }
  if (id === undefined) say('id', `is missing: the name of its children's id, ${idNameRule}`);
  else if (!idName.test(id) || id === 'params' || id === 'item' || id === 'run' || isInherited(id))
    say('id', `must be ${idNameRule}, and none of run, params, item; not ${JSON.stringify(id)}`);
  else if (seen.ids.has(id)) say('id', `is taken by a level above: ${id}`);
  if (id !== undefined) seen.ids.add(id);
}
