/**
 * What a run of 64,021 calls costs on AWS: requests, invocations and GB-seconds are counted on the local engine, with a Hermes
 * that takes its time and so few environments that they hardly wait for the machine; priced at us-east-1's list prices, arm64,
 * without free tiers. Beside it the same job by Step Functions Distributed Map and on a small server, whose counts follow from
 * the tree. What S3 itself takes to answer on AWS is not in the measured durations; it is added, as stated.
 *
 *     node bench/cost.ts [--latency-ms 100] [--environments 24] [--size large]
 */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { count, dollars } from '../cli/terminal/format.ts';
import { flag, helpOf, number, readOptions, text, UsageError, whole } from '../cli/terminal/options.ts';
import { runCommand, type ExitStatus } from '../cli/terminal/command.ts';
import {
  costOf,
  s3RequestsOf,
  usdPerGbSecond,
  usdPerInvocation,
  usdPerWrite,
  type CostLine,
  type Usage,
} from '../cli/run/cost.ts';
import { packageService, startLocalAws } from '../local-aws/index.ts';
import { startHermesThread } from '../sources/hermes/fake/thread.ts';
import type { Level } from '../shared/engine/chain/chain.ts';
import chain from '../sources/hermes/chain.ts';
import { endChildrenWithThis, temporaryFolder } from './peers/children.ts';
import { sizes, tasksOf } from './peers/sitting.ts';
import { markdown } from './peers/table.ts';

const options = {
  'latency-ms': number(0, 10_000, 'Hermes waits so long before each answer (default 100)'),
  environments: whole(1, 1000, 'at once (default 24)'),
  size: text('SIZE', `of the tree: ${Object.keys(sizes).join(', ')} (default large)`),
  help: flag('this text'),
};

/** What S3 takes to answer a HEAD, GET or PUT of a small object on AWS, in milliseconds; stated, not measured. */
const s3Ms = 25;

/** Answers of S3 that an invocation waits for, one after the other: what it reads side by side, its result or children, its receipt. */
const s3Waits = (level: Level): number => (level.children === 'one' ? 2 : 3);

/**
 * https://aws.amazon.com/step-functions/pricing/ : a transition of a Standard workflow; an execution of an Express one, and
 * its duration in chunks of 64 MB and 100 ms. Each child of a Distributed Map is an execution.
 */
const usdPerTransition = 25 / 1e6;
const usdPerExpress = 1 / 1e6;
const usdPerExpressGbSecond = 0.00001667;

/** https://aws.amazon.com/ec2/pricing/on-demand/ and /ebs/pricing/ : t4g.small, 2 GB; 20 GB of gp3. 730 hours a month. */
const usdPerServerMonth = 0.0168 * 730 + 20 * 0.08;

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
  const { 'latency-ms': latencyMs = 100, environments = 24, size = 'large' } = given;
  const tree = sizes[size];
  if (tree === undefined) throw new UsageError(`There is no size ${size}; there are ${Object.keys(sizes).join(', ')}.`);
  endChildrenWithThis();
  const counted = await countRun(tree, latencyMs, environments);
  process.stdout.write(`${page(counted, { items: tasksOf(tree), leaves: leavesOf(tree), latencyMs })}\n`);
  return 0;
}

type Tree = (typeof sizes)[string];
const leavesOf = ({ troops, warriors, groups }: Tree): number => troops * warriors * groups;

const none = { invocations: 0, durationMs: 0 };

async function countRun(tree: Tree, latencyMs: number, maxEnvironments: number): Promise<Counted> {
  const hermes = await startHermesThread({ ...tree, latencyMs });
  const { packageDir } = await packageService({
    serviceDir: resolve(import.meta.dirname, '..'),
    params: { source: 'hermes', rate: 'unlimited', trigger: 'direct' },
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

function page(
  { usage, functions, memoryGb, logBytes }: Counted,
  { items, leaves, latencyMs }: { items: number; leaves: number; latencyMs: number },
): string {
  const s3Answers = chain.levels.reduce(
    (total, level) => total + (functions[level.function]?.invocations ?? 0) * s3Waits(level),
    0,
  );
  const waiting = lambdaTime(`Lambda waits for S3: ${s3Ms} ms an answer`, (s3Answers * s3Ms * memoryGb) / 1000);
  const slow = lambdaTime(
    `With an API of 300 ms instead of ${latencyMs}`,
    (items * (300 - latencyMs) * memoryGb) / 1000,
  );
  const logGb = logBytes / 1e9;
  const logs: CostLine = { what: 'CloudWatch Logs', quantity: logBytes / 1e6, unit: 'MB', usd: logGb * usdPerLogGb };
  const ours = [...costOf(usage).lines, waiting, logs];

  // A Distributed Map a level: one Lambda call an item, whose children are what its execution answers; results are written.
  const taskSeconds = (s3Ms + latencyMs) / 1000;
  const results: CostLine = {
    what: 'S3 PUT of each result',
    quantity: leaves,
    unit: 'requests',
    usd: leaves * usdPerWrite,
  };
  const tasks: CostLine[] = [
    results,
    { what: 'Lambda invocations', quantity: items, unit: 'requests', usd: items * usdPerInvocation },
    lambdaTime('Lambda time: the API, and S3 once', items * taskSeconds * memoryGb),
  ];
  const transitions: CostLine = {
    what: 'state transitions, one a child',
    quantity: items,
    unit: '',
    usd: items * usdPerTransition,
  };
  const chunks = Math.ceil(taskSeconds * 10) / 10;
  const expressGbSeconds = (items * chunks * 64) / 1024;
  const express: CostLine[] = [
    { what: 'Express executions', quantity: items, unit: 'requests', usd: items * usdPerExpress },
    {
      what: 'their duration, 64 MB',
      quantity: expressGbSeconds,
      unit: 'GB-seconds',
      usd: expressGbSeconds * usdPerExpressGbSecond,
    },
  ];
  const server: CostLine[] = [
    { what: 'a thirtieth of t4g.small and 20 GB', quantity: 1, unit: 'day', usd: usdPerServerMonth / 30 },
    results,
  ];

  return [
    `### s3-cascade: ${count(items)} calls of ${latencyMs} ms, ${memoryGb * 1024} MB`,
    table(ours),
    markdown(
      ['function', 'invocations', 'ms each, measured', 'beside one answer of the API'],
      Object.entries(functions).map(([name, { invocations, durationMs }]) => [
        name,
        count(invocations),
        (durationMs / invocations).toFixed(1),
        (durationMs / invocations - latencyMs).toFixed(1),
      ]),
    ),
    `${slow.what}: ${count(slow.quantity)} GB-seconds more, ${dollars(slow.usd)}; then ${dollars(sum(ours) + slow.usd)}.`,
    '### Step Functions Distributed Map, Standard children',
    table([...tasks, transitions]),
    '### Step Functions Distributed Map, Express children',
    table([...tasks, ...express]),
    '### A small server that runs all month, one run a day',
    table(server),
  ].join('\n\n');
}

function lambdaTime(what: string, gbSeconds: number): CostLine {
  return { what, quantity: gbSeconds, unit: 'GB-seconds', usd: gbSeconds * usdPerGbSecond };
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
