/**
 * What publishing a run takes: a run's results are put into an S3 on disk, and the functions `publish` and `publishPiece` are run on
 * them as Lambda would run them: each piece in a process of its own, with the heap that a function of its memory has, one after the
 * other (on AWS they are side by side). Measured are seconds, the most that a process ever had resident, and requests; priced at
 * us-east-1's list prices, arm64. Then DuckDB reads the tables, and each value is compared with what was put there.
 *
 *     node bench/publish.ts [--results 62000] [--result-bytes 400]
 *     node bench/publish.ts --results 1000000 --result-bytes 1000
 */
import { join, resolve } from 'node:path';
import { costOf, s3RequestsOf } from '../cli/run/cost.ts';
import { runCommand, type ExitStatus } from '../cli/terminal/command.ts';
import { bytes, count, dollars } from '../cli/terminal/format.ts';
import { flag, helpOf, readOptions, whole } from '../cli/terminal/options.ts';
import { packageService, startLocalAws, startStores, type LocalStores } from '../local-aws/index.ts';
import { buildS3Event } from '../shared/aws/event-codec.ts';
import { lastLevel } from '../shared/engine/chain/chain.ts';
import { batchPath, partKey, successKey } from '../shared/engine/chain/keys.ts';
import { newEvent } from '../shared/engine/events.ts';
import { listPublishLevels } from '../shared/engine/publish/publish-levels.ts';
import chain from '../sources/hermes/chain.ts';
import { openJudge } from '../test/tables/duckdb.ts';
import { differences, hostileRow } from '../test/tables/hostile-rows.ts';
import { reachable, startHandler } from './handlers/handler.ts';
import { endChildrenWithThis, temporaryFolder } from './peers/children.ts';
import { markdown } from './peers/table.ts';

const options = {
  results: whole(100, 100_000_000, 'of the run (default 62000)'),
  'result-bytes': whole(300, 1_000_000, 'of each, about (default 400)'),
  help: flag('this text'),
};

const run = 'bench';
const bucket = 'bench';
/** Lambda's runtime gives V8's old space nine tenths of the memory. */
const heapShare = 0.9;
const leaf = lastLevel(chain);

type Size = { results: number; padding: number };
type Work = { name: string; memoryMb: number; seconds: number; peakMb: number };

async function main(): Promise<ExitStatus> {
  const given = readOptions(options, process.argv.slice(2), 'node bench/publish.ts');
  if (given.help === true) {
    process.stdout.write(`${helpOf(options)}\n`);
    return 0;
  }
  endChildrenWithThis();
  const results = given.results ?? 62_000;
  const bare = hostileRow(12_345).text.length;
  const size = { results, padding: Math.max(0, (given['result-bytes'] ?? 400) - bare) };
  const folder = temporaryFolder();
  const stores = await startStores({ dataDir: join(folder.path, 's3') });
  try {
    const resultBytes = putResults(stores, size);
    process.stderr.write(`${count(results)} results, ${bytes(resultBytes)}, are there.\n`);
    const works = await publish(stores);
    process.stdout.write(`${page(works, stores, { ...size, resultBytes })}\n`);
    const wrong = await judge(stores, size);
    process.stdout.write(
      wrong.length === 0
        ? `DuckDB read ${count(results)} rows: each value is the one that was put there.\n`
        : `${wrong.join('\n')}\n`,
    );
    return wrong.length === 0 ? 0 : 1;
  } finally {
    await stores.stop();
    folder.remove();
  }
}

/** In parts of a full batch, as the chain writes them. @returns bytes */
function putResults({ s3 }: LocalStores, { results, padding }: Size): number {
  s3.createBucket(bucket);
  let total = 0;
  for (let from = 0, parent = 0; from < results; from += leaf.batch, parent += 1) {
    const parentIds = [`troop-${Math.floor(parent / 50)}`, `warrior-${parent}`];
    const lines: string[] = [];
    for (let number = from; number < Math.min(results, from + leaf.batch); number += 1) {
      const { id, text } = hostileRow(number, padding);
      const [troop, warrior, group] = [...parentIds, id].map((each) => JSON.stringify(each));
      lines.push(
        `{"troop":${troop},"warrior":${warrior},"group":${group},"fetched_at":"2026-11-20T03:32:45.196Z","data":${text}}\n`,
      );
    }
    const body = Buffer.from(lines.join(''));
    s3.put(bucket, partKey(leaf, batchPath({ run, ids: parentIds }, 0), 0), body);
    total += body.length;
  }
  s3.put(bucket, successKey(chain, run), Buffer.from(JSON.stringify({ run })));
  return total;
}

async function publish(stores: LocalStores): Promise<Work[]> {
  const { packageDir } = await packageService({
    serviceDir: resolve(import.meta.dirname, '..'),
    params: { source: 'hermes', rate: 'unlimited', trigger: 'direct' },
  });
  // Only to read the package: it has an S3 of its own, so that what is put here starts nothing.
  const engine = await startLocalAws(packageDir, {});
  const { functions } = engine.model;
  const works: Work[] = [];
  const take = async (service: string, key: string): Promise<void> => {
    const definition = functions.find(({ name }) => name.endsWith(`-${service}`));
    if (definition === undefined) throw new Error(`The package has no function ${service}.`);
    const { memoryMb } = definition;
    const environment = { ...definition.environment, ...reachable(stores.endpoint), BUCKET: bucket };
    const handler = await startHandler({ ...definition, environment }, Math.floor(memoryMb * heapShare));
    const startedMs = performance.now();
    const event = buildS3Event(newEvent(key, Date.now()), bucket);
    const { peakMb } = await handler.run({ warmUp: [], events: [event] });
    works.push({ name: service, memoryMb, seconds: (performance.now() - startedMs) / 1000, peakMb });
    await handler.end();
    process.stderr.write(`${service} ${key}: ${works.at(-1)?.seconds.toFixed(1)} s, ${peakMb.toFixed(0)} MB\n`);
  };
  const [planner, piece] = listPublishLevels(chain);
  if (planner === undefined || piece === undefined) throw new Error('The chain publishes nothing.');
  await take(planner.function, successKey(chain, run));
  const pieces = stores.s3.list(bucket, { prefix: `${piece.reads}/` }).contents;
  for (const { key } of pieces) await take(piece.function, key);
  await engine.stop();
  return works;
}

function page(
  works: readonly Work[],
  stores: LocalStores,
  { results, resultBytes }: { results: number; resultBytes: number },
): string {
  const { functions, people } = stores.counts();
  const operations: Record<string, number> = { ...people.s3 };
  for (const [name, times] of Object.entries(functions.s3 ?? {})) operations[name] = (operations[name] ?? 0) + times;
  const lambdaGbSeconds = works.reduce((sum, { seconds, memoryMb }) => sum + (seconds * memoryMb) / 1024, 0);
  const s3 = s3RequestsOf(operations);
  const { usd } = costOf({ s3, sqsRequests: 0, invocations: works.length, lambdaGbSeconds });
  const tables = stores.s3.list(bucket, { prefix: 'tables/' }).contents.filter(({ key }) => key.endsWith('.parquet'));
  const tableBytes = tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const names = [...new Set(works.map(({ name }) => name))];
  const rows = names.map((name) => {
    const own = works.filter((work) => work.name === name);
    const seconds = own.map((work) => work.seconds);
    return [
      name,
      String(own.length),
      seconds.reduce((sum, each) => sum + each, 0).toFixed(1),
      Math.max(...seconds).toFixed(1),
      String(own[0]?.memoryMb),
      `${Math.min(...own.map(({ peakMb }) => peakMb)).toFixed(0)} to ${Math.max(...own.map(({ peakMb }) => peakMb)).toFixed(0)}`,
    ];
  });
  const header = ['function', 'invocations', 'seconds', 'the longest', 'memory, MB', 'process, peak MB'];
  const reads = `${count(s3.get)} GET, ${count(s3.head)} HEAD, ${count(s3.list)} LIST, ${count(s3.put)} PUT`;
  return [
    `### ${count(results)} results, ${bytes(resultBytes)}: ${tables.length} files, ${bytes(tableBytes)}`,
    markdown(header, rows),
    `S3: ${reads}. ${lambdaGbSeconds.toFixed(1)} GB-seconds. On AWS ${dollars(usd)}.`,
  ].join('\n\n');
}

async function judge({ s3 }: LocalStores, { results, padding }: Size): Promise<string[]> {
  const parts = s3.list(bucket, { prefix: 'tables/' }).contents.filter(({ key }) => key.endsWith('.parquet'));
  const judged = await openJudge(parts.map(({ key }) => [key, s3.get(bucket, key).body]));
  try {
    const rows = judged.rows(`select * from read_parquet('$DIR/tables/data/run=${run}/*.parquet')`);
    return await differences(rows, { idColumn: 'group', count: results, padding });
  } finally {
    judged.close();
  }
}

await runCommand(main);
process.exit();
