/**
 * `npm start`: one run from a seed to its end, on the packaged service, with a summary. stdout gets the result and nothing
 * else; everything on the way goes to stderr.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PutObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { chain } from '../shared/engine/chain/chain.ts';
import { itemKey, successKey } from '../shared/engine/chain/keys.ts';
import type { RunReport } from '../shared/engine/report/run-report.ts';
import { interruption } from './terminal/interruption.ts';
import { helpOf, readOptions, refuseSwallowed, UsageError, type Given } from './terminal/options.ts';
import { checkRunName } from './terminal/run-name.ts';
import { runCommand, type ExitStatus } from './terminal/command.ts';
import { startLocalHermes } from './run/local-hermes.ts';
import { startProgress } from './run/progress.ts';
import { settleRun, writeRunFile, type RunSettings } from './run/run-file.ts';
import { defaultTimeScale, deploymentParams, startOptions, todaysRun } from './run/run-options.ts';
import { summarize, summaryJson, summaryPage } from './run/summary.ts';
import { createTally } from './run/tally.ts';
import { peoplesCredentials } from '../local-aws/account.ts';
import { startEngine, type Engine } from '../local-aws/engine.ts';
import { lockFolder } from '../local-aws/folder-lock.ts';
import type { HermesThread } from '../sources/hermes/fake/thread.ts';
import { packageService } from '../local-aws/package/package-service.ts';
import { lookAtRun, sweepToTheEnd } from './run/sweep-run.ts';

const command = 'npm start --';
const help = `Packages the service, starts a local engine and a Hermes, drops a seed and shows how the run goes.

  npm start -- --troops 20 --warriors 50 --groups 10
  npm start --silent -- --json          (--silent: npm itself prints two lines on stdout)

${helpOf(startOptions)}

Exit status: 0 when the run is complete, 1 when it is not, 2 when an option is wrong.
`;

type Options = Given<typeof startOptions>;

async function main(): Promise<ExitStatus> {
  refuseSwallowed(startOptions, process.env, command);
  const options = readOptions(startOptions, process.argv.slice(2), command);
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const params = deploymentParams(options);
  const seed = readSeed(options['seed-file']);
  const given = { ...pickTree(options), run: options.run === undefined ? undefined : checkRunName(options.run) };
  const isTemporary = options['data-dir'] === undefined;
  const dataDir = isTemporary ? mkdtempSync(join(tmpdir(), 's3-cascade-')) : resolve(options['data-dir'] ?? '');
  const isKept = !isTemporary || options.keep === true;
  try {
    // A folder that can't be had is said at once, not after the packaging.
    lockFolder(dataDir).release();
    const settings = settleRun(given, dataDir, todaysRun(new Date()));
    return await run(options, settings, { params, seed, dataDir, isKept });
  } finally {
    if (!isKept) rmSync(dataDir, { recursive: true, force: true });
  }
}

function pickTree({ troops, warriors, groups, hostile }: Options) {
  return { troops, warriors, groups, hostile };
}

/** The seed's bytes as they are: a bad seed is the chain's to refuse. */
function readSeed(file: string | undefined): Uint8Array {
  if (file === undefined) return Buffer.from('{}');
  try {
    return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--seed-file ${file} can not be read (${code ?? 'unknown'}).`);
  }
}

type Place = { params: Record<string, string>; seed: Uint8Array; dataDir: string; isKept: boolean };

async function run(
  options: Options,
  settings: RunSettings & { isResumed: boolean },
  { params, seed, dataDir, isKept }: Place,
): Promise<ExitStatus> {
  const interrupted = interruption();
  const progress = startProgress(process.stderr);
  const closers: (() => Promise<void>)[] = [];
  try {
    progress.say('Packaging the service …');
    const { packageDir } = await packageService({ serviceDir: resolve(import.meta.dirname, '..'), params });
    progress.say('Starting the engine and a Hermes …');
    const { hermes, access } = await startLocalHermes(settings, options);
    closers.push(() => hermes.stop());
    const tally = createTally(settings.run);
    const startedMs = performance.now();
    const engine = await startEngine({
      packageDir,
      dataDir,
      port: options.port,
      timeScale: options['time-scale'] ?? defaultTimeScale,
      maxEnvironments: options.environments,
      ...access,
      onObjectCreated: ({ key }) => tally.add(key),
    });
    closers.push(() => engine.stop());
    for (const key of storedKeys(engine)) tally.add(key);
    writeRunFile(dataDir, settings);
    await dropSeed(engine, settings.run, seed);
    progress.say(headline(settings, engine));
    progress.watch(tally.levels);
    const ending = await Promise.race([sweepToTheEnd(engine, settings.run), interrupted.asked]);
    const elapsedSeconds = (performance.now() - startedMs) / 1000;
    progress.end();
    const isInterrupted = ending === 'interrupted';
    const found = isInterrupted ? await lookAtRun(engine, settings.run) : ending;
    return await report(options, { engine, hermes, found, isInterrupted, elapsedSeconds, dataDir, isKept });
  } finally {
    progress.end();
    for (const close of closers.reverse()) await close();
  }
}

function headline({ run, isResumed }: RunSettings & { isResumed: boolean }, { endpoint }: Engine): string {
  return `Run ${run}${isResumed ? ', going on where it was,' : ''} on ${endpoint}; Ctrl-C stops it.`;
}

/** Through the S3 client, as a person would. A seed that is there already is left alone: its run goes on. */
async function dropSeed(engine: Engine, run: string, seed: Uint8Array): Promise<void> {
  const client = new S3Client({ endpoint: engine.endpoint, region: 'us-east-1', credentials: peoplesCredentials });
  try {
    await client.send(
      new PutObjectCommand({
        Bucket: engine.bucket,
        Key: itemKey(chain[0], { run, ids: [] }),
        Body: seed,
        ContentType: 'application/json',
        IfNoneMatch: '*',
      }),
    );
  } catch (error) {
    if (!(error instanceof S3ServiceException && error.name === 'PreconditionFailed')) throw error;
  } finally {
    client.destroy();
  }
}

function* storedKeys({ s3, bucket }: Engine): Generator<string> {
  let continuationToken: string | undefined;
  do {
    const page = s3.list(bucket, { continuationToken });
    for (const { key } of page.contents) yield key;
    continuationToken = page.nextContinuationToken;
  } while (continuationToken !== undefined);
}

type Ended = {
  engine: Engine;
  hermes: HermesThread;
  found: RunReport;
  isInterrupted: boolean;
  elapsedSeconds: number;
  dataDir: string;
  isKept: boolean;
};

async function report(options: Options, ended: Ended): Promise<ExitStatus> {
  const { engine, hermes, found, isInterrupted, elapsedSeconds, dataDir, isKept } = ended;
  const { run } = found;
  const { calls } = await hermes.stats();
  const figures = engine.lambda.stats();
  const depths = Object.values(engine.sqs.depths());
  const { functions } = engine.counts();
  const summary = summarize({
    // Only a sweep says that a run is complete, and marks it.
    report: { ...found, complete: found.complete && !isInterrupted },
    apiCalls: calls,
    invocations: figures.invocations,
    retries: figures.retries,
    lambdaGbSeconds: figures.lambdaGbSeconds,
    waitingGbSeconds: waitingGbSeconds(engine),
    deadLetters: depths.reduce((sum, { visible, inFlight, delayed }) => sum + visible + inFlight + delayed, 0),
    s3Operations: functions.s3 ?? {},
    sqsOperations: functions.sqs ?? {},
    seconds: elapsedSeconds,
    bucket: engine.bucket,
    dataDir: isKept ? dataDir : undefined,
  });
  const { complete } = summary;
  const what = { bucket: engine.bucket, run, complete, keptIn: isKept ? dataDir : undefined };
  process.stdout.write(
    options.json === true
      ? `${summaryJson(summary)}\n`
      : summaryPage(summary, {
          interrupted: isInterrupted,
          goOn: isKept && isInterrupted ? `Go on with it: npm start -- --data-dir ${dataDir}` : '',
          lookAt: lookAt(what),
        }),
  );
  return complete ? 0 : 1;
}

/** What the functions slept, in the memory that each of them has. */
function waitingGbSeconds({ metrics, lambda }: Engine): number {
  return [...metrics.sums('WaitedForTurn')]
    .map(([name, ms]) => (ms / 1000) * (lambda.definition(name).memoryMb / 1024))
    .reduce((sum, gbSeconds) => sum + gbSeconds, 0);
}

type Left = { bucket: string; run: string; complete: boolean; keptIn: string | undefined };

function lookAt({ bucket, run, complete, keptIn }: Left): string[] {
  const { writes } = chain[chain.length - 1] ?? chain[0];
  const marker = complete ? [`s3://${bucket}/${successKey(run)} says that the run is complete.`] : [];
  if (keptIn === undefined) {
    return [
      ...marker,
      'Nothing was kept. With --keep, or with --data-dir DIR, the bucket and the logs stay to look at.',
    ];
  }
  return [
    ...marker,
    `The result lies in ${keptIn}, under s3://${bucket}/${writes}/${run}/; the functions' logs in ${join(keptIn, 'logs')}.`,
    'To look at it:',
    `  npm run local -- --data-dir ${keptIn}          (prints the variables to export)`,
    `  npm run status -- --run ${run}`,
    `  aws s3 ls --recursive s3://${bucket}/${writes}/${run}/`,
  ];
}

await runCommand(main);
