/**
 * What a run of 64,021 calls costs on AWS: requests, invocations, GB-seconds and log bytes are counted on the local engine, with a
 * Hermes that takes its time and so few environments that they hardly wait for the machine; priced at us-east-1's list prices,
 * arm64, without free tiers. With a rate, the environments are as many as a deployment at that rate has, and their sleep is in
 * their durations. Next to it the same job elsewhere (bench/other-ways.ts), whose counts follow from the tree. What S3 itself
 * takes to answer on AWS is not in the measured durations; it is added, as stated.
 *
 *     node bench/cost.ts [--latency-ms 100] [--environments 24] [--size large] [--rate 20]
 */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { count, dollars } from '../cli/terminal/format.ts';
import { flag, helpOf, number, readOptions, text, UsageError, whole } from '../cli/terminal/options.ts';
import { runCommand, type ExitStatus } from '../cli/terminal/command.ts';
import { costOf, s3RequestsOf, type CostLine, type Usage } from '../cli/run/cost.ts';
import { packageService, startLocalAws } from '../local-aws/index.ts';
import { startHermesThread } from '../sources/hermes/fake/thread.ts';
import { isBatched, lastLevel, type Level } from '../shared/engine/chain/chain.ts';
import chain from '../sources/hermes/chain.ts';
import { distributedMap, lambdaTime, smallServer } from './other-ways.ts';
import { endChildrenWithThis, temporaryFolder } from './peers/children.ts';
import { sizes, tasksOf } from './peers/sitting.ts';
import { markdown } from './peers/table.ts';

const options = {
  'latency-ms': number(0, 10_000, 'Hermes waits so long before each answer (default 100)'),
  environments: whole(1, 1000, 'at once (default 24)'),
  rate: number(0.001, 100_000, 'requests a second to the API, as when it is deployed (default: no bound)'),
  size: text('SIZE', `of the tree: ${Object.keys(sizes).join(', ')} (default large)`),
  help: flag('this text'),
};

/** What S3 takes to answer a HEAD, GET or PUT of a small object on AWS, in milliseconds; stated, not measured. */
const s3Ms = 25;

/**
 * Answers of S3 that an invocation waits for, one after the other. A batch: its object, whether it has parts, its part. A result of
 * one item: whether it is there, its PUT. Another level: what it reads side by side, its children, its receipt.
 */
const s3Waits = (level: Level): number => (level.children === 'one' && !isBatched(level) ? 2 : 3);

/** https://aws.amazon.com/cloudwatch/pricing/ : logs taken in */
const usdPerLogGb = 0.5;

type Counted = {
  usage: Usage;
  /** By the level's function. */
  functions: Record<string, { invocations: number; durationMs: number }>;
  memoryGb: number;
  /** What the functions wrote, and Lambda of them. */
  logBytes: number;
};

async function main(): Promise<ExitStatus> {
  const given = readOptions(options, process.argv.slice(2), 'node bench/cost.ts');
  if (given.help === true) {
    process.stdout.write(`${helpOf(options)}\n`);
    return 0;
  }
  const { 'latency-ms': latencyMs = 100, environments = 24, size = 'large', rate } = given;
  const tree = sizes[size];
  if (tree === undefined) throw new UsageError(`There is no size ${size}; there are ${Object.keys(sizes).join(', ')}.`);
  endChildrenWithThis();
  const counted = await countRun({ tree, latencyMs, rate }, environments);
  process.stdout.write(`${page(counted, { tree, latencyMs, rate })}\n`);
  return 0;
}

type Job = { tree: (typeof sizes)[string]; latencyMs: number; rate: number | undefined };

const none = { invocations: 0, durationMs: 0 };

async function countRun({ tree, latencyMs, rate }: Job, maxEnvironments: number): Promise<Counted> {
  const hermes = await startHermesThread({ ...tree, latencyMs });
  const { packageDir } = await packageService({
    serviceDir: resolve(import.meta.dirname, '..'),
    params: { source: 'hermes', rate: rate === undefined ? 'unlimited' : String(rate), trigger: 'direct' },
  });
  const folder = temporaryFolder();
  const environment = { API_URL: hermes.url };
  const engine = await startLocalAws(packageDir, { dataDir: folder.path, timeScale: 1, maxEnvironments, environment });
  const logs = join(folder.path, 'logs');
  try {
    engine.s3.put(engine.bucket, 'seeds/cost.json', Buffer.from('{}'));
    await engine.idle();
    const payload = JSON.stringify({ run: 'cost' });
    const swept = await engine.lambda.invoke(`${engine.model.stackName}-sweep`, payload);
    if (!swept.payload.includes('"complete":true')) throw new Error(`The run is not complete: ${swept.payload}`);
    const { s3 = {}, sqs = {} } = engine.counts().functions;
    const { invocations, lambdaGbSeconds, byFunction } = engine.lambda.stats();
    const sqsRequests = Object.values(sqs).reduce((sum, count) => sum + count, 0);
    const [{ memoryMb } = { memoryMb: NaN }] = engine.model.functions;
    // The seed is a person's.
    const requests = s3RequestsOf(s3);
    requests.put += 1;
    // So that all logs are on the disk.
    await engine.stop();
    return {
      logBytes: readdirSync(logs).reduce((sum, name) => sum + statSync(join(logs, name)).size, 0),
      usage: { s3: requests, sqsRequests, invocations, lambdaGbSeconds },
      functions: Object.fromEntries(
        chain.levels.map(({ function: name }) => [name, byFunction[`${engine.model.stackName}-${name}`] ?? none]),
      ),
      memoryGb: memoryMb / 1024,
    };
  } finally {
    await engine.stop();
    await hermes.stop();
    folder.remove();
  }
}

const sum = (lines: readonly CostLine[]): number => lines.reduce((total, line) => total + line.usd, 0);

function page({ usage, functions, memoryGb, logBytes }: Counted, { tree, latencyMs, rate }: Job): string {
  const { troops, warriors, groups } = tree;
  const items = [1, troops, troops * warriors, troops * warriors * groups];
  const s3Answers = chain.levels.reduce(
    (total, level) => total + (functions[level.function]?.invocations ?? 0) * s3Waits(level),
    0,
  );
  const waiting = lambdaTime(`Lambda waits for S3: ${s3Ms} ms an answer`, (s3Answers * s3Ms * memoryGb) / 1000);
  const logGb = logBytes / 1e9;
  const logs: CostLine = { what: 'CloudWatch Logs', quantity: logBytes / 1e6, unit: 'MB', usd: logGb * usdPerLogGb };
  const { callsInFlight, batch } = lastLevel(chain);
  const shape = { items, latencyMs, memoryGb, s3Ms, callsInFlight };
  const elsewhere = [1, 31, 50].flatMap((size) =>
    (['Standard', 'Express'] as const).flatMap((children) => [
      `### Step Functions Distributed Map, ${children} children, ${size === 1 ? 'one item each' : `an ItemBatcher of ${size}`}`,
      table(distributedMap(children, size, shape)),
    ]),
  );
  const atRate = rate === undefined ? '' : ` at ${rate} a second`;
  return [
    `### s3-cascade: ${count(tasksOf(tree))} calls of ${latencyMs} ms${atRate}, ${memoryGb * 1024} MB`,
    table([...costOf(usage).lines, waiting, logs]),
    markdown(
      ['function', 'invocations', 'ms each, measured', 'GB-seconds'],
      Object.entries(functions).map(([name, { invocations, durationMs }]) => [
        name,
        count(invocations),
        (durationMs / invocations).toFixed(1),
        count((durationMs / 1000) * memoryGb),
      ]),
    ),
    ...elsewhere,
    '### A small server that runs all month, one run a day',
    table(smallServer(Math.ceil((items.at(-1) ?? 0) / batch))),
  ].join('\n\n');
}

function table(lines: readonly CostLine[]): string {
  const rows = lines.map(({ what, quantity, unit, usd: cost }) => [
    what,
    `${count(quantity)} ${unit}`.trim(),
    dollars(cost),
  ]);
  return markdown(['', 'quantity', 'cost'], [...rows, ['**sum**', '', `**${dollars(sum(lines))}**`]]);
}

await runCommand(main);
process.exit();
