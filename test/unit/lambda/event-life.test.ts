import { describe, expect, test } from '@jest/globals';
import { firstRetryMs, lostAfterMs, queueWaitMs, retryingForMs, settleMs } from '../../../shared/lambda/event-life.ts';

const minute = 60_000;
const direct = {
  trigger: 'direct' as const,
  fetchTimeoutMs: 5 * minute,
  fetchRetryAttempts: 2,
  fetchMaxEventAgeMs: 360 * minute,
  queueMaxReceives: 5,
  queueRetentionMs: 4 * 24 * 60 * minute,
  lambdaTimeScale: 1,
};
const queue = { ...direct, trigger: 'queue' as const };

describe('how long an event can be alive', () => {
  test('by Lambda: the waits of one and two minutes before its retries, and its greatest age', () => {
    expect(retryingForMs(direct)).toBe((1 + 5 + 2 + 5) * minute);
    expect(retryingForMs({ ...direct, fetchRetryAttempts: 0 })).toBe(0);
    expect(lostAfterMs(direct)).toBe((360 + 5 + 5 + 13) * minute);
    expect(firstRetryMs(direct)).toBeLessThan(minute);
  });

  test('by a queue: waits that double up to fifteen minutes, and its retention', () => {
    expect([1, 2, 3, 4, 5, 6].map((delivery) => queueWaitMs(delivery, queue) / minute)).toEqual([1, 2, 4, 8, 15, 15]);
    expect(retryingForMs(queue)).toBe((1 + 2 + 4 + 8 + 4 * 5) * minute);
    expect(lostAfterMs(queue)).toBe(queue.queueRetentionMs + (5 + 5) * minute);
  });

  test('is shorter on the local engine by its scale, but for what is not scaled', () => {
    const fast = { lambdaTimeScale: 60 };
    expect(settleMs(fast) * 60).toBe(settleMs(direct));
    expect(firstRetryMs(fast) * 60).toBe(firstRetryMs(direct));
    expect(retryingForMs({ ...direct, ...fast })).toBe(3 * 1000 + 2 * 5 * minute);
    expect(lostAfterMs({ ...queue, ...fast })).toBe(queue.queueRetentionMs + 5000 + 5 * minute);
  });
});
