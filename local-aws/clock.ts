/**
 * Milliseconds since 1970 that never go backwards and never jump: waits are measured by it, so that a change of the
 * machine's clock neither prolongs nor ends them. What clients are told of times is `Date.now()`.
 */
export function steadyNow(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}
