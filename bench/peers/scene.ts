/**
 * One measurement's surroundings, all started anew: a Hermes, the local S3, the tool's own server, and the contender's
 * process, which can be killed and started again. Each is a process of its own; none of them is left over.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { hermesControl, type HermesControl } from '../../sources/hermes/fake/control.ts';
import { messageOf, start, startNode, temporaryFolder, type Child } from './children.ts';
import type { Contender } from './contenders.ts';
import type { JobSettings } from './job.ts';
import { useOf, type ProcessUse } from './process-use.ts';
import { s3rverObjects, storedObjects, type Objects } from './tree-check.ts';
import type { Finished, FromWorker, ToWorker } from './worker.ts';

export type Tree = { troops: number; warriors: number; groups: number };
export type Conditions = Pick<JobSettings, 'concurrency' | 'environments'> & { tree: Tree; latencyMs: number };

export type Uses = Record<'worker' | 'server' | 'store', ProcessUse | undefined>;

export type Scene = {
  hermes: HermesControl;
  /** Starts the contender's process and returns once it is ready. */
  startWorker: (signal: AbortSignal) => Promise<void>;
  /** Tells it to begin; resolves when it says that all is done. */
  begin: (how: ToWorker, signal: AbortSignal) => Promise<Finished>;
  killWorker: () => Promise<void>;
  uses: () => Uses;
  /** Ends the contender and the stores, and reads what was stored. */
  stored: () => Promise<Objects>;
  /** The last that each process said, for a contender that fails. */
  output: () => string;
  close: () => Promise<void>;
};

const startTimeoutMs = 60_000;
const token = 'local-hermes-token';
const bucket = 'peers';
const repository = join(import.meta.dirname, '../..');

export async function openScene(contender: Contender, conditions: Conditions, packageDir: string): Promise<Scene> {
  const folder = temporaryFolder();
  const serverFolder = temporaryFolder();
  const children: Child[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.end()));
    folder.remove();
    serverFolder.remove();
  };
  try {
    return await openIn(folder.path, serverFolder.path);
  } catch (error) {
    await close();
    throw error;
  }

  async function openIn(dir: string, serverDir: string): Promise<Scene> {
    const hermes = start('Hermes', process.execPath, hermesArguments(conditions));
    children.push(hermes);
    const apiUrl = (await hermes.saying(/listens on (\S+)/))[1] ?? '';
    const work = join(dir, 'work');
    mkdirSync(work);
    const { concurrency, environments } = conditions;
    const settings: JobSettings = {
      apiUrl,
      token,
      bucket,
      batch: contender.batch,
      concurrency,
      environments,
      dir: work,
    };

    let store: Child | undefined;
    const s3Folder = join(dir, 's3');
    if (contender.store === 'shared') {
      store = start('S3', process.execPath, [join(import.meta.dirname, 's3-process.ts'), s3Folder, bucket]);
      children.push(store);
      settings.s3Url = (await store.saying(/listens on (\S+)/))[1] ?? '';
    }
    const server = await contender.server?.start(serverDir, concurrency);
    if (server !== undefined) {
      children.push(server.child);
      settings.server = server.address;
    }
    if (contender.store === 'engine') settings.server = packageDir;

    let worker: Child | undefined;
    const workerNow = (): Child => {
      if (worker === undefined) throw new Error(`${contender.title} has not been started.`);
      return worker;
    };
    const hear = async <Type extends FromWorker['type']>(type: Type, signal: AbortSignal) => {
      const message = await messageOf<FromWorker>(workerNow(), contender.title, signal);
      if (message.type === 'failed') throw new Error(message.error);
      if (message.type !== type) throw new Error(`${contender.title} said ${message.type} instead of ${type}.`);
      return message as Extract<FromWorker, { type: Type }>;
    };
    return {
      hermes: hermesControl(apiUrl),
      async startWorker(signal) {
        const script = join(import.meta.dirname, contender.script);
        worker = startNode(contender.title, script, [JSON.stringify(settings)]);
        children.push(worker);
        const starting = AbortSignal.timeout(startTimeoutMs);
        await hear('ready', AbortSignal.any([signal, starting])).catch((error: unknown) => {
          throw starting.aborted ? new Error(`It was not ready after ${startTimeoutMs / 1000} s.`) : error;
        });
      },
      begin(how, signal) {
        const done = hear('done', signal);
        workerNow().process.send(how);
        return done;
      },
      killWorker: () => workerNow().kill(),
      uses: () => ({
        worker: useOf([workerNow().pid]),
        server: server && useOf([server.child.pid]),
        store: store && useOf([store.pid]),
      }),
      async stored() {
        await workerNow().kill();
        await store?.end();
        if (contender.store === 'own') return s3rverObjects(join(work, 'buckets', bucket));
        return contender.store === 'engine' ? storedObjects(work, undefined) : storedObjects(s3Folder, bucket);
      },
      output: () =>
        [worker, server?.child]
          .map((child) => child?.output() ?? '')
          .join('\n')
          .trim(),
      close,
    };
  }
}

function hermesArguments({ tree, latencyMs }: Conditions): string[] {
  return [
    join(repository, 'sources/hermes/fake/main.ts'),
    ...['--port', '0', '--token', token, '--page-size', '100', '--latency-ms', String(latencyMs)],
    ...Object.entries(tree).flatMap(([name, size]) => [`--${name}`, String(size)]),
  ];
}

/** Resolves when Hermes has not been asked for so long; tells each time it looks how many calls there were. */
export async function quiet(
  hermes: HermesControl,
  patienceMs: number,
  signal: AbortSignal,
  onLook: (calls: number) => void = () => undefined,
): Promise<void> {
  let calls = -1;
  let lastMs = performance.now();
  while (performance.now() - lastMs < patienceMs) {
    const { calls: now } = await hermes.stats();
    onLook(now);
    if (now !== calls) lastMs = performance.now();
    calls = now;
    await wait(250, undefined, { signal });
  }
}
