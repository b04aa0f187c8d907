/**
 * What waits on a queue comes back, and nothing else: messages that may be called from this very moment on, and from a millisecond
 * later; letters up to the very limit that is asked for; and one message that is refused keeps no other back.
 */
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import type { ReplayReport } from '../../shared/engine/recovery/replay-report.ts';
import type { AfterDay } from './after-day.ts';
import type { Site } from './faults.ts';
import { keysOfEvent, type Node } from './model.ts';
import { eventOf } from './notifications.ts';
import type { Queue } from './queue.ts';
import type { Scene } from './scene.ts';

type Kind = 'due' | 'early' | 'plain' | 'refused' | 'unreadable';

/** Items that are done: given back, they cost no call. */
export async function giveBackWhatWaits(site: Site, { scene, people, settle }: AfterDay): Promise<void> {
  const { checker, faults, levels, time, runs, world } = scene;
  const run = faults.pick(site, 'run', runs);
  const nodes = scene.modelNodes().filter((node) => node.run === run && isDone(node, scene) && !node.isInBatch);
  if (nodes.length === 0 || scene.isTampered) return;
  const { level } = faults.pick(site, 'node', nodes);
  const its = nodes.filter((node) => node.level === level);
  const queue = levels.get(level)?.waiting;
  if (queue === undefined || queue.messages.size > 0) return;
  const state = faults.pick(site, 'state', ['running', 'running', 'running', 'paused', 'cancelled'] as const);
  const control = `control/runs/${run}.json`;
  if (state !== 'running') scene.setRun(run, state === 'paused' ? 'pause' : 'cancel');
  await time.runTo(time.nowMs + 120_000);
  const kinds = its.map((_, at) =>
    faults.pick(site, `kind ${at}`, ['due', 'early', 'plain', 'refused', 'unreadable'] as const),
  );
  const messages = new Map(
    its.map((node, at) => [put(queue, node, kinds[at] ?? 'plain', time.nowMs), kinds[at] ?? 'plain']),
  );
  const refused = new Set(its.filter((_, at) => kinds[at] === 'refused').map(({ itemKey }) => itemKey));
  world.refuses = (key) => (refused.has(key) ? new Error('RequestTooLargeException') : undefined);
  let told: RateReport | undefined;
  time.isStill = true;
  people.rate((report) => {
    told = report;
    const stays = (kind: Kind): boolean =>
      kind === 'unreadable' || kind === 'early' || (state === 'running' ? kind === 'refused' : state === 'paused');
    const wrong = [...messages].find(([id, kind]) => queue.messages.has(id) !== stays(kind));
    const resumed = state === 'running' ? kinds.filter((kind) => !stays(kind)).length : 0;
    if (wrong !== undefined || report.resumed !== resumed)
      checker.break(
        'conservation',
        `of what waits on ${queue.name} for a run that is ${state}, ${report.resumed} items come back, and not ${resumed}; ${wrong?.join(' ')} ${queue.messages.has(wrong?.[0] ?? '') ? 'stays' : 'is gone'}`,
      );
  });
  await time.runTo(time.nowMs);
  await Promise.resolve();
  queue.messages.clear();
  time.isStill = false;
  world.refuses = undefined;
  await settle('after what waited was given back');
  if (told === undefined) checker.break('conservation', `what waits on ${queue.name} is not looked at`);
  if (scene.bucket.objects.has(control)) scene.setRun(run, 'resume');
}

function put(queue: Queue, { itemKey, level, run }: Node, kind: Kind, nowMs: number): string {
  const counts = { waited: 1, ...(kind === 'plain' ? {} : { notBeforeMs: kind === 'early' ? nowMs + 1 : nowMs }) };
  const event = eventOf(itemKey, nowMs - 60_000).replace('"s3":', `"s3Cascade":${JSON.stringify(counts)},"s3":`);
  const reason = { level, run, key: itemKey, code: 'RATE_LIMITED', message: 'x', at: new Date(nowMs).toISOString() };
  const body = `{"source":"s3-cascade","version":"1","reason":${JSON.stringify(reason)},"event":${event}}`;
  queue.add(kind === 'unreadable' ? body.slice(1) : body);
  return [...queue.messages.keys()].at(-1) ?? '';
}

/** Of letters of items that are undone, as many are replayed as are asked for, and what Lambda refuses is told and stays. */
export async function replayUpToALimit(site: Site, { scene, people, settle, converge }: AfterDay): Promise<void> {
  const { bucket, checker, faults, levels, time, runs, world } = scene;
  const { ledger } = checker;
  const run = faults.pick(site, 'run', runs);
  if (scene.isTampered) return;
  const all = scene
    .modelNodes()
    .filter((node) => node.run === run && isDone(node, scene) && node.api.isLeaf && node.api.untilMs === Infinity);
  const objects = new Map(all.map((node) => [ledger.objectKeyOf(node), node]));
  const chosen = [...objects].slice(0, faults.between(site, 'letters', 1, 4));
  const [, first] = chosen[0] ?? [];
  const queue = first && levels.get(first.level)?.deadLetters;
  if (first === undefined || queue === undefined) return;
  const batches = chosen.flatMap(([key]) => ledger.batches.batches.get(key) ?? []);
  if (first.isInBatch && !(batches.length === chosen.length && batches.every((batch) => ledger.batches.isWhole(batch))))
    return;
  const sizes = new Map<string, number>();
  for (const [key, node] of chosen) {
    const parts = ledger.batches.partsOf(key).map((part) => part.key);
    for (const done of node.isInBatch ? parts : [node.doneKey]) scene.deleteObject(done);
    sizes.set(key, node.isInBatch ? (ledger.batches.batches.get(key)?.leaves.length ?? 0) : 1);
    bucket.delete(ledger.noteKeyOf(node), 'person');
  }
  const others = [...queue.messages];
  queue.messages.clear();
  const replays = 1;
  for (const [key] of chosen)
    queue.add(eventOf(key, time.nowMs).replace('"s3":', `"s3Cascade":{"replays":${replays}},"s3":`));
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const [refusedKey = ''] = faults.pick(site, 'refused', [[], [chosen[0]?.[0] ?? ''], [chosen[0]?.[0] ?? '']]);
  const limit = faults.pick(site, 'limit', [undefined, total, total, total - 1]);
  // One that a service fails for once is no other.
  const refusal = faults.pick(site, 'refusal', [
    new Error('RequestTooLargeException'),
    new scene.core.TransientError('NETWORK', 'Lambda did not answer.'),
  ]);
  world.refuses = (key) => (key === refusedKey ? refusal : undefined);
  const refusedItems = sizes.get(refusedKey) ?? 0;
  const { onRefire } = world;
  world.onRefire = (level, payload, life) => {
    const wrong = keysOfEvent(payload).find((event) => event.replays !== replays + 1 || event.refires !== 0);
    if (wrong !== undefined)
      checker.break('conservation', `a letter with ${replays} replays comes back with ${wrong.replays}`);
    onRefire(level, payload, life);
  };
  people.replay({ level: first.level, ...(limit !== undefined && limit > 0 && { limit }) }, (report: ReplayReport) => {
    const { replayed, skipped, stoppedBecause, refusals, remainingIsApproximate } = report;
    // One whose object is larger than the limit comes alone.
    const isCut = limit === total - 1 && limit > 0 && chosen.length > 1;
    const isRight = isCut
      ? stoppedBecause === 'limit' && replayed <= total - 1
      : replayed === total - refusedItems &&
        skipped.refused === (refusedKey === '' ? 0 : 1) &&
        refusals.length === skipped.refused &&
        stoppedBecause === 'drained' &&
        remainingIsApproximate;
    if (!isRight)
      checker.break(
        'truth',
        `a replay of ${total} items of ${chosen.length} letters, of which ${refusedItems} are refused, up to ${limit}, says ${JSON.stringify(report)}`,
      );
  });
  await settle('after a replay up to a limit');
  world.onRefire = onRefire;
  const isLeft = [...queue.messages.values()].some(({ body }) => body.includes('"replays":1'));
  if (refusedKey !== '' && !isLeft)
    checker.break('conservation', `the letter of ${refusedKey}, which Lambda refuses, is gone`);
  world.refuses = undefined;
  for (const [id, message] of others) queue.messages.set(id, message);
  people.replay({ level: first.level });
  await settle('after a replay of what is left');
  for (let sweeps = 0; sweeps < 2; sweeps += 1) {
    people.sweep({ run, olderThan: 0 });
    await settle('after a sweep of a run of which letters were replayed');
  }
  await converge();
}

function isDone(node: Node, { checker }: Scene): boolean {
  return checker.ledger.state(node).doneSinceMs !== undefined;
}
