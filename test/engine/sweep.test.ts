/** Runs that lose events, objects and their engine: sweeping brings each to exactly Hermes's tree, and only then marks it. */
import { afterEach, beforeAll, afterAll, describe, expect, test } from '@jest/globals';
import chain from '../../sources/hermes/chain.ts';
import type { Status } from '../../shared/engine/report/status.ts';
import type { SweepReport } from '../../shared/engine/recovery/sweep.ts';
import { auditCalls } from '../../sources/hermes/fake/audit.ts';
import { lossyFaults } from './lossy-faults.ts';
import { expectWholeTree, resultsOf, startWorld, type World } from './world.ts';

let world: World;

/** What says that a run is complete: to people, and to the next sweep. */
const markers = (run: string): boolean[] =>
  [`data/${run}/_SUCCESS`, `finished/${run}/`].map((key) => world.objects(key).size > 0);

/** One sweep, and all that came of it. A marker may only be there if the whole tree is. */
async function sweep(request: object): Promise<SweepReport> {
  const report = (await world.invoke('sweep', { olderThan: 0, ...request })) as SweepReport;
  for (const { run, complete } of report.runs) {
    if (markers(run).includes(true) || complete) expectWholeTree(world, run);
  }
  await world.engine.idle();
  return report;
}

/** @returns how many sweeps it took */
async function sweepUntilComplete(run: string, most: number): Promise<number> {
  for (let sweeps = 1; sweeps <= most; sweeps += 1) {
    const { runs } = await sweep({ run });
    if (runs[0]?.complete === true) return sweeps;
  }
  throw new Error(`The run ${run} was not complete after ${most} sweeps: ${JSON.stringify(await sweep({ run }))}`);
}

const tree = { troops: 5, warriors: 12, groups: 8 };

describe('a run that loses events', () => {
  afterEach(() => world.stop());

  test.each([
    [0.02, 0.02, 1],
    [0.05, 0.05, 2],
  ])('(%f dropped by S3, %f lost by Lambda) is swept to the whole tree, and marked only then', async (...share) => {
    const [dropShare, loseShare, seed] = share;
    world = await startWorld(tree, lossyFaults({ dropShare, loseShare, seed }));
    await world.run('r1');
    expect(resultsOf(world, 'r1').length).toBeLessThan(480);
    expect(markers('r1')).toEqual([false, false]);
    await sweepUntilComplete('r1', 15);
    expectWholeTree(world, 'r1');
    expect(markers('r1')).toEqual([true, true]);
    // Nothing was fetched again: lost items had never been fetched.
    expect(auditCalls(world.hermes.calls()).repeats).toEqual([]);
    expect(JSON.parse(world.objects('data/r1/_SUCCESS').get('data/r1/_SUCCESS') ?? '')).toMatchObject({
      run: 'r1',
      complete: true,
      apiCalls: 1 + 5 + 60 + 480,
      reasons: [],
      levels: [
        { level: 'troops', items: 1, done: 1, open: 0, lost: 0, short: 0 },
        { level: 'warriors', items: 5, done: 5 },
        { level: 'data_groups', items: 60, done: 60 },
        { level: 'data', items: 480, done: 480 },
      ],
    });
    // A finished run is not looked at again.
    expect(await sweep({})).toMatchObject({ runs: [], stoppedBecause: 'finished' });
  });

  test('and has failures is brought to the whole tree by replay and sweep at the same time', async () => {
    const { notificationFaults, lambdaFaults } = lossyFaults({ dropShare: 0.04, loseShare: 0.04, seed: 3 });
    let isLosing = true;
    world = await startWorld(
      { ...tree, failForever: 6 },
      {
        notificationFaults,
        lambdaFaults: {
          loseAcceptedEvent: (id, name) => isLosing && lambdaFaults?.loseAcceptedEvent?.(id, name) === true,
        },
        environment: { CALL_RETRIES: '0' },
      },
    );
    await world.run('r1');
    const first = await sweep({ run: 'r1', dryRun: true });
    expect(first.runs[0]).toMatchObject({ complete: false });
    await sweep({ run: 'r1' });
    expect(markers('r1')).toEqual([false, false]);
    world.hermes.configure({ failForever: 0 });
    // An item that failed for a passing reason, was replayed, and whose event is lost then, is taken for one that Lambda
    // still tries, for minutes that do not shrink with the time scale.
    isLosing = false;
    let isComplete = false;
    for (let round = 1; round <= 15 && !isComplete; round += 1) {
      const [, report] = await Promise.all([
        world.invoke('replay', {}),
        sweep({ run: 'r1' }),
        world.invoke('sweep', { olderThan: 0 }),
      ]);
      isComplete = report.runs[0]?.complete === true;
      if (isComplete) expect(markers('r1')).toEqual([true, true]);
      await world.engine.idle();
    }
    expect(isComplete).toBe(true);
    expectWholeTree(world, 'r1');
  });

  test('is left alone by a dry run and by a sweep that waits longer', async () => {
    world = await startWorld({ troops: 2, warriors: 3, groups: 4 }, { notificationFaults: { drop: isFirstGroup() } });
    await world.run('r1');
    const before = world.objects('');
    const report = await sweep({ run: 'r1', dryRun: true });
    expect(report).toMatchObject({ dryRun: true, runs: [{ refired: 4, givenUp: 0, complete: false }] });
    expect(report.runs[0]?.levels[3]).toMatchObject({ items: 24, done: 20, open: 4, lost: 4 });
    expect(world.objects('')).toEqual(before);
    const patient = await sweep({ run: 'r1', olderThan: 3600 });
    expect(patient.runs[0]).toMatchObject({ refired: 0, complete: false });
    expect(patient.runs[0]?.levels[3]).toMatchObject({ open: 4, lost: 0 });
    expect(await sweepUntilComplete('r1', 2)).toBe(2);
  });

  test('for good ends as a failure with its reason, after three re-fires', async () => {
    world = await startWorld(
      { troops: 2, warriors: 3, groups: 4 },
      { lambdaFaults: { loseAcceptedEvent: (_id, name) => name.endsWith('fetchData') } },
    );
    await world.run('r1');
    for (let sweeps = 1; sweeps <= 3; sweeps += 1) {
      expect((await sweep({ run: 'r1' })).runs[0]).toMatchObject({ refired: 24, givenUp: 0 });
    }
    expect((await sweep({ run: 'r1' })).runs[0]).toMatchObject({ refired: 0, givenUp: 24 });
    const last = await sweep({ run: 'r1' });
    expect(last.runs[0]).toMatchObject({ refired: 0, complete: false, reasons: [{ code: 'LOST', count: 24 }] });
    expect(last.runs[0]?.levels[3]).toMatchObject({ failed: { retrying: 0, dead: 24, parked: 0 }, open: 0, lost: 0 });
    expect(markers('r1')).toEqual([false, false]);
  });
});

/** Drops the first event of the first group that is written. */
function isFirstGroup(): (key: string) => boolean {
  let isDropped = false;
  return (key) => {
    if (isDropped || !key.startsWith('data_groups/')) return false;
    return (isDropped = true);
  };
}

describe('a run without one of its objects', () => {
  beforeAll(async () => {
    world = await startWorld({ troops: 2, warriors: 2, groups: 2 });
  });
  afterAll(() => world.stop());

  const prefixes = [
    ...chain.levels.map(({ writes }) => writes),
    ...chain.levels.filter(({ children }) => children === 'many').map(({ name }) => `receipts/${name}`),
  ];

  test.each(prefixes.map((prefix, index) => [prefix, `r${index}`]))(
    'under %s gets no marker before it is there again',
    async (prefix, run) => {
      await world.run(run);
      const [key = ''] = [...world.objects(`${prefix}/${run}`).keys()].filter((key) => !key.endsWith('_SUCCESS'));
      const before = world.objects(key).get(key);
      world.engine.s3.delete(world.engine.bucket, key);
      expect((await sweep({ run })).runs[0]).toMatchObject({ complete: false });
      expect(markers(run)).toEqual([false, false]);
      await sweepUntilComplete(run, 200);
      expect(markers(run)).toEqual([true, true]);
      expectWholeTree(world, run);
      // A result says when it was fetched.
      if (!prefix.startsWith('receipts/') && prefix !== 'data') expect(world.objects(key).get(key)).toBe(before);
    },
  );

  test('under each prefix at once: the same', async () => {
    await world.run('all');
    for (const prefix of prefixes) {
      const keys = [...world.objects(`${prefix}/all`).keys()];
      world.engine.s3.delete(world.engine.bucket, keys[keys.length >> 1] ?? '');
    }
    expect((await sweep({ run: 'all' })).runs[0]).toMatchObject({ complete: false });
    await sweepUntilComplete('all', 200);
    expect(markers('all')).toEqual([true, true]);
  });

  test('under seeds is no run: no marker, until the seed is dropped again', async () => {
    await world.run('seedless');
    world.engine.s3.delete(world.engine.bucket, 'seeds/seedless.json');
    await expect(sweep({ run: 'seedless' })).rejects.toThrow('there is no run seedless');
    expect(await sweep({})).not.toMatchObject({ runs: expect.arrayContaining([{ run: 'seedless' }]) });
    expect(markers('seedless')).toEqual([false, false]);
    const calls = world.hermes.calls().length;
    await world.run('seedless');
    expect((await sweep({ run: 'seedless' })).runs[0]).toMatchObject({ complete: true });
    expect(world.hermes.calls()).toHaveLength(calls);
  });
});

describe('status', () => {
  beforeAll(async () => {
    world = await startWorld({ troops: 2, warriors: 2, groups: 2 });
    await world.run('r1');
    await world.run('r2');
  });
  afterAll(() => world.stop());

  const status = async (request: object): Promise<Status> => (await world.invoke('status', request)) as Status;

  test('of a run that nobody has swept is a census; it writes nothing', async () => {
    const before = world.objects('');
    expect(await status({ run: 'r1' })).toMatchObject({ run: 'r1', from: 'census', ageSeconds: 0, complete: true });
    expect(world.objects('')).toEqual(before);
    expect(await status({})).toMatchObject({ runs: [{ line: 'r2: no report yet' }, { line: 'r1: no report yet' }] });
  });

  test('of a run that was swept is its report, with its age; fresh takes a census', async () => {
    await sweep({ run: 'r1' });
    expect(await status({ run: 'r1' })).toMatchObject({
      run: 'r1',
      from: 'report',
      ageSeconds: expect.any(Number),
      complete: true,
      apiCalls: 15,
    });
    expect(await status({ run: 'r1', fresh: true })).toMatchObject({ from: 'census', ageSeconds: 0, complete: true });
  });

  test('without a run is the latest runs, a line each, the newest first', async () => {
    const answer = await status({});
    expect(answer).toMatchObject({
      runs: [
        { run: 'r2', line: 'r2: no report yet' },
        {
          run: 'r1',
          complete: true,
          line: expect.stringMatching(/^r1: complete, 15 of 15 items done, 0 failed, 0 lost, 15 API calls, \d+ s ago$/),
        },
      ],
    });
  });

  test('of an unknown run, or asked wrongly, is refused', async () => {
    await expect(status({ run: 'r9' })).rejects.toThrow('there is no run r9: there is no seed seeds/r9.json');
    await expect(status({ runs: 'r1' })).rejects.toThrow('runs is not known; allowed are run, fresh');
    await expect(status({ run: 'r1', fresh: 1 })).rejects.toThrow('fresh must be true or false');
  });
});
