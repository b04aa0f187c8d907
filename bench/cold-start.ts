/**
 * What a function weighs, how long it takes to be ready in a fresh process, and what an invocation of the leaf costs in CPU:
 * against a bare handler (bench/handlers/bare-handler.ts) that does the same HEAD, call and PUT with the same SDK, bundled the
 * same way, and against that one with its two requests sent as ours are (lean-handler.ts). Interleaved, in one sitting; S3 and
 * Hermes are local ones. Only the ratios mean anything: Lambda's own sandbox, its network and its CPU share are not here.
 *
 *     node bench/cold-start.ts [--starts 20] [--rounds 5] [--invocations 1000]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { zipSync } from 'fflate';
import { helpOf, flag, readOptions, whole } from '../cli/terminal/options.ts';
import { packageService, peoplesCredentials, region, startLocalAws } from '../local-aws/index.ts';
import { runCommand, type ExitStatus } from '../cli/terminal/command.ts';
import { startHermesThread } from '../sources/hermes/fake/thread.ts';
import { hermesTree } from '../sources/hermes/fake/tree.ts';
import { buildS3Event } from '../shared/aws/event-codec.ts';
import { newEvent } from '../shared/engine/events.ts';
import { lastLevel } from '../shared/engine/chain/chain.ts';
import { itemKey, resultKey } from '../shared/engine/chain/keys.ts';
import chain from '../sources/hermes/chain.ts';
import { endChildrenWithThis, temporaryFolder } from './peers/children.ts';
import type { FromHandler, ToHandler } from './handlers/handler-process.ts';
import { markdown, median } from './peers/table.ts';

const options = {
  starts: whole(1, 1000, 'fresh processes of each handler (default 20)'),
  rounds: whole(1, 100, 'of invocations, the two handlers in turn (default 5)'),
  invocations: whole(1, 5000, 'measured in each round, after a tenth of it to warm up (default 1000)'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  help: flag('this text'),
};

type Measurable = { name: string; codeDir: string; handler: string; zipBytes: number };
type Environment = Record<string, string>;

const leaf = lastLevel(chain);
const tree = { troops: 2, warriors: 50, groups: 55 };

async function main(): Promise<ExitStatus> {
  const given = readOptions(options, process.argv.slice(2), 'node bench/cold-start.ts');
  if (given.help === true) {
    process.stdout.write(`${helpOf(options)}\n`);
    return 0;
  }
  const { starts = 20, rounds = 5, invocations = 1000 } = given;
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
  try {
    const bare = await bundleHandler('bare-handler', packageDir, folder.path);
    const lean = await bundleHandler('lean-handler', packageDir, folder.path);
    const functions = engine.model.functions.map((definition) => ({
      name: definition.logicalId.replace(/LambdaFunction$/, ''),
      codeDir: definition.codeDir,
      handler: definition.handler,
      level: definition.environment['LEVEL'],
      zipBytes: statSync(`${definition.codeDir.replace(/code\/([^/]+)$/, '$1')}.zip`).size,
      environment: {
        ...definition.environment,
        ...reachable(engine.endpoint),
        API_URL: hermes.url,
      },
    }));
    const fetchData = functions.find(({ level }) => level === leaf.name);
    if (fetchData === undefined) throw new Error('The package has no function of the leaf.');
    const beside = [bare, lean].map((handler) => ({ ...handler, environment: fetchData.environment }));
    const all = [...beside, ...functions];
    const inits = await measureInits(all, starts);
    const isWritten = (key: string): boolean => engine.s3.head(engine.bucket, key).sizeBytes > 0;
    const cpuMs = await measureInvocations([...beside, fetchData], {
      rounds,
      invocations,
      bucket: engine.bucket,
      isWritten,
    });
    report(all, inits, cpuMs, given.json === true);
    return 0;
  } finally {
    await engine.stop();
    await hermes.stop();
    folder.remove();
  }
}

/** What a function finds in its environment on the local engine; asked over HTTP, as on AWS. */
function reachable(endpoint: string): Environment {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: peoplesCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: peoplesCredentials.secretAccessKey,
    AWS_SESSION_TOKEN: '',
    AWS_EC2_METADATA_DISABLED: 'true',
    LAMBDA_TIME_SCALE: '1',
  };
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
  return { name: name.replace('-', ' '), codeDir, handler: `${name}.handler`, zipBytes: zip.length };
}

type BundleSettings = { format: 'esm'; target: string; mainFields: string[]; minify: boolean; exclude: string[] };

type Runnable = Measurable & { environment: Environment };

/** Starts a handler in a fresh process; it is ready when this resolves. */
async function startHandler({ codeDir, handler, environment }: Runnable) {
  const child = fork(join(import.meta.dirname, 'handlers/handler-process.ts'), [codeDir, handler], {
    env: { PATH: process.env['PATH'] ?? '', ...environment },
    // Its log lines are written, as they are on AWS, and not kept.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const next = async (): Promise<FromHandler> => {
    const gone = once(child, 'exit').then(() => Promise.reject(new Error(`${handler} ended.`)));
    const [message] = (await Promise.race([once(child, 'message'), gone])) as [FromHandler];
    return message;
  };
  const init = await next();
  if ('cpuMs' in init) throw new Error(`${handler} said something before it was ready.`);
  return {
    init,
    async run(work: ToHandler): Promise<number> {
      child.send(work);
      const done = await next();
      return 'cpuMs' in done ? done.cpuMs : NaN;
    },
    async end(): Promise<void> {
      child.removeAllListeners('exit');
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

type Init = { initMs: number; initCpuMs: number; residentMb: number };

/** Medians, in the order of the handlers. One start more of each comes first, so that every file has been read once. */
async function measureInits(all: readonly Runnable[], starts: number): Promise<Init[]> {
  const inits = all.map((): Init[] => []);
  for (let start = 0; start <= starts; start += 1) {
    for (const [at, runnable] of all.entries()) {
      const process = await startHandler(runnable);
      await process.end();
      if (start > 0) inits[at]?.push(process.init);
    }
  }
  return inits.map((of) => ({
    initMs: median(of.map(({ initMs }) => initMs)),
    initCpuMs: median(of.map(({ initCpuMs }) => initCpuMs)),
    residentMb: median(of.map(({ residentMb }) => residentMb)),
  }));
}

type Invocations = {
  rounds: number;
  invocations: number;
  bucket: string;
  /** Whether an object is there; a handler that only failed is no measure of anything. */
  isWritten: (key: string) => boolean;
};

/** CPU ms an invocation, medians, in the order of the handlers. Every event is of another item, whose result is not there. */
async function measureInvocations(
  handlers: readonly Runnable[],
  { rounds, invocations, bucket, isWritten }: Invocations,
): Promise<number[]> {
  const groups = [...hermesTree(tree).walk()].filter(({ kind }) => kind === 'group').map(({ ids }) => ids);
  const warmUps = Math.ceil(invocations / 10);
  const cpuMs = handlers.map((): number[] => []);
  for (let round = 1; round <= rounds; round += 1) {
    for (const [at, runnable] of handlers.entries()) {
      const run = `r${round}-${at}`;
      const eventOf = (ids: readonly string[]) =>
        buildS3Event(newEvent(itemKey(leaf, { run, ids }), Date.now()), bucket);
      const process = await startHandler(runnable);
      const warmUp = groups.slice(0, warmUps).map(eventOf);
      const measured = groups.slice(warmUps, warmUps + invocations);
      const events = measured.map(eventOf);
      cpuMs[at]?.push(await process.run({ warmUp, events }));
      await process.end();
      const missing = measured.filter((ids) => !isWritten(resultKey(leaf, { run, ids })));
      if (missing.length > 0) throw new Error(`${runnable.name} wrote ${missing.length} results not.`);
    }
  }
  return cpuMs.map(median);
}

function unpackedBytes(dir: string): number {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function report(
  all: readonly Runnable[],
  inits: readonly Init[],
  [bareMs = NaN, leanMs = NaN, oursMs = NaN]: number[],
  json: boolean,
) {
  const [bare] = inits;
  const rows = all.map(({ name, codeDir, zipBytes }, at) => {
    const init = inits[at] ?? { initMs: NaN, initCpuMs: NaN, residentMb: NaN };
    const toBare = init.initMs / (bare?.initMs ?? NaN);
    return { name, zipKb: zipBytes / 1000, unpackedKb: unpackedBytes(codeDir) / 1000, ...init, toBare };
  });
  if (json) {
    const invocation = { bareCpuMs: bareMs, leanCpuMs: leanMs, fetchDataCpuMs: oursMs };
    process.stdout.write(`${JSON.stringify({ node: process.versions.node, handlers: rows, invocation }, null, 2)}\n`);
    return;
  }
  const table = markdown(
    ['handler', 'zip, kB', 'unpacked, kB', 'ready after, ms', 'to bare', 'CPU until then, ms', 'resident, MB'],
    rows.map(({ name, zipKb, unpackedKb, initMs, toBare, initCpuMs, residentMb }) => [
      name,
      ...[zipKb, unpackedKb, initMs].map((value) => value.toFixed(0)),
      toBare.toFixed(2),
      ...[initCpuMs, residentMb].map((value) => value.toFixed(0)),
    ]),
  );
  const invocations = markdown(
    ['handler', 'CPU ms an invocation', 'to bare'],
    Object.entries({ 'bare handler': bareMs, 'lean handler': leanMs, FetchData: oursMs }).map(([name, ms]) => [
      name,
      ms.toFixed(2),
      (ms / bareMs).toFixed(2),
    ]),
  );
  process.stdout.write(`${table}\n\n${invocations}\n`);
}

await runCommand(main);
process.exit();
