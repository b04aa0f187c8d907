/** What people and the clock start: sweeps, replays, questions how a run stands and the applying of the rate, each an invocation that can crash like any. */
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import type { ReplayReport } from '../../shared/engine/recovery/replay-report.ts';
import type { ReplayRequest } from '../../shared/engine/recovery/replay-request.ts';
import type { SweepReport, SweepRequest } from '../../shared/engine/recovery/sweep.ts';
import type { ExplainRequest } from '../../shared/engine/report/explain.ts';
import type { Explanation } from '../../shared/engine/report/explanation.ts';
import type { Status, StatusRequest } from '../../shared/engine/report/status.ts';
import { runExplain, runRate, runReplay, runStatus, runSweep } from './recovery.ts';
import { describeEnd } from './environments.ts';
import { Life, type LifeEnd } from './life.ts';
import type { Scene } from './scene.ts';

const recoveryTimeoutMs = 900_000;

export class People {
  readonly #scene: Scene;
  #lives = 0;
  #isResuming = false;

  constructor(scene: Scene) {
    this.#scene = scene;
    scene.onWaiting = () => this.resumeSoon();
  }

  setRate(body: string): void {
    this.#scene.setRate(body);
    this.#start('rate', (life) => runRate(this.#scene.world, life));
  }

  /** S3 tells the function `rate` of what was written. */
  setRun(run: string, wish: Parameters<Scene['setRun']>[1]): void {
    this.#scene.setRun(run, wish);
    if (wish !== 'deleted') this.#start('rate', (life) => runRate(this.#scene.world, life));
    this.resumeSoon();
  }

  /** @param onAnswer told of what was answered; of nothing when the function crashed or failed */
  sweep(request: SweepRequest, onAnswer: (report: SweepReport) => void = () => undefined): void {
    const { checker, world, time } = this.#scene;
    const startedMs = time.nowMs;
    this.#dropInCensus();
    this.#start(
      'sweep',
      (life) => {
        checker.requests.begins(life, request);
        return runSweep(world, request, life);
      },
      (end, life) => {
        if (end.how !== 'answered') return;
        const report = end.answer as SweepReport;
        checker.tell('truth', checker.requests.swept(report, life, !this.#scene.faults.isOn));
        if (request.dryRun !== true) for (const { run } of report.runs) checker.onSwept(run, startedMs);
        onAnswer(report);
      },
    );
  }

  /** The seed of a run that this sweep would find complete is dropped again while it looks. */
  #dropInCensus(): void {
    const { checker, faults, time, runs, drop } = this.#scene;
    const run = runs.find((name) => checker.ledger.isWhole(name) && !checker.ledger.isComplete(name));
    if (run === undefined) return;
    const site = faults.site('drop in census');
    if (faults.strikes('seed-dropped-in-census', site))
      time.in(faults.between(site, 'after', 40, 500), () => drop(run));
  }

  /** @param onAnswer told of what was answered; of nothing when the function crashed or failed */
  replay(request: ReplayRequest, onAnswer: (report: ReplayReport) => void = () => undefined): void {
    const { checker, world, faults, levels, time } = this.#scene;
    this.#start(
      `replay ${JSON.stringify(request)}`,
      (life) => {
        checker.requests.begins(life, request);
        return runReplay(world, request, life);
      },
      (end, life) => {
        checker.tell('conservation', checker.requests.gaveUp(end, life));
        if (end.how !== 'answered') return;
        const report = end.answer as ReplayReport;
        checker.tell('truth', checker.requests.replayed(report, life, !faults.isOn, time.nowMs));
        onAnswer(report);
        if (faults.isOn) return;
        const letters = [...levels.values()].flatMap(({ deadLetters }) => [...deadLetters.messages.values()]);
        checker.tell('conservation', checker.requests.left(report, life, letters, time.nowMs));
      },
    );
  }

  /** @param onAnswer told of what was answered; of nothing when the function crashed or failed */
  rate(onAnswer: (report: RateReport) => void): void {
    this.#start(
      'rate',
      (life) => runRate(this.#scene.world, life),
      (end) => {
        if (end.how === 'answered') onAnswer(end.answer as RateReport);
      },
    );
  }

  /** @param onAnswer told of what was answered; of nothing when the function crashed or failed */
  status(request: StatusRequest, onAnswer: (status: Status) => void = () => undefined): void {
    const { checker, world, time } = this.#scene;
    const startedMs = time.nowMs;
    this.#start(
      'status',
      (life) => runStatus(world, request, life),
      (end) => {
        if (end.how !== 'answered') return;
        const status = end.answer as Status;
        if ('run' in status) checker.onStatus(status, startedMs);
        onAnswer(status);
      },
    );
  }

  /** @param onEnd told of what was answered, or why nothing was */
  explain(request: ExplainRequest, onEnd: (explanation: Explanation | string) => void): void {
    this.#start(
      `explain ${JSON.stringify(request)}`,
      (life) => runExplain(this.#scene.world, request, life),
      (end) => onEnd(end.how === 'answered' ? (end.answer as Explanation) : describeEnd(end)),
    );
  }

  /** The clock brings back what waited. */
  resumeSoon(): void {
    const { time, levels, world, checker } = this.#scene;
    if (this.#isResuming) return;
    this.#isResuming = true;
    time.in(60_000, () =>
      this.#start(
        'rate',
        (life) => runRate(world, life),
        (end, life) => {
          checker.tell('truth', checker.requests.resumed(end, life));
          this.#isResuming = false;
          if ([...levels.values()].some(({ waiting }) => waiting.hasItems((key) => !checker.runs.isStopped(key))))
            this.resumeSoon();
        },
      ),
    );
  }

  #start(
    what: string,
    work: (life: Life) => Promise<unknown>,
    onEnd: (end: LifeEnd, life: Life) => void = () => undefined,
  ): void {
    const { time, faults, checker, say } = this.#scene;
    this.#lives += 1;
    const name = `${what} #${this.#lives}`;
    const life: Life = new Life({
      name,
      time,
      faults,
      timeoutMs: recoveryTimeoutMs,
      isStill: time.isStill,
      onWorkBehindAnswer: checker.onWorkBehindAnswer,
      onEnd: (end) => {
        say(
          `${name} ${end.how}${end.how === 'threw' ? ` ${String(end.error)}` : end.how === 'answered' ? ` ${JSON.stringify(end.answer)}` : ''}`,
        );
        onEnd(end, life);
      },
    });
    say(`${name} begins`);
    life.begin(() => work(life));
  }
}
