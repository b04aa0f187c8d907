/**
 * The execution environments that there are, never more than the bound, and which of them may be closed so that another
 * function gets its place.
 */
import type { FunctionDefinition } from './definition.ts';
import { Environment } from './environment.ts';
import type { EnvironmentOptions } from './environment.ts';

export type EnvironmentsOptions = Omit<EnvironmentOptions, 'onEnded'> & {
  readonly maxEnvironments: number;
  /** An environment has ended by itself: there is room again. */
  readonly onRoom: () => void;
};

/** Which environments of other functions are not to be touched. */
export type Spared = {
  /** Those idle for a shorter time. */
  readonly minimumIdleMs?: number;
  /** Those ready for a shorter time: they have hardly done anything for what their start has cost. */
  readonly minimumReadyMs?: number;
  /** Those of a function that has fewer. */
  readonly minimumCount?: number;
};

export class Environments {
  coldStarts = 0;
  readonly #options: EnvironmentsOptions;
  readonly #all = new Set<Environment>();
  readonly #byFunction = new Map<string, number>();
  /** Threads on their way out: stopping waits for them. */
  readonly #closing = new Set<Promise<void>>();

  constructor(options: EnvironmentsOptions) {
    this.#options = options;
  }

  get hasRoom(): boolean {
    return this.#all.size < this.#options.maxEnvironments;
  }

  /** How many environments a function has, idle or not. */
  count(functionName: string): number {
    return this.#byFunction.get(functionName) ?? 0;
  }

  /** One of its environments is not ready yet. */
  isStarting(functionName: string): boolean {
    for (const { definition, readySinceMs } of this.#all)
      if (definition.name === functionName && readySinceMs === Infinity) return true;
    return false;
  }

  /** The idle environment that was used last, so that those that aren't needed grow old. */
  idle(functionName: string): Environment | undefined {
    let found: Environment | undefined;
    for (const environment of this.#all) {
      if (!environment.isIdle || environment.definition.name !== functionName) continue;
      if (found === undefined || environment.idleSinceMs > found.idleSinceMs) found = environment;
    }
    return found;
  }

  /** The idle environment that would be missed least: of the function that has the most, the one that was idle longest. */
  spare(
    forFunction: string,
    { minimumIdleMs = 0, minimumReadyMs = 0, minimumCount = 1 }: Spared,
  ): Environment | undefined {
    const nowMs = performance.now();
    let found: Environment | undefined;
    for (const environment of this.#all) {
      const { name } = environment.definition;
      if (!environment.isIdle || name === forFunction) continue;
      if (nowMs - environment.idleSinceMs < minimumIdleMs || nowMs - environment.readySinceMs < minimumReadyMs)
        continue;
      const count = this.count(name);
      if (count < minimumCount) continue;
      const foundCount = found === undefined ? 0 : this.count(found.definition.name);
      const better = count - foundCount || (found?.idleSinceMs ?? 0) - environment.idleSinceMs;
      if (better > 0) found = environment;
    }
    return found;
  }

  /** Starts one. The caller sees to it that there is room. */
  start(definition: FunctionDefinition): Environment {
    const { onLog, onRequest, openS3Port, initLimitMs, onRoom } = this.#options;
    const environment: Environment = new Environment(definition, {
      onLog,
      onRequest,
      openS3Port,
      initLimitMs,
      onEnded: () => {
        if (this.#remove(environment)) onRoom();
      },
    });
    this.coldStarts++;
    this.#all.add(environment);
    this.#byFunction.set(definition.name, this.count(definition.name) + 1);
    return environment;
  }

  /** Closes an idle one; its place is free at once. */
  close(environment: Environment): void {
    this.#remove(environment);
    const closing = environment.end().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  async closeAll(): Promise<void> {
    for (const environment of this.#all) this.close(environment);
    await Promise.all(this.#closing);
  }

  #remove(environment: Environment): boolean {
    if (!this.#all.delete(environment)) return false;
    const { name } = environment.definition;
    this.#byFunction.set(name, this.count(name) - 1);
    return true;
  }
}
