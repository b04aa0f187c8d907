/**
 * What a SIGKILL costs: a small run is killed when half of its calls were made (the contender's process, not its server),
 * started again as the tool's users start it, and left alone until nothing has happened for a while. Counted are the calls
 * that were asked again although their answer had come, and the items and results that never came.
 */
import { auditCalls } from '../../sources/hermes/fake/audit.ts';
import type { Contender } from './contenders.ts';
import { openScene, quiet, type Scene } from './scene.ts';
import type { Sitting } from './sitting.ts';
import { differences, itemsIn } from './tree-check.ts';

export type Killed = {
  callsBefore: number;
  callsAfter: number;
  /** Asked again, although they had been answered. */
  repeats: number;
  missing: number;
  wrong: number;
  /** From the start after the kill to the last call; undefined when there was none. */
  secondsToLastCall: number | undefined;
};

export type KillOutcome = { killed: Killed } | { failed: string };

export async function killInTheMiddle(contender: Contender, sitting: Sitting): Promise<KillOutcome> {
  let scene: Scene | undefined;
  try {
    scene = await openScene(contender, sitting, sitting.packageDir);
    const { hermes } = scene;
    const limit = AbortSignal.timeout(sitting.timeoutMs);
    await scene.startWorker(limit);
    await runToTheMiddle(scene, sitting.expected.size / 4, limit);
    await scene.killWorker();
    const { calls: callsBefore } = await hermes.stats();

    await scene.startWorker(limit);
    const restartedMs = Date.now();
    const over = new AbortController();
    const ended = scene.begin('resume', AbortSignal.any([limit, over.signal]));
    // Whoever says that it is done is taken at its word; the others are done when they are quiet.
    const watching = quiet(hermes, sitting.patienceMs, over.signal);
    await Promise.race([ended, watching]);
    over.abort();
    await Promise.allSettled([ended, watching]);

    const calls = await hermes.calls();
    const lastMs = Math.max(...calls.map(({ atMs }) => atMs));
    const { missing = 0, wrong = 0 } =
      differences(sitting.expected, itemsIn(await scene.stored(), contender.batch)) ?? {};
    return {
      killed: {
        callsBefore,
        callsAfter: calls.length - callsBefore,
        repeats: auditCalls(calls).repeats.length,
        missing,
        wrong,
        secondsToLastCall: lastMs < restartedMs ? undefined : (lastMs - restartedMs) / 1000,
      },
    };
  } catch (error) {
    const said = scene?.output() ?? '';
    return { failed: `${error instanceof Error ? error.message : String(error)}\n${said}`.trim() };
  } finally {
    await scene?.close();
  }
}

/** Half of the calls: there are about half as many calls as items and results. */
async function runToTheMiddle(scene: Scene, calls: number, limit: AbortSignal): Promise<void> {
  const enough = new AbortController();
  const signal = AbortSignal.any([limit, enough.signal]);
  const run = scene.begin('seed', signal);
  const reached = quiet(scene.hermes, Infinity, signal, (now) => {
    if (now >= calls) enough.abort();
  });
  const [ended] = await Promise.allSettled([run, reached]);
  limit.throwIfAborted();
  if (ended.status === 'fulfilled') throw new Error('It was done before it could be killed: take a larger tree.');
  if (!enough.signal.aborted) throw ended.reason;
}
