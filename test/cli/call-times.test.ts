/** What `npm start` says of the calls' times. */
import { expect, test } from '@jest/globals';
import { createCallTimes } from '../../cli/run/call-times.ts';

function timesOf(...seconds: number[]): { perSecond: number; fullestSecond: number } {
  const times = createCallTimes();
  for (const second of seconds) times.add(second * 1000);
  const { perSecond, fullestSecond } = times;
  return { perSecond, fullestSecond };
}

test('the fullest second begins anywhere, and does not hold a call that comes exactly a second later', () => {
  expect(timesOf(0, 0.6, 0.9, 1.5, 1.6)).toMatchObject({ fullestSecond: 3 });
  expect(timesOf(0.6, 0.9, 1.5, 1.59)).toMatchObject({ fullestSecond: 4 });
  expect(timesOf(0, 1, 2)).toMatchObject({ fullestSecond: 1 });
});

test('calls that are told out of order count where they were', () => {
  expect(timesOf(5, 5.9, 5.5, 4.95, 5.2)).toMatchObject({ fullestSecond: 5 });
  expect(timesOf(3, 2.5, 2, 1.5)).toMatchObject({ fullestSecond: 2, perSecond: 2 });
});

test('the calls a second are those from the first to the last', () => {
  expect(timesOf()).toEqual({ perSecond: 0, fullestSecond: 0 });
  expect(timesOf(7)).toEqual({ perSecond: 0, fullestSecond: 1 });
  expect(timesOf(0, 0.5, 1, 1.5, 2)).toEqual({ perSecond: 2, fullestSecond: 2 });
});

test('what is long past stays in the count, and no longer in memory', () => {
  const times = createCallTimes();
  for (let call = 0; call < 20_000; call += 1) times.add(call * 50);
  expect(times.fullestSecond).toBe(20);
  expect(times.perSecond).toBeCloseTo(20);
});
