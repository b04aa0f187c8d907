/**
 * `npm start`: one run from a seed to its end, on the packaged service, with a summary. stdout gets the result and nothing
 * else; everything on the way goes to stderr.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import {
  type LocalAws,
  lockFolder,
  packageService,
  peoplesCredentials,
  region,
  startLocalAws,
} from '../local-aws/index.ts';
import { lastLevel, type Chain } from '../shared/engine/chain/chain.ts';
import { successKey } from '../shared/engine/chain/keys.ts';
import { tablesOf } from '../shared/engine/publish/tables.ts';
import type { RunReport } from '../shared/engine/report/run-report.ts';
import { openInBrowser, openPage } from './page/open-page.ts';
import type { PageServer } from './page/server.ts';
import { openApi, type OpenApi } from './run/api.ts';
import { createCallTimes, type CallTimes } from './run/call-times.ts';
import { downloadRun, makeOutDir } from './run/download-run.ts';
import {
  apiCalls,
  countedCalls,
  dropSeed,
  ofThisEngine,
  publishedTables,
  storedObjects,
  waitedForTurn,
  waitingGbSeconds,
} from './run/engine.ts';
import { defaultData, readLocalCommand, type LocalCommand } from './run/local-command.ts';
import { defaultTimeScale, deploymentParams, startOptions, todaysRun } from './run/options.ts';
import { startProgress } from './run/progress.ts';
import { settleRun, writeRunFile, type RunSettings } from './run/run-file.ts';
import { emptySeed, seedFrom } from './run/seed.ts';
import { projectDir } from './run/source.ts';
import { summarize, summaryJson, summaryPage } from './run/summary.ts';
import { lookAtRun, sweepToTheEnd } from './run/sweep-run.ts';
import { createTally, metadataIn } from './run/tally.ts';
import { runCommand, type ExitStatus } from './terminal/command.ts';
import { bytes, plural } from './terminal/format.ts';
import { interruption } from './terminal/interruption.ts';
import type { Given } from './terminal/options.ts';
import { checkRunName } from './terminal/run-name.ts';

const help = {
  before: `Packages the service, starts a local engine, drops a seed and shows how the run proceeds to its end.

  npm start
  npm start -- --source NAME --url https://api.example.com
  npm start -- --out results            (tables and results as files)
  npm start --silent -- --json          (--silent: npm itself prints two lines on stdout)`,
  after: '\nExit status: 0 when the run is complete, 1 when it is not, 2 when an option is wrong.\n',
};

type Options = Given<typeof startOptions>;
type Command = LocalCommand<typeof startOptions>;
type Settings = RunSettings & { isResumed: boolean };
type Place = { dataDir: string; isKept: boolean; outDir: string | undefined };

async function main(): Promise<ExitStatus> {
  const given = await readLocalCommand(startOptions, 'npm start --', help);
  if (given.help !== undefined) {
    process.stdout.write(given.help);
    return 0;
  }
  const { options } = given;
  // Everything about the options is checked before a folder is made.
  const params = deploymentParams(given.source, options);
  const settings = settle(given);
  const outDir = options.out === undefined ? undefined : makeOutDir(options.out);
  const dataDir = given.dataDir ?? mkdtempSync(join(tmpdir(), 's3-cascade-'));
  const isKept = given.dataDir !== undefined || options.keep === true;
  try {
    // A folder that can't be used is reported at once, not after the packaging.
    lockFolder(dataDir).release();
    return await run(given, settings, params, { dataDir, isKept, outDir });
  } finally {
    if (!isKept) rmSync(dataDir, { recursive: true, force: true });
  }
}

/** @throws UsageError */
function settle({ options, source, remembered, url, data, dataDir }: Command): Settings {
  const seed = seedFrom(options, source.chain);
  const run = options.run === undefined ? undefined : checkRunName(options.run);
  const defaults = { source: source.name, run: todaysRun(new Date()), data: defaultData(source) };
  // A run that is continued has its seed.
  const defaultSeed = seed ?? (remembered === undefined ? emptySeed(source.chain) : '');
  const given = { source: options.source, run, url, data, seed };
  return settleRun(given, remembered, { ...defaults, seed: defaultSeed }, dataDir);
}

async function run(
  { options, source, given, token }: Command,
  settings: Settings,
  params: Record<string, string>,
  { dataDir, isKept, outDir }: Place,
): Promise<ExitStatus> {
  const interrupted = interruption();
  const progress = startProgress(process.stderr);
  const closers: (() => Promise<void>)[] = [];
  try {
    const api = await openApi(source, { url: settings.url, token, given: { ...settings.data, ...given } });
    closers.push(() => api.stop());
    progress.say('Packaging the service …');
    const { packageDir } = await packageService({ serviceDir: projectDir, params });
    progress.say('Starting the engine …');
    const tally = createTally(source.chain, settings.run);
    const callTimes = createCallTimes();
    const startedMs = performance.now();
    const engine = await startLocalAws(packageDir, {
      dataDir,
      port: options.port,
      timeScale: options['time-scale'] ?? defaultTimeScale,
      maxEnvironments: options.environments,
      ...api.access,
      metrics: [waitedForTurn, apiCalls],
      onRequest: (_, atMs) => callTimes.add(atMs),
      onObjectCreated: ({ key, headers }) => tally.add({ key, metadata: () => metadataIn(headers) }),
    });
    closers.push(() => engine.stop());
    for (const object of storedObjects(engine)) tally.add(object);
    writeRunFile(dataDir, settings);
    await dropSeed(engine, settings.run, settings.seed);
    const page = options.page === true ? await showPage(engine, settings.run, options) : undefined;
    if (page !== undefined) closers.push(() => page.stop());
    progress.say(headline(settings, api, engine));
    progress.watch(tally.levels);
    const ending = await Promise.race([sweepToTheEnd(engine, settings.run), interrupted.asked]);
    const elapsedSeconds = (performance.now() - startedMs) / 1000;
    // The success marker has the run published.
    if (ending !== 'interrupted' && ending.complete) await Promise.race([engine.idle(), interrupted.asked]);
    progress.end();
    const isInterrupted = ending === 'interrupted';
    const copied =
      outDir === undefined || isInterrupted ? undefined : await copyOut(engine, source.chain, settings.run, outDir);
    const found = isInterrupted ? await lookAtRun(engine, source.chain, settings.run) : ending;
    const { chain } = source;
    const counted = { engine, api, callTimes, chain, found };
    const status = await report(options, { ...counted, isInterrupted, elapsedSeconds, dataDir, isKept, copied });
    if (page === undefined || isInterrupted) return status;
    process.stderr.write(`The page stays until Ctrl-C: ${page.addressOf(settings.run)}\n`);
    await interrupted.asked;
    return status;
  } finally {
    progress.end();
    for (const close of closers.reverse()) await close();
  }
}

async function showPage(engine: LocalAws, run: string, { 'page-port': port = 0 }: Options): Promise<PageServer> {
  const countCalls = (): number => countedCalls(engine);
  const page = await openPage(ofThisEngine(engine), { port, portOption: '--page-port', countCalls });
  const address = page.addressOf(run);
  process.stderr.write(`A page of the run: ${address}\n`);
  openInBrowser(address);
  return page;
}

function headline({ run, isResumed }: { run: string; isResumed: boolean }, api: OpenApi, engine: LocalAws): string {
  const how = isResumed ? ', continued where it was,' : '';
  return `Run ${run}${how} from ${api.name}, on ${engine.endpoint}; Ctrl-C stops it.`;
}

type Ended = {
  engine: LocalAws;
  api: OpenApi;
  callTimes: CallTimes;
  chain: Chain;
  found: RunReport;
  isInterrupted: boolean;
  elapsedSeconds: number;
  dataDir: string;
  isKept: boolean;
  /** What was copied to `--out`, and where. */
  copied: Copied | undefined;
};

async function report(options: Options, ended: Ended): Promise<ExitStatus> {
  const { engine, api, callTimes, chain, found, isInterrupted, elapsedSeconds, dataDir, isKept, copied } = ended;
  const { run } = found;
  const figures = engine.lambda.stats();
  const depths = Object.values(engine.sqs.depths());
  const { functions } = engine.counts();
  const summary = summarize({
    chain,
    // Only a sweep says that a run is complete, and marks it.
    report: { ...found, complete: found.complete && !isInterrupted },
    apiCalls: (await api.calls?.()) ?? countedCalls(engine),
    rate: { set: options.rate ?? 'unlimited', used: callTimes.perSecond, fullestSecond: callTimes.fullestSecond },
    invocations: figures.invocations,
    retries: figures.retries,
    lambdaGbSeconds: figures.lambdaGbSeconds,
    waitingGbSeconds: waitingGbSeconds(engine),
    deadLetters: depths.reduce((sum, { visible, inFlight, delayed }) => sum + visible + inFlight + delayed, 0),
    s3Operations: functions.s3 ?? {},
    sqsOperations: functions.sqs ?? {},
    seconds: elapsedSeconds,
    tables: publishedTables(engine, chain, run),
    bucket: engine.bucket,
    dataDir: isKept ? dataDir : undefined,
  });
  const { complete } = summary;
  const left = { chain, bucket: engine.bucket, run, complete, keptIn: isKept ? dataDir : undefined, copied };
  process.stdout.write(
    options.json === true
      ? `${summaryJson(summary)}\n`
      : summaryPage(summary, {
          interrupted: isInterrupted,
          goOn: isKept && isInterrupted ? `To continue it: npm start -- --data-dir ${dataDir}` : '',
          lookAt: lookAt(left),
        }),
  );
  return complete ? 0 : 1;
}

type Copied = { outDir: string; files: number; bytes: number; tables: string[] };

async function copyOut({ endpoint, bucket }: LocalAws, chain: Chain, run: string, outDir: string): Promise<Copied> {
  const client = new S3Client({ endpoint, region, credentials: peoplesCredentials });
  try {
    const place = { bucket, resultPrefix: lastLevel(chain).writes, tables: tablesOf(chain).map(({ name }) => name) };
    return { outDir, ...(await downloadRun(client, place, { run, outDir })) };
  } finally {
    client.destroy();
  }
}

type Left = {
  chain: Chain;
  bucket: string;
  run: string;
  complete: boolean;
  keptIn: string | undefined;
  copied: Copied | undefined;
};

function lookAt({ chain, bucket, run, complete, keptIn, copied }: Left): string[] {
  const { writes } = lastLevel(chain);
  const marker = complete ? [`s3://${bucket}/${successKey(chain, run)} says that the run is complete.`] : [];
  const out = copied === undefined ? [] : copyLines(copied, run);
  if (keptIn === undefined && copied !== undefined) return [...marker, ...out];
  if (keptIn === undefined)
    return [...marker, 'Nothing was kept. With --keep or --data-dir DIR, the bucket and the logs are kept.'];
  return [
    ...marker,
    ...out,
    `The result is in ${keptIn}, under s3://${bucket}/${writes}/${run}/; the functions' logs are in ${join(keptIn, 'logs')}.`,
    'To look at it:',
    `  npm run local -- --data-dir ${keptIn}          (prints the variables to export)`,
    `  npm run status -- --run ${run}`,
    `  aws s3 ls --recursive s3://${bucket}/${writes}/${run}/`,
  ];
}

function copyLines({ outDir, files, bytes: size, tables }: Copied, run: string): string[] {
  return [
    `${plural(files, 'file')}, ${bytes(size)}, in ${outDir}.`,
    ...tables.map((table) => `  duckdb -c "from '${outDir}/tables/${table}/run=${run}/*.parquet'"`),
  ];
}

await runCommand(main);
