import { describe, expect, test } from '@jest/globals';
import { createEarnings } from '../../../../shared/engine/rate/earnings.ts';

const held = { share: 1, saves: 0.5, untilMs: Infinity };

/** How many calls can be made at once, at that time. */
function callsAt(earnings: ReturnType<typeof createEarnings>, nowMs: number): number {
  earnings.earn(nowMs, 1, held);
  let calls = 0;
  for (; earnings.isEarned; calls += 1) earnings.spend();
  return calls;
}

describe('what an environment has earned', () => {
  test('is a call at first, and no more than one and what it may save up', () => {
    const earnings = createEarnings(0);
    expect(callsAt(earnings, 0)).toBe(1);
    earnings.earn(10_000, 1, held);
    earnings.spend();
    expect(earnings.waitMs(10_000, 1, held)).toBeCloseTo(500);
  });

  test('is less by what it may no longer save up, also when that is spent: another environment calls instead', () => {
    const earnings = createEarnings(0);
    earnings.earn(10_000, 1, held);
    earnings.spend();
    earnings.giveUp(0.5);
    expect(earnings.waitMs(10_000, 1, { ...held, saves: 0 })).toBeCloseTo(1000);
  });

  test('is nothing without a share, and after its end', () => {
    const earnings = createEarnings(0);
    earnings.spend();
    expect(earnings.waitMs(0, 1, { ...held, share: 0 })).toBe(Infinity);
    earnings.earn(5_000, 1, { ...held, untilMs: 300 });
    expect(earnings.waitMs(5_000, 1, { ...held, untilMs: 300 })).toBe(Infinity);
    expect(earnings.waitMs(300, 1, { ...held, untilMs: 300 })).toBe(Infinity);
    expect(earnings.waitMs(5_000, 1, held)).toBeCloseTo(700);
  });
});
