/**
 * Which event or call runs next, and where: oldest first, an environment that is warm before a new one, and no function
 * left waiting for ever. It sleeps until there is something to do. What becomes of an event that was run, throttled or is
 * too old is decided in async-events.ts.
 *
 * Waiting for one of our own few environments is no throttle: AWS would have another one. Only a function's reserved
 * concurrency throttles.
 */
import { cpus } from 'node:os';
import { detached } from '../lifecycle.ts';
import type { AsyncEvents } from './async-events.ts';
import type { Environment } from './environment.ts';
import type { Environments } from './environments.ts';
import type { DirectCall, Lane, ProcessorTimes } from './lane.ts';
import type { ReadyEvent } from './event-queue.ts';
import { notStarted } from './runs.ts';
import type { Runner } from './runs.ts';

/** So long may a function wait while others keep all environments busy: a cold start or two. */
const patienceMs = 250;
/** So long must an environment be idle before a function that has one already may have its place: about a cold start. */
const graceMs = 200;
/**
 * So long must a function's environments be behind before another one is started for its events: shorter than that they are done
 * before it could help. Lambda starts one at once; here each is a thread, whose start costs as much as dozens of invocations.
 */
const behindMs = 400;
/** One more thread is of use if so much of a processor is idle, or if this process uses hardly any. */
const idleShare = 0.25;
const restingShare = 0.1;
/** setTimeout takes a bigger number for 1 ms. */
const longestSleepMs = 2 ** 31 - 1;

export type DispatcherOptions = {
  readonly lanes: readonly Lane[];
  readonly environments: Environments;
  readonly events: AsyncEvents;
  readonly now: () => number;
  readonly run: (lane: Lane, work: DirectCall | ReadyEvent, runner: Runner) => void;
};

type Work = { readonly lane: Lane; readonly sinceMs: number; readonly work: DirectCall | ReadyEvent };

export class Dispatcher {
  readonly #options: DispatcherOptions;
  #wakes = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Looks for work in the next turn of the event loop: any transaction that is open now is closed then. */
  wake(): void {
    if (this.#wakes || this.#stopped) return;
    this.#wakes = true;
    setImmediate(() => {
      this.#wakes = false;
      detached(() => this.dispatch());
    });
  }

  /** Starts all that can be started now. Not to be called with a transaction open. */
  dispatch(): void {
    if (this.#stopped) return;
    const nowMs = this.#options.now();
    let waiting = this.#workAt(nowMs);
    while (waiting.length > 0 && this.#startOne(waiting, nowMs)) waiting = this.#workAt(nowMs);
    this.#noteWhoIsBehind(waiting);
    this.#sleep(waiting, nowMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** The head of every lane that may start something, oldest first. Events that can't be run are dealt with on the way. */
  #workAt(nowMs: number): Work[] {
    const found: Work[] = [];
    for (const lane of this.#options.lanes) {
      const [call] = lane.directCalls;
      if (call !== undefined) {
        if (!lane.isAtReservedConcurrency) found.push({ lane, sinceMs: call.sinceMs, work: call });
        continue;
      }
      const event = this.#runnableHead(lane, nowMs);
      if (event !== undefined) found.push({ lane, sinceMs: event.readyAtMs, work: event });
    }
    return found.sort((a, b) => a.sinceMs - b.sinceMs);
  }

  #runnableHead(lane: Lane, nowMs: number): ReadyEvent | undefined {
    const { events } = this.#options;
    while (events.mayTakeMore && lane.pausedUntilMs <= nowMs) {
      const event = lane.head(nowMs);
      if (event === undefined) return undefined;
      if (lane.definition.reservedConcurrency === 0) {
        lane.take();
        events.switchedOff(lane, event);
      } else if (events.isTooOld(lane, event, nowMs)) {
        lane.take();
        events.expired(lane, event);
      } else if (lane.isAtReservedConcurrency) {
        lane.take();
        lane.pausedUntilMs = events.throttled(lane, event);
      } else {
        return event;
      }
    }
    return undefined;
  }

  #startOne(waiting: readonly Work[], nowMs: number): boolean {
    const { environments } = this.#options;
    const starving = environments.hasRoom ? undefined : waiting.find(({ lane, sinceMs }) => isStarving(lane, sinceMs));
    if (starving !== undefined && this.#startInPlaceOf(this.#victimForStarving(starving.lane), starving)) return true;

    for (const work of waiting) {
      const warm = environments.idle(work.lane.name);
      if (warm !== undefined) {
        this.#run(work, warm);
        return true;
      }
    }
    const due = waiting.filter((work) => this.#isWorthAStart(work));
    const [oldest] = due;
    if (oldest !== undefined && environments.hasRoom) {
      this.#startNew(oldest);
      return true;
    }
    // What is idle now belongs to functions that have nothing to do.
    for (const work of due) {
      const minimumIdleMs = environments.count(work.lane.name) === 0 ? 0 : graceMs;
      if (this.#startInPlaceOf(environments.spare(work.lane.name, { minimumIdleMs }), work)) return true;
    }
    for (const { lane } of waiting) lane.blockedSinceMs ??= performance.now();
    return false;

    function isStarving(lane: Lane, sinceMs: number): boolean {
      if (environments.idle(lane.name) !== undefined) return false;
      // With no environment at all it is the time since it lost its turn that counts, not its events' age: two functions
      // that share one environment would otherwise take it from each other with every event.
      const waitedMs =
        environments.count(lane.name) === 0 ? performance.now() - (lane.blockedSinceMs ?? Infinity) : nowMs - sinceMs;
      return waitedMs >= patienceMs;
    }
  }

  /** With work that waits although all their environments are ready. */
  #noteWhoIsBehind(waiting: readonly Work[]): void {
    const { lanes, environments } = this.#options;
    for (const lane of lanes) {
      const isBehind = waiting.some((work) => work.lane === lane) && !environments.isStarting(lane.name);
      lane.behind = isBehind ? (lane.behind ?? processorTimes()) : undefined;
    }
  }

  /** A caller that waits gets one at once, and so does a function that has none. */
  #isWorthAStart({ lane, work }: Work): boolean {
    if ('resolve' in work || this.#options.environments.count(lane.name) === 0) return true;
    const { behind } = lane;
    const elapsedMs = behind === undefined ? 0 : performance.now() - behind.atMs;
    if (behind === undefined || elapsedMs < behindMs) return false;
    const now = processorTimes();
    // Looked at anew each time: what has kept the machine busy may be over.
    lane.behind = now;
    return now.idleMs - behind.idleMs > idleShare * elapsedMs || now.usedMs - behind.usedMs < restingShare * elapsedMs;
  }

  /** Another function's idle environment, only if that leaves the other one no worse off; so nothing goes back and forth. */
  #victimForStarving(lane: Lane): Environment | undefined {
    const { environments } = this.#options;
    const count = environments.count(lane.name);
    return count === 0
      ? environments.spare(lane.name, { minimumReadyMs: patienceMs })
      : environments.spare(lane.name, { minimumCount: count + 2 });
  }

  #startInPlaceOf(victim: Environment | undefined, work: Work): boolean {
    if (victim === undefined) return false;
    this.#options.environments.close(victim);
    this.#startNew(work);
    return true;
  }

  #startNew(work: Work): void {
    let runner: Runner;
    try {
      runner = this.#options.environments.start(work.lane.definition);
    } catch (error) {
      runner = { run: () => Promise.resolve(notStarted(error)) };
    }
    this.#run(work, runner);
  }

  #run({ lane, work }: Work, runner: Runner): void {
    if ('resolve' in work) lane.directCalls.shift();
    else lane.take();
    lane.blockedSinceMs = undefined;
    this.#options.run(lane, work, runner);
  }

  /** Until an event is ready, a pause is over, or a function that is blocked has waited long enough. */
  #sleep(waiting: readonly Work[], nowMs: number): void {
    clearTimeout(this.#timer);
    // The end of a delivery wakes us.
    if (!this.#options.events.mayTakeMore) return;
    let delayMs = waiting.length > 0 ? graceMs : Infinity;
    for (const lane of this.#options.lanes) {
      const pauseMs = lane.pausedUntilMs - nowMs;
      // Behind a pause there may be events that are ready; without one the next that waits is all there is.
      delayMs = Math.min(delayMs, pauseMs > 0 ? pauseMs : Math.max(0, lane.nextReadyAtMs - nowMs));
    }
    if (delayMs === Infinity) return;
    this.#timer = setTimeout(() => detached(() => this.dispatch()), Math.min(Math.ceil(delayMs), longestSleepMs));
  }
}

function processorTimes(): ProcessorTimes {
  const { user, system } = process.cpuUsage();
  const idleMs = cpus().reduce((sum, { times }) => sum + times.idle + times.nice, 0);
  return { atMs: performance.now(), usedMs: (user + system) / 1000, idleMs };
}
