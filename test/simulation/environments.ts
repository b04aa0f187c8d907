/**
 * A function's environments on Lambda: at most so many at once, each with one invocation at a time, warm or new as Lambda
 * likes. A crash or a timeout ends the environment too.
 */
import type { Faults } from './faults.ts';
import { Life, type GivenEvent, type LifeEnd } from './life.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a function keeps in memory lasts as long as its environment. */
export type Environment = { life: Life; memory: unknown };

export type Work = { name: string; events: readonly GivenEvent[]; run: (environment: Environment) => Promise<unknown> };

export class Environments {
  /** Reserved concurrency, or the mapping's maximum; 0: cut off. */
  limit: number;
  invocations = 0;
  readonly #name: string;
  readonly #time: VirtualTime;
  readonly #faults: Faults;
  readonly #timeoutMs: number;
  readonly #onWorkBehindAnswer: (what: string) => void;
  readonly #onLost: () => void;
  readonly #warm: { id: object; memory: unknown }[] = [];
  #busy = 0;

  constructor(options: {
    name: string;
    limit: number;
    time: VirtualTime;
    faults: Faults;
    timeoutMs: number;
    onWorkBehindAnswer: (what: string) => void;
    /** One was ended before its calls were paid for by waiting. */
    onLost: () => void;
  }) {
    this.#name = options.name;
    this.limit = options.limit;
    this.#time = options.time;
    this.#faults = options.faults;
    this.#timeoutMs = options.timeoutMs;
    this.#onWorkBehindAnswer = options.onWorkBehindAnswer;
    this.#onLost = options.onLost;
  }

  get hasRoom(): boolean {
    return this.#busy < this.limit;
  }

  run({ name, events, run }: Work, onEnd: (end: LifeEnd, life: Life) => void): void {
    this.invocations += 1;
    this.#busy += 1;
    const isNew = this.#faults.strikes('environment-recycled', this.#faults.site(`environment ${this.#name}`));
    const { id, memory } = (isNew ? undefined : this.#warm.pop()) ?? { id: {}, memory: undefined };
    const life: Life = new Life({
      name,
      time: this.#time,
      faults: this.#faults,
      timeoutMs: this.#timeoutMs,
      events,
      environment: id,
      onWorkBehindAnswer: this.#onWorkBehindAnswer,
      onEnd: (end) => {
        this.#busy -= 1;
        if (end.how === 'answered' || end.how === 'threw') this.#warm.push({ id, memory: environment.memory });
        else this.#onLost();
        onEnd(end, life);
      },
    });
    const environment: Environment = { life, memory };
    if (typeof memory === 'object' && memory !== null && 'environment' in memory) memory.environment = environment;
    life.begin(() => run(environment));
  }
}

export function describeEnd(end: LifeEnd): string {
  if (end.how === 'threw')
    return `threw ${end.error instanceof Error ? end.error.message.slice(0, 120) : String(end.error)}`;
  if (end.how === 'answered') return `answered ${JSON.stringify(end.answer).slice(0, 120)}`;
  return end.how;
}
