/**
 * Whether an item costs the same in a run of sixty thousand as in one of two thousand: s3-cascade alone, at 2,011, 11,021
 * and 64,021 calls, interleaved, each run in a process of its own and checked. The store is on disk (`--data-dir`), with
 * SQLite's page cache of 2 MB, so the process's peak memory holds none of the run's objects; what it does hold is the engine,
 * its environments, and what is queued between them. S3 requests are those of the functions.
 * GETs are not the same for each size: an event that has waited longer than Lambda's first retry comes after is looked up once
 * more (docs/decisions/0003), and in a longer run more events wait so long.
 *
 *     node bench/growth.ts [--rounds 1] [--latency-ms 0] [--environments 4]
 */
import { helpOf, flag, number, readOptions, whole } from '../cli/terminal/options.ts';
import { runCommand, type ExitStatus } from '../cli/terminal/command.ts';
import { endChildrenWithThis } from './peers/children.ts';
import { contenders } from './peers/contenders.ts';
import { callsInFlight } from './peers/layout.ts';
import { measure, prepare, sizes, tasksOf, type Measured } from './peers/sitting.ts';
import { markdown, median } from './peers/table.ts';

const options = {
  rounds: whole(1, 100, 'of each size, interleaved (default 1)'),
  'latency-ms': number(0, 60_000, 'Hermes waits so long before each answer (default 0)'),
  environments: whole(1, 256, `at once (default 4); with batches each makes ${callsInFlight} calls at once`),
  'timeout-s': whole(1, 86_400, 'a run that takes longer is ended and reported as such (default 1800)'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  help: flag('this text'),
};

const compared = ['small', 'medium', 'large'] as const;

type Growth = {
  size: string;
  items: number;
  itemsPerSecond: number;
  cpuMsPerItem: number | undefined;
  peakMb: number | undefined;
  s3RequestsPerItem: Record<string, number>;
};

async function main(): Promise<ExitStatus> {
  const given = readOptions(options, process.argv.slice(2), 'node bench/growth.ts');
  if (given.help === true) {
    process.stdout.write(`${helpOf(options)}\n`);
    return 0;
  }
  endChildrenWithThis();
  const runs = new Map(compared.map((size) => [size, [] as Measured[]]));
  for (let round = 1; round <= (given.rounds ?? 1); round += 1) {
    for (const size of compared) {
      const measured = await measureSize(size, {
        latencyMs: given['latency-ms'] ?? 0,
        environments: given.environments ?? 4,
        timeoutMs: (given['timeout-s'] ?? 1800) * 1000,
      });
      runs.get(size)?.push(measured);
      process.stderr.write(`round ${round}  ${size.padEnd(8)}${measured.seconds.toFixed(1)} s\n`);
    }
  }
  const growth = [...runs].map(([size, measured]) => growthOf(size, measured));
  process.stdout.write(`${given.json === true ? JSON.stringify(growth, null, 2) : page(growth)}\n`);
  return 0;
}

function treeOf(size: string) {
  const tree = sizes[size];
  if (tree === undefined) throw new Error(`There is no size ${size}.`);
  return tree;
}

/** @throws Error when the run's result is not the tree, or it does not end */
async function measureSize(
  size: string,
  { latencyMs, environments, timeoutMs }: { latencyMs: number; environments: number; timeoutMs: number },
): Promise<Measured> {
  const ours = contenders.find(({ name }) => name === 'ours');
  if (ours === undefined) throw new Error('s3-cascade is not among the contenders.');
  const sitting = await prepare({
    tree: treeOf(size),
    latencyMs,
    concurrency: 16,
    environments,
    timeoutMs,
    patienceMs: 75_000,
  });
  const outcome = await measure(ours, sitting);
  if ('failed' in outcome) throw new Error(`The run of size ${size} failed. ${outcome.failed}`);
  return outcome.measured;
}

function growthOf(size: string, measured: readonly Measured[]): Growth {
  const items = tasksOf(treeOf(size));
  const middle = (pick: (one: Measured) => number | undefined): number | undefined => {
    const numbers = measured.map(pick).filter((number) => number !== undefined);
    return numbers.length === 0 ? undefined : median(numbers);
  };
  const operations = [...new Set(measured.flatMap(({ s3Requests }) => Object.keys(s3Requests ?? {})))].sort();
  return {
    size,
    items,
    itemsPerSecond: median(measured.map(({ seconds }) => items / seconds)),
    cpuMsPerItem: middle(({ cpuMs }) => cpuMs && cpuMs.worker / items),
    peakMb: middle(({ peakMb }) => peakMb),
    s3RequestsPerItem: Object.fromEntries(
      operations.map((name) => [name, median(measured.map(({ s3Requests }) => (s3Requests?.[name] ?? 0) / items))]),
    ),
  };
}

function page(growth: readonly Growth[]): string {
  const operations = [...new Set(growth.flatMap(({ s3RequestsPerItem }) => Object.keys(s3RequestsPerItem)))];
  return markdown(
    ['items', 'items a second', 'CPU ms an item', 'process, peak MB', ...operations.map((name) => `${name} an item`)],
    growth.map(({ items, itemsPerSecond, cpuMsPerItem, peakMb, s3RequestsPerItem }) => [
      items.toLocaleString('en'),
      itemsPerSecond.toFixed(0),
      cpuMsPerItem?.toFixed(2) ?? '–',
      peakMb?.toFixed(0) ?? '–',
      ...operations.map((name) => (s3RequestsPerItem[name] ?? 0).toFixed(3)),
    ]),
  );
}

await runCommand(main);
process.exit();
