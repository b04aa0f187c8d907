/** What sweep, replay and rate do about a run that people have paused or cancelled. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { levelNamed } from '../../../../shared/engine/chain/chain.ts';
import { newEvent, type ItemEvent } from '../../../../shared/engine/events.ts';
import { applyRate, type RateReport } from '../../../../shared/engine/recovery/apply-rate.ts';
import { replay } from '../../../../shared/engine/recovery/replay.ts';
import type { ReplayReport } from '../../../../shared/engine/recovery/replay-report.ts';
import type { ReplayRequest } from '../../../../shared/engine/recovery/replay-request.ts';
import { sweep, type SweepReport, type SweepRequest } from '../../../../shared/engine/recovery/sweep.ts';
import { changeRunSetting, type RunSetting, type RunWish } from '../../../../shared/engine/runs/run-control.ts';
import { fourLevels } from '../../../chains.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryMessageQueue } from '../../../memory/message-queue.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';
import { completeRun } from '../../../memory/run.ts';

const hourMs = 3_600_000;
const minuteMs = 60_000;

let clock: TestClock;
let store: MemoryObjectStore;
let refired: ItemEvent[];
let setting: RunSetting;

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  refired = [];
  setting = { state: 'running' };
});

const refire = { send: (event: ItemEvent) => Promise.resolve(void refired.push(event)) };
const nothing = (): void => undefined;
const log = { info: nothing, warn: nothing, error: nothing };

function set(wish: RunWish, run = 'r'): void {
  setting = changeRunSetting(setting, wish, { at: new Date(clock.now()).toISOString() }) ?? setting;
  store.drop(`control/runs/${run}.json`, JSON.stringify(setting));
}

function swept(request: SweepRequest = {}): Promise<SweepReport> {
  return sweep(request, {
    chain: fourLevels,
    ...{ store, clock, log },
    refires: new Map(fourLevels.levels.map(({ name }) => [name, refire])),
    lostAfterMs: () => 7 * hourMs,
    stoppedUntilMs: () => Promise.resolve(0),
    retryingForMs: 10 * minuteMs,
    settleMs: 5 * minuteMs,
    maxRefires: 3,
    deadlineMs: clock.now() + 10 * minuteMs,
  });
}

const itemKey = 'shelves/r/a/b/a.json';
const noteKey = 'failures/stock/r/a/b/a.json';
const keys = (): string[] => refired.map(({ key }) => key);

/** A run that is complete but for one item. */
async function dropOpenRun(): Promise<void> {
  await completeRun(fourLevels, store, ['a', 'b']);
  store.objects.delete('stock/r/a/b/a.json');
}

describe('the sweep', () => {
  beforeEach(dropOpenRun);

  test('takes nothing of a paused run for lost, however old, and says that it is paused', async () => {
    set('pause');
    clock.nowMs += 100 * hourMs;
    const { runs } = await swept({ olderThan: 0 });
    expect(runs).toMatchObject([{ complete: false, refired: 0, control: { state: 'paused' } }]);
    expect(runs[0]?.levels.at(-1)).toMatchObject({ open: 1, lost: 0 });
    expect(store.json('runs/r.json')).toMatchObject({ control: { state: 'paused' } });
    expect([refired, store.keys('failures/')]).toEqual([[], []]);
  });

  test('begins its patience anew when a paused run is resumed', async () => {
    set('pause');
    clock.nowMs += 100 * hourMs;
    set('resume');
    clock.nowMs += 6 * hourMs;
    expect(await swept()).toMatchObject({ runs: [{ refired: 0 }] });
    clock.nowMs += 2 * hourMs;
    expect(await swept()).toMatchObject({ runs: [{ refired: 1 }] });
  });

  test('counts a cancelled run once its functions have ended, and then leaves it alone', async () => {
    set('cancel');
    clock.nowMs += minuteMs;
    expect(await swept()).toMatchObject({ runs: [{ run: 'r', refired: 0, control: { state: 'cancelled' } }] });
    clock.nowMs += 5 * minuteMs;
    expect(await swept()).toMatchObject({ runs: [{ run: 'r' }] });
    clock.nowMs += 100 * hourMs;
    const report = await swept();
    expect([report.runs, report.cancelled]).toEqual([[], ['r']]);
    expect(await swept({ run: 'r' })).toMatchObject({ runs: [{ refired: 0, complete: false }] });
    expect(store.keys('stock/r/_SUCCESS')).toEqual([]);
    expect(refired).toEqual([]);
  });

  test('still marks a run that was complete before it was cancelled', async () => {
    await completeRun(fourLevels, store, ['a', 'b']);
    set('cancel');
    clock.nowMs += hourMs;
    const { runs } = await swept();
    expect(runs).toMatchObject([{ complete: true }]);
    expect(runs[0]).not.toHaveProperty('control');
    expect(store.keys('stock/r/_SUCCESS')).toHaveLength(1);
  });

  test('brings back what a cancelled run has left open, once, a minute after it is resumed', async () => {
    set('cancel');
    clock.nowMs += hourMs;
    set('resume');
    clock.nowMs += 59_000;
    expect(await swept()).toMatchObject({ runs: [{ refired: 0 }] });
    clock.nowMs += 3_000;
    expect(await swept()).toMatchObject({ runs: [{ refired: 1, givenUp: 0 }] });
    expect(refired).toMatchObject([{ key: itemKey, refires: 1 }]);
    expect(store.json(noteKey)).toMatchObject({ status: 'refired', message: expect.stringContaining('cancelled') });
    clock.nowMs += hourMs;
    expect(await swept()).toMatchObject({ runs: [{ refired: 0 }] });
    clock.nowMs += 7 * hourMs;
    expect(await swept()).toMatchObject({ runs: [{ refired: 1 }] });
  });

  test('does not give up what it brings back, though it was re-fired as often as is allowed before', async () => {
    const note = { key: itemKey, status: 'refired', class: 'item', code: 'LOST', message: 'lost', attempts: 0 };
    const at = new Date(clock.now()).toISOString();
    store.drop(noteKey, JSON.stringify({ ...note, replays: 0, refires: 3, at }));
    set('cancel');
    clock.nowMs += hourMs;
    set('resume');
    clock.nowMs += 2 * minuteMs;
    expect(await swept()).toMatchObject({ runs: [{ refired: 1, givenUp: 0 }] });
    expect(store.json(noteKey)).toMatchObject({ refires: 3 });
  });

  test.each([
    ['that Lambda would have retried', 'transient', 5 * minuteMs, 1],
    ['that had died before', 'transient', 20 * minuteMs, 0],
    ['that no retry can help', 'item', minuteMs, 0],
  ])('brings back what failed %s: %s, %d ms before the cancel: %d', async (_, kind, beforeMs, expected) => {
    const note = { key: itemKey, status: 'failed', class: kind, code: 'HTTP_503', message: 'busy', attempts: 1 };
    store.drop(noteKey, JSON.stringify({ ...note, replays: 0, at: new Date(clock.now()).toISOString() }));
    clock.nowMs += beforeMs;
    set('cancel');
    clock.nowMs += hourMs;
    set('resume');
    clock.nowMs += 2 * minuteMs;
    expect(await swept()).toMatchObject({ runs: [{ refired: expected }] });
    expect(keys()).toHaveLength(expected);
  });

  test('is not endless when the clock of the person who resumed is ahead', async () => {
    set('cancel');
    clock.nowMs += hourMs;
    const future = new Date(clock.now() + 5 * hourMs).toISOString();
    store.drop('control/runs/r.json', JSON.stringify(changeRunSetting(setting, 'resume', { at: future })));
    for (let look = 0; look < 3; look += 1) {
      clock.nowMs += 15 * minuteMs;
      await swept();
    }
    expect(keys()).toEqual([itemKey]);
  });

  test('an invalid object stops nothing', async () => {
    store.drop('control/runs/r.json', '{"state":"stopped"}');
    clock.nowMs += 8 * hourMs;
    expect(await swept()).toMatchObject({ runs: [{ refired: 1 }] });
  });
});

describe('items that wait', () => {
  let waiting: MemoryMessageQueue;

  const resumed = (): Promise<RateReport> =>
    applyRate({
      ...{ store, clock, log },
      limits: { deployed: 20, minimumPerSecond: 0.5, autoMostPerSecond: 20 },
      bucket: 'bucket',
      maxFreezeMs: hourMs,
      levels: [{ level: levelNamed(fourLevels, 'shops'), environments: 4, waiting, refire }],
      deadlineMs: clock.now() + minuteMs,
    });

  beforeEach(async () => {
    waiting = new MemoryMessageQueue(clock);
    for (const run of ['r', 'other']) {
      const key = `regions/${run}/a.json`;
      const reason = { level: 'shops', run, key, code: 'RUN_PAUSED', message: 'paused', at: '2026-11-20T00:00:00Z' };
      await waiting.send(newEvent(key, 5), reason);
    }
  });

  test('of a paused run stay, and keep no other from being given back; they come back when it is resumed', async () => {
    set('pause');
    expect(await resumed()).toMatchObject({ resumed: 1, waiting: { shops: 1 } });
    expect(keys()).toEqual(['regions/other/a.json']);
    set('resume');
    expect(await resumed()).toMatchObject({ resumed: 1, waiting: { shops: 0 } });
    expect(keys()).toEqual(['regions/other/a.json', 'regions/r/a.json']);
  });

  test('of a cancelled run end', async () => {
    set('cancel');
    expect(await resumed()).toMatchObject({ resumed: 1, waiting: { shops: 0 } });
    expect(keys()).toEqual(['regions/other/a.json']);
  });
});

describe('a replay', () => {
  let dead: MemoryMessageQueue;

  const replayed = (request: ReplayRequest = {}): Promise<ReplayReport> =>
    replay(request, {
      ...{ store, clock, log },
      levels: [{ level: levelNamed(fourLevels, 'shops'), queue: dead, refire }],
      maxReplays: 3,
      retryingForMs: 0,
      deadlineMs: clock.now() + 10 * minuteMs,
    });

  beforeEach(async () => {
    dead = new MemoryMessageQueue(clock);
    for (const run of ['r', 'other']) {
      const key = `regions/${run}/a.json`;
      store.drop(key, '{}');
      const note = { key, status: 'failed', class: 'item', code: 'HTTP_404', message: 'gone', attempts: 1, replays: 0 };
      store.drop(`failures/shops/${run}/a.json`, JSON.stringify({ ...note, at: new Date(clock.now()).toISOString() }));
      const reason = { level: 'shops', run, key, code: 'HTTP_404', message: 'gone', at: '2026-11-20T00:00:00Z' };
      await dead.send(newEvent(key, clock.now()), reason);
    }
    set('cancel');
  });

  test('of a cancelled run is refused, and says what to do', async () => {
    await expect(replayed({ run: 'r' })).rejects.toThrow('the run r is cancelled: resume it');
    await expect(replayed({ run: 'r', from: 'failures', force: true })).rejects.toThrow('the run r is cancelled');
    expect(dead.bodies).toHaveLength(2);
  });

  test.each([[{}], [{ from: 'failures' } as const], [{ force: true }]])(
    'of all runs %j leaves what is a cancelled one’s, with its dead letters',
    async (request) => {
      expect(await replayed(request)).toMatchObject({ replayed: 1, skipped: { cancelled: 1 }, remaining: 1 });
      expect(keys()).toEqual(['regions/other/a.json']);
      expect(dead.bodies).toHaveLength('from' in request ? 2 : 1);
      set('resume');
      expect(await replayed({ run: 'r' })).toMatchObject({ replayed: 1 });
    },
  );

  test('of a paused run is taken: its items wait then', async () => {
    setting = { state: 'running' };
    set('pause');
    expect(await replayed({ run: 'r' })).toMatchObject({ replayed: 1 });
  });
});
