/**
 * A clock that moves only when all wait: then it jumps to the first that is due. Several can wait side by side.
 */
import type { Clock } from '../../shared/engine/ports.ts';

export class TestClock implements Clock {
  nowMs = Date.parse('2026-11-20T00:00:00Z');
  /** Every wait that was asked for, in milliseconds. */
  readonly waits: number[] = [];
  #sleepers: { atMs: number; wake: () => void }[] = [];

  now(): number {
    return this.nowMs;
  }

  wait(ms: number): Promise<void> {
    this.waits.push(ms);
    return new Promise((wake) => {
      this.#sleepers.push({ atMs: this.nowMs + ms, wake });
      // By then, all work that needs no time has been done.
      if (this.#sleepers.length === 1) setImmediate(() => this.#jump());
    });
  }

  #jump(): void {
    const nextMs = Math.min(...this.#sleepers.map(({ atMs }) => atMs));
    this.nowMs = Math.max(this.nowMs, nextMs);
    const due = this.#sleepers.filter(({ atMs }) => atMs <= this.nowMs);
    this.#sleepers = this.#sleepers.filter(({ atMs }) => atMs > this.nowMs);
    if (this.#sleepers.length > 0) setImmediate(() => this.#jump());
    for (const { wake } of due) wake();
  }
}
