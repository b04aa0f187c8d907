/** How a run is counted, judged, remembered and shown. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { costOf } from '../../local/cli/cost.ts';
import { progressLines } from '../../local/cli/progress.ts';
import { settleRun, writeRunFile } from '../../local/cli/run-file.ts';
import { reportRun } from '../../local/cli/run-report.ts';
import { summarize, summaryJson, summaryPage } from '../../local/cli/summary.ts';
import { createTally } from '../../local/cli/tally.ts';
import { openDatabase } from '../../local/database.ts';
import { S3Store } from '../../local/s3/store.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 's3-cascade-run-'));
  folders.push(made);
  return made;
}

/** A bucket with these objects; a text is the body, a number is a receipt's count of children. */
function bucketOf(objects: Record<string, string | number>): S3Store {
  const store = new S3Store(openDatabase());
  store.createBucket('bucket');
  for (const [key, value] of Object.entries(objects)) {
    const body = typeof value === 'number' ? JSON.stringify({ children: value }) : value;
    store.put('bucket', key, Buffer.from(body));
  }
  return store;
}

/** One troop, one warrior, two groups: all done. */
const whole: Record<string, string | number> = {
  'seeds/r.json': '{}',
  'receipts/troops/r.json': 1,
  'troops/r/t.json': '{}',
  'receipts/warriors/r/t.json': 1,
  'amazon_warriors/r/t/w.json': '{}',
  'receipts/data_groups/r/t/w.json': 2,
  'data_groups/r/t/w/g1.json': '{}',
  'data_groups/r/t/w/g2.json': '{}',
  'data/r/t/w/g1.json': '{}',
  'data/r/t/w/g2.json': '{}',
};

const without = (...keys: string[]) => Object.fromEntries(Object.entries(whole).filter(([key]) => !keys.includes(key)));

describe('a run is', () => {
  const report = (objects: Record<string, string | number>) => reportRun(bucketOf(objects), 'bucket', 'r');

  test('complete when every item is done and every count of children agrees', () => {
    const { complete, levels } = report({
      ...whole,
      'seeds/r2.json': '{}',
      'troops/r2/t.json': '{}',
      'data/r/_SUCCESS': '',
    });
    expect(complete).toBe(true);
    expect(
      levels.map(({ level, items, done, failed, open, objects }) => [level, items, done, failed, open, objects]),
    ).toEqual([
      ['troops', 1, 1, 0, 0, 1],
      ['warriors', 1, 1, 0, 0, 1],
      ['data_groups', 1, 1, 0, 0, 2],
      ['data', 2, 2, 0, 0, 2],
    ]);
  });

  test('complete when the API has nothing at all', () => {
    expect(report({ 'seeds/r.json': '{}', 'receipts/troops/r.json': 0 }).complete).toBe(true);
  });

  test('not complete without a seed, or with an item that is open', () => {
    expect(report({}).complete).toBe(false);
    const open = report(without('data/r/t/w/g2.json'));
    expect([open.complete, open.levels.at(-1)]).toMatchObject([false, { items: 2, done: 1, failed: 0, open: 1 }]);
  });

  test('not complete when a parent counts more children than are listed', () => {
    const { complete, disagreements } = report(without('data_groups/r/t/w/g2.json', 'data/r/t/w/g2.json'));
    expect(complete).toBe(false);
    expect(disagreements).toEqual([{ key: 'receipts/data_groups/r/t/w.json', counted: 2, listed: 1 }]);
  });

  test('not complete with a failure, whose reason is told; a receipt outranks its failure note', () => {
    const note = (code: string) => JSON.stringify({ code, message: `It was ${code}` });
    const { complete, levels, failures } = report({
      ...without('data/r/t/w/g2.json'),
      'failures/data/r/t/w/g2.json': note('HTTP_500'),
      'failures/warriors/r/t.json': note('HTTP_503'),
    });
    expect(complete).toBe(false);
    expect(levels.map(({ failed, open }) => [failed, open])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
      [1, 0],
    ]);
    expect(failures).toEqual([
      {
        level: 'data',
        code: 'HTTP_500',
        message: 'It was HTTP_500',
        count: 1,
        sampleKey: 'failures/data/r/t/w/g2.json',
      },
    ]);
  });
});

test('the live count agrees with the listing, whatever is written twice', () => {
  const tally = createTally('r');
  for (const key of Object.keys(whole)) tally.add(key);
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
    '  data    1,800 items    1,200 done      3 failed    500/s',
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
  const measured = (objects: Record<string, string | number>, dataDir?: string) =>
    summarize({
      report: reportRun(bucketOf(objects), 'bucket', 'r'),
      apiCalls: 5,
      invocations: 5,
      retries: 0,
      deadLetters: 0,
      lambdaGbSeconds: 1.5,
      s3Operations: { PutObject: 9, GetObject: 5, HeadObject: 5 },
      sqsOperations: { SendMessage: 2, GetQueueUrl: 1 },
      seconds: 2,
      bucket: 'bucket',
      dataDir,
    });

  test('as JSON is one object with what was promised, and no more lines', () => {
    const json = summaryJson(measured(whole, '/data'));
    expect(json).not.toContain('\n');
    const { levels, ...rest } = JSON.parse(json) as Record<string, unknown>;
    expect(levels).toHaveLength(4);
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
      costUsd: Number(costOf({ s3, sqsRequests: 3, invocations: 5, lambdaGbSeconds: 1.5 }).usd.toFixed(6)),
      seconds: 2,
      bucket: 'bucket',
      dataDir: '/data',
      failures: [],
      disagreements: [],
    });
  });

  test('as a page says in its first line how the run ended, and why at its failures', () => {
    const how = { interrupted: false, goOn: '', lookAt: ['Look there.'] };
    expect(summaryPage(measured(whole), how)).toMatch(/^Run r is complete: 2 results in 2\.0 s\.\n/);
    const note = JSON.stringify({ code: 'NOT_JSON', message: 'Hermes sent\n<html>' });
    const failed = { ...without('data/r/t/w/g2.json'), 'failures/data/r/t/w/g2.json': note };
    const page = summaryPage(measured(failed), how);
    expect(page).toMatch(/^Run r is NOT complete: 1 result in 2\.0 s\.\n/);
    expect(page).toContain('1 x NOT_JSON at level data: Hermes sent <html>\n');
    expect(page).toContain('failures/data/r/t/w/g2.json');
    expect(summaryPage(measured(failed), { ...how, interrupted: true })).toMatch(/^Run r was interrupted/);
  });

  test('has no trailing spaces and no tabs: its columns are aligned by spaces', () => {
    const page = summaryPage(measured(whole), { interrupted: false, goOn: '', lookAt: [] });
    expect(page).not.toMatch(/[ \t]+\n|\t/);
  });
});
