/** What people and the clock start: sweeps, replays and the taking up of the rate, each an invocation that can crash like any. */
import type { ReplayRequest } from '../../shared/core/replay.ts';
import type { SweepReport, SweepRequest } from '../../shared/core/sweep.ts';
import { runRate, runReplay, runSweep } from './recovery.ts';
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
