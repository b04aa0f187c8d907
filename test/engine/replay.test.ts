/** Dead letters of whole runs, brought back: one replay after the cause is gone, and nothing is fetched for nothing. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { auditCalls } from '../../sources/hermes/fake/audit.ts';
import { callKey } from '../../sources/hermes/fake/call-key.ts';
import type { Override } from '../../sources/hermes/fake/options.ts';
import type { HermesOptions } from '../../sources/hermes/fake/server.ts';
import type { LocalAwsOptions } from '../../local-aws/index.ts';
import type { ReplayReport } from '../../shared/engine/recovery/replay-report.ts';
import { openDeadLetters, type DeadLetters } from './dead-letters.ts';
import type { FailureNote } from '../../shared/engine/item/failure-note.ts';
import { expectWholeTree, resultsOf, startWorld, type World } from './world.ts';

let world: World;
let letters: DeadLetters;

async function start(hermes: HermesOptions, engine?: Partial<LocalAwsOptions>): Promise<void> {
  world = await startWorld(hermes, engine);
  letters = openDeadLetters(world);
}

afterEach(async () => {
  letters.close();
  await world.stop();
});

async function replay(request: object): Promise<ReplayReport> {
  const report = (await world.invoke('replay', request)) as ReplayReport;
  await world.engine.idle();
  return report;
}

function failureNotes(): FailureNote[] {
  return [...world.objects('failures/').values()].map((body) => JSON.parse(body) as FailureNote);
}

/** Every data call of a troop is answered with this. */
function overrideTroop(troop: number, override: Override): Record<string, Override> {
  const tree = world.hermes.tree();
  const [warriors, groups] = [tree.childCount([troop]), tree.childCount([troop, 0])];
  return Object.fromEntries(
    Array.from({ length: warriors * groups }, (_, index) => [
      callKey('data', tree.idsAt([troop, Math.floor(index / groups), index % groups])),
      override,
    ]),
  );
}

const tree = { troops: 4, warriors: 6, groups: 5 };
const withoutRetries = { environment: { CALL_RETRIES: '0' } };
const notFound: Override = { status: 404, body: '{"error":"gone"}' };

describe('a run whose calls fail for good', () => {
  test.each([
    ['each dead letter once', false],
    ['each dead letter twice', true],
  ])('is the whole tree after one replay, with no call for what was done: %s', async (_how, isDoubled) => {
    await start({ ...tree, failForever: 6 }, withoutRetries);
    await world.run('r1');
    const notes = failureNotes();
    // An item of an upper level has a note of its own, a batch one for all that failed in it.
    const failed = notes.flatMap((note): Pick<FailureNote, 'code' | 'message'>[] => [...(note.items ?? [note])]);
    expect(failed).toHaveLength(6);
    for (const each of [...notes, ...failed])
      expect(each).toMatchObject({ code: 'HTTP_500', message: expect.stringContaining('500') });
    expect(await letters.count()).toBe(notes.length);
    if (isDoubled) expect(await letters.double()).toBe(notes.length);

    world.hermes.configure({ failForever: 0 });
    const report = await replay({});
    expect(report).toMatchObject({ replayed: 6, parked: 0, stoppedBecause: 'drained' });
    // The second letter of an item is one too many, or its item is done by then.
    expect(report.duplicates + report.alreadyDone > 0).toBe(isDoubled);
    expect(report.reasons.every(({ code, condition }) => code === 'HTTP_500' && condition === 'RetriesExhausted')).toBe(
      true,
    );
    expectWholeTree(world, 'r1');
    expect(auditCalls(world.hermes.calls()).repeats).toEqual([]);
    expect(await letters.count()).toBe(0);
  });
});

describe('a run whose token is refused on the way', () => {
  test.each([
    ['each dead letter once', false],
    ['each dead letter twice', true],
  ])('is the whole tree after the secret is put right and one replay: %s', async (_how, isDoubled) => {
    const secrets: Record<string, string> = { 'api-token': 'first' };
    let batches = 0;
    await start(
      { ...tree, token: 'first' },
      {
        secrets,
        onObjectCreated: ({ key }) => {
          if (key.startsWith('data_groups/') && (batches += 1) === 4) world.hermes.configure({ token: 'second' });
        },
      },
    );
    await world.run('r1');
    const notes = failureNotes();
    const failedItems = notes.reduce((sum, { items }) => sum + (items?.length ?? 1), 0);
    expect(failedItems).toBeGreaterThan(0);
    for (const note of notes) expect(note.code).toBe('HTTP_401');
    expect(await letters.count()).toBe(notes.length);
    if (isDoubled) await letters.double();

    secrets['api-token'] = 'second';
    const report = await replay({});
    expect(report).toMatchObject({ replayed: failedItems, parked: 0, remaining: 0, stoppedBecause: 'drained' });
    expectWholeTree(world, 'r1');
    expect(auditCalls(world.hermes.calls()).repeats).toEqual([]);
    expect(await letters.count()).toBe(0);
  });
});

describe('what a replay is asked for', () => {
  test('a dry run names level, code and counts, and changes nothing', async () => {
    await start(tree);
    world.hermes.configure({ overrides: overrideTroop(1, notFound) });
    await world.run('r1');
    const before = world.objects('');
    const calls = world.hermes.calls().length;
    const report = await replay({ dryRun: true });
    expect(report).toMatchObject({
      dryRun: true,
      replayed: 30,
      alreadyDone: 0,
      parked: 0,
      remaining: 6,
      byLevel: { data: { replayed: 30, remaining: 6 } },
      reasons: [{ level: 'data', code: 'HTTP_404', condition: 'ItemError', count: 30 }],
    });
    expect(report.reasons[0]?.sample).toMatchObject({
      key: expect.stringMatching(/^data_groups\/r1\//),
      message: expect.stringContaining('404'),
    });
    expect(world.objects('')).toEqual(before);
    expect(world.hermes.calls()).toHaveLength(calls);
    expect(await letters.count()).toBe(6);
    expect(await replay({ dryRun: true })).toMatchObject({ replayed: 30 });
  });

  test('only the level, the run and as many as the limit are taken; asking again goes on', async () => {
    await start(tree);
    world.hermes.configure({ overrides: overrideTroop(1, notFound) });
    await world.run('r1');
    await world.run('r2');
    world.hermes.configure({ overrides: {} });
    expect(await replay({ level: 'warriors' })).toMatchObject({ replayed: 0, byLevel: { warriors: { remaining: 0 } } });
    expect(await replay({ run: 'r3' })).toMatchObject({ replayed: 0, skipped: { filter: 12 }, remaining: 12 });
    const first = await replay({ run: 'r1', limit: 12 });
    expect(first).toMatchObject({ replayed: 10, stoppedBecause: 'limit', remaining: 10 });
    expect(await replay({ run: 'r1' })).toMatchObject({ replayed: 20, skipped: { filter: 6 }, remaining: 6 });
    expectWholeTree(world, 'r1');
    expect(resultsOf(world, 'r2')).toHaveLength(90);
    expect(await replay({})).toMatchObject({ replayed: 30, remaining: 0 });
    expectWholeTree(world, 'r2');
  });

  test('a rate holds, seen from Hermes', async () => {
    await start(tree);
    world.hermes.configure({ overrides: overrideTroop(1, notFound) });
    await world.run('r1');
    world.hermes.configure({ overrides: {} });
    world.hermes.clearCalls();
    expect(await replay({ rate: 20 })).toMatchObject({ replayed: 30 });
    const times = world.hermes.calls().map(({ atMs }) => atMs);
    expect(times).toHaveLength(30);
    const seconds = (Math.max(...times) - Math.min(...times)) / 1000;
    // The five of a batch come at once.
    const ratio = (times.length - 5) / seconds / 20;
    expect(ratio).toBeGreaterThan(0.85);
    // The first function begins later than it was told to: it has to start.
    expect(ratio).toBeLessThan(1.3);
  });

  test('bad input is refused, naming the field and what is allowed', async () => {
    await start({ troops: 0, warriors: 0, groups: 0 });
    const refused: [unknown, string][] = [
      [{ rat: 1 }, 'rat is not known; allowed are level, run, code, limit, rate, dryRun, from, force'],
      [{ rate: '20' }, 'rate must be a number above 0'],
      [{ rate: 0 }, 'rate must be a number above 0'],
      [{ limit: 1.5 }, 'limit must be a whole number from 1'],
      [{ level: 'warrior' }, 'level must be one of troops, warriors, data_groups, data'],
      [{ run: 'a/b' }, 'run must be the name of a run'],
      [{ dryRun: 'yes' }, 'dryRun must be true or false'],
      [{ force: 1 }, 'force must be true or false'],
      [{ from: 'letters' }, 'from must be \\"dead-letters\\" or \\"failures\\"'],
      [[], 'the input must be an object'],
      ['all', 'the input must be an object'],
      [{ rat: 1, limit: 'all' }, 'limit must be a whole number from 1'],
    ];
    for (const [request, message] of refused) {
      await expect(world.invoke('replay', request as object)).rejects.toThrow(message);
    }
    await expect(world.invoke('replay', { rat: 1, limit: 'all' })).rejects.toThrow('rat is not known');
  });
});

describe('an item that fails each time', () => {
  test('is parked after three replays; only force takes it again', async () => {
    await start({ troops: 2, warriors: 2, groups: 2 });
    const [id = ''] = world.hermes.tree().idsAt([0]);
    const noteKey = `failures/warriors/r1/${id}.json`;
    const refuse = { overrides: { [callKey('warriors', [id])]: notFound } };
    world.hermes.configure(refuse);
    await world.run('r1');
    for (const replays of [1, 2, 3]) {
      expect(await replay({})).toMatchObject({ replayed: 1, parked: 0 });
      expect(world.json(noteKey)).toMatchObject({ status: 'failed', replays, attempts: 1 + replays });
    }
    const calls = world.hermes.calls().length;
    expect(await replay({})).toMatchObject({ replayed: 0, parked: 1, remaining: 0 });
    expect(world.json(noteKey)).toMatchObject({ status: 'parked', code: 'HTTP_404', replays: 3, attempts: 4 });
    expect(await letters.count()).toBe(0);
    expect(await replay({ from: 'failures' })).toMatchObject({ replayed: 0, skipped: { parked: 1 }, remaining: 1 });
    expect(world.hermes.calls()).toHaveLength(calls);

    world.hermes.configure({ overrides: {} });
    expect(await replay({ from: 'failures', force: true })).toMatchObject({ replayed: 1, remaining: 0 });
    expectWholeTree(world, 'r1');
    expect(auditCalls(world.hermes.calls()).repeats).toEqual([]);
  });
});

describe('dead letters that are gone from the queues', () => {
  test('come back from the failure notes', async () => {
    await start(tree);
    world.hermes.configure({ overrides: overrideTroop(2, notFound) });
    await world.run('r1');
    await letters.purge();
    world.hermes.configure({ overrides: {} });
    expect(await replay({})).toMatchObject({ replayed: 0, remaining: 0 });
    expect(await replay({ from: 'failures', run: 'r1' })).toMatchObject({
      replayed: 30,
      remaining: 0,
      byLevel: { data: { replayed: 30 } },
      reasons: [{ level: 'data', code: 'HTTP_404', condition: 'failed', count: 30 }],
    });
    expectWholeTree(world, 'r1');
    expect(auditCalls(world.hermes.calls()).repeats).toEqual([]);
  });
});
