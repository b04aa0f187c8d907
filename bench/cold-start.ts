/**
 * What a function weighs, how long it takes to be ready in a fresh process, and what a call of the leaf costs in CPU: against a
 * bare handler (bench/handlers/bare-handler.ts) that makes a HEAD, the call and a PUT for each item with the same SDK, bundled the
 * same way; against that one with its two requests sent as ours are (lean-handler.ts); and against a bare handler that reads the
 * same batches and writes the same files as ours (bare-batch-handler.ts). Interleaved, in one sitting; S3 and Hermes are local ones. Only the ratios mean anything: Lambda's own sandbox, its network and its CPU share are not here.
 *
 *     node bench/cold-start.ts [--starts 20] [--rounds 5] [--calls 2000]
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { zipSync } from 'fflate';
import { helpOf, flag, readOptions, whole } from '../cli/terminal/options.ts';
import { packageService, startLocalAws, startStores, type LocalStores } from '../local-aws/index.ts';
import { runCommand, type ExitStatus } from '../cli/terminal/command.ts';
import { startHermesThread } from '../sources/hermes/fake/thread.ts';
import { hermesTree } from '../sources/hermes/fake/tree.ts';
import { buildS3Event } from '../shared/aws/event-codec.ts';
import { newEvent } from '../shared/engine/events.ts';
import { lastLevel } from '../shared/engine/chain/chain.ts';
import { batchPath, itemKey, partKey, resultKey, type ItemPath } from '../shared/engine/chain/keys.ts';
import { batchBody, batchElement, batchMetadata } from '../shared/engine/item/batch.ts';
import chain from '../sources/hermes/chain.ts';
import { endChildrenWithThis, temporaryFolder } from './peers/children.ts';
import { reachable, startHandler, type Runnable } from './handlers/handler.ts';
import { markdown, median } from './peers/table.ts';

const options = {
  starts: whole(1, 1000, 'fresh processes of each handler (default 20)'),
  rounds: whole(1, 100, 'of invocations, the handlers in turn (default 5)'),
  calls: whole(1, 4500, 'measured in each round, after a tenth of it to warm up (default 2000)'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  help: flag('this text'),
};

type Measurable = Omit<Runnable, 'environment'> & { zipBytes: number };

const leaf = lastLevel(chain);
/** Each parent's items fill one batch. */
const tree = { troops: 2, warriors: 50, groups: leaf.batch };
const bucket = 'bench';

async function main(): Promise<ExitStatus> {
  const given = readOptions(options, process.argv.slice(2), 'node bench/cold-start.ts');
  if (given.help === true) {
    process.stdout.write(`${helpOf(options)}\n`);
    return 0;
  }
  const { starts = 20, rounds = 5, calls = 2000 } = given;
  endChildrenWithThis();
  const { packageDir } = await packageService({
    serviceDir: resolve(import.meta.dirname, '..'),
    // Nothing waits for its turn: only CPU is measured.
    params: { source: 'hermes', rate: 'unlimited', trigger: 'direct' },
  });
  const folder = temporaryFolder();
  const hermes = await startHermesThread(tree);
  const engine = await startLocalAws(packageDir, {
    environment: { API_URL: hermes.url },
  });
  // Of its own, so that no event of a batch starts the engine's function.
  const stores = await startStores();
  stores.s3.createBucket(bucket);
  try {
    const [bare, lean, bareBatch] = await Promise.all(
      ['bare-handler', 'lean-handler', 'bare-batch-handler'].map((name) =>
        bundleHandler(name, packageDir, folder.path),
      ),
    );
    const functions = engine.model.functions.map((definition) => ({
      name: definition.logicalId.replace(/LambdaFunction$/, ''),
      codeDir: definition.codeDir,
      handler: definition.handler,
      level: definition.environment['LEVEL'],
      zipBytes: statSync(`${definition.codeDir.replace(/code\/([^/]+)$/, '$1')}.zip`).size,
      environment: {
        ...definition.environment,
        ...reachable(stores.endpoint),
        BUCKET: bucket,
        API_URL: hermes.url,
      },
    }));
    const fetchData = functions.find(({ level }) => level === leaf.name);
    if (fetchData === undefined || bare === undefined || lean === undefined || bareBatch === undefined)
      throw new Error('The package has no function of the leaf.');
    const { environment } = fetchData;
    const single = [bare, lean].map((handler) => ({ ...handler, environment, isOfBatches: false }));
    const batched = [{ ...bareBatch, environment }, fetchData].map((handler) => ({ ...handler, isOfBatches: true }));
    const inits = await measureInits([...single, ...batched.slice(0, 1), ...functions], starts);
    const cpuMs = await measureCalls([...single, ...batched], { rounds, calls, s3: stores.s3 });
    report(inits, cpuMs, given.json === true);
    return 0;
  } finally {
    await stores.stop();
    await engine.stop();
    await hermes.stop();
    folder.remove();
  }
}

/** With the settings that the functions were bundled with, as the packaged service tells them. */
async function bundleHandler(name: string, packageDir: string, folder: string): Promise<Measurable> {
  const state = JSON.parse(readFileSync(join(packageDir, 'serverless-state.json'), 'utf8')) as {
    service: { custom: { esbuild: BundleSettings } };
  };
  const { format, target, mainFields, minify, exclude } = state.service.custom.esbuild;
  const codeDir = join(folder, name);
  const outfile = join(codeDir, `${name}.mjs`);
  await build({
    entryPoints: [join(import.meta.dirname, `handlers/${name}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    ...{ format, target, mainFields, minify },
    external: exclude,
    logLevel: 'error',
  });
  const zip = zipSync({ [`${name}.mjs`]: readFileSync(outfile) });
  return { name: name.replaceAll('-', ' '), codeDir, handler: `${name}.handler`, zipBytes: zip.length };
}

type BundleSettings = { format: 'esm'; target: string; mainFields: string[]; minify: boolean; exclude: string[] };

type Init = { initMs: number; initCpuMs: number; residentMb: number };
type Started = Init & Measurable;

/** Medians, in the order of the handlers. One start more of each comes first, so that every file has been read once. */
async function measureInits(all: readonly (Runnable & Measurable)[], starts: number): Promise<Started[]> {
  const inits = all.map((runnable) => ({ runnable, of: [] as Init[] }));
  for (let start = 0; start <= starts; start += 1) {
    for (const { runnable, of } of inits) {
      const process = await startHandler(runnable);
      await process.end();
      if (start > 0) of.push(process.init);
    }
  }
  return inits.map(({ runnable, of }) => ({
    ...runnable,
    initMs: median(of.map(({ initMs }) => initMs)),
    initCpuMs: median(of.map(({ initCpuMs }) => initCpuMs)),
    residentMb: median(of.map(({ residentMb }) => residentMb)),
  }));
}

/** Objects that a handler is invoked for, and whether it has written what it has to: one that only failed measures nothing. */
type Work = { paths: ItemPath[]; isDone: (path: ItemPath) => boolean };
type Caller = Runnable & { isOfBatches: boolean };
type CallCpu = { name: string; cpuMs: number };

/** CPU ms a call, medians. Each event is of another object, whose results are not there. */
async function measureCalls(
  handlers: readonly Caller[],
  { rounds, calls, s3 }: { rounds: number; calls: number; s3: LocalStores['s3'] },
): Promise<CallCpu[]> {
  const cpuMs = handlers.map((): number[] => []);
  for (let round = 1; round <= rounds; round += 1) {
    for (const [at, handler] of handlers.entries()) {
      const run = `r${round}-${at}`;
      const size = handler.isOfBatches ? leaf.batch : 1;
      const { paths, isDone } = handler.isOfBatches ? batchesIn(run, s3) : itemsIn(run, s3);
      const warmUps = Math.ceil(calls / 10 / size);
      const measured = paths.slice(warmUps, warmUps + Math.ceil(calls / size));
      const eventOf = (path: ItemPath) => buildS3Event(newEvent(itemKey(leaf, path), Date.now()), bucket);
      const process = await startHandler(handler);
      const { cpuMs: ofEvent } = await process.run({
        warmUp: paths.slice(0, warmUps).map(eventOf),
        events: measured.map(eventOf),
      });
      cpuMs[at]?.push(ofEvent / size);
      await process.end();
      const missing = measured.filter((path) => !isDone(path));
      if (missing.length > 0) throw new Error(`${handler.name} wrote ${missing.length} results not.`);
    }
  }
  return handlers.map(({ name }, at) => ({ name, cpuMs: median(cpuMs[at] ?? []) }));
}

function itemsIn(run: string, s3: LocalStores['s3']): Work {
  const groups = [...hermesTree(tree).walk()].filter(({ kind }) => kind === 'group');
  return {
    paths: groups.map(({ ids }) => ({ run, ids })),
    isDone: (path) => s3.head(bucket, resultKey({ ...leaf, suffix: '.json' }, path)).sizeBytes > 0,
  };
}

/** Puts the batches where their handlers read them. */
function batchesIn(run: string, s3: LocalStores['s3']): Work {
  const batches = new Map<ItemPath, string[]>();
  let path: ItemPath | undefined;
  for (const { kind, ids, body } of hermesTree(tree).walk()) {
    if (kind === 'warrior') batches.set((path = batchPath({ run, ids }, 0)), []);
    if (kind === 'group' && path !== undefined)
      batches.get(path)?.push(batchElement(ids.slice(0, -1), { id: ids.at(-1) ?? '', body }));
  }
  const facts = Object.entries(batchMetadata(leaf.batch, {}));
  const headers = Object.fromEntries(facts.map(([name, value]) => [`x-amz-meta-${name}`, value]));
  for (const [batch, elements] of batches)
    s3.put(bucket, itemKey(leaf, batch), Buffer.from(batchBody(elements)), { headers });
  const lines = (key: string): number => Buffer.from(s3.get(bucket, key).body).toString().split('\n').length - 1;
  return { paths: [...batches.keys()], isDone: (batch) => lines(partKey(leaf, batch, 0)) === leaf.batch };
}

function unpackedBytes(dir: string): number {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function report(inits: readonly Started[], calls: readonly CallCpu[], json: boolean) {
  const bareInitMs = inits[0]?.initMs ?? NaN;
  const bareCpuMs = calls[0]?.cpuMs ?? NaN;
  const handlers = inits.map(({ name, codeDir, zipBytes, initMs, initCpuMs, residentMb }) => {
    const sizes = { zipKb: zipBytes / 1000, unpackedKb: unpackedBytes(codeDir) / 1000 };
    return { name, ...sizes, initMs, toBare: initMs / bareInitMs, initCpuMs, residentMb };
  });
  if (json) {
    process.stdout.write(`${JSON.stringify({ node: process.versions.node, handlers, calls }, null, 2)}\n`);
    return;
  }
  const table = markdown(
    ['handler', 'zip, kB', 'unpacked, kB', 'ready after, ms', 'to bare', 'CPU until then, ms', 'resident, MB'],
    handlers.map(({ name, zipKb, unpackedKb, initMs, toBare, initCpuMs, residentMb }) => [
      name,
      ...[zipKb, unpackedKb, initMs].map((value) => value.toFixed(0)),
      toBare.toFixed(2),
      ...[initCpuMs, residentMb].map((value) => value.toFixed(0)),
    ]),
  );
  const cpu = markdown(
    ['handler', 'CPU ms a call', 'to bare'],
    calls.map(({ name, cpuMs }) => [name, cpuMs.toFixed(2), (cpuMs / bareCpuMs).toFixed(2)]),
  );
  process.stdout.write(`${table}\n\n${cpu}\n`);
}

await runCommand(main);
process.exit();
