/**
 * Something of a complete run is undone, and what the bucket says of it is set up so that a limit is met to the millisecond or to the
 * number, or missed by one. The clock stands still while people look at it, sweep and replay, mostly without changing anything: what
 * they are told must be what the table in staged-item.ts says. It is the last thing that is tried on a run.
 */
import type { ReplayReport } from '../../shared/engine/recovery/replay-report.ts';
import type { SweepReport } from '../../shared/engine/recovery/sweep.ts';
import type { AfterDay } from './after-day.ts';
import type { Site } from './faults.ts';
import { keysOfEvent, type Node } from './model.ts';
import { eventOf } from './notifications.ts';
import { fieldsOf, spoilt } from './other-shapes.ts';
import {
  StagedItem,
  type Figures,
  type Limits,
  type Refires,
  type Replays,
  type Staged,
  type StagedControl,
  type StagedNote,
} from './staged-item.ts';

/** An object of which something is undone. */
type Subject = { key: string; noteKey: string; level: string; run: string; undone: readonly Node[]; writtenMs: number };

const looks = 5;
const codes = { transient: 'HTTP_500', item: 'HTTP_404' } as const;
const noFigures: Figures = { open: 0, lost: 0, retrying: 0, dead: 0, parked: 0, short: 0 };

export class StagedMoments {
  readonly #tries: AfterDay;
  readonly #limits: Limits;
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
    const staged = await this.#stage(subject, isShort);
    time.isStill = true;
    const item = new StagedItem(staged, this.#limits);
    const says = await this.#ask(subject);
    const is = {
      figures: item.figures(),
      refires: item.refires(),
      failures: item.replays(),
      letter: item.replays(says.letterReplays),
      states: subject.undone.slice(0, 2).map((node) => item.stateOf(node)),
    };
    const told = {
      figures: says.figures,
      refires: says.refires,
      failures: says.failures,
      letter: says.letter,
      states: says.states,
    };
    if (JSON.stringify(told) !== JSON.stringify(is))
      checker.break(
        'truth',
        `${subject.key} is told to be ${JSON.stringify(told)}, and is ${JSON.stringify(is)}: ${describe(staged)}`,
      );
    if (this.#look === looks && checker.violation === undefined) await this.#sweepForReal(subject, staged, item);
    time.isStill = false;
    for (const key of ['control/freeze.json', `control/runs/${subject.run}.json`, `failures/${subject.noteKey}`])
      bucket.delete(key, 'person');
    if (staged.isPaused) scene.setRate('{}');
  }

  /** Writes the records, and lets time pass up to the moment. */
  async #stage(subject: Subject, isShort: boolean): Promise<Staged> {
    const { scene } = this.#tries;
    const { bucket, time } = scene;
    const { lostAfterMs, settleMs } = this.#limits;
    const pick = <T>(what: string, from: readonly T[]): T => this.#pick(what, from);
    // Whole seconds: S3 tells of no other times.
    await time.runTo(Math.ceil(time.nowMs / 1_000) * 1_000);
    const control = this.#drawControl(subject);
    const controlMs = time.nowMs;
    const shortSinceMs = isShort ? this.#writeReceipt(subject) : undefined;
    const untilMs = control?.state === 'running' ? (control.cancelled?.untilMs ?? controlMs) : controlMs;
    const beside = pick('beside', [-1, 0, 1]);
    const waits = [
      2 * lostAfterMs + 3_000,
      lostAfterMs,
      ...(isShort ? [settleMs, settleMs, settleMs] : []),
      ...(control?.state === 'running' ? [untilMs - controlMs + 60_000] : []),
    ];
    await time.runTo(Math.max(time.nowMs, controlMs + pick('wait', waits) + beside));
    const nowMs = time.nowMs;
    const note = this.#drawNote(subject, { nowMs, isShort, controlMs, untilMs, shortSinceMs });
    // What has one field of another shape is no note.
    const isSpoilt = pick('spoilt', [false, false, false, true]);
    if (note !== undefined) this.#writeNote(subject, note, isSpoilt);
    const freezeMs = pick('freeze', [
      0,
      0,
      0,
      nowMs - 1,
      nowMs,
      nowMs + 1,
      nowMs - lostAfterMs,
      nowMs - lostAfterMs - 1,
    ]);
    if (freezeMs > 0)
      bucket.write('control/freeze.json', JSON.stringify({ until: new Date(freezeMs).toISOString() }), {}, 'person');
    const isPaused = pick('paused', [false, false, false, false, false, true]);
    if (isPaused) scene.setRate(pick('pause', ['{"paused":true}', '{"requestsPerSecond":0}']));
    return {
      nowMs,
      undone: subject.undone,
      shortSinceMs,
      writtenMs: subject.writtenMs,
      note: isSpoilt ? undefined : note,
      freezeMs,
      isPaused,
      control,
      controlMs,
      rateSetMs: bucket.objects.get('control/rate.json')?.modifiedMs ?? 0,
    };
  }

  /** Anew, just now. @returns when that was */
  #writeReceipt({ key }: Subject): number | undefined {
    const { bucket, modelNodes, time } = this.#tries.scene;
    const { doneKey = '' } = modelNodes().find((node) => !node.isInBatch && node.itemKey === key) ?? {};
    const receipt = bucket.objects.get(doneKey);
    if (receipt === undefined) return undefined;
    const at = new Date(time.nowMs).toISOString();
    bucket.write(doneKey, receipt.body, { ...receipt.metadata, at }, 'person');
    return time.nowMs;
  }

  #drawControl({ run }: Subject): StagedControl | undefined {
    const { bucket, time } = this.#tries.scene;
    const nowMs = time.nowMs;
    const control = this.#pick<StagedControl | undefined>('control', [
      undefined,
      undefined,
      undefined,
      { state: 'paused' },
      { state: 'cancelled' },
      { state: 'running' },
      {
        state: 'running',
        cancelled: { fromMs: nowMs - 7_200_000, untilMs: nowMs + this.#pick('until', [-2_000, 0, 999, 1_000, 5_000]) },
      },
      { state: 'running', cancelled: { fromMs: nowMs - 7_200_000, untilMs: nowMs } },
    ]);
    if (control === undefined) return undefined;
    const cancelled = control.state === 'running' ? control.cancelled : undefined;
    const times = cancelled && {
      from: new Date(cancelled.fromMs).toISOString(),
      until: new Date(cancelled.untilMs).toISOString(),
    };
    // As it was before.
    if (cancelled !== undefined) bucket.write(`control/runs/${run}.json`, '{"state":"cancelled"}', {}, 'person');
    const body = { state: control.state, at: new Date(nowMs).toISOString(), ...(times && { cancelled: times }) };
    bucket.write(`control/runs/${run}.json`, JSON.stringify(body), {}, 'person');
    return control;
  }

  #drawNote(
    { undone }: Subject,
    moment: { nowMs: number; isShort: boolean; controlMs: number; untilMs: number; shortSinceMs: number | undefined },
  ): StagedNote | undefined {
    const { nowMs, isShort, controlMs, untilMs, shortSinceMs } = moment;
    const { lostAfterMs, retryingForMs, maxRefires, maxReplays } = this.#limits;
    const pick = <T>(what: string, from: readonly T[]): T => this.#pick(what, from);
    const isBatch = undone[0]?.isInBatch === true;
    const ages = [lostAfterMs, lostAfterMs, retryingForMs, retryingForMs, 60_000, 3 * lostAfterMs];
    const times = [
      ...ages.map((ageMs) => nowMs - ageMs),
      Math.min(untilMs, controlMs + 1_000),
      controlMs - 7_200_000 - retryingForMs,
      ...(shortSinceMs === undefined ? [] : [shortSinceMs + 1_000, shortSinceMs + 1_000]),
    ];
    const atMs = Math.min(nowMs, pick('note at', times) + pick('note beside', [-1, 0, 1]));
    const kinds: (Pick<StagedNote, 'status' | 'class' | 'code'> | undefined)[] = [
      undefined,
      { status: 'refired', class: 'item', code: isShort ? 'SHORT' : 'LOST' },
      { status: 'refired', class: 'item', code: isShort ? 'SHORT' : 'LOST' },
      { status: 'failed', class: 'transient', code: 'HTTP_500' },
      { status: 'failed', class: 'transient', code: 'HTTP_500' },
      { status: 'failed', class: 'item', code: 'HTTP_404' },
      { status: 'failed', class: 'item', code: isShort ? 'SHORT' : 'LOST' },
      { status: 'parked', class: 'transient', code: 'HTTP_500' },
      ...(isBatch ? [{ status: 'isolating', class: 'transient', code: 'STOPPED' } as const] : []),
    ];
    const kind = pick('note', kinds);
    if (kind === undefined) return undefined;
    const counts = {
      replays: pick('replays', [0, maxReplays - 1, maxReplays, maxReplays + 1]),
      refires: pick('refires', [0, 1, maxRefires - 1, maxRefires, maxRefires + 1]),
    };
    return { ...kind, ...counts, atMs, ...this.#drawItems(undone, kind, nowMs) };
  }

  /** Of a batch, which of its items its note names. */
  #drawItems(undone: readonly Node[], { code }: Pick<StagedNote, 'code'>, nowMs: number): Pick<StagedNote, 'items'> {
    const { batches } = this.#tries.scene.checker.ledger;
    const [first] = undone;
    const count = this.#pick('named', [0, 1, undone.length]);
    if (first?.isInBatch !== true || count === 0 || code === 'LOST') return {};
    const leaves = batches.batchesWith(first)[0]?.leaves ?? [];
    const items = undone.slice(0, count).map((node, at) => {
      const its = this.#pick(`class ${at}`, ['transient', 'item'] as const);
      const atMs = nowMs - this.#limits.retryingForMs + this.#pick(`named beside ${at}`, [-1, 0, 1]);
      return { index: leaves.indexOf(node), id: node.api.id, class: its, code: codes[its], atMs };
    });
    return { items };
  }

  #writeNote({ key, noteKey, level, run }: Subject, { atMs, items, ...note }: StagedNote, isSpoilt: boolean): void {
    const { bucket } = this.#tries.scene;
    const timed = <T extends { atMs: number }>({ atMs: each, ...rest }: T) => ({
      ...rest,
      at: new Date(each).toISOString(),
    });
    const body = {
      ...{ attempts: 2, requestId: 'request', message: 'x' },
      ...note,
      ...timed({ atMs }),
      ...{ run, level, key },
      ...(items && { items: items.map((item) => ({ ...timed(item), message: 'x', attempts: 1 })) }),
    };
    const fields = fieldsOf(body).filter((field) => !['run', 'level', 'requestId'].includes(field));
    const text = isSpoilt ? spoilt(body, this.#pick('spoilt field', fields).split('.')) : JSON.stringify(body);
    bucket.write(`failures/${noteKey}`, text, { attempts: '2', code: note.code }, 'person');
  }

  /** What people are told, who change nothing. */
  async #ask(subject: Subject) {
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
        states.push(typeof told === 'string' ? told : told.state),
      );
    }
    const refires: Refires = { refired: 0, givenUp: 0 };
    people.sweep({ run, dryRun: true }, (report: SweepReport) => {
      for (const { refired, givenUp } of report.runs) Object.assign(refires, { refired, givenUp });
    });
    await settle('after a look at a staged moment');
    const failures = await this.#replay({ from: 'failures', dryRun: true });
    const letterReplays = this.#pick('letter', [0, this.#limits.maxReplays - 1, this.#limits.maxReplays]);
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

  #pick<T>(what: string, from: readonly T[]): T {
    const { faults } = this.#tries.scene;
    return faults.pick(faults.site(`staged ${what}`), what, from);
  }
}

function describe({ undone, ...staged }: Staged): string {
  return `${JSON.stringify(staged)}, ${undone.length} undone`;
}
