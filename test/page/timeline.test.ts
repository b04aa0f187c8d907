/** Calls over time, as the page's server keeps them. */
import { describe, expect, test } from '@jest/globals';
import { maxPoints, Timeline, type Observation } from '../../cli/page/timeline.ts';

const at = (atMs: number, change: Partial<Observation> = {}): Observation => ({
  atMs,
  calls: atMs / 100,
  rate: 10,
  stop: 'none',
  orderedMs: undefined,
  ...change,
});

function timelineOf(...observations: Observation[]): Timeline {
  const timeline = new Timeline();
  for (const observation of observations) timeline.add(observation);
  return timeline;
}

describe('a timeline', () => {
  test('is made of the stretches between two looks', () => {
    expect(timelineOf(at(0), at(1000), at(3000, { rate: null, stop: 'paused' })).points()).toEqual([
      { fromMs: 0, toMs: 1000, calls: 10, rate: 10, stop: 'none', ordered: 0 },
      { fromMs: 1000, toMs: 3000, calls: 20, rate: null, stop: 'paused', ordered: 0 },
    ]);
  });

  test('marks each order of the API to wait once', () => {
    const orders = [undefined, 5, 5, 9].map((orderedMs, index) => at(index * 1000, { orderedMs }));
    expect(
      timelineOf(...orders)
        .points()
        .map(({ ordered }) => ordered),
    ).toEqual([1, 0, 1]);
  });

  test('does not know calls that were not counted, or were counted anew', () => {
    const timeline = timelineOf(at(0), at(1000, { calls: undefined }), at(2000), at(3000, { calls: 1 }));
    expect(timeline.points().map(({ calls }) => calls)).toEqual([undefined, undefined, undefined]);
  });

  test('ignores a look that is not later than the one before', () => {
    expect(timelineOf(at(1000), at(1000), at(500)).points()).toEqual([]);
  });

  test('keeps a whole run in a bounded number of stretches, and loses no call', () => {
    const timeline = new Timeline();
    const looks = 20_000;
    for (let index = 0; index <= looks; index += 1)
      timeline.add(at(index * 1000, { stop: index === 777 ? 'paused' : 'none' }));
    const points = timeline.points();
    expect(points.length).toBeLessThanOrEqual(maxPoints);
    expect(points.length).toBeGreaterThan(maxPoints / 4);
    expect(points.every(({ fromMs }, index) => fromMs === (points[index - 1]?.toMs ?? 0))).toBe(true);
    const last = points.at(-1)?.toMs ?? 0;
    expect(points.reduce((sum, { calls = 0 }) => sum + calls, 0)).toBe(last / 100);
    expect(looks * 1000 - last).toBeLessThan((2 * (looks * 1000)) / points.length);
    expect(points.filter(({ stop }) => stop === 'paused')).toHaveLength(1);
  });
});
