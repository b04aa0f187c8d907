/** The first results of a run, as rows, and the commands to open the rest. */
import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { itemPathOf, successName } from '../../shared/engine/chain/keys.ts';
import { isBatched, lastLevel, type Level } from '../../shared/engine/chain/chain.ts';
import { readManifest, type Manifest } from '../../shared/engine/publish/manifest.ts';
import { tableSuccessKey } from '../../shared/engine/publish/table-keys.ts';
import type { ResultRow, ResultsView } from '../../page/wire.ts';
import type { OpenDeployment } from '../run/deployment.ts';

const shownRows = 10;
const shownColumns = 12;
const shownTexts = 3;
const listedKeys = 20;
const readBytes = 65_536;
const cellCharacters = 120;
const textCharacters = 2_000;

export async function resultsOf(
  run: string,
  { chain, s3, store, facts }: Pick<OpenDeployment, 'chain' | 's3' | 'store' | 'facts'>,
): Promise<ResultsView> {
  const level = lastLevel(chain);
  const { bucket } = facts;
  const view = { columns: [], rows: [], texts: [], commands: commandsFor(level, bucket, run) };
  try {
    const manifest = await publishedManifest(level, run, store);
    const prefix = `${level.writes}/${run}${level.ids.length === 0 ? level.suffix : '/'}`;
    const { Contents: listed = [] } = await s3.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: listedKeys }),
    );
    const keys = listed.map(({ Key: key = '' }) => key).filter((key) => !key.endsWith(`/${successName}`));
    const rows: ResultRow[] = [];
    const texts: { key: string; text: string }[] = [];
    for (const key of keys) {
      if (rows.length >= shownRows || texts.length >= shownTexts) break;
      const text = await beginningOf(s3, bucket, key);
      const found = rowsOf(text, level, key);
      if (found === undefined) texts.push({ key, text: text.slice(0, textCharacters) });
      else rows.push(...found.slice(0, shownRows - rows.length));
    }
    if (manifest !== undefined) return { ...view, texts, ...inTable(manifest, rows) };
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].slice(0, shownColumns);
    return { ...view, columns, rows, texts };
  } catch (error) {
    const { name, message } = error as Error;
    return { ...view, problem: `The results could not be read: ${name}: ${message}` };
  }
}

/** @returns undefined unless the level's results are published, to the last file */
async function publishedManifest(
  { table }: Level,
  run: string,
  store: Pick<OpenDeployment['store'], 'get' | 'head'>,
): Promise<Manifest | undefined> {
  if (table === undefined || (await store.head(tableSuccessKey(table.name, run))) === undefined) return undefined;
  return readManifest(table.name, run, store);
}

/** The rows under the names that their columns have in the table. They are read from the results: a table's file may be large. */
function inTable({ table, run, rows: all, columns }: Manifest, rows: readonly ResultRow[]): Partial<ResultsView> {
  const named = rows.map((row): ResultRow => {
    const cells = columns.flatMap(({ name, source }): [string, string][] => {
      const cell = row[source];
      return cell === undefined ? [] : [[name, cell]];
    });
    return Object.fromEntries(cells);
  });
  // The whole answer as text is a column too, and no field of the results.
  const shown = columns.filter(({ name }) => named.some((row) => name in row)).slice(0, shownColumns);
  return {
    table: { name: table, rows: all },
    columns: shown.map(({ name }) => name),
    types: Object.fromEntries(shown.map(({ name, type }) => [name, type])),
    rows: named,
    commands: queriesFor(table, run),
  };
}

function queriesFor(table: string, run: string): string[] {
  return [
    `npm run query -- "select * from ${table} limit 10" --run ${run}`,
    `npm run --silent query -- "select * from ${table}" --run ${run} --csv > ${run}.csv`,
  ];
}

async function beginningOf(s3: S3Client, bucket: string, key: string): Promise<string> {
  const { Body: body } = await s3.send(
    new GetObjectCommand({ Bucket: bucket, Key: key, Range: `bytes=0-${readBytes - 1}` }),
  );
  return (await body?.transformToString()) ?? '';
}

/** @returns undefined for what is no JSON object, and no lines of them */
function rowsOf(text: string, level: Level, key: string): ResultRow[] | undefined {
  const isLines = isBatched(level);
  if (isLines && text === '') return [];
  const whole = isLines ? undefined : parseObject(text);
  if (whole !== undefined) return [{ ...idsOf(level, key), ...cellsOf(whole) }];
  // The last line may have been cut.
  const lines = text.split('\n').slice(0, shownRows + 1);
  const objects = lines.map(parseObject).filter((each) => each !== undefined);
  if (objects.length === 0 || objects.length < lines.length - 1) return undefined;
  return objects.map(({ data, ...rest }) => ({ ...cellsOf(rest), ...cellsOf(asObject(data) ?? { data }) }));
}

function idsOf(level: Level, key: string): ResultRow {
  const itemKey = `${level.reads}${key.slice(level.writes.length, key.length - level.suffix.length)}.json`;
  const ids = itemPathOf(level, itemKey)?.ids ?? [];
  return Object.fromEntries(ids.map((id, index) => [level.ids[index] ?? `id ${index}`, id]));
}

function cellsOf(object: Readonly<Record<string, unknown>>): ResultRow {
  const cells = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(cells.map(([name, value]) => [name, cellOf(value)]));
}

function cellOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > cellCharacters ? `${text.slice(0, cellCharacters)}…` : text;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined; // It is shown as the text that it is.
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function commandsFor({ writes, suffix }: Level, bucket: string, run: string): string[] {
  const place = `s3://${bucket}/${writes}/${run}`;
  const copy = `aws s3 sync ${place}/ ${run}/ --exclude _SUCCESS`;
  if (!/json$/.test(suffix)) return [copy];
  return [copy, `duckdb -c "SELECT * FROM read_json_auto('${place}/**/*${suffix}') LIMIT 10"`];
}
