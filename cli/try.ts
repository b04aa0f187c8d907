/** `npm run try`: one call of one level, and what the chain makes of the answer. Nothing is deployed and nothing is stored. */
import { levelNamed, firstLevel, type Chain, type Level } from '../shared/engine/chain/chain.ts';
import { openApi } from './run/api.ts';
import { readLocalCommand, defaultData, type LocalCommand } from './run/local-command.ts';
import { seedOptions, sourceOptions } from './run/options.ts';
import { paramsFrom, paramsWithDefaults, splitPair } from './run/seed.ts';
import { tryLevel } from './run/trial.ts';
import { runCommand, type ExitStatus } from './terminal/command.ts';
import { flag, list, text, UsageError } from './terminal/options.ts';
import { isUnderstood, trialPage } from './terminal/trial-page.ts';

const tryOptions = {
  ...sourceOptions,
  level: text('NAME', 'the level to call (default: the first)'),
  id: list('NAME=ID', "an id of the levels above, such as user=42; for each one that the level's items have"),
  param: seedOptions.param,
  item: text('JSON', "the item's own JSON, for a level that uses {item.…} (default: {})"),
  json: flag('print one JSON object on stdout, and nothing else there'),
  help: flag('this text'),
};

const help = {
  before: `Makes one call of a level and prints what the chain makes of the answer: items, ids, the next page; or why not.

  npm run try -- --source NAME --url https://api.example.com
  npm run try -- --source NAME --url https://api.example.com --level LEVEL --id user=42`,
  after: '\nExit status: 0 when the answer is understood, 1 when it is not, 2 when an option is wrong.\n',
};

type Command = LocalCommand<typeof tryOptions>;

async function main(): Promise<ExitStatus> {
  const given = await readLocalCommand(tryOptions, 'npm run try --', help);
  if (given.help !== undefined) {
    process.stdout.write(given.help);
    return 0;
  }
  const { options, source } = given;
  const { chain } = source;
  const level = chosenLevel(chain, options.level);
  const ids = readIds(options.id ?? [], level);
  const params = paramsWithDefaults(paramsFrom(options.param ?? [], chain), chain, Date.now());
  const api = await openApi(source, {
    url: given.url,
    token: given.token,
    given: { ...defaultData(source), ...given.given },
  });
  try {
    const request = { url: api.url, token: api.token, ids, params, item: options.item ?? '{}' };
    const trial = await tryLevel(chain, level, request);
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify(trial)}\n`
        : trialPage(trial, level, (id) => commandBelow(given, level, { ...ids }, id)),
    );
    return isUnderstood(trial) ? 0 : 1;
  } finally {
    await api.stop();
  }
}

/** @throws UsageError */
function chosenLevel(chain: Chain, name: string | undefined): Level {
  if (name === undefined) return firstLevel(chain);
  if (chain.levels.some((level) => level.name === name)) return levelNamed(chain, name);
  const names = chain.levels.map((level) => level.name).join(', ');
  throw new UsageError(`There is no level ${JSON.stringify(name)}. The levels are ${names}.`);
}

/** @throws UsageError unless exactly the level's ids are given */
function readIds(texts: readonly string[], level: Level): Record<string, string> {
  const ids: Record<string, string> = {};
  for (const pair of texts) {
    const [name, id] = splitPair('--id', pair);
    if (!level.ids.includes(name)) {
      const known = level.ids.length === 0 ? 'needs no ids' : `needs ${level.ids.join(', ')}`;
      throw new UsageError(`The level ${level.name} has no id ${JSON.stringify(name)} above it: it ${known}.`);
    }
    if (Object.hasOwn(ids, name)) throw new UsageError(`--id ${name} is given twice.`);
    ids[name] = id;
  }
  const missing = level.ids.filter((name) => !Object.hasOwn(ids, name));
  if (missing.length > 0)
    throw new UsageError(`The level ${level.name} needs ${missing.map((name) => `--id ${name}=ID`).join(' ')}.`);
  return ids;
}

function commandBelow(
  { options, source, url }: Command,
  level: Level,
  ids: Record<string, string>,
  id: string,
): string | undefined {
  const below = source.chain.levels.find(({ name }) => name === level.next);
  const idName = below?.ids.at(-1);
  if (below === undefined || idName === undefined) return undefined;
  const pairs = Object.entries({ ...ids, [idName]: id }).map(([name, value]) => `--id ${quoted(`${name}=${value}`)}`);
  const params = (options.param ?? []).map((param) => `--param ${quoted(param)}`);
  const where = [
    ...(options.source === undefined ? [] : [`--source ${source.name}`]),
    ...(url === undefined ? [] : [`--url ${quoted(url)}`]),
  ];
  return ['npm run try --', ...where, `--level ${below.name}`, ...pairs, ...params].join(' ');
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

await runCommand(main);
