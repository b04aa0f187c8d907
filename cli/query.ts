/** `npm run query`: SQL over the published tables with DuckDB, on AWS or on the local engine. */
import { resolve } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import type { Manifest } from '../shared/engine/publish/manifest.ts';
import { athenaTable } from './query/athena.ts';
import { loadDuckDb, openDuckDb, type View } from './query/duckdb.ts';
import { asCsv, asJson, asTable } from './query/print-answer.ts';
import { cacheDir, fetchParts, manifestOf, publishedRuns } from './query/published-files.ts';
import { findPlace, openS3 } from './run/deployed-bucket.ts';
import { askDeployment, DeploymentError } from './run/function-client.ts';
import { flag, helpOf, readOptions, refuseSwallowed, text, UsageError, type Given } from './terminal/options.ts';
import { checkRunName } from './terminal/run-name.ts';

const command = 'npm run query --';

const queryOptions = {
  run: text('NAME', 'the run whose rows the tables have (default: for each table, the newest that is published)'),
  all: flag('the rows of all runs that are published; the column run says of which'),
  csv: flag('print CSV, for Excel and others'),
  json: flag('print JSON, one object a line'),
  athena: flag('print create table for Athena instead of asking anything'),
  copies: text('DIR', 'where files are kept that were read (default: ~/.cache/s3-cascade)'),
  stage: text('STAGE', 'the stage that is deployed (default: dev)'),
  region: text('REGION', 'where it is deployed (default: AWS_REGION, or what the profile says)'),
  help: flag('this text'),
};

const help = `Asks the published tables with SQL, in DuckDB: on AWS, or on the local engine when its variables are exported.

  npm run query -- "select * from data limit 10"
  npm run --silent query -- "select run, count(*) from data group by run" --all --csv > counts.csv
  npm run --silent query -- --athena

${helpOf(queryOptions)}

Exit status: 0 for an answer, 3 when an option or the SQL is wrong, nothing is published, or there was no answer.
`;

type Options = Given<typeof queryOptions>;

async function main(): Promise<number> {
  refuseSwallowed(queryOptions, process.env, command);
  const { sql, options } = readCommand(process.argv.slice(2));
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (sql === undefined && options.athena !== true)
    throw new UsageError(`What is the question? ${command} "select * from data limit 10"`);
  // Before anything is copied.
  if (options.athena !== true) await loadDuckDb();
  const deployment = { stage: options.stage ?? 'dev', region: options.region };
  const { bucket, tables } = await findPlace(deployment);
  const client = openS3(deployment);
  try {
    const manifests = await manifestsOf(client, bucket, tables, options);
    if (options.athena === true) {
      for (const { table, columns } of newestOf(manifests)) process.stdout.write(athenaTable(bucket, table, columns));
      return 0;
    }
    const dir = resolve(options.copies ?? cacheDir(bucket));
    await answer(sql ?? '', await viewsOf(client, bucket, manifests, dir), options);
    return 0;
  } finally {
    client.destroy();
  }
}

/** The one text that is no option is the question. */
function readCommand(args: readonly string[]): { sql: string | undefined; options: Options } {
  const rest = [...args];
  const valued = new Set(['--run', '--copies', '--stage', '--region']);
  const at = rest.findIndex((arg, index) => !arg.startsWith('--') && !valued.has(rest[index - 1] ?? ''));
  const [sql] = at === -1 ? [] : rest.splice(at, 1);
  const options = readOptions(queryOptions, rest, command);
  if (options.csv === true && options.json === true) throw new UsageError('--csv or --json, not both.');
  if (options.all === true && options.run !== undefined) throw new UsageError('--all or --run NAME, not both.');
  if (options.run !== undefined) checkRunName(options.run);
  return { sql, options };
}

/** Of each table: of the run that is asked for, of the newest, or of all. @throws DeploymentError when there is none */
async function manifestsOf(
  client: S3Client,
  bucket: string,
  tables: readonly string[],
  { run: wanted, all = false }: Options,
): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  for (const table of tables) {
    const runs = (await publishedRuns(client, bucket, table)).map(({ run }) => run);
    const chosen = wanted === undefined ? runs.slice(0, all ? runs.length : 1) : runs.filter((run) => run === wanted);
    for (const run of chosen) {
      const manifest = await manifestOf(client, bucket, table, run);
      if (manifest !== undefined) manifests.push(manifest);
    }
  }
  if (manifests.length > 0) return manifests;
  const what = wanted === undefined ? 'No run is published' : `The run ${wanted} is not published`;
  throw new DeploymentError(`${what} in ${bucket}: npm run status says how the runs stand.`);
}

function newestOf(manifests: readonly Manifest[]): Manifest[] {
  return [...Map.groupBy(manifests, ({ table }) => table).values()].flatMap(([newest]) => newest ?? []);
}

async function viewsOf(client: S3Client, bucket: string, manifests: readonly Manifest[], dir: string): Promise<View[]> {
  const views = new Map<string, string[]>();
  for (const manifest of manifests) {
    const files = views.get(manifest.table) ?? [];
    views.set(manifest.table, [...files, ...(await fetchParts(client, bucket, manifest, dir))]);
  }
  return [...views].map(([name, files]) => ({ name, files }));
}

async function answer(sql: string, views: readonly View[], { csv, json }: Options): Promise<void> {
  const database = await openDuckDb(views);
  try {
    const found = await database.query(sql);
    process.stdout.write(csv === true ? asCsv(found) : json === true ? asJson(found) : asTable(found));
  } finally {
    database.close();
  }
}

await askDeployment(main);
