/** One measurement of one contender: a whole run, timed from the seed to the last task, and checked. */
import { resolve } from 'node:path';
import { tokenSecret } from '../../cli/run/api.ts';
import { packageService } from '../../local-aws/index.ts';
import type { Contender } from './contenders.ts';
import { openScene, quiet, type Conditions, type Scene, type Tree, type Uses } from './scene.ts';
import { differences, digest, expectedItems, itemsIn, type Digest, type Items } from './tree-check.ts';
import type { Finished } from './worker.ts';

export type Measured = {
  seconds: number;
  calls: number;
  /** During the run, by who spent it. */
  cpuMs: { worker: number; server: number; store: number } | undefined;
  /** The contender's own process. */
  peakMb: number | undefined;
  /** Its server, at the end. */
  serverMb: number | undefined;
  s3Requests: Record<string, number> | undefined;
};

export type Outcome = { measured: Measured } | { failed: string };

/** What a sitting has for all of its measurements. */
export type Sitting = Conditions & {
  packageDir: string;
  expected: Items;
  expectedDigest: Digest;
  timeoutMs: number;
  /** Without a call for so long, a contender is taken to hang. */
  patienceMs: number;
};

/** 2,011, 11,021 and 64,021 calls; and one that is quick to try things on. */
export const sizes: Readonly<Record<string, Tree>> = {
  tiny: { troops: 3, warriors: 5, groups: 4 },
  small: { troops: 10, warriors: 20, groups: 9 },
  medium: { troops: 20, warriors: 50, groups: 10 },
  large: { troops: 20, warriors: 100, groups: 31 },
};

/** Items of all levels, the seed among them: each is one task. */
export function tasksOf({ troops, warriors, groups }: Tree): number {
  return 1 + troops * (1 + warriors * (1 + groups));
}

/** @throws PackageError when the service can not be packaged */
export async function prepare(conditions: Conditions & Pick<Sitting, 'timeoutMs' | 'patienceMs'>): Promise<Sitting> {
  const { packageDir } = await packageService({
    serviceDir: resolve(import.meta.dirname, '../..'),
    // No bound on the calls a second: the other contenders have none.
    params: { source: 'hermes', apiTokenSecret: tokenSecret, rate: 'unlimited', trigger: 'direct' },
  });
  const expected = expectedItems(conditions.tree);
  return { ...conditions, packageDir, expected, expectedDigest: digest(expected) };
}

export async function measure(contender: Contender, sitting: Sitting): Promise<Outcome> {
  let scene: Scene | undefined;
  try {
    scene = await openScene(contender, sitting, sitting.packageDir);
    const limit = AbortSignal.timeout(sitting.timeoutMs);
    await scene.startWorker(limit);
    const before = scene.uses();
    const startedMs = performance.now();
    const finished = await runToItsEnd(scene, sitting, limit);
    const seconds = (performance.now() - startedMs) / 1000;
    const after = scene.uses();
    const { calls } = await scene.hermes.stats();
    const wrong = await check(contender, scene, finished, sitting);
    if (wrong !== undefined) return { failed: `void: ${wrong}` };
    return {
      measured: {
        seconds,
        calls,
        cpuMs: spent(before, after),
        peakMb: after.worker?.peakMb,
        serverMb: after.server?.residentMb,
        s3Requests: finished.s3Requests,
      },
    };
  } catch (error) {
    const said = scene?.output() ?? '';
    return { failed: `${error instanceof Error ? error.message : String(error)}\n${said}`.trim() };
  } finally {
    await scene?.close();
  }
}

/** Waits for the end, unless the contender does nothing for too long. */
async function runToItsEnd(scene: Scene, { patienceMs, timeoutMs }: Sitting, limit: AbortSignal): Promise<Finished> {
  const over = new AbortController();
  const stuck = new AbortController();
  const signal = AbortSignal.any([limit, stuck.signal]);
  const watching = quiet(scene.hermes, patienceMs, over.signal).then(
    () => stuck.abort(new Error(`It hung: no call to Hermes for ${patienceMs / 1000} s.`)),
    () => undefined,
  );
  try {
    return await scene.begin('seed', signal);
  } catch (error) {
    if (limit.aborted) throw new Error(`It was not done after ${timeoutMs / 1000} s.`, { cause: error });
    throw error;
  } finally {
    over.abort();
    await watching;
  }
}

/** What is wrong with the result; undefined when nothing is. */
async function check(
  contender: Contender,
  scene: Scene,
  finished: Finished,
  { expected, expectedDigest }: Sitting,
): Promise<string | undefined> {
  if (contender.store === 'memory') {
    const { count, hash } = finished.inMemory ?? { count: 0, hash: '' };
    return hash === expectedDigest.hash ? undefined : `${count} of ${expectedDigest.count} results, or other bodies`;
  }
  const found = itemsIn(await scene.stored(), contender.batch);
  if (digest(found).hash === expectedDigest.hash) return undefined;
  const { missing = 0, wrong = 0, extra = 0 } = differences(expected, found) ?? {};
  return `of ${expected.size} items and results ${missing} are missing and ${wrong} wrong, ${extra} are too many`;
}

function spent(before: Uses, after: Uses): Measured['cpuMs'] {
  if (after.worker === undefined) return undefined;
  const of = (who: keyof Uses): number => (after[who]?.cpuMs ?? 0) - (before[who]?.cpuMs ?? 0);
  return { worker: of('worker'), server: of('server'), store: of('store') };
}
