/**
 * What people are told of a run is what is in the bucket, figure by figure. It is asked for while nothing happens, so that there is
 * one right answer; of a run in which a person has left something there is none.
 */
import type { LevelReport, RunReason, RunReport } from '../../shared/engine/report/run-report.ts';
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import type { SweptRun } from '../../shared/engine/recovery/sweep.ts';
import type { Status } from '../../shared/engine/report/status.ts';
import type { Stored } from './bucket.ts';
import { everyNode, type Node } from './model.ts';
import type { Scene } from './scene.ts';

type Failure = { class: string; code: string; at: string };
/** `items`: of a batch, those that failed. */
type Note = Failure & { status: string; requestId: string; items?: (Failure & { id: string })[] };
/** `id`: the note names the item. */
type Failed = Failure & { node: Node; note: Note; id: string | undefined };
type Figures = Pick<LevelReport, 'items' | 'done' | 'failed' | 'open' | 'lost' | 'short' | 'stray'>;

/** What is about to get another name within this time has none that is certain. */
export const blurMs = 10_000;
/** A report is good enough for a status for so long. */
const usefulMs = 60_000;

export class ReportWatch {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** @returns what is wrong with an answer for which everything was counted anew */
  fresh(status: Status): string | undefined {
    if (!('run' in status)) return 'a run was asked for, and a list is the answer';
    const { run, from, ageSeconds } = status;
    if (from !== 'census' || ageSeconds !== 0)
      return `a fresh status of ${run} is from a ${from} of ${ageSeconds} s ago`;
    return this.#wrongPace(status, this.#stored(run)) ?? this.run(status);
  }

  /** @returns what is wrong with an answer that the last report may be good enough for */
  status(status: Status): string | undefined {
    if (!('run' in status)) return 'a run was asked for, and a list is the answer';
    const { run, from, ageSeconds } = status;
    const stored = this.#stored(run);
    const ageMs = stored === undefined ? Infinity : this.#scene.time.nowMs - Date.parse(stored.at);
    const expected = stored !== undefined && (stored.complete || ageMs < usefulMs) ? 'report' : 'census';
    if (from !== expected && Math.abs(ageMs - usefulMs) > blurMs)
      return `a status of ${run} is from a ${from}, and not from a ${expected}`;
    if (from === 'census') return this.fresh(status);
    if (Math.abs(ageSeconds * 1000 - ageMs) > blurMs)
      return `a report of ${run} of ${ageMs} ms ago is told to be ${ageSeconds} s old`;
    return stored?.at === status.at && sameLevels(stored, status) ? undefined : `a status of ${run} is not its report`;
  }

  /** @returns what is wrong with the list of runs */
  list(status: Status): string | undefined {
    if (!('runs' in status)) return 'all runs were asked for, and one is the answer';
    const { runs, bucket } = this.#scene;
    const seeds = runs.flatMap((run) => {
      const seed = bucket.objects.get(`seeds/${run}.json`);
      return seed === undefined ? [] : [{ run, ms: seed.modifiedMs }];
    });
    const latest = seeds.sort((a, b) => b.ms - a.ms || (a.run < b.run ? 1 : -1)).map(({ run }) => run);
    const told = status.runs.map(({ run }) => run);
    if (told.join() !== latest.join()) return `the runs are told to be ${told.join()}, and they are ${latest.join()}`;
    const wrong = status.runs.find(({ run, complete, at, line }) => {
      const stored = this.#stored(run);
      const sum = (what: 'done' | 'items'): number => stored?.levels.reduce((all, level) => all + level[what], 0) ?? 0;
      const figures = stored === undefined ? 'no report yet' : `${sum('done')} of ${sum('items')} items done`;
      const [, seconds] = /, (\d+) s ago/.exec(line) ?? [];
      const ageMs = stored === undefined ? Number.NaN : this.#scene.time.nowMs - Date.parse(stored.at);
      const isOld = stored !== undefined && !(Math.abs(Number(seconds) * 1000 - ageMs) <= blurMs);
      const isOtherWord = stored !== undefined && !line.startsWith(`${run}: ${this.#wordOf(stored)}, `);
      return complete !== stored?.complete || at !== stored?.at || !line.includes(figures) || isOld || isOtherWord;
    });
    return wrong === undefined ? undefined : `the run ${wrong.run} is told to be ${wrong.line}`;
  }

  /** A run may have been paused or resumed since it was counted. */
  #wordOf({ run, complete, levels }: RunReport): string {
    if (complete) return 'complete';
    const state = this.#scene.checker.runs.stateOf(run);
    if (state !== 'running') return state;
    const hasFailed = levels.some(({ failed: { retrying, dead, parked } }) => retrying + dead + parked > 0);
    return hasFailed ? 'has failures' : 'open';
  }

  /** @returns what is wrong with what a sweep has just left; undefined for one that has given something to do */
  swept(swept: SweptRun): string | undefined {
    const { bucket, checker } = this.#scene;
    const lost = [...bucket.objects.values()].flatMap(({ body }) => {
      const isLost = body.includes('"status":"failed"') && /"code":"(LOST|SHORT)"/.test(body);
      const key = isLost ? (JSON.parse(body) as { key: string }).key : '';
      return key.includes(`/${swept.run}`) ? [checker.ledger.itemsIn(key).all] : [];
    });
    if (swept.givenUp > lost.reduce((sum, items) => sum + items, 0))
      return `the sweep of ${swept.run} says that it has given up ${swept.givenUp} items, and has noted fewer`;
    if (swept.refired > 0 || swept.givenUp > 0) return undefined;
    const stored = this.#stored(swept.run);
    if (
      stored === undefined ||
      stored.at !== swept.at ||
      !sameLevels(stored, swept) ||
      stored.complete !== swept.complete
    )
      return `the sweep of ${swept.run} leaves another report than it gives: ${JSON.stringify(stored)}`;
    return this.run(swept);
  }

  /** The report in the bucket; undefined when there is none that is whole. */
  #stored(run: string): RunReport | undefined {
    try {
      const report = JSON.parse(this.#object(`runs/${run}.json`)?.body ?? '') as RunReport;
      const isWhole =
        report.run === run && !Number.isNaN(Date.parse(report.at)) && report.levels.every(({ items }) => items >= 0);
      return isWhole ? report : undefined;
    } catch {
      return undefined;
    }
  }

  #wrongPace(report: RunReport, before: RunReport | undefined): string | undefined {
    const sum = ({ levels }: RunReport, what: 'done' | 'open'): number =>
      levels.reduce((all, level) => all + level[what], 0);
    const done = before === undefined ? 0 : sum(report, 'done') - sum(before, 'done');
    const seconds = before === undefined ? 0 : (Date.parse(report.at) - Date.parse(before.at)) / 1000;
    const isKnown = done > 0 && seconds > 0;
    const pace = isKnown ? done / seconds : undefined;
    const left = isKnown ? sum(report, 'open') / (done / seconds) : undefined;
    return isNear(pace, report.itemsPerSecond) && isNear(left, report.secondsLeft)
      ? undefined
      : `${report.run} is told to have ${report.itemsPerSecond} items a second and ${report.secondsLeft} s left, and has ${pace} and ${left}`;
  }

  /** @returns what is wrong with a report that was made just now */
  run(report: RunReport): string | undefined {
    const { modelRoots, plan, isTampered } = this.#scene;
    const root = modelRoots.find(({ run }) => run === report.run);
    if (root === undefined || isTampered || this.hasForeign(report.run)) return undefined;
    const atMs = Date.parse(report.at);
    const nodes = [...everyNode(root)].filter((node) => this.#scene.checker.ledger.isThere(node));
    for (const { level } of plan.rows) {
      const told = report.levels.find((each) => each.level === level);
      if (told === undefined) return `the report of ${root.run} lacks ${level}`;
      const its = nodes.filter((node) => node.level === level);
      const [now, soon] = [this.#figures(its, atMs), this.#figures(its, atMs - blurMs)];
      if (JSON.stringify(now) !== JSON.stringify(soon)) continue;
      const is = JSON.stringify(pick(told, now));
      if (is !== JSON.stringify(now))
        return `the report of ${root.run} says of ${level} ${is}, and it is ${JSON.stringify(now)}`;
    }
    return this.#sums(report, nodes);
  }

  #sums(report: RunReport, nodes: readonly Node[]): string | undefined {
    const calls = nodes.reduce((sum, node) => sum + this.#callsOf(node), 0);
    if (report.apiCalls !== calls)
      return `the report of ${report.run} counts ${report.apiCalls} calls, and it were ${calls}`;
    const isWhole = nodes.length > 0 && nodes.every((node) => this.isDone(node) && !this.#isShort(node));
    if (report.complete !== isWhole) return `the report of ${report.run} says complete: ${report.complete}`;
    const failed = nodes.flatMap((node) => this.failureOf(node) ?? []);
    const codes = failed.map(({ node: { level }, code }) => `${level} ${code}`).sort();
    const told = report.reasons
      .flatMap(({ level, code, count }) => Array.from({ length: count }, () => `${level} ${code}`))
      .sort();
    if (JSON.stringify(codes) !== JSON.stringify(told))
      return `the report of ${report.run} gives the reasons ${told.join(', ')}, and it are ${codes.join(', ')}`;
    const wrong = report.reasons.find((reason) => !this.#isRightReason(reason, report, failed));
    if (wrong !== undefined) return `the report of ${report.run} has a wrong reason: ${JSON.stringify(wrong)}`;
    const isSorted = report.reasons.every(({ count }, at) => count <= (report.reasons[at - 1]?.count ?? Infinity));
    return isSorted ? undefined : `the report of ${report.run} does not begin with the commonest reason`;
  }

  /** What becomes of those that failed adds up, and its sample is one of them. */
  #isRightReason(
    { level, code, count, failed, sample }: RunReason,
    report: RunReport,
    all: readonly Failed[],
  ): boolean {
    const { ledger } = this.#scene.checker;
    const fates = failed === undefined ? 0 : failed.retrying + failed.dead + failed.parked;
    const its = report.reasons.filter((reason) => reason.level === level);
    const sum = (fate: 'retrying' | 'dead' | 'parked'): number =>
      its.reduce((total, reason) => total + (reason.failed?.[fate] ?? 0), 0);
    const told = report.levels.find((each) => each.level === level)?.failed;
    const isOne = all.some(
      ({ node, note, id, at, code: its }) =>
        its === code &&
        at === sample.at &&
        id === sample.id &&
        note.requestId === sample.requestId &&
        ledger.objectKeyOf(node) === sample.key,
    );
    const isSum = (['retrying', 'dead', 'parked'] as const).every((fate) => sum(fate) === told?.[fate]);
    return fates === count && isSum && isOne;
  }

  /** @returns what is wrong with what is told of the rate */
  rate(report: RateReport): string | undefined {
    const { levels, bucket, settings, time } = this.#scene;
    const stoppedMs = this.#frozenUntilMs();
    const frozen = stoppedMs > time.nowMs ? new Date(stoppedMs).toISOString() : undefined;
    const isBlurred = Math.abs(stoppedMs - time.nowMs) < blurMs;
    if (!isBlurred && report.frozenUntil !== frozen)
      return `the rate is told to be frozen until ${report.frozenUntil}, and it is ${frozen}`;
    const body = bucket.objects.get('control/rate.json')?.body ?? '{}';
    const isPaused = body === '{"paused":true}' || body === '{"requestsPerSecond":0}';
    if (isReadable(body) && report.paused !== isPaused) return `the rate is told to be paused: ${report.paused}`;
    if (isReadable(body) !== (report.problem === undefined))
      return `the rate ${body} is told to have the problem ${report.problem}`;
    if (report.deployed !== settings.limits.deployed || report.requestsPerSecond !== report.deployed)
      return `the rate is told to be ${report.requestsPerSecond}`;
    // What has just been given back may wait again already.
    if (report.resumed > 0) return undefined;
    const wrong = [...levels.values()].find(
      ({ level, waiting }) => report.waiting[level.name] !== waiting.visible.length,
    );
    return wrong === undefined
      ? undefined
      : `${wrong.level.name} is told to have ${report.waiting[wrong.level.name]} waiting`;
  }

  #figures(nodes: readonly Node[], atMs: number): Figures {
    const { core, settings } = this.#scene;
    const failed = { retrying: 0, dead: 0, parked: 0 };
    const figures = { items: nodes.length, done: 0, failed, open: 0, lost: 0, short: 0, stray: 0 };
    for (const node of nodes) {
      const failure = this.failureOf(node);
      if (this.isDone(node)) {
        figures.done += 1;
        if (this.#isShort(node)) figures.short += 1;
      } else if (failure === undefined) {
        figures.open += 1;
        if (atMs - this.openSinceMs(node) > core.lostAfterMs(settings.deployment)) figures.lost += 1;
      } else if (failure.note.status === 'parked') failed.parked += 1;
      else {
        const isRetrying =
          failure.class === 'transient' && atMs - Date.parse(failure.at) < core.retryingForMs(settings.deployment);
        failed[isRetrying ? 'retrying' : 'dead'] += 1;
      }
    }
    return figures;
  }

  /** Since when an event of an item that is open may be lost. */
  openSinceMs(node: Node): number {
    const note = this.#note(node);
    return Math.max(
      this.#object(this.#scene.checker.ledger.objectKeyOf(node))?.modifiedMs ?? 0,
      note === undefined ? 0 : Date.parse(note.at),
      this.stoppedUntilMs(),
      this.#resumedMs(node.run),
    );
  }

  isDone(node: Node): boolean {
    const { itemKey, doneKey, api } = node;
    if (node.isInBatch) return this.#scene.checker.ledger.batches.partsWith(node).length > 0;
    const done = this.#object(doneKey);
    return done !== undefined && (api.isLeaf || done.metadata['input-etag'] === this.#object(itemKey)?.eTag);
  }

  #isShort(node: Node): boolean {
    const counted = Number(this.#object(node.doneKey)?.metadata.children ?? 0);
    return !node.api.isLeaf && this.#scene.checker.ledger.childObjectsOf(node) !== counted;
  }

  #callsOf(node: Node): number {
    if (!this.isDone(node)) return 0;
    return node.api.isLeaf ? 1 : Number(this.#object(node.doneKey)?.metadata['api-calls']);
  }

  /** A batch's note names those of its items that failed, unless it is about the object as a whole. */
  failureOf(node: Node): Failed | undefined {
    const note = this.#note(node);
    if (this.isDone(node) || note === undefined) return undefined;
    if (['failed', 'parked'].includes(note.status) && (note.items === undefined || note.code === 'LOST'))
      return { node, note, id: undefined, class: note.class, code: note.code, at: note.at };
    const failure = note.items?.find(({ id }) => id === node.api.id);
    return failure && { ...failure, node, note };
  }

  #note(node: Node): Note | undefined {
    const body = this.#object(this.#scene.checker.ledger.noteKeyOf(node))?.body;
    return body === undefined ? undefined : (JSON.parse(body) as Note);
  }

  stoppedUntilMs(): number {
    return Math.max(this.#object('control/rate.json')?.modifiedMs ?? 0, this.#frozenUntilMs());
  }

  /** When the run was resumed. */
  #resumedMs(run: string): number {
    const control = this.#object(`control/runs/${run}.json`);
    return control?.body.startsWith('{"state":"running"') === true ? control.modifiedMs : 0;
  }

  #frozenUntilMs(): number {
    const freeze = this.#object('control/freeze.json');
    const until = /^\{"until":"([^"]*)"\}$/.exec(freeze?.body ?? '')?.[1];
    const untilMs = until === undefined ? Number.NaN : Date.parse(until);
    if (freeze === undefined || Number.isNaN(untilMs)) return 0;
    // S3 tells times in whole seconds.
    return Math.min(untilMs, freeze.modifiedMs + 1000 + this.#scene.settings.maxFreezeMs);
  }

  #object(key: string): Stored | undefined {
    return this.#scene.bucket.objects.get(key);
  }

  /** Something that no function has written lies in the run's tree or is a note of it. */
  hasForeign(run: string): boolean {
    const { plan, bucket, roles, checker } = this.#scene;
    const { batches } = checker.ledger;
    const prefixes = plan.rows.flatMap(({ reads, level }) => [
      `${reads}/${run}/`,
      `failures/${level}/${run}`,
      `receipts/${level}/${run}`,
    ]);
    const last = plan.rows.at(-1);
    return [...bucket.objects].some(([key, { body }]) => {
      if (![...prefixes, `${last?.writes}/${run}/`].some((prefix) => key.startsWith(prefix))) return false;
      if (key.endsWith('/_SUCCESS')) return false;
      const is = roles.get(key)?.is ?? batches.placeOf(key)?.is;
      if (is === 'batch') return batches.batches.get(key)?.isOwn !== true;
      if (is === 'part') return batches.parts.get(key)?.isOwn !== true;
      const isNote = is === 'failure' || is === 'note';
      return is === undefined || (isNote && !/^\{.*"at":"\d{4}-/.test(body));
    });
  }
}

function sameLevels(a: RunReport, b: RunReport): boolean {
  return JSON.stringify(a.levels) === JSON.stringify(b.levels) && a.apiCalls === b.apiCalls;
}

function isNear(a: number | undefined, b: number | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Math.abs(a - b) <= 1e-9 * Math.max(1, a);
}

/** The same fields in the same order. */
function pick(from: LevelReport, like: Figures): Figures {
  return Object.fromEntries(Object.keys(like).map((name) => [name, from[name as keyof Figures]])) as Figures;
}

function isReadable(body: string): boolean {
  try {
    JSON.parse(body);
    return true;
  } catch {
    return false;
  }
}
