/**
 * What a person asks of a sweep or a replay is what is done, and what its report counts is what happened: a dry run changes
 * nothing, a limit is kept, other runs and levels are left alone.
 */
import type { ReplayReport } from '../../shared/engine/recovery/replay-report.ts';
import type { ReplayRequest } from '../../shared/engine/recovery/replay-request.ts';
import type { SweepReport, SweepRequest } from '../../shared/engine/recovery/sweep.ts';
import type { Life, LifeEnd } from './life.ts';
import type { ObjectItems } from './ledger.ts';
import type { Message } from './queue.ts';

type Request = SweepRequest & ReplayRequest;

/** From so many failures on, a replay takes a service to fail for all items. */
const enoughFailures = 20;

export class RequestWatch {
  readonly #requests = new WeakMap<Life, Request>();
  /** How many items each has given to levels. */
  readonly #refires = new WeakMap<Life, ObjectItems>();
  readonly #batch: number;

  /** @param batch most items in an object */
  constructor(batch: number) {
    this.#batch = batch;
  }

  begins(life: Life, request: Request): void {
    this.#requests.set(life, request);
  }

  /** Whether a sweep takes what is as old as the deployment says for lost. */
  isOfUsualAge(life: Life): boolean {
    return this.#requests.get(life)?.olderThan === undefined;
  }

  /** A sweep of the runs that are not finished. */
  isOfAll(life: Life): boolean {
    const request = this.#requests.get(life);
    return life.name.startsWith('sweep') && request?.run === undefined && request?.verify !== true;
  }

  /** @returns what is wrong with a change of the bucket or a queue */
  changes(what: string, life: Life): string | undefined {
    return this.#requests.get(life)?.dryRun === true ? `${life.name} is a dry run, and changes ${what}` : undefined;
  }

  /** @param run undefined: of an item that is in no run @returns what is wrong with an event that is given to a level */
  refires(
    item: { key: string; level: string; run: string | undefined; items: ObjectItems },
    life: Life,
    nowMs: number,
  ): string | undefined {
    const { run, level, limit, rate, dryRun } = this.#requests.get(life) ?? {};
    const given = this.#given(life);
    this.#refires.set(life, sumOf(given, item.items));
    const before = given.least;
    const earliestMs = rate === undefined ? 0 : life.startedMs + (before * 1000) / rate;
    // An object whose items are more than the limit comes alone.
    const isTooMany = limit !== undefined && (given.all === 0 ? false : before + Math.max(1, item.items.least) > limit);
    const wrong =
      (dryRun === true && 'it is a dry run') ||
      (run !== undefined && item.run !== undefined && run !== item.run && 'it is of another run') ||
      (level !== undefined && level !== item.level && 'it is of another level') ||
      (isTooMany && `there are more than ${limit} items`) ||
      (nowMs < earliestMs && `it comes ${earliestMs - nowMs} ms too early for its rate`);
    return typeof wrong === 'string' ? `${life.name} re-fires ${item.key}, but ${wrong}` : undefined;
  }

  /** @param isExact no answer was lost on the way @returns what is wrong with a report */
  replayed(report: ReplayReport, life: Life, isExact: boolean, nowMs: number): string | undefined {
    const { from, force, dryRun = false } = this.#requests.get(life) ?? {};
    const { replayed, alreadyDone, parked, duplicates, skipped, byLevel, reasons, remaining, stoppedBecause } = report;
    const given = this.#given(life);
    const isRight = isExact ? replayed >= given.least && replayed <= given.most : replayed <= given.all;
    const sum = (what: keyof ReplayReport['byLevel'][string]): number =>
      Object.values(byLevel).reduce((all, counts) => all + counts[what], 0);
    const { unreadable, missing, failedAgain, retrying, refused } = skipped;
    const isNotes = from === 'failures';
    const lookedAt =
      replayed +
      parked +
      duplicates +
      missing +
      failedAgain +
      (isNotes ? retrying + skipped.parked : alreadyDone + unreadable);
    const isDrained = stoppedBecause === 'drained' && refused === 0;
    const counted = reasons.reduce((all, { count }) => all + count, 0);
    const left = retrying + skipped.parked + skipped.cancelled + failedAgain + (force === true ? 0 : missing);
    const wrong =
      (report.dryRun !== dryRun && 'does not say whether it is a dry run') ||
      (!(report.seconds >= 0 && report.seconds * 1000 <= nowMs - life.startedMs + 1) && 'tells another time') ||
      (Object.values(skipped).some((count) => count < 0) && 'counts less than nothing') ||
      (!dryRun &&
        !isRight &&
        `counts ${replayed} items, and has re-fired ${given.least} to ${isExact ? given.most : given.all}`) ||
      (!isNotes && (retrying > 0 || skipped.parked > 0) && 'counts notes, but looked at letters') ||
      (['replayed', 'alreadyDone', 'parked'] as const).find((what) => sum(what) !== report[what]) ||
      (sum('remaining') !== remaining && 'counts another rest than its levels') ||
      (isDrained &&
        (counted < lookedAt || counted > lookedAt + duplicates * (this.#batch - 1)) &&
        `has reasons for ${counted} items, and looked at ${lookedAt}`) ||
      (isDrained && isNotes && remaining !== left && `says that ${remaining} notes remain, and left ${left}`) ||
      (reasons.some(({ count }) => count < 1) && 'has a reason for no item') ||
      (reasons.some(({ count }, at) => count > (reasons[at - 1]?.count ?? Infinity)) &&
        'does not begin with the commonest reason');
    return typeof wrong === 'string' ? `${life.name} reports wrongly: ${wrong}: ${JSON.stringify(report)}` : undefined;
  }

  /** @param letters on the queues, once no fault is in the way @returns what is wrong with what a replay has left there */
  left(report: ReplayReport, life: Life, letters: readonly Message[], nowMs: number): string | undefined {
    const { from, force, run, level } = this.#requests.get(life) ?? {};
    if (from === 'failures') return undefined;
    const hidden = letters.find(({ hiddenUntilMs }) => hiddenUntilMs > nowMs);
    if (hidden !== undefined) return `${life.name} leaves ${hidden.id} invisible`;
    const { unreadable, missing, failedAgain, refused, cancelled } = report.skipped;
    const mayStay = unreadable + failedAgain + refused + cancelled + (force === true ? 0 : missing);
    const old = letters.filter(({ sentAtMs }) => sentAtMs < life.startedMs).length;
    const isAll = run === undefined && level === undefined && !report.dryRun && report.stoppedBecause === 'drained';
    return isAll && old > mayStay ? `${life.name} leaves ${old} letters, and has a reason for ${mayStay}` : undefined;
  }

  /** @returns what is wrong when a replay ends because an item was refused: it keeps no other from being replayed */
  gaveUp(end: LifeEnd, { name, failures, refusals }: Life): string | undefined {
    return end.how === 'threw' && refusals.has(end.error) && failures < enoughFailures
      ? `${name} ends at the first of ${failures} failures`
      : undefined;
  }

  /** @returns what is wrong with the end of what gives back what waited: a failure of Lambda is told */
  resumed(end: LifeEnd, { name, refusals }: Life): string | undefined {
    return end.how === 'answered' && refusals.size > 0
      ? `${name} answers as if nothing had failed, and Lambda has refused ${refusals.size} events`
      : undefined;
  }

  /** @param isExact no answer was lost on the way @returns what is wrong with a report */
  swept(report: SweepReport, life: Life, isExact: boolean): string | undefined {
    const { dryRun = false } = this.#requests.get(life) ?? {};
    const { runs, runsLeft, cutShort, stoppedBecause } = report;
    const isFinished = runsLeft === 0 && cutShort === undefined;
    const given = this.#given(life);
    const refired = runs.reduce((all, run) => all + run.refired, 0);
    const wrong =
      (report.dryRun !== dryRun && 'does not say whether it is a dry run') ||
      (!dryRun &&
        isExact &&
        isFinished &&
        !(refired >= given.least && refired <= given.most) &&
        `counts ${refired} items, and has re-fired ${given.least} to ${given.most}`) ||
      (isFinished !== (stoppedBecause === 'finished') && 'does not say why it ended');
    return typeof wrong === 'string' ? `${life.name} reports wrongly: ${wrong}` : undefined;
  }

  #given(life: Life): ObjectItems {
    return this.#refires.get(life) ?? { least: 0, most: 0, all: 0 };
  }
}

function sumOf(a: ObjectItems, b: ObjectItems): ObjectItems {
  return { least: a.least + b.least, most: a.most + b.most, all: a.all + b.all };
}
