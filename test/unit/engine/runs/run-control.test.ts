import { beforeEach, describe, expect, test } from '@jest/globals';
import { TransientError } from '../../../../shared/engine/errors.ts';
import {
  changeRunSetting,
  createRunControls,
  parseRunSetting,
  readRunControl,
  runStoppedUntilMs,
  type RunControls,
  type RunSetting,
} from '../../../../shared/engine/runs/run-control.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

let clock: TestClock;
let store: MemoryObjectStore;
let lines: string[];

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  lines = [];
});

const key = 'control/runs/r.json';
const at = '2026-11-20T00:00:00.000Z';

describe('what is stored', () => {
  test.each<[string, RunSetting]>([
    ['{"state":"paused"}', { state: 'paused' }],
    [
      '\uFEFF{"state":"cancelled","reason":"too dear","at":"2026-11-20T00:00:00.000Z"}',
      { state: 'cancelled', reason: 'too dear', at },
    ],
    [
      '{"state":"running","cancelled":{"from":"2026-11-19","until":"2026-11-20"}}',
      { state: 'running', cancelled: { from: '2026-11-19', until: '2026-11-20' } },
    ],
    ['{"state":"paused","reason":"","at":"soon","of another version":1}', { state: 'paused' }],
  ])('%s is understood', (body, setting) => {
    expect(parseRunSetting(body)).toEqual(setting);
  });

  test.each([
    '',
    'null',
    '[]',
    '5',
    '{}',
    '{"state":"pause"}',
    '{"state":true}',
    '{"state":"paused","reason":5}',
    '{"state":"running","cancelled":{}}',
    '{"state":"running","cancelled":{"from":"x","until":"2026-11-20"}}',
    '{"state":"running","cancelled":"2026-11-20"}',
  ])('%s is invalid, and counts as absent', async (body) => {
    expect(() => parseRunSetting(body)).toThrow(/expected is \{ "state": "paused" \}/);
    store.drop(key, body);
    expect(await readRunControl('r', store)).toMatchObject({ state: 'running', setMs: 0, problem: expect.any(String) });
  });

  test('an object of a megabyte is not read, and counts as absent', async () => {
    store.drop(key, `{"state":"paused","reason":"${'x'.repeat(1_000_000)}"}`);
    expect(await readRunControl('r', store)).toMatchObject({ state: 'running', problem: expect.any(String) });
  });

  test('a reason is cut', () => {
    expect(parseRunSetting(JSON.stringify({ state: 'paused', reason: 'x'.repeat(5_000) })).reason).toHaveLength(1_000);
  });
});

describe('a wish', () => {
  const running: RunSetting = { state: 'running' };
  const cancelled: RunSetting = { state: 'cancelled', at: '2026-11-19T00:00:00.000Z' };
  const returned = { from: '2026-11-19T00:00:00.000Z', until: at };

  test('changes what is set, and is nothing when it is so already', () => {
    expect(changeRunSetting(running, 'pause', { at, reason: 'lunch' })).toEqual({
      state: 'paused',
      at,
      reason: 'lunch',
    });
    expect(changeRunSetting({ state: 'paused' }, 'cancel', { at })).toEqual({ state: 'cancelled', at });
    expect(changeRunSetting({ state: 'paused' }, 'resume', { at })).toEqual({ state: 'running', at });
    expect(changeRunSetting({ state: 'paused' }, 'pause', { at })).toBeUndefined();
    expect(changeRunSetting(cancelled, 'cancel', { at })).toBeUndefined();
    expect(changeRunSetting(running, 'resume', { at })).toBeUndefined();
  });

  test('to resume a cancelled run keeps from when to when it was cancelled, through a later pause too', () => {
    const resumed = changeRunSetting(cancelled, 'resume', { at }) ?? running;
    expect(resumed).toEqual({ state: 'running', at, cancelled: returned });
    const paused = changeRunSetting(resumed, 'pause', { at: '2026-11-21' }) ?? running;
    expect(changeRunSetting(paused, 'resume', { at: '2026-11-22' })).toMatchObject({ cancelled: returned });
  });

  test('to pause a cancelled run is refused: it would bring it back unasked', () => {
    expect(() => changeRunSetting(cancelled, 'pause', { at })).toThrow('resume it before you pause it');
  });
});

test('a run is stopped until it is resumed; without an object it never was', async () => {
  expect(runStoppedUntilMs(await readRunControl('r', store))).toBe(0);
  store.drop(key, '{"state":"paused"}');
  expect(runStoppedUntilMs(await readRunControl('r', store))).toBe(Infinity);
  store.drop(key, '{"state":"running"}');
  expect(runStoppedUntilMs(await readRunControl('r', store))).toBe(clock.now());
});

describe('what an environment knows of a run', () => {
  let reads: string[];
  let isFailing: boolean;
  let controls: RunControls;

  beforeEach(() => {
    reads = [];
    isFailing = false;
    controls = createRunControls({
      store: {
        get(asked, maxBytes) {
          reads.push(asked);
          return isFailing ? Promise.reject(new TransientError('S3_503', 'slow down')) : store.get(asked, maxBytes);
        },
      },
      clock,
      log: {
        info: () => undefined,
        warn: (text) => void lines.push(text),
        error: (text) => void lines.push(text),
      },
    });
  });

  test('is read once in five seconds, whatever number of calls ask for it at once', async () => {
    await Promise.all([controls('r'), controls('r'), controls('r')]);
    clock.nowMs += 4_999;
    await controls('r');
    expect(reads).toEqual([key]);
    clock.nowMs += 1;
    store.drop(key, '{"state":"paused"}');
    expect(await controls('r')).toMatchObject({ state: 'paused' });
    expect(reads).toEqual([key, key]);
  });

  test('is of that run: another one runs', async () => {
    store.drop(key, '{"state":"cancelled"}');
    expect(await controls('r')).toMatchObject({ state: 'cancelled' });
    expect(await controls('other')).toMatchObject({ state: 'running' });
    expect(reads).toEqual([key, 'control/runs/other.json']);
  });

  test('is read again after a second while the run is stopped, so that its items do not wait once more when it is resumed', async () => {
    store.drop(key, '{"state":"paused"}');
    await controls('r');
    clock.nowMs += 1_000;
    store.drop(key, '{"state":"running"}');
    expect(await controls('r')).toMatchObject({ state: 'running' });
  });

  test('stays for half a minute while it can not be read; after that the failure is the caller’s', async () => {
    store.drop(key, '{"state":"paused"}');
    await controls('r');
    isFailing = true;
    clock.nowMs += 30_000;
    expect(await controls('r')).toMatchObject({ state: 'paused' });
    expect(lines).toEqual([expect.stringContaining('could not be read again')]);
    clock.nowMs += 1_000;
    await expect(controls('r')).rejects.toThrow('slow down');
    isFailing = false;
    expect(await controls('r')).toMatchObject({ state: 'paused' });
  });

  test('an invalid object is told of once, and stops nothing', async () => {
    store.drop(key, '{"state":"stopped"}');
    for (let look = 0; look < 3; look += 1) {
      expect(await controls('r')).toMatchObject({ state: 'running' });
      clock.nowMs += 5_000;
    }
    expect(lines).toEqual([expect.stringContaining('invalid')]);
    expect(reads).toHaveLength(3);
  });

  test('of more than fifty runs, those that were asked for first are forgotten', async () => {
    for (let run = 0; run < 51; run += 1) await controls(`r${run}`);
    await controls('r50');
    await controls('r0');
    expect(reads.filter((each) => each.endsWith('/r50.json'))).toHaveLength(1);
    expect(reads.filter((each) => each.endsWith('/r0.json'))).toHaveLength(2);
  });
});
