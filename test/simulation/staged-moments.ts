/**
 * Something of a complete run is undone, and what the bucket says of it is set up so that a limit is met to the millisecond or to the
 * number, or missed by one. The clock stands still while people look at it, sweep and replay, mostly without changing anything: what
 * they are told must be what the table in staged-item.ts says. It is the last thing that is tried on a run.
 */
import type { ReplayReport } from '../../shared/engine/recovery/replay-report.ts';
import type { Explanation } from '../../shared/engine/report/explanation.ts';
import type { SweepReport } from '../../shared/engine/recovery/sweep.ts';
import type { AfterDay } from './after-day.ts';
import type { Site } from './faults.ts';
import { keysOfEvent, type Node } from './model.ts';
import { eventOf } from './notifications.ts';
import {
  StagedItem,
  type Figures,
  type Limits,
  type Refires,
  type Replays,
  type Staged,
  type StagedNote,
} from './staged-item.ts';
import { StagedRecords, type Subject } from './staged-records.ts';

const looks = 5;
type Told = { figures: Figures; states: readonly string[]; refires: Refires; failures: Replays; letter: Replays };

const noFigures: Figures = { open: 0, lost: 0, retrying: 0, dead: 0, parked: 0, short: 0 };

export class StagedMoments {
  readonly #tries: AfterDay;
  readonly #limits: Limits;
  readonly #records: StagedRecords;
  /** Draws differ from look to look. */
  #look = 0;

  constructor(tries: AfterDay) {
    const { core, settings } = tries.scene;
    this.#tries = tries;
    this.#limits = {
      lostAfterMs: core.lostAfterMs(settings.deployment),
      retryingForMs: core.retryingForMs(settings.deployment),
      settleMs: core.settleMs(settings.deployment),
      maxRefires: settings.maxRefires,
      maxReplays: settings.maxReplays,
    };
    this.#records = new StagedRecords(tries.scene, this.#limits);
  }

  async try(): Promise<void> {
    const { scene } = this.#tries;
    const { bucket, checker, faults, runs, time } = scene;
    const site = faults.site('staged moments');
    const run = faults.pick(site, 'run', runs);
    const chosen = this.#choose(run, site);
    if (chosen === undefined) return;
    // A freeze, and a run that was stopped, are long over; of nothing else there is a note.
    bucket.delete('control/freeze.json', 'person');
    bucket.delete(`control/runs/${run}.json`, 'person');
    for (const key of [...bucket.objects.keys()]) if (key.startsWith('failures/')) bucket.delete(key, 'person');
    const isShort = faults.between(site, 'short', 0, 2) === 0 && this.#makeShort(chosen);
    if (!isShort) this.#undo(chosen, site);
    const subject = isShort ? { ...chosen, undone: [] } : this.#withoutDone(chosen);
    if (!isShort && subject.undone.length === 0) return;
    await time.runTo(time.nowMs + 2 * (this.#limits.lostAfterMs + this.#limits.retryingForMs));
    for (this.#look = 1; this.#look <= looks && checker.violation === undefined; this.#look += 1)
      await this.#tryOnce(subject, isShort);
  }

  /** An item with a receipt or a result, or a batch. */
  #choose(run: string, site: Site): Subject | undefined {
    const { checker, faults, modelNodes } = this.#tries.scene;
    const { ledger } = checker;
    const nodes = modelNodes().filter((node) => node.run === run && ledger.state(node).doneSinceMs !== undefined);
    // Of few lists and many results, each kind as often as the other.
    const isList = faults.between(site, 'list', 0, 1) === 0;
    const ofKind = nodes.filter(({ api }) => api.isLeaf !== isList);
    const all = ofKind.length > 0 ? ofKind : nodes;
    if (all.length === 0) return undefined;
    const node = faults.pick(site, 'node', all);
    const key = ledger.objectKeyOf(node);
    const batch = ledger.batches.batches.get(key);
    if (node.isInBatch && (batch === undefined || !ledger.batches.isWhole(batch))) return undefined;
    const noteKey = ledger.noteKeyOf(node).replace(/^failures\//, '');
    const undone = node.isInBatch ? (batch?.leaves ?? []).filter((leaf) => leaf !== undefined) : [node];
    return { key, noteKey, level: node.level, run, undone, writtenMs: ledger.object(key)?.modifiedMs ?? 0 };
  }

  /** Its receipt says that it has one child more. */
  #makeShort({ undone: [node] }: Subject): boolean {
    const { bucket } = this.#tries.scene;
    const receipt = node && bucket.objects.get(node.doneKey);
    if (node === undefined || node.api.isLeaf || receipt === undefined) return false;
    bucket.write(node.doneKey, receipt.body, { ...receipt.metadata, digest: '0123456789abcdef' }, 'person');
    return true;
  }

  /** A receipt, a result, or one or all parts of a batch. */
  #undo({ undone: [node], key }: Subject, site: Site): void {
    const { bucket, checker, faults } = this.#tries.scene;
    if (node?.isInBatch !== true) {
      bucket.delete(node?.doneKey ?? '', 'person');
      return;
    }
    const parts = checker.ledger.batches.partsOf(key).map((part) => part.key);
    const isAll = faults.between(site, 'all parts', 0, 1) === 0;
    for (const part of isAll ? parts : parts.slice(0, 1)) bucket.delete(part, 'person');
  }

  #withoutDone(subject: Subject): Subject {
    const { ledger } = this.#tries.scene.checker;
    return { ...subject, undone: subject.undone.filter((node) => ledger.state(node).doneSinceMs === undefined) };
  }

  async #tryOnce(subject: Subject, isShort: boolean): Promise<void> {
    const { scene } = this.#tries;
    const { bucket, checker, time } = scene;
    const staged = await this.#records.write(subject, isShort);
    time.isStill = true;
    const item = new StagedItem(staged, this.#limits);
    const says = await this.#ask(subject, item);
    this.#compare(subject, staged, says, {
      figures: item.figures(),
      refires: item.refires(),
      failures: item.replays(),
      letter: item.replays(says.letterReplays),
      states: subject.undone.slice(0, 2).map((node) => item.stateOf(node)),
    });
    if (this.#look === looks && checker.violation === undefined) await this.#sweepForReal(subject, staged, item);
    time.isStill = false;
    for (const key of ['control/freeze.json', `control/runs/${subject.run}.json`, `failures/${subject.noteKey}`])
      bucket.delete(key, 'person');
    if (staged.isPaused) scene.setRate('{}');
  }

  /** Less done about it than should be breaks another promise than more. */
  #compare(subject: Subject, staged: Staged, told: Told, is: Told): void {
    const { checker } = this.#tries.scene;
    const done = ({ refires, failures, letter }: Told): number =>
      refires.refired + failures.replayed + failures.exhausted + letter.replayed + letter.exhausted;
    for (const what of ['figures', 'states', 'refires', 'failures', 'letter'] as const) {
      const [says, right] = [JSON.stringify(told[what]), JSON.stringify(is[what])];
      if (says === right) continue;
      const isTold = what === 'figures' || what === 'states';
      const promise = isTold ? 'truth' : done(told) < done(is) ? 'convergence' : 'termination';
      checker.break(promise, `the ${what} of ${subject.key} are ${says}, and not ${right}: ${describe(staged)}`);
    }
  }

  /** What people are told, who change nothing. */
  async #ask(subject: Subject, item: StagedItem) {
    const { people, settle, scene } = this.#tries;
    const { run, level, undone } = subject;
    const states: string[] = [];
    let figures = noFigures;
    people.status({ run, fresh: true }, (status) => {
      const told = 'run' in status ? status.levels.find((each) => each.level === level) : undefined;
      if (told !== undefined) {
        const { open, lost, failed, short } = told;
        figures = { open, lost, ...failed, short };
      }
    });
    for (const node of undone.slice(0, 2)) {
      const ids = node.api.ids;
      people.explain(ids.length === 0 ? { asked: node.itemKey } : { asked: ids, run }, (told) =>
        this.#judgeState(node, told, item, states),
      );
    }
    const refires: Refires = { refired: 0, givenUp: 0 };
    people.sweep({ run, dryRun: true }, (report: SweepReport) => {
      for (const { refired, givenUp } of report.runs) Object.assign(refires, { refired, givenUp });
    });
    await settle('after a look at a staged moment');
    const failures = await this.#replay({ from: 'failures', dryRun: true });
    const letterReplays = this.#records.pick('letter', [0, this.#limits.maxReplays - 1, this.#limits.maxReplays]);
    const queue = scene.levels.get(level)?.deadLetters;
    // Of nothing else.
    const others = [...(queue?.messages ?? [])];
    queue?.messages.clear();
    queue?.add(
      eventOf(subject.key, scene.time.nowMs).replace('"s3":', `"s3Cascade":{"replays":${letterReplays}},"s3":`),
    );
    const letter = await this.#replay({ level, dryRun: true });
    queue?.messages.clear();
    for (const [id, message] of others) queue?.messages.set(id, message);
    return { figures, states, refires, failures, letter, letterReplays };
  }

  #judgeState(node: Node, told: Explanation | string, item: StagedItem, states: string[]): void {
    states.push(typeof told === 'string' ? told : told.state);
    const asked = item.requestFor(node, node.level);
    const advice = typeof told === 'string' ? told : (told.advice ?? '');
    if (asked !== undefined && !advice.includes(`'${JSON.stringify(asked)}'`))
      this.#tries.scene.checker.break('truth', `${node.itemKey} is to be asked for by ${advice}`);
  }

  async #replay(request: Parameters<AfterDay['people']['replay']>[0]): Promise<Replays> {
    const { people, settle } = this.#tries;
    const told: Replays = { replayed: 0, alreadyDone: 0, exhausted: 0, retrying: 0, parked: 0, cancelled: 0 };
    people.replay(request, ({ replayed, alreadyDone, parked: exhausted, skipped }: ReplayReport) => {
      const { retrying, parked, cancelled } = skipped;
      Object.assign(told, { replayed, alreadyDone, exhausted, retrying, parked, cancelled });
    });
    await settle('after a replay at a staged moment');
    return told;
  }

  /** What is re-fired says how often it was, and so does the note, which keeps how often it was replayed. */
  async #sweepForReal({ key, noteKey, run }: Subject, staged: Staged, item: StagedItem): Promise<void> {
    const { people, settle, scene } = this.#tries;
    const { bucket, checker, world } = scene;
    const given: ReturnType<typeof keysOfEvent> = [];
    const { onRefire } = world;
    world.onRefire = (level, payload, life) => {
      if (life.name.startsWith('sweep')) given.push(...keysOfEvent(payload));
      onRefire(level, payload, life);
    };
    const noted = (): string | undefined => bucket.objects.get(`failures/${noteKey}`)?.body;
    const before = noted();
    let after: string | undefined;
    people.sweep({ run }, () => (after = noted()));
    await settle('after a sweep at a staged moment');
    world.onRefire = onRefire;
    const is = item.swept();
    const { status, code, refires, replays } = JSON.parse(after ?? '{}') as Partial<StagedNote>;
    const isSent = given.some((event) => event.key === key && event.refires === refires && event.replays === replays);
    const isRight =
      is === undefined
        ? after === before && given.length === 0
        : JSON.stringify({ status, code, refires, replays, isSent }) === JSON.stringify(is);
    if (!isRight)
      checker.break(
        'termination',
        `a sweep makes of ${key} ${after}, with ${given.length} events, and it is ${JSON.stringify(is)}: ${describe(staged)}`,
      );
  }
}

function describe({ undone, ...staged }: Staged): string {
  return `${JSON.stringify(staged)}, ${undone.length} undone`;
}
