/** What people do to the objects of a complete run, and an API whose lists can't be taken: each comes to the failure that says so, or to nothing at all. */
import type { AfterDay } from './after-day.ts';
import type { StagedAnswer } from './answers.ts';
import type { Site } from './faults.ts';
import { isAlways, type Node } from './model.ts';
import type { Scene } from './scene.ts';

const noJson = ['', ' \n', 'x', '{"id":', "{'id':'a'}", '{"id":"a"},'] as const;

/** An item that is no JSON was put there by hand: the API is not asked, and the right one is done as before. */
export async function refuseSpoiltItems(site: Site, { scene, settle, converge }: AfterDay): Promise<void> {
  const { api, bucket, checker, faults } = scene;
  const lists = doneLists(scene).filter(({ parent }) => parent !== undefined);
  if (lists.length === 0) return;
  const node = faults.pick(site, 'list', lists);
  const before = bucket.objects.get(node.itemKey);
  if (before === undefined) return;
  const calls = api.calls;
  const body = faults.pick(site, 'body', noJson);
  bucket.write(node.itemKey, body, before.metadata, 'person');
  await settle('after an item was overwritten');
  mustBeFailed(node, 'NOT_JSON', scene);
  if (api.calls > calls) checker.break('idempotence', `the API is asked for ${node.itemKey}, which is ${body}`);
  bucket.write(node.itemKey, before.body, before.metadata, 'person');
  await settle('after an item was put back');
  await converge();
}

/** By what the list has in it, besides what it should. */
const badLists = {
  'empty-id': 'EMPTY_ID',
  'half-surrogate': 'BAD_ID',
  'same-id-twice': 'DUPLICATE_ID',
  'long-id': 'KEY_TOO_LONG',
} as const satisfies Partial<Record<StagedAnswer, string>>;

/** The good children of a list with a bad one are there, its receipt is not, and no other call is made for it than its pages. */
export async function refuseBadLists(site: Site, { scene, people, settle, converge }: AfterDay): Promise<void> {
  const { api, bucket, checker, faults, levels, time } = scene;
  const lists = doneLists(scene).filter((node) => node.api.children.some(isAlways) && !checker.ledger.hasChoice(node));
  if (lists.length === 0 || scene.isTampered) return;
  const node = faults.pick(site, 'list', lists);
  // A batch has no key for each of its items.
  const isInBatch = node.children[0]?.isInBatch === true;
  const kinds = (Object.keys(badLists) as (keyof typeof badLists)[]).filter((kind) => !isInBatch || kind !== 'long-id');
  bucket.delete(node.doneKey, 'person');
  for (const kind of kinds) {
    api.stage(new Map([[node, kind]]));
    await time.runTo(time.nowMs + 1_000);
    scene.notify(node.itemKey);
    await settle('after a list with a bad child');
    mustBeFailed(node, badLists[kind], scene);
    if (bucket.objects.has(node.doneKey)) checker.break('truth', `${node.doneKey} is there, and its list is ${kind}`);
    const letters = [...(levels.get(node.level)?.deadLetters.messages.values() ?? [])];
    if (!letters.some(({ body }) => body.includes(badLists[kind])))
      checker.break('conservation', `no letter tells of ${node.itemKey}, whose list is ${kind}`);
  }
  api.stage(new Map());
  scene.notify(node.itemKey);
  await settle('after a list that is well again');
  // Of children that have left the API since, a receipt that is written anew does not know: a sweep by name makes it whole.
  for (let sweeps = 0; sweeps < 2; sweeps += 1) {
    await time.runTo(time.nowMs + 600_000);
    people.sweep({ run: node.run });
    await settle('after a sweep of a run whose list was well again');
  }
  await converge();
}

/** Batches that were deleted are written anew, in whichever order the API gives their items, and no result is fetched again. */
export async function bringBackBatches(site: Site, { scene, people, settle, converge }: AfterDay): Promise<void> {
  const { api, bucket, checker, faults, plan } = scene;
  const { batches } = checker.ledger;
  const parents = [...new Set([...batches.batches.values()].map(({ place }) => place.parent))];
  const sound = parents.filter((parent) => batches.batchesOf(parent).every((batch) => batches.isWhole(batch)));
  if (plan.batch === 1 || sound.length === 0) return;
  const parent = faults.pick(site, 'parent', sound);
  const left = [parent, ...parent.children].some(({ api: { untilMs } }) => untilMs < Infinity);
  if (left) return;
  // An item that came into the API since its parent was fetched has no result yet.
  const known = new Set(parent.children.filter((leaf) => checker.batches.isStored(leaf)));
  const again = new Set<Node>();
  scene.watchBatch({
    ...{ begins: () => undefined, noted: () => undefined, crashed: () => undefined, stored: () => undefined },
    called: (_, leaf) => {
      if (known.has(leaf)) again.add(leaf);
    },
  });
  for (const round of ['first', 'second']) {
    const keys = batches.batchesOf(parent).map(({ key }) => key);
    const gone = keys.filter((key) => faults.between(site, `${round} ${key}`, 0, 2) > 0);
    for (const key of gone.length > 0 ? gone : keys.slice(0, 1)) scene.deleteObject(key);
    api.turn(faults.between(site, `turned ${round}`, 0, 1) === 1);
    for (let sweeps = 0; sweeps < 2; sweeps += 1) {
      await scene.time.runTo(scene.time.nowMs + 600_000);
      people.sweep({ run: parent.run });
      await settle('after a sweep of a run whose batches were deleted');
    }
  }
  api.turn(false);
  await converge();
  scene.watchBatch(undefined);
  const [first] = again;
  if (first !== undefined)
    checker.break('idempotence', `${first.itemKey} has a result, and is fetched again since its batch was deleted`);
  if (!bucket.objects.has(checker.ledger.markerOf(parent.run)))
    checker.break('convergence', `${parent.run} is not complete again after its batches were deleted`);
}

function doneLists({ checker, modelNodes }: Scene): Node[] {
  const { ledger } = checker;
  return modelNodes().filter((node) => !node.api.isLeaf && ledger.state(node).doneSinceMs !== undefined);
}

function mustBeFailed(node: Node, code: string, { bucket, checker }: Scene): void {
  const note = bucket.objects.get(node.failureKey)?.body ?? 'none';
  if (!note.includes(`"code":"${code}"`) || !note.includes('"status":"failed"') || !note.includes('"class":"item"'))
    checker.break('termination', `${node.itemKey} is no failure with the code ${code}; its note: ${note}`);
}
