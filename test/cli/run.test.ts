/** How a run is counted, remembered and shown. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { costOf } from '../../cli/run/cost.ts';
import { progressLines } from '../../cli/run/progress.ts';
import { settleRun, writeRunFile } from '../../cli/run/run-file.ts';
import { summarize, summaryJson, summaryPage } from '../../cli/run/summary.ts';
import { createTally } from '../../cli/run/tally.ts';
import type { LevelReport, RunReport } from '../../shared/engine/report/run-report.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 's3-cascade-run-'));
  folders.push(made);
  return made;
}

/** One troop, one warrior, two groups: all done. */
const whole = [
  'seeds/r.json',
  'receipts/troops/r.json',
  'troops/r/t.json',
  'receipts/warriors/r/t.json',
  'amazon_warriors/r/t/w.json',
  'receipts/data_groups/r/t/w.json',
  'data_groups/r/t/w/g1.json',
  'data_groups/r/t/w/g2.json',
  'data/r/t/w/g1.json',
  'data/r/t/w/g2.json',
];

const clear = { failed: { retrying: 0, dead: 0, parked: 0 }, open: 0, lost: 0, short: 0, stray: 0 };

/** The sweep's report of that run. */
const complete: RunReport = {
  run: 'r',
  at: '2026-11-20T00:00:00.000Z',
  complete: true,
  levels: [
    { level: 'troops', items: 1, done: 1, ...clear },
    { level: 'warriors', items: 1, done: 1, ...clear },
    { level: 'data_groups', items: 1, done: 1, ...clear },
    { level: 'data', items: 2, done: 2, ...clear },
  ],
  reasons: [],
  apiCalls: 5,
};

/** The same, but for its last level. */
const incomplete = (last: Partial<LevelReport>, reasons: RunReport['reasons'] = []): RunReport => ({
  ...complete,
  complete: false,
  levels: complete.levels.map((level, at) => (at === 3 ? { ...level, ...last } : level)),
  reasons,
});

test('the live count is right, whatever is written twice', () => {
  const tally = createTally('r');
  for (const key of whole) tally.add(key);
  tally.add('data/r/_SUCCESS');
  tally.add('receipts/warriors/r/t.json');
  tally.add('failures/data/r/t/w/g9.json');
  tally.add('failures/data/r/t/w/g9.json');
  tally.add('failures/data_groups/r/t/w.json'); // After its receipt.
  tally.add('troops/r2/t.json');
  tally.add('seeds/r2.json');
  expect(tally.levels()).toEqual([
    { level: 'troops', items: 1, done: 1, failed: 0 },
    { level: 'warriors', items: 1, done: 1, failed: 0 },
    { level: 'data_groups', items: 1, done: 1, failed: 0 },
    { level: 'data', items: 2, done: 2, failed: 1 },
  ]);
});

test('the live lines show items, done, failed and the rate since an earlier moment', () => {
  const levels = [{ level: 'data', items: 1800, done: 1200, failed: 3 }];
  expect(progressLines(levels, { atMs: 1000, done: [200] }, 3000)).toEqual([
    '  data [######x...]    1,800 items    1,200 done      3 failed    500/s',
  ]);
});

describe('a data folder', () => {
  const today = '2026-11-20';

  test('remembers its run, so that a second start goes on with it', () => {
    const dataDir = folder();
    const first = settleRun({ troops: 3 }, dataDir, today);
    expect(first).toEqual({ run: today, troops: 3, warriors: 20, groups: 9, hostile: false, isResumed: false });
    writeRunFile(dataDir, first);
    expect(settleRun({}, dataDir, '2026-11-21')).toEqual({ ...first, isResumed: true });
    expect(settleRun({ troops: 3, run: today }, dataDir, today).isResumed).toBe(true);
  });

  test('refuses another size or run in one line', () => {
    const dataDir = folder();
    writeRunFile(dataDir, settleRun({ troops: 3 }, dataDir, today));
    expect(() => settleRun({ troops: 4 }, dataDir, today)).toThrow(
      `The folder ${dataDir} holds a run with --troops 3, not 4: leave --troops out to go on with it, or choose another --data-dir.`,
    );
    expect(() => settleRun({ run: 'other' }, dataDir, today)).toThrow(`with --run ${today}, not other`);
  });

  test('with a broken run.json is refused, not started anew', () => {
    const dataDir = folder();
    writeFileSync(join(dataDir, 'run.json'), '{"run": "r"');
    expect(() => settleRun({}, dataDir, today)).toThrow('run.json is not what was written there');
  });
});

describe('the summary', () => {
  const measured = (report: RunReport, dataDir?: string) =>
    summarize({
      report,
      apiCalls: 5,
      invocations: 5,
      retries: 0,
      deadLetters: 0,
      waitingGbSeconds: 0.5,
      lambdaGbSeconds: 1.5,
      s3Operations: { PutObject: 9, GetObject: 5, HeadObject: 5 },
      sqsOperations: { SendMessage: 2, GetQueueUrl: 1 },
      seconds: 2,
      bucket: 'bucket',
      dataDir,
    });

  test('as JSON is one object with what was promised, and no more lines', () => {
    const json = summaryJson(measured(complete, '/data'));
    expect(json).not.toContain('\n');
    const { levels, ...rest } = JSON.parse(json) as Record<string, unknown>;
    expect(levels).toHaveLength(4);
    expect((levels as unknown[])[2]).toEqual({
      level: 'data_groups',
      reads: 'amazon_warriors',
      writes: 'data_groups',
      items: 1,
      done: 1,
      failed: 0,
      open: 0,
      short: 0,
      stray: 0,
      objects: 2,
    });
    const s3 = { put: 9, get: 5, head: 5, list: 0, copy: 0, delete: 0 };
    const sqs = { send: 2, receive: 0, delete: 0, other: 1 };
    expect(rest).toEqual({
      run: 'r',
      complete: true,
      apiCalls: 5,
      invocations: 5,
      retries: 0,
      deadLetters: 0,
      s3,
      sqs,
      lambdaGbSeconds: 1.5,
      waitingGbSeconds: 0.5,
      costUsd: Number(costOf({ s3, sqsRequests: 3, invocations: 5, lambdaGbSeconds: 1.5 }).usd.toFixed(6)),
      seconds: 2,
      bucket: 'bucket',
      dataDir: '/data',
      failures: [],
    });
  });

  test('as a page says in its first line how the run ended, and why at its failures', () => {
    const how = { interrupted: false, goOn: '', lookAt: ['Look there.'] };
    expect(summaryPage(measured(complete), how)).toMatch(/^Run r is complete: 2 results in 2\.0 s\.\n/);
    expect(summaryPage(measured(complete), how)).toMatch(
      /Waiting +0\.5 +of 1\.5 GB-seconds were slept for turns at the API/,
    );
    const sample = { key: 'data_groups/r/t/w/g2.json', message: 'Hermes sent\n<html>', at: complete.at };
    const dead = { ...clear.failed, dead: 1 };
    const failed = incomplete({ done: 1, failed: dead }, [{ level: 'data', code: 'NOT_JSON', count: 1, sample }]);
    const page = summaryPage(measured(failed), how);
    expect(page).toMatch(/^Run r is NOT complete: 1 result in 2\.0 s\.\n/);
    expect(page).toContain('1 x NOT_JSON at level data: Hermes sent <html>\n');
    expect(page).toContain('failures/data/r/t/w/g2.json');
    expect(summaryPage(measured(failed), { ...how, interrupted: true })).toMatch(/^Run r was interrupted/);
  });

  test('says what is in the way of a complete run although nothing failed: missing children and stray objects', () => {
    const page = summaryPage(measured(incomplete({ short: 2, stray: 1 })), {
      interrupted: false,
      goOn: '',
      lookAt: [],
    });
    expect(page).toContain('2 items of data lack children under data/ that the receipts count.');
    expect(page).toContain('1 object under data_groups/ can not be an item of data');
  });

  test('has no trailing spaces and no tabs: its columns are aligned by spaces', () => {
    const page = summaryPage(measured(complete), { interrupted: false, goOn: '', lookAt: [] });
    expect(page).not.toMatch(/[ \t]+\n|\t/);
  });
});
