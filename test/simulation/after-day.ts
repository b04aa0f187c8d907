/** What is tried on complete runs in a well world: a seed that asks for something else, and results that are changed afterwards. */
import type { SweepReport } from '../../shared/engine/recovery/sweep.ts';
import type { Site } from './faults.ts';
import type { Ledger } from './ledger.ts';
import type { Node } from './model.ts';
import type { People } from './people.ts';
import type { Scene } from './scene.ts';

export type AfterDay = {
  scene: Scene;
  people: People;
  /** Lets everything happen that happens by itself. */
  settle: (when: string) => Promise<void>;
  /** Sweeps and replays until every run is complete. */
  converge: () => Promise<void>;
};

/** A run's parameters never change: the seed is a failure that says so, and costs no call. */
export async function refuseOtherParams(site: Site, { scene, people, settle, converge }: AfterDay): Promise<void> {
  const { api, bucket, checker, faults, plan, runs } = scene;
  const run = faults.pick(site, 'run', runs);
  const [first] = plan.rows;
  // A result that is there is never fetched again, whatever its seed says.
  if (first?.id === undefined || !scene.dropChanged(run, site)) return;
  const calls = api.calls;
  await settle('after a seed with other parameters');
  const note = bucket.objects.get(`failures/${first.level}/${run}.json`)?.body ?? 'none';
  if (!note.includes('"code":"PARAMS_CHANGED"') || !note.includes('"status":"failed"'))
    checker.break(
      'termination',
      `a seed of ${run} with other parameters is no failure with that reason; its note: ${note}`,
    );
  if (api.calls > calls) checker.break('idempotence', `${run} asks the API with parameters that are not its own`);
  people.sweep({});
  await settle('after a sweep of a run with a seed that was refused');
  if (bucket.objects.has(checker.ledger.markerOf(run)))
    checker.break('truth', `${run} is marked complete for a seed that was refused`);
  scene.drop(run);
  await settle('after the right seed was dropped again');
  await converge();
}

/** A run whose success marker is gone, while what spares the sweep a look at it is there, is looked at all the same. */
export async function bringBackMarker(site: Site, { scene, people, settle }: AfterDay): Promise<void> {
  const { bucket, checker, faults, runs } = scene;
  const run = faults.pick(site, 'run', runs);
  // What a person has deleted may have to come back first.
  if (scene.isTampered) return;
  const marker = checker.ledger.markerOf(run);
  // The marker of a run that ended more than a week ago is asked for in turn with others: of these few each sweep asks for all.
  const { time } = scene;
  const finishedMs = bucket.objects.get(
    [...bucket.objects.keys()].find((key) => key.startsWith(`finished/${run}/`)) ?? '',
  );
  const weekMs = (finishedMs?.modifiedMs ?? 0) + 7 * 24 * 3_600_000;
  const atMs = faults.pick(site, 'long ago', [time.nowMs, weekMs, weekMs, weekMs + 24 * 3_600_000]);
  await time.runTo(Math.max(time.nowMs, atMs));
  bucket.delete(marker, 'person');
  time.isStill = true;
  people.sweep({});
  await settle('after a sweep of a run whose success marker was deleted');
  time.isStill = false;
  if (!bucket.objects.has(marker))
    checker.break('convergence', `${marker} was deleted, and the sweep does not write it`);
}

/** What is no item of its level is counted, and keeps its run from being complete until it is gone. */
export async function countJunk(site: Site, { scene, people, settle }: AfterDay): Promise<void> {
  const { bucket, checker, faults, plan, runs } = scene;
  const run = faults.pick(site, 'run', runs);
  const [, ...below] = plan.rows;
  if (below.length === 0 || scene.isTampered) return;
  const { level, reads } = faults.pick(site, 'level', below);
  const depth = plan.rows.findIndex((row) => row.level === level);
  // How many ids it has; none: S3 tells of what ends as an item does, and of nothing else.
  const count = faults.pick(
    site,
    'ids',
    [0, 1, depth + 1, depth + 1].filter((each) => each !== depth),
  );
  const key = `${reads}/${run}/${count === 0 ? 'a note.txt' : `${'x/'.repeat(count - 1)}x.json`}`;
  const marker = checker.ledger.markerOf(run);
  bucket.write(key, 'of a person', {}, 'person');
  await settle('after something was left in a complete run');
  const names = plan.rows.slice(0, depth).map(({ id }) => `<${id}>`);
  if (depth === plan.rows.length - 1 && plan.batch > 1) names.splice(-1, 1, '<00000>');
  const note = [...bucket.objects].find(([each, { body }]) => each.includes('/_stray/') && body.includes(`"${key}"`));
  const has = `has ${count} ${count === 1 ? 'id' : 'ids'} after the run, not ${depth}`;
  const words = count === 0 ? [] : [`${reads}/<run>/${names.join('/')}.json`, has];
  const missing = words.find((word) => note?.[1].body.includes(word) !== true);
  if (missing !== undefined) checker.break('truth', `the note of ${key} does not say ${missing}: ${note?.[1].body}`);
  const reports: SweepReport[] = [];
  people.sweep({ run }, (report) => reports.push(report));
  await settle('after a sweep of a run in which something was left');
  const swept = reports[0]?.runs.find((each) => each.run === run);
  const stray = swept?.levels.map((each) => (each.level === level ? each.stray - 1 : each.stray));
  if (swept?.complete !== false || stray?.some((count) => count !== 0) === true || bucket.objects.has(marker))
    checker.break('truth', `${key} was left in ${run}, and its sweep says ${JSON.stringify(swept)}`);
  bucket.delete(key, 'person');
  people.sweep({ run });
  await settle('after a sweep of a run from which something was taken away');
  if (!bucket.objects.has(marker)) checker.break('convergence', `${key} is gone, and ${run} is not complete again`);
}

/** A result that is deleted comes back; one that is overwritten is told of by the next sweep that looks at the run. */
export async function noticeTampering(site: Site, { scene, people, settle, converge }: AfterDay): Promise<void> {
  const { bucket, checker, faults, plan } = scene;
  const results = scene.modelNodes().flatMap((node) => resultsOf(node, checker.ledger));
  if (results.length === 0) return;
  const { doneKey, run, isPart } = faults.pick(site, 'leaf', results);
  const marker = checker.ledger.markerOf(run);
  // Where a person has put something else, there is nothing to compare with.
  if (!bucket.objects.get(marker)?.body.startsWith('{"run":')) return;
  // A run that lacks something else is not complete, and is not compared with what it was.
  const isOverwritten = !scene.isTampered && faults.between(site, 'overwritten', 0, 1) === 1;
  scene.isTampered = true;
  if (isOverwritten) bucket.write(doneKey, '{"value":"another"}', {}, 'person');
  else bucket.delete(doneKey, 'person');
  const before = bucket.objects.get(marker)?.body;
  const reports: SweepReport[] = [];
  people.sweep(faults.pick(site, 'request', [{ run }, { verify: true }]), (report) => reports.push(report));
  await settle('after a sweep of a run that was changed');
  if (isOverwritten && isPart) {
    // Whatever it holds now, it does not say that it is a part of this batch: its items are not done any more.
    if (reports[0]?.runs.find((swept) => swept.run === run)?.complete !== false || bucket.objects.has(marker))
      checker.break('truth', `${doneKey} was overwritten, and the sweep of ${run} does not say so`);
    bucket.delete(doneKey, 'person');
  } else if (isOverwritten) {
    const changes = reports[0]?.runs.find((swept) => swept.run === run)?.changes ?? [];
    // Items may have come since then: the seed was dropped again, in other words, or a list was spoilt and has a child more.
    const markedMs = bucket.objects.get(marker)?.modifiedMs ?? 0;
    const cameLater = plan.rows
      .filter(({ reads }) =>
        [...bucket.objects].some(
          ([key, { modifiedMs }]) => key.startsWith(`${reads}/${run}`) && modifiedMs >= markedMs,
        ),
      )
      .map(({ level }) => `the items of ${level}`);
    const others = changes.filter((change) => !cameLater.includes(change));
    if (others.join() !== 'the results')
      checker.break('truth', `${doneKey} was overwritten, and the sweep of ${run} says: ${changes.join()}`);
    if (bucket.objects.get(marker)?.body !== before)
      checker.break('truth', `${marker} was written anew although ${doneKey} was overwritten`);
    bucket.delete(doneKey, 'person');
    bucket.delete(marker, 'person');
  } else if (bucket.objects.has(marker) && !bucket.objects.has(doneKey)) {
    checker.break('truth', `${marker} stays although ${doneKey} is gone and the run was swept`);
  }
  await converge();
}

/** The objects that an item's result is, or is in; of an item that is in no object any more nothing is missed. */
function resultsOf(node: Node, ledger: Ledger): { doneKey: string; run: string; isPart: boolean }[] {
  const { api, run, doneKey, isInBatch } = node;
  if (!api.isLeaf) return [];
  if (isInBatch) {
    // What is told of the results of a batch that a person has changed is told by another one, too.
    const batches = ledger.batches.batchesWith(node);
    const isSound = batches.length > 0 && batches.every((batch) => ledger.batches.isWhole(batch));
    return isSound ? ledger.batches.partsWith(node).map(({ key }) => ({ doneKey: key, run, isPart: true })) : [];
  }
  return ledger.has(doneKey) ? [{ doneKey, run, isPart: false }] : [];
}
