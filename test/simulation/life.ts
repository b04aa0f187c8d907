/**
 * One invocation of a function, and everything that it does to the world outside. After a crash nothing that it waits for
 * ever comes, as if its machine were gone; what was on the wire may arrive all the same.
 */
import type { Faults, FaultName, Site } from './faults.ts';
import type { EventKey } from './model.ts';
import type { Cancel, VirtualTime } from './virtual-time.ts';

export type LifeEnd =
  { how: 'answered'; answer: unknown } | { how: 'threw'; error: unknown } | { how: 'crashed' | 'timed out' };

/** What an operation is, and what can go wrong with it beside a crash. */
export type Operation<T> = {
  /** Names the place: the same in every repetition. */
  name: string;
  act: () => T;
  /** It changes something: a crash before and after it differ. */
  mutates: boolean;
  /** The service says no; and says so although it has done it. */
  failures: { before: FaultName; answerLost?: FaultName; error: () => Error };
  latencyMs: readonly [min: number, max: number];
};

/** What an invocation was given. `isRepeated`: something was given to the function before it, for certain. */
export type GivenEvent = EventKey & { isRepeated: boolean };

export class Life {
  readonly name: string;
  readonly startedMs: number;
  readonly timeoutMs: number;
  /** What it was given to work on; nothing for what people start. */
  readonly events: readonly GivenEvent[];
  /** What lives on between the invocations of one environment. */
  readonly environment: object;
  /** Keys whose dead letters or waiting messages it has sent. */
  readonly sentFor = new Set<string>();
  /** Of these, keys of dead letters. */
  readonly failedFor = new Set<string>();
  /** One of its operations took very long: what it looked at before may be old. */
  wasDelayed = false;
  /** How many of its operations have failed. */
  failures = 0;
  /** What it was told when an event that it gives out was refused. */
  readonly refusals = new Set<unknown>();
  #state: 'running' | 'ended' | 'dead' = 'running';
  readonly #time: VirtualTime;
  readonly #isStill: boolean;
  readonly #faults: Faults;
  readonly #onEnd: (end: LifeEnd) => void;
  readonly #onWorkBehindAnswer: (what: string) => void;
  readonly #cancelTimeout: Cancel;

  constructor(options: {
    name: string;
    time: VirtualTime;
    faults: Faults;
    timeoutMs: number;
    events?: readonly GivenEvent[];
    environment?: object;
    /** Nothing that it asks for takes time. */
    isStill?: boolean;
    onEnd: (end: LifeEnd) => void;
    onWorkBehindAnswer: (what: string) => void;
  }) {
    this.name = options.name;
    this.#time = options.time;
    this.#isStill = options.isStill ?? false;
    this.#faults = options.faults;
    this.timeoutMs = options.timeoutMs;
    this.events = options.events ?? [];
    this.environment = options.environment ?? this;
    this.startedMs = this.#time.nowMs;
    this.#onEnd = options.onEnd;
    this.#onWorkBehindAnswer = options.onWorkBehindAnswer;
    this.#cancelTimeout = this.#time.in(this.timeoutMs, () => this.die('timed out'));
  }

  /** An event that it works on is for an item that is done, but short of children. */
  get isAgain(): boolean {
    return this.events.some(({ again }) => again);
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** Gone, with all that waited: nothing of it ever goes on. */
  get isDead(): boolean {
    return this.#state === 'dead';
  }

  get remainingMs(): number {
    return this.startedMs + this.timeoutMs - this.#time.nowMs;
  }

  begin(work: () => Promise<unknown>): void {
    work().then(
      (answer) => this.#end('ended', { how: 'answered', answer }),
      (error: unknown) => this.#end('ended', { how: 'threw', error }),
    );
  }

  die(how: 'crashed' | 'timed out'): void {
    this.#end('dead', { how });
  }

  readonly clock = {
    now: (): number => this.#time.nowMs,
    wait: (ms: number): Promise<void> =>
      new Promise((resolve) => {
        this.#time.in(ms, () => {
          if (!this.isDead) resolve();
        });
      }),
  };

  /** Whatever an invocation changes or asks for after it has answered, Lambda freezes, and wakes within the next one. */
  mustNotHaveEnded(doing: string): void {
    if (this.#state === 'ended') this.#onWorkBehindAnswer(`${this.name}: ${doing}`);
  }

  /** Something outside, which takes time and may fail. */
  operate<T>({ name, act, mutates, failures, latencyMs: [minMs, maxMs] }: Operation<T>): Promise<T> {
    if (mutates) this.mustNotHaveEnded(name);
    const faults = this.#faults;
    return new Promise((resolve, reject) => {
      if (this.isDead) return;
      const site: Site = faults.site(name);
      if (mutates && faults.strikes('crash-before', site)) {
        this.die('crashed');
        return;
      }
      if (faults.strikes('hang', site)) return;
      const slowMs = faults.strikes('slow', site) ? faults.between(site, 'slow', 10_000, 400_000) : 0;
      if (slowMs > 0) this.wasDelayed = true;
      const latencyMs = this.#isStill ? 0 : faults.between(site, 'latency', minMs, maxMs);
      this.#time.in(latencyMs + slowMs, () => {
        if (this.isDead) {
          if (mutates && faults.between(site, 'wire', 0, 1) === 1) act();
          return;
        }
        const fail = (): void => {
          this.failures += 1;
          reject(failures.error());
        };
        if (faults.strikes(failures.before, site)) {
          fail();
          return;
        }
        const answer = act();
        if (!mutates) {
          resolve(answer);
          return;
        }
        if (faults.strikes('crash-after', site)) {
          this.die('crashed');
          return;
        }
        if (failures.answerLost !== undefined && faults.strikes(failures.answerLost, site)) {
          fail();
          return;
        }
        resolve(answer);
      });
    });
  }

  #end(state: 'ended' | 'dead', end: LifeEnd): void {
    if (!this.isRunning) return;
    this.#state = state;
    this.#cancelTimeout();
    this.#onEnd(end);
  }
}
