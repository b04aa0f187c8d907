/**
 * One bad day: a world with its faults, people and schedules that act in the middle of it, then the end of all faults, and what
 * must be true by then. Everything follows from the seed.
 */
import type { SweepReport } from '../../shared/engine/recovery/sweep.ts';
import type { Violation } from './checker.ts';
import type { AfterDay } from './after-day.ts';
import { chainMistake } from './chain-mistakes.ts';
import { tryOnCompleteRuns } from './complete-runs.ts';
import type { Core } from './core.ts';
import { wrongCounts } from './count-check.ts';
import { planDay } from './day-plan.ts';
import { ExplainWatch } from './explain-watch.ts';
import type { FaultChoice, FaultName, Injected, Site } from './faults.ts';
import type { ChainChoice } from './chain-plan.ts';
import { eventTextIn, keysOfEvent, type Node } from './model.ts';
import { People } from './people.ts';
import { ReportWatch } from './report-watch.ts';
import { buildScene, type Scene } from './scene.ts';

export type ScheduleOptions = {
  seed: number;
  core: Core;
  choice?: FaultChoice;
  chain?: ChainChoice;
  /** Writes down what happens. */
  isTraced?: boolean;
};

export type Verdict = {
  seed: number;
  violation: Violation | undefined;
  injected: readonly Injected[];
  trace: readonly string[];
  /** How many levels its chain had. */
  levels: number;
  /** Tasks of virtual time; calls of the API; invocations of the levels' functions. */
  figures: { steps: number; calls: number; invocations: number; hours: number };
  /** Which help the runs needed to become complete, once all was well. */
  needed: 'sweep' | 'replay' | 'replay of failures' | 'force' | undefined;
};

const hourMs = 3_600_000;
/** Rounds of sweep and replay until every run must be complete; in the last two a person forces. */
const rounds = 5;
const roundsWithoutForce = 3;
/** Items a second, so that each comes to its function alone. */
const slowPerSecond = 0.2;
/** More than this is no schedule, but something that never ends. */
const maxSteps = 400_000;

export async function runSchedule({
  seed,
  core,
  choice = {},
  chain = {},
  isTraced = false,
}: ScheduleOptions): Promise<Verdict> {
  const scene = buildScene({ seed, core, choice, chain, isTraced });
  const day = new Day(scene);
  const needed = await day.live();
  const { time, faults, checker, api, levels, startMs } = scene;
  const invocations = [...levels.values()].reduce((sum, { environments }) => sum + environments.invocations, 0);
  return {
    seed,
    violation: checker.violation,
    injected: faults.injected,
    trace: scene.trace,
    levels: scene.plan.rows.length,
    figures: { steps: time.steps, calls: api.calls, invocations, hours: (time.nowMs - startMs) / hourMs },
    needed,
  };
}

class Day {
  readonly #scene: Scene;
  readonly #people: People;
  readonly #patienceMs: number;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#people = new People(scene);
    this.#patienceMs = scene.core.lostAfterMs(scene.settings.deployment) + 60_000;
  }

  async live(): Promise<Verdict['needed']> {
    const { time, faults, checker, core, plan, dayMs, startMs } = this.#scene;
    time.maxSteps = maxSteps;
    checker.tell('truth', chainMistake(core, plan));
    planDay(this.#scene, this.#people);
    await time.runTo(startMs + dayMs);
    faults.isOn = false;
    this.#scene.calm();
    await this.#settle('after the faults had ended');
    await this.#checkReports();
    if (this.#scene.hasPoison) {
      await this.#mustGiveUp();
      await this.#othersMustFinish();
      await this.#mustPark();
      await this.#mustKnowWhatCrashes();
      await this.#checkReports();
    }
    this.#scene.mend();
    const needed = await this.#converge();
    await this.#mustStayDone();
    await tryOnCompleteRuns(this.#tries(), (fault) => this.#chanceOf(fault));
    return needed;
  }

  /** Nothing must be left to happen by itself, within a time that every event's end lies in. */
  async #settle(when: string): Promise<void> {
    const { time, checker } = this.#scene;
    const limitMs = time.nowMs + 2 * this.#patienceMs + 8 * hourMs;
    if (!(await time.runUntilQuiet(limitMs)) && checker.violation === undefined)
      checker.break('termination', `${when}, something goes on without end`);
  }

  /** What is poisoned is given up: after enough sweeps that bring nothing new, none has anything left to do. */
  async #mustGiveUp(): Promise<void> {
    const { settings, checker, levels } = this.#scene;
    const count = (): number =>
      [...levels.values()].reduce((sum, { environments }) => sum + environments.invocations, 0);
    const there = (): number => this.#scene.modelNodes().filter((node) => checker.ledger.isThere(node)).length;
    // A sweep that brings on a parent may bring other items: from there on they have sweeps of their own.
    for (let sweeps = 0; sweeps < settings.maxRefires + 2 && checker.violation === undefined;) {
      const known = there();
      await this.#sweepAndSettle();
      sweeps = there() > known ? 0 : sweeps + 1;
    }
    const before = count();
    const refires = [...checker.refiresBySweep.values()].reduce((sum, times) => sum + times, 0);
    for (let sweeps = 0; sweeps < 2; sweeps += 1) await this.#sweepAndSettle();
    const after = [...checker.refiresBySweep.values()].reduce((sum, times) => sum + times, 0);
    if (after > refires || count() > before)
      checker.break(
        'termination',
        `a poisoned item is given out again after ${settings.maxRefires + 2} sweeps: ${after - refires} times by two more, ${count() - before} invocations`,
      );
  }

  /** What is poisoned keeps nothing else from being done, neither at its level nor in its run. */
  async #othersMustFinish(): Promise<void> {
    const { checker } = this.#scene;
    const left = (): Node[] =>
      this.#scene.modelNodes().filter((node) => this.#isWithoutPoison(node) && !this.#isDone(node));
    for (let round = 1; round <= rounds && left().length > 0 && checker.violation === undefined; round += 1) {
      const force = round > roundsWithoutForce;
      // A message that comes in one invocation with one that makes the function crash dies with it: at last a person gives them
      // out one by one.
      const slowly = force ? { rate: slowPerSecond } : {};
      this.#people.replay({ force, ...slowly });
      await this.#settle('after a replay beside something poisoned');
      this.#people.replay({ from: 'failures', force, ...slowly });
      await this.#settle('after a replay of failures beside something poisoned');
      if (this.#scene.isTampered) for (const run of this.#scene.runs) this.#people.sweep({ run });
      await this.#sweepAndSettle();
    }
    const [first] = left();
    if (first !== undefined && checker.violation === undefined)
      checker.break('convergence', `${first.itemKey} is not done, although only others are poisoned`);
  }

  /** What fails at each replay that is allowed is parked: its letter goes, and its note says so. */
  async #mustPark(): Promise<void> {
    const { checker, core, faults, levels, settings, time } = this.#scene;
    if (checker.violation !== undefined || faults.between(faults.site('day'), 'parks', 0, 1) === 0) return;
    const isLeft = (): boolean => [...levels.values()].some(({ deadLetters }) => deadLetters.messages.size > 0);
    for (let replays = 0; replays < settings.maxReplays + 3 && isLeft(); replays += 1) {
      // What a letter says twice, or what fails while a replay runs, is the next one's work.
      this.#people.replay({});
      await this.#settle('after a replay of what fails each time');
    }
    for (const { deadLetters } of levels.values())
      for (const { body } of deadLetters.messages.values())
        for (const { key, replays } of keysOfEvent(eventTextIn(body)))
          if (checker.ledger.object(key) !== undefined && replays >= settings.maxReplays)
            checker.break('termination', `the letter of ${key} is left after ${replays} replays`);
    for (const run of this.#scene.runs) {
      this.#people.replay({ from: 'failures', run });
      await this.#settle('after a replay of the failures of one run');
    }
    // Notes say of what may pass that it is retried, as long as it may be.
    await time.runTo(time.nowMs + core.retryingForMs(settings.deployment));
    await this.#checkReports();
  }

  /** Of the items of a batch the one that makes its function crash is found, and is the failure. */
  async #mustKnowWhatCrashes(): Promise<void> {
    const { checker } = this.#scene;
    if (checker.violation !== undefined) return;
    // What died of something else before it was found out, as of its age during a freeze, has to be asked for once more.
    for (let rounds = 0; rounds === 0 || (rounds < 3 && this.#unknownCrash() !== undefined); rounds += 1)
      for (const request of [{ force: true }, { from: 'failures', force: true }] as const) {
        this.#people.replay(request);
        await this.#settle('after a replay of what makes its function crash');
      }
    const unknown = this.#unknownCrash();
    if (unknown !== undefined) checker.break('termination', unknown);
  }

  #unknownCrash(): string | undefined {
    const { ledger, batches } = this.#scene.checker;
    for (const batch of ledger.batches.batches.values()) {
      const [first, ...more] = batch.leaves.filter((leaf) => leaf?.api.poison === 'crashes');
      const isReached = batch.isOwn && !this.#scene.isBlackHole(batch.key) && !this.#scene.isTampered;
      if (first === undefined || more.length > 0 || !isReached) continue;
      const code = batches.refusalOf(first);
      if (code !== 'CRASHED') return `${first.itemKey} makes its function crash, and its batch's note says ${code}`;
    }
    return undefined;
  }

  #isWithoutPoison(node: Node | undefined): boolean {
    const { ledger } = this.#scene.checker;
    if (node === undefined) return true;
    const isPoisoned = node.api.poison !== undefined || this.#scene.isBlackHole(ledger.objectKeyOf(node));
    return !isPoisoned && !node.isLate && ledger.isWanted(node) && this.#isWithoutPoison(node.parent);
  }

  #isDone(node: Node): boolean {
    const { doneSinceMs, isTouched } = this.#scene.checker.ledger.state(node);
    return doneSinceMs !== undefined || isTouched;
  }

  /** How each run stands, and the rate, asked for while nothing happens. */
  async #checkReports(): Promise<void> {
    const { checker, bucket, runs } = this.#scene;
    if (checker.violation !== undefined) return;
    const watch = new ReportWatch(this.#scene);
    for (const run of runs) {
      if (!bucket.objects.has(`seeds/${run}.json`)) continue;
      this.#people.status({ run, fresh: true }, (status) => {
        checker.tell('truth', watch.fresh(status));
        if (!('run' in status) || this.#scene.isTampered) return;
        for (const wrong of wrongCounts(status.levels, checker, this.#scene.modelNodes(), run))
          checker.break('truth', wrong);
      });
      await this.#settle('after a look');
      this.#people.status({ run }, (status) => checker.tell('truth', watch.status(status)));
      await this.#settle('after a quick look');
    }
    this.#people.status({}, (status) => checker.tell('truth', watch.list(status)));
    await this.#settle('after a look at all runs');
    this.#people.rate((report) => checker.tell('truth', watch.rate(report)));
    await this.#settle('after a look at the rate');
    const explanations = new ExplainWatch(this.#scene, watch);
    for (const { request, judge, isRefused = false } of runs.flatMap((run) => explanations.questions(run)))
      this.#people.explain(request, (told) => {
        const isWrong = (typeof told === 'string') !== isRefused;
        const answer = typeof told === 'string' ? told : JSON.stringify(told);
        const wrong = isWrong ? `explain ${JSON.stringify(request)} ${answer}` : undefined;
        checker.tell('truth', wrong ?? (typeof told === 'string' ? undefined : judge(told)));
      });
    await this.#settle('after a look at single items');
  }

  #tries(): AfterDay {
    return {
      scene: this.#scene,
      people: this.#people,
      settle: (when: string) => this.#settle(when),
      converge: () => this.#converge().then(() => undefined),
    };
  }

  /** Where a fault strikes on the complete runs; it has three chances. */
  #chanceOf(fault: FaultName): Site | undefined {
    const { faults } = this.#scene;
    faults.isOn = true;
    const site = ['first', 'second', 'third']
      .map((chance) => faults.site(`${fault} after the day, ${chance}`))
      .find((each) => faults.strikes(fault, each));
    faults.isOn = false;
    return site;
  }

  async #sweepAndSettle(): Promise<void> {
    const { time } = this.#scene;
    await time.runTo(time.nowMs + this.#patienceMs);
    const { checker } = this.#scene;
    const watch = new ReportWatch(this.#scene);
    let refired = 0;
    const judge = ({ runs }: SweepReport): void => {
      for (const run of runs) checker.tell('truth', watch.swept(run));
      refired = runs.reduce((sum, run) => sum + run.refired, 0);
    };
    this.#people.sweep({}, judge);
    await this.#settle('after a sweep');
    if (refired === 0) return;
    // What was re-fired a moment ago is not lost yet, nor given up.
    this.#people.sweep({}, judge);
    await this.#settle('after one more sweep');
  }

  /** All is well: sweep and replay bring every run to complete. */
  async #converge(): Promise<Verdict['needed']> {
    const { checker, runs } = this.#scene;
    const isComplete = (): boolean => runs.every((run) => checker.ledger.isComplete(run));
    let needed: Verdict['needed'];
    const step = async (name: NonNullable<Verdict['needed']>, act: () => void): Promise<void> => {
      if (checker.violation !== undefined) return;
      act();
      await this.#settle(`after a ${name} in a well world`);
      if (isComplete()) needed ??= name;
    };
    for (let round = 1; round <= rounds && checker.violation === undefined; round += 1) {
      const force = round > roundsWithoutForce;
      await this.#sweepAndSettle();
      await step(force ? 'force' : round === 1 ? 'sweep' : 'replay', () => this.#people.replay({ force }));
      if (isComplete()) break;
      await step(force ? 'force' : 'replay of failures', () => this.#people.replay({ from: 'failures', force }));
      await step(force ? 'force' : 'replay of failures', () => {
        if (force) this.#scene.mischief.tidyOrphans();
        this.#people.sweep({});
        // A finished run is not looked at again until a person asks; one has deleted something.
        if (this.#scene.isTampered) for (const run of runs) this.#people.sweep({ run });
      });
      if (isComplete()) break;
    }
    const isMissed = runs.some((run) => !checker.ledger.isComplete(run));
    if (isMissed && checker.violation === undefined)
      checker.break(
        'convergence',
        `${rounds} rounds of sweep and replay in a well world do not complete ${runs
          .filter((run) => !checker.ledger.isComplete(run))
          .map((run) => checker.ledger.openOf(run))
          .join('; ')}`,
      );
    return needed;
  }

  /** Every event once more, a sweep and a replay: no call, and no object changes. */
  async #mustStayDone(): Promise<void> {
    const { bucket, checker, api, notify, runs, time } = this.#scene;
    if (checker.violation !== undefined || !runs.every((run) => checker.ledger.isComplete(run))) return;
    const before = { calls: api.calls, objects: new Set(picture(bucket.objects)) };
    for (const key of new Set(this.#scene.modelNodes().map((node) => checker.ledger.objectKeyOf(node))))
      if (bucket.objects.has(key) && !checker.batches.hasLostFirstPart(key)) notify(key);
    await this.#settle('after every event had come once more');
    this.#people.sweep({});
    this.#people.replay({});
    await this.#settle('after a last sweep');
    // The report is some minutes old by then, and good enough.
    await time.runTo(time.nowMs + 300_000);
    for (const run of runs)
      this.#people.status({ run }, (status) => checker.tell('truth', new ReportWatch(this.#scene).status(status)));
    await this.#settle('after a quick look at a complete run');
    const told = new Set<string>();
    for (const run of runs)
      this.#people.status({ run, fresh: true }, (status) => {
        if (!('run' in status)) return;
        if (status.complete) told.add(run);
        if (this.#scene.isTampered) return;
        for (const wrong of wrongCounts(status.levels, checker, this.#scene.modelNodes(), run))
          checker.break('truth', wrong);
      });
    await this.#settle('after a look');
    // Where a person has deleted something, status says so, and is right.
    const untold = this.#scene.isTampered ? undefined : runs.find((run) => !told.has(run));
    if (untold !== undefined) checker.break('truth', `${untold} is complete, but status does not say so`);
    if (api.calls !== before.calls)
      checker.break('idempotence', `${api.calls - before.calls} calls were made for a complete run`);
    // An environment that wakes gives back what it still has of the rate.
    const changed = picture(bucket.objects).filter(
      (object) => !before.objects.has(object) && !object.startsWith('control/shares.json '),
    );
    if (changed.length > 0)
      checker.break('idempotence', `the bucket changed after all was complete: ${changed.slice(0, 3).join(', ')}`);
  }
}

/** What must not change any more: everything but the sweep's reports, and the notes of what is no item. */
function picture(objects: ReadonlyMap<string, { eTag: string; modifiedMs: number }>): string[] {
  return [...objects]
    .filter(([key]) => !/^(runs\/|failures\/[a-z0-9_]+\/_stray\/)/.test(key))
    .map(([key, { eTag, modifiedMs }]) => `${key} ${eTag} ${new Date(modifiedMs).toISOString()}`);
}
