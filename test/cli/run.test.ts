/** How a run is counted, remembered and shown. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { costOf } from '../../cli/run/cost.ts';
import { progressLines } from '../../cli/run/progress.ts';
import { readRunFile, settleRun, writeRunFile, type RunSettings, type WantedRun } from '../../cli/run/run-file.ts';
import { summarize, summaryJson, summaryPage } from '../../cli/run/summary.ts';
import { createTally } from '../../cli/run/tally.ts';
import { createChain } from '../../shared/engine/chain/chain.ts';
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

const chain = createChain({
  levels: [
    { name: 'shops', children: 'many', id: 'shop' },
    { name: 'shelves', prefix: 'the_shelves', children: 'many', id: 'shelf' },
    { name: 'prices', children: 'one', suffix: '.csv' },
  ],
});

const stored = (key: string) => ({ key, metadata: () => ({}) });

/** One shop, two shelves: all done. */
const whole = [
  'seeds/r.json',
  'params/r.json',
  'receipts/shops/r.json',
  'shops/r/a.json',
  'receipts/shelves/r/a.json',
  'the_shelves/r/a/1.json',
  'the_shelves/r/a/2.json',
  'prices/r/a/1.csv',
  'prices/r/a/2.csv',
];

const clear = { failed: { retrying: 0, dead: 0, parked: 0 }, open: 0, lost: 0, short: 0, stray: 0 };

/** The sweep's report of that run. */
const complete: RunReport = {
  run: 'r',
  at: '2026-11-20T00:00:00.000Z',
  complete: true,
  levels: [
    { level: 'shops', items: 1, done: 1, ...clear },
    { level: 'shelves', items: 1, done: 1, ...clear },
    { level: 'prices', items: 2, done: 2, ...clear },
  ],
  reasons: [],
  apiCalls: 4,
};

/** The same, but for its last level. */
const incomplete = (last: Partial<LevelReport>, reasons: RunReport['reasons'] = []): RunReport => ({
  ...complete,
  complete: false,
  levels: complete.levels.map((level, at) => (at === 2 ? { ...level, ...last } : level)),
  reasons,
});

test('the live count is right, whatever is written twice', () => {
  const tally = createTally(chain, 'r');
  for (const key of whole) tally.add(stored(key));
  tally.add(stored('prices/r/_SUCCESS'));
  tally.add(stored('receipts/shelves/r/a.json'));
  tally.add(stored('failures/prices/r/a/9.json'));
  tally.add(stored('failures/prices/r/a/9.json'));
  tally.add(stored('failures/shelves/r/a.json')); // After its receipt.
  tally.add(stored('shops/r2/a.json'));
  tally.add(stored('seeds/r2.json'));
  expect(tally.levels()).toEqual([
    { level: 'shops', items: 1, done: 1, failed: 0 },
    { level: 'shelves', items: 1, done: 1, failed: 0 },
    { level: 'prices', items: 2, done: 2, failed: 1 },
  ]);
});

test('the live lines show items, done, failed and the rate since an earlier moment', () => {
  const levels = [{ level: 'prices', items: 1800, done: 1200, failed: 3 }];
  expect(progressLines(levels, { atMs: 1000, done: [200] }, 3000)).toEqual([
    '  prices [######x...]    1,800 items    1,200 done      3 failed    500/s',
  ]);
});

describe('a data folder', () => {
  const defaults: RunSettings = { source: 'shops', run: '2026-11-20', data: { shops: 10, odd: false }, seed: '{}' };
  const settle = (dataDir: string, given: WantedRun, more: Partial<RunSettings> = {}) =>
    settleRun(given, readRunFile(dataDir), { ...defaults, ...more }, dataDir);

  test('remembers its run, so that a second start continues it', () => {
    const dataDir = folder();
    const first = settle(dataDir, { data: { shops: 3 } });
    expect(first).toEqual({ ...defaults, data: { shops: 3, odd: false }, isResumed: false });
    writeRunFile(dataDir, first);
    expect(settle(dataDir, {}, { run: '2026-11-21', seed: '' })).toEqual({ ...first, isResumed: true });
    expect(settle(dataDir, { data: { shops: 3 }, run: defaults.run, seed: '{}' }).isResumed).toBe(true);
  });

  test('remembers the address of an API, and then nothing of the fake', () => {
    const dataDir = folder();
    const first = settle(dataDir, { url: 'http://127.0.0.1:1' });
    expect(first.data).toEqual({});
    writeRunFile(dataDir, first);
    expect(settle(dataDir, {}).url).toBe('http://127.0.0.1:1');
  });

  test('refuses another source, run, address, size or seed in one line', () => {
    const dataDir = folder();
    writeRunFile(dataDir, settle(dataDir, { data: { shops: 3 } }));
    const refusals: [WantedRun, string][] = [
      [
        { data: { shops: 4 } },
        `The folder ${dataDir} holds a run with --shops 3, not 4: leave --shops out to continue it, or choose another --data-dir.`,
      ],
      [{ source: 'other' }, 'with --source shops, not other'],
      [{ run: 'other' }, 'with --run 2026-11-20, not other'],
      [{ url: 'http://127.0.0.1:1' }, 'with no --url, not http://127.0.0.1:1'],
      [{ seed: '{"only":{}}' }, 'with another seed'],
    ];
    for (const [given, message] of refusals) expect(() => settle(dataDir, given)).toThrow(message);
  });

  test('with a broken run.json is refused, not started from the beginning', () => {
    const dataDir = folder();
    writeFileSync(join(dataDir, 'run.json'), '{"run": "r"');
    expect(() => readRunFile(dataDir)).toThrow('run.json is not what this version writes there');
  });
});

describe('the summary', () => {
  const measured = (report: RunReport, dataDir?: string) =>
    summarize({
      chain,
      report,
      apiCalls: 4,
      rate: { set: 20, used: 18.25, fullestSecond: 3 },
      invocations: 5,
      retries: 0,
      deadLetters: 0,
      waitingGbSeconds: 0.5,
      lambdaGbSeconds: 1.5,
      s3Operations: { PutObject: 9, GetObject: 5, HeadObject: 5 },
      sqsOperations: { SendMessage: 2, GetQueueUrl: 1 },
      seconds: 2,
      tables: [{ table: 'prices', rows: 2, columns: 7, files: 1, bytes: 1_234_567 }],
      bucket: 'bucket',
      dataDir,
    });

  test('as JSON is one object with what was promised, and no more lines', () => {
    const json = summaryJson(measured(complete, '/data'));
    expect(json).not.toContain('\n');
    const { levels, ...rest } = JSON.parse(json) as Record<string, unknown>;
    expect(levels).toHaveLength(3);
    expect((levels as unknown[])[1]).toEqual({
      level: 'shelves',
      reads: 'shops',
      writes: 'the_shelves',
      items: 1,
      done: 1,
      failed: 0,
      open: 0,
      short: 0,
      stray: 0,
      children: 2,
    });
    const s3 = { put: 9, get: 5, head: 5, list: 0, copy: 0, delete: 0 };
    const sqs = { send: 2, receive: 0, delete: 0, other: 1 };
    expect(rest).toEqual({
      run: 'r',
      complete: true,
      apiCalls: 4,
      rate: { set: 20, used: 18.25, fullestSecond: 3 },
      invocations: 5,
      retries: 0,
      deadLetters: 0,
      s3,
      sqs,
      lambdaGbSeconds: 1.5,
      waitingGbSeconds: 0.5,
      costUsd: Number(costOf({ s3, sqsRequests: 3, invocations: 5, lambdaGbSeconds: 1.5 }).usd.toFixed(6)),
      seconds: 2,
      tables: [{ table: 'prices', rows: 2, columns: 7, files: 1, bytes: 1_234_567 }],
      bucket: 'bucket',
      dataDir: '/data',
      failures: [],
    });
  });

  test('as a page says in its first line how the run ended, and why at its failures', () => {
    const how = { interrupted: false, goOn: '', lookAt: ['Look there.'] };
    expect(summaryPage(measured(complete), how)).toMatch(/^Run r is complete: 2 results in 2\.0 s\.\n/);
    expect(summaryPage(measured(complete), how)).toMatch(
      /API calls +4 +18\.3 of 20 a second; 3 in the fullest second\n/,
    );
    expect(summaryPage(measured(complete), how)).toMatch(
      /Waiting +0\.5 +of 1\.5 GB-seconds were slept for turns at the API/,
    );
    expect(summaryPage(measured(complete), how)).toMatch(/\ntables\/prices\/ +2 +7 +1 +1\.2 MB\n/);
    const sample = { key: 'the_shelves/r/a/2.json', message: 'The API sent\n<html>', at: complete.at };
    const dead = { ...clear.failed, dead: 1 };
    const failed = incomplete({ done: 1, failed: dead }, [{ level: 'prices', code: 'NOT_JSON', count: 1, sample }]);
    const page = summaryPage(measured(failed), how);
    expect(page).toMatch(/^Run r is NOT complete: 1 result in 2\.0 s\.\n/);
    expect(page).toContain('1 x NOT_JSON at level prices: The API sent <html>\n');
    expect(page).toContain('failures/prices/r/a/2.json');
    expect(summaryPage(measured(failed), { ...how, interrupted: true })).toMatch(/^Run r was interrupted/);
  });

  test('says what is in the way of a complete run although nothing failed: missing children and stray objects', () => {
    const page = summaryPage(measured(incomplete({ short: 2, stray: 1 })), {
      interrupted: false,
      goOn: '',
      lookAt: [],
    });
    expect(page).toContain('2 items of prices lack children under prices/ that the receipts count.');
    expect(page).toContain('1 object under the_shelves/ or prices/ can not be an item of prices');
  });

  test('has no trailing spaces and no tabs: its columns are aligned by spaces', () => {
    const page = summaryPage(measured(complete), { interrupted: false, goOn: '', lookAt: [] });
    expect(page).not.toMatch(/[ \t]+\n|\t/);
  });
});
