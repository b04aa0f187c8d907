/** The records of a staged moment, drawn and written so that limits are met to the millisecond or to the number, or missed by one. */
import type { Node } from './model.ts';
import { fieldsOf, spoilt } from './other-shapes.ts';
import type { Scene } from './scene.ts';
import type { Limits, Staged, StagedControl, StagedNote } from './staged-item.ts';

/** An object of which something is undone. */
export type Subject = {
  key: string;
  /** Below `failures/`. */
  noteKey: string;
  level: string;
  run: string;
  undone: readonly Node[];
  writtenMs: number;
};

const codes = { transient: 'HTTP_500', item: 'HTTP_404' } as const;
/** So long a run was cancelled. */
const cancelledMs = 7_200_000;

export class StagedRecords {
  readonly #scene: Scene;
  readonly #limits: Limits;

  constructor(scene: Scene, limits: Limits) {
    this.#scene = scene;
    this.#limits = limits;
  }

  /** Writes the records, and lets time pass up to the moment. */
  async write(subject: Subject, isShort: boolean): Promise<Staged> {
    const { bucket, time } = this.#scene;
    const { lostAfterMs, settleMs } = this.#limits;
    const pick = <T>(what: string, from: readonly T[]): T => this.pick(what, from);
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
    if (isPaused) this.#scene.setRate(pick('pause', ['{"paused":true}', '{"requestsPerSecond":0}']));
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
    const { bucket, modelNodes, time } = this.#scene;
    const { doneKey = '' } = modelNodes().find((node) => !node.isInBatch && node.itemKey === key) ?? {};
    const receipt = bucket.objects.get(doneKey);
    if (receipt === undefined) return undefined;
    const at = new Date(time.nowMs).toISOString();
    bucket.write(doneKey, receipt.body, { ...receipt.metadata, at }, 'person');
    return time.nowMs;
  }

  #drawControl({ run }: Subject): StagedControl | undefined {
    const { bucket, time } = this.#scene;
    const nowMs = time.nowMs;
    const control = this.pick<StagedControl | undefined>('control', [
      undefined,
      undefined,
      undefined,
      { state: 'paused' },
      { state: 'cancelled' },
      { state: 'running' },
      {
        state: 'running',
        cancelled: { fromMs: nowMs - cancelledMs, untilMs: nowMs + this.pick('until', [-2_000, 0, 999, 1_000, 5_000]) },
      },
      { state: 'running', cancelled: { fromMs: nowMs - cancelledMs, untilMs: nowMs } },
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
    const pick = <T>(what: string, from: readonly T[]): T => this.pick(what, from);
    const isBatch = undone[0]?.isInBatch === true;
    const ages = [lostAfterMs, lostAfterMs, retryingForMs, retryingForMs, 60_000, 3 * lostAfterMs];
    const times = [
      ...ages.map((ageMs) => nowMs - ageMs),
      Math.min(untilMs, controlMs + 1_000),
      controlMs - cancelledMs - retryingForMs,
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
    const { batches } = this.#scene.checker.ledger;
    const [first] = undone;
    const count = this.pick('named', [0, 1, undone.length]);
    if (first?.isInBatch !== true || count === 0 || code === 'LOST') return {};
    const leaves = batches.batchesWith(first)[0]?.leaves ?? [];
    const items = undone.slice(0, count).map((node, at) => {
      const its = this.pick(`class ${at}`, ['transient', 'item'] as const);
      const atMs = nowMs - this.#limits.retryingForMs + this.pick(`named beside ${at}`, [-1, 0, 1]);
      return { index: leaves.indexOf(node), id: node.api.id, class: its, code: codes[its], atMs };
    });
    return { items };
  }

  #writeNote({ key, noteKey, level, run }: Subject, { atMs, items, ...note }: StagedNote, isSpoilt: boolean): void {
    const { bucket } = this.#scene;
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
    const text = isSpoilt ? spoilt(body, this.pick('spoilt field', fields).split('.')) : JSON.stringify(body);
    bucket.write(`failures/${noteKey}`, text, { attempts: '2', code: note.code }, 'person');
  }

  /** Draws differ from moment to moment. */
  pick<T>(what: string, from: readonly T[]): T {
    const { faults } = this.#scene;
    return faults.pick(faults.site(`staged ${what}`), what, from);
  }
}
