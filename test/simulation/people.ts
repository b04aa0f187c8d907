/** What people and the clock start: sweeps, replays, questions how a run stands and the taking up of the rate, each an invocation that can crash like any. */
import type { ReplayRequest } from '../../shared/engine/recovery/replay.ts';
import type { SweepReport, SweepRequest } from '../../shared/engine/recovery/sweep.ts';
import type { Status, StatusRequest } from '../../shared/engine/report/status.ts';
import { runRate, runReplay, runStatus, runSweep } from './recovery.ts';
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

  sweep(request: SweepRequest): void {
    const { checker, world, time } = this.#scene;
    const startedMs = time.nowMs;
    this.#start(
      'sweep',
      (life) => runSweep(world, request, life),
      (end) => {
        if (end.how !== 'answered' || request.dryRun === true) return;
        for (const { run } of (end.answer as SweepReport).runs) checker.onSwept(run, startedMs);
      },
    );
  }

  replay(request: ReplayRequest): void {
    this.#start(`replay ${JSON.stringify(request)}`, (life) => runReplay(this.#scene.world, request, life));
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

  /** The clock brings back what waited. */
  resumeSoon(): void {
    const { time, levels, world } = this.#scene;
    if (this.#isResuming) return;
    this.#isResuming = true;
    time.in(60_000, () =>
      this.#start(
        'rate',
        (life) => runRate(world, life),
        () => {
          this.#isResuming = false;
          if ([...levels.values()].some(({ waiting }) => waiting.messages.size > 0)) this.resumeSoon();
        },
      ),
    );
  }

  #start(what: string, work: (life: Life) => Promise<unknown>, onEnd: (end: LifeEnd) => void = () => undefined): void {
    const { time, faults, checker, say } = this.#scene;
    this.#lives += 1;
    const name = `${what} #${this.#lives}`;
    const life = new Life({
      name,
      time,
      faults,
      timeoutMs: recoveryTimeoutMs,
      onWorkBehindAnswer: checker.onWorkBehindAnswer,
      onEnd: (end) => {
        say(
          `${name} ${end.how}${end.how === 'threw' ? ` ${String(end.error)}` : end.how === 'answered' ? ` ${JSON.stringify(end.answer)}` : ''}`,
        );
        onEnd(end);
      },
    });
    say(`${name} begins`);
    life.begin(() => work(life));
  }
}
