/** One run is paused or cancelled in a well world, while all of them have something to do: it rests, the others do not wait for it. */
import type { AfterDay } from './after-day.ts';
import type { Site } from './faults.ts';
import { isAlways, type Node } from './model.ts';
import { ReportWatch } from './report-watch.ts';
import type { Scene } from './scene.ts';

/** Every environment knows of it by then. */
const knownMs = 120_000;

export async function stopARun(site: Site, { scene, people, settle, converge }: AfterDay): Promise<void> {
  const { bucket, checker, faults, runs, time } = scene;
  const stopped = faults.pick(site, 'run', runs);
  const wish = faults.pick(site, 'wish', ['pause', 'cancel'] as const);
  const others = runs.filter((run) => run !== stopped);
  if (scene.isTampered || !runs.every((run) => loseAResult(scene, run, site))) return;
  people.setRun(stopped, wish);
  await time.runTo(time.nowMs + knownMs);
  for (let round = 0; round < 2; round += 1) {
    for (const run of runs) people.sweep({ run, olderThan: 0 });
    await settle(`after a sweep of a run that is ${wish}led or paused`);
    people.replay({ from: 'failures', force: true });
    await settle('after a replay next to a run that is stopped');
  }
  const late = others.find((run) => !checker.ledger.isComplete(run));
  if (late !== undefined) checker.break('convergence', `${late} is not complete, since ${stopped} is stopped`);
  if (bucket.objects.has(checker.ledger.markerOf(stopped)))
    checker.break('truth', `${stopped} is stopped and lacks a result, and is marked complete`);
  people.status({ run: stopped, fresh: true }, (status) => {
    const told = 'run' in status ? status.control?.state : undefined;
    if (told !== checker.runs.stateOf(stopped)) checker.break('truth', `${stopped} is told to be ${told}`);
  });
  people.status({}, (status) => checker.tell('truth', new ReportWatch(scene).list(status)));
  await settle('after a look at a run that is stopped');
  people.setRun(stopped, 'resume');
  people.status({}, (status) => checker.tell('truth', new ReportWatch(scene).list(status)));
  await time.runTo(time.nowMs + knownMs);
  // What a cancelled run has lost by it comes back with the next sweep, however young it is.
  for (let round = 0; round < 2; round += 1) {
    people.sweep(wish === 'cancel' ? { run: stopped } : { run: stopped, olderThan: 0 });
    await settle('after a sweep of a run that was resumed');
  }
  if (!checker.ledger.isComplete(stopped))
    checker.break('convergence', `${stopped} is not complete after it was resumed: ${checker.ledger.openOf(stopped)}`);
  await converge();
}

/** @returns whether there was one that comes back */
function loseAResult(scene: Scene, run: string, site: Site): boolean {
  const { checker, faults } = scene;
  const { ledger } = checker;
  const keys = scene
    .modelNodes()
    .filter((node) => node.run === run && node.api.isLeaf && !node.isLate && isAlways(node.api))
    // What has failed once, a person has to replay.
    .filter((node) => !ledger.has(ledger.noteKeyOf(node)))
    .flatMap((node) => resultKeyOf(node, scene));
  if (keys.length === 0 || !ledger.isComplete(run)) return false;
  scene.deleteObject(faults.pick(site, `result of ${run}`, keys));
  return true;
}

function resultKeyOf(node: Node, { checker: { ledger } }: Scene): string[] {
  if (node.isInBatch) return ledger.batches.partsWith(node).map(({ key }) => key);
  return ledger.has(node.doneKey) ? [node.doneKey] : [];
}
