/** `npm run download`: a run's tables and results as ordinary files, from AWS or from the local engine. */
import { findPlace, openS3 } from './run/deployed-bucket.ts';
import { downloadRun, makeOutDir } from './run/download-run.ts';
import { askDeployment } from './run/function-client.ts';
import { bytes, plural } from './terminal/format.ts';
import { flag, helpOf, readOptions, refuseSwallowed, text, UsageError } from './terminal/options.ts';
import { checkRunName } from './terminal/run-name.ts';

const command = 'npm run download --';

const downloadOptions = {
  run: text('NAME', 'the run to download'),
  out: text('DIR', 'where its files go: DIR/tables/<table>/run=<run>/… and DIR/<results>/<run>/…'),
  'tables-only': flag('leave the results out'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  stage: text('STAGE', 'the stage that is deployed (default: dev)'),
  region: text('REGION', 'where it is deployed (default: AWS_REGION, or what the profile says)'),
  help: flag('this text'),
};

const help = `Downloads a run's tables and results: from AWS, or from the local engine when its variables are exported.

  npm run download -- --run r1 --out results
  duckdb -c "from 'results/tables/*/run=r1/*.parquet'"

${helpOf(downloadOptions)}

Exit status: 0 when everything is there, 1 when a table is not published, 3 when an option is wrong or there was no answer.
`;

async function main(): Promise<number> {
  refuseSwallowed(downloadOptions, process.env, command);
  const options = readOptions(downloadOptions, process.argv.slice(2), command);
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (options.run === undefined) throw new UsageError('--run NAME is needed: which run?');
  if (options.out === undefined) throw new UsageError('--out DIR is needed: where do the files go?');
  const run = checkRunName(options.run);
  const outDir = makeOutDir(options.out);
  const deployment = { stage: options.stage ?? 'dev', region: options.region };
  const place = await findPlace(deployment);
  const client = openS3(deployment);
  try {
    const wanted = { run, outDir, withResults: options['tables-only'] !== true };
    const downloaded = await downloadRun(client, place, wanted);
    if (downloaded.files === 0) throw new UsageError(`The run ${run} has no results and no tables in ${place.bucket}.`);
    const { files, tables, unpublished } = downloaded;
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify({ run, outDir, ...downloaded })}\n`
        : `${plural(files, 'file')}, ${bytes(downloaded.bytes)}, in ${outDir}.\n${tables.map((table) => `  duckdb -c "from '${outDir}/tables/${table}/run=${run}/*.parquet'"\n`).join('')}`,
    );
    for (const table of unpublished)
      process.stderr.write(`The table ${table} of ${run} is not published: see npm run status -- --run ${run}\n`);
    return unpublished.length === 0 ? 0 : 1;
  } finally {
    client.destroy();
  }
}

await askDeployment(main);
