/**
 * A batch of a complete run is undone, and comes to its function again in a well world, with a note of what stopped it before and with
 * items that make the function crash one after the other, that fail, or that the API keeps waiting. All that is not to blame is done
 * then, and what is to blame is named; on the way each attempt does what batch-attempts.ts says, with parts that are full to the byte.
 */
import type { AfterDay } from './after-day.ts';
import type { StagedAnswer } from './answers.ts';
import type { Batch } from './batch-book.ts';
import { BatchAttempts } from './batch-attempts.ts';
import type { Site } from './faults.ts';
import type { Node } from './model.ts';
import { eventOf } from './notifications.ts';

/** Whole, in a group, alone: what crashes is found out by then. */
const mostCrashes = 3;
/** Attempts of an event of which its function can't tell that it had the batch before. */
const unnotedCrashes = 3;
const rounds = 4;

export class StagedBatch {
  readonly #tries: AfterDay;
  readonly #site: Site;
  readonly #blamed = new Map<Node, StagedAnswer>();
  /** The note that is left says that it was alone when the function was stopped: it is not called before the next replay. */
  #wasAlone: Node | undefined;
  #crashes = 0;

  constructor(tries: AfterDay, which: string) {
    this.#tries = tries;
    this.#site = tries.scene.faults.site(`staged batch, ${which}`);
  }

  async try(): Promise<void> {
    const { scene } = this.#tries;
    const { api, bucket, checker, faults, settings, time } = scene;
    const batch = this.#choose();
    if (batch === undefined) return;
    const leaves = batch.leaves.filter((leaf) => leaf !== undefined);
    const { bytes, undone } = this.#undo(batch, leaves);
    if (undone.length === 0) return;
    for (const key of [...bucket.objects.keys()])
      if (key.startsWith('failures/') || key.startsWith('control/')) bucket.delete(key, 'person');
    const full = faults.between(this.#site, 'full at', 1, undone.length);
    const limit = undone.slice(0, full).reduce((sum, leaf) => sum + (bytes.get(leaf) ?? 0), 0);
    settings.maxPartBytes = Math.max(1, limit + faults.pick(this.#site, 'beside', [-1, 0, 0, 1]));
    const isWaiting = faults.between(this.#site, 'waiting', 0, 3) === 0;
    this.#blame(undone, isWaiting);
    if (!isWaiting) this.#leaveNote(batch, leaves, undone);
    const attempts = new BatchAttempts({
      leaves,
      isDone: (leaf) => checker.batches.isStored(leaf),
      note: () => bucket.objects.get(noteKeyOf(batch, scene)),
      settings,
      onBroken: (what) => checker.break('termination', what),
    });
    // What an environment knows of the run's failures is old by then.
    await time.runTo(time.nowMs + 120_000);
    api.stage(this.#blamed);
    scene.watchBatch({
      begins: (life) => {
        const event = life.events.find(({ key }) => key === batch.key);
        if (event === undefined || isWaiting) return;
        // Invoked by S3, a function can't tell that it was given something before.
        const isAgain = settings.deployment.trigger === 'queue' && event.isRepeated;
        attempts.begins(life, event, event.replays + event.refires > 0 || isAgain);
      },
      noted: (key, stored, life) => {
        if (key === noteKeyOf(batch, scene)) attempts.noted(stored, life);
      },
      called: (call, leaf) => attempts.called(call, leaf),
      crashed: () => (this.#crashes += 1),
      stored: (part, life) => attempts.stored(part, life),
    });
    // Only an event that waited, or was replayed, makes the function look at what was noted; then the sweep re-fires it.
    const replays = faults.between(this.#site, 'replay', 0, 1);
    for (let round = 1; round <= rounds && this.#isLeft(leaves, batch); round += 1) {
      const first = replays > 0 ? `"replays":${replays}` : '"waited":1';
      await this.#give(batch, round === 1 ? first : `"replays":${replays},"refires":${round - 1}`);
    }
    attempts.end();
    scene.watchBatch(undefined);
    api.stage(new Map());
    this.#judge(batch, leaves);
    // Nothing is to blame any more.
    await this.#give(batch, `"replays":${replays + 1}`);
  }

  async #give({ key }: Batch, counts: string): Promise<void> {
    const { scene, settle } = this.#tries;
    const payload = eventOf(key, scene.time.nowMs).replace('"s3":', `"s3Cascade":{${counts}},"s3":`);
    scene.levels.get(scene.plan.rows.at(-1)?.level ?? '')?.trigger.accept(payload);
    await settle('after a staged batch');
  }

  #choose(): Batch | undefined {
    const { checker, faults } = this.#tries.scene;
    const { batches } = checker.ledger;
    // Without the first part a first event knows of none of them.
    const all = [...batches.batches.values()].filter(
      (batch) => batches.isWhole(batch) && !checker.batches.hasLostFirstPart(batch.key),
    );
    // One of many items shows more.
    const large = all.filter(({ leaves }) => leaves.length > 2);
    const from = large.length > 0 ? large : all;
    return from.length === 0 ? undefined : faults.pick(this.#site, 'batch', from);
  }

  /** @returns what is undone, and how many bytes the line of each has */
  #undo({ key }: Batch, leaves: readonly Node[]): { bytes: Map<Node, number>; undone: Node[] } {
    const { bucket, checker, faults } = this.#tries.scene;
    const parts = checker.ledger.batches.partsOf(key);
    // Without the first part a first event knows of none.
    const later = parts.filter(({ place }) => place.part > 0);
    const isAll = later.length === 0 || faults.between(this.#site, 'all parts', 0, 2) > 0;
    const gone = isAll ? parts : later.slice(-1);
    const bytes = new Map<Node, number>();
    for (const part of gone) {
      const lines = part.stored.body.split('\n');
      for (const [at, leaf] of part.leaves.entries())
        if (leaf !== undefined) bytes.set(leaf, Buffer.byteLength(lines[at] ?? '') + 1);
      bucket.delete(part.key, 'person');
    }
    return { bytes, undone: leaves.filter((leaf) => !checker.batches.isStored(leaf)) };
  }

  /** None, or up to three of them. */
  #blame(undone: readonly Node[], isWaiting: boolean): void {
    const { faults } = this.#tries.scene;
    const kinds: readonly StagedAnswer[] = isWaiting
      ? ['wait', 'wait', 'gone']
      : ['crash', 'crash', 'crash', 'gone', 'down'];
    const count = faults.between(this.#site, 'blamed', 0, Math.min(3, undone.length));
    for (let index = 0; index < count; index += 1)
      this.#blamed.set(
        faults.pick(this.#site, `blamed ${index}`, undone),
        faults.pick(this.#site, `kind ${index}`, kinds),
      );
  }

  /** What an attempt before may have left when its function was stopped. */
  #leaveNote(batch: Batch, leaves: readonly Node[], undone: readonly Node[]): void {
    const { bucket, faults, time, plan } = this.#tries.scene;
    const some = (what: string, most: number): number[] =>
      leaves
        .flatMap((leaf, index) => (undone.includes(leaf) ? [index] : []))
        .filter((index) => faults.between(this.#site, `${what} ${index}`, 0, 2) > 0)
        .slice(0, most);
    const count = faults.pick(this.#site, 'suspects', [0, 0, 1, 2, leaves.length]);
    const isRunning = faults.pick(this.#site, 'running', [0, 1, leaves.length]);
    if (count === 0 && faults.between(this.#site, 'no note', 0, 1) === 0) return;
    const named = some('named', 2);
    const running = some('runs', isRunning);
    this.#wasAlone = running.length === 1 ? leaves[running[0] ?? -1] : undefined;
    const body = {
      ...{ run: batch.place.parent.run, level: plan.rows.at(-1)?.level, key: batch.key, requestId: 'request' },
      ...{
        status: 'isolating',
        class: 'transient',
        code: 'STOPPED',
        message: 'x',
        attempts: 3,
        replays: 1,
        refires: 0,
      },
      ...{ at: new Date(time.nowMs).toISOString(), suspects: some('suspect', count), running },
      items: named.map((index) => ({
        ...{ index, id: leaves[index]?.api.id, class: 'transient', code: 'HTTP_500', message: 'x' },
        ...{ attempts: 1, at: new Date(time.nowMs).toISOString() },
      })),
    };
    bucket.write(noteKeyOf(batch, this.#tries.scene), JSON.stringify(body), {}, 'person');
  }

  /** Something is neither done nor known to be in vain. */
  #isLeft(leaves: readonly Node[], batch: Batch): boolean {
    const { batches } = this.#tries.scene.checker;
    const mayPass = leaves.filter((leaf) => this.#blamed.get(leaf) !== 'down');
    return mayPass.some((leaf) => !batches.isStored(leaf) && this.#refusalOf(leaf, batch) === undefined);
  }

  /** What the batch's note says that it was given up for. */
  #refusalOf(leaf: Node, batch: Batch): string | undefined {
    const body = this.#tries.scene.bucket.objects.get(noteKeyOf(batch, this.#tries.scene))?.body ?? '{}';
    const { items = [] } = JSON.parse(body) as { items?: readonly { id: string; class: string; code: string }[] };
    return items.find((each) => each.id === leaf.api.id && each.class === 'item')?.code;
  }

  #judge(batch: Batch, leaves: readonly Node[]): void {
    const { checker } = this.#tries.scene;
    const codes: Partial<Record<StagedAnswer, string>> = { crash: 'CRASHED', gone: 'HTTP_404' };
    for (const leaf of leaves) {
      const blame = this.#blamed.get(leaf);
      const code = blame && codes[blame];
      const isStored = checker.batches.isStored(leaf);
      const mayBeLeft = blame === 'down' || code !== undefined || leaf === this.#wasAlone;
      if (!isStored && !mayBeLeft)
        checker.break('convergence', `${leaf.itemKey} is not done, although only others of ${batch.key} are to blame`);
      const told = this.#refusalOf(leaf, batch);
      if (code !== undefined && told !== code && leaf !== this.#wasAlone)
        checker.break('termination', `${leaf.itemKey} is not known to be ${code}, but ${told}`);
    }
    const crashing = [...this.#blamed.values()].filter((kind) => kind === 'crash').length;
    if (this.#crashes > crashing * mostCrashes + unnotedCrashes)
      checker.break('termination', `${crashing} items of ${batch.key} make its function crash ${this.#crashes} times`);
  }
}

function noteKeyOf({ key }: Batch, { plan }: AfterDay['scene']): string {
  const { reads = '', level = '' } = plan.rows.at(-1) ?? {};
  return `failures/${level}${key.slice(reads.length)}`;
}
