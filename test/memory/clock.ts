/** A clock that only moves when somebody waits or a test says so. */
import type { Clock } from '../../shared/core/ports.ts';

export class TestClock implements Clock {
  nowMs = Date.parse('2026-11-20T00:00:00Z');
  readonly waits: number[] = [];

  now(): number {
    return this.nowMs;
  }

  wait(ms: number): Promise<void> {
    this.waits.push(ms);
    this.nowMs += ms;
    return Promise.resolve();
  }
}
