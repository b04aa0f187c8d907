/** Whole runs: the packaged service on the local engine, fetching from a Hermes over HTTP. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { auditCalls } from '../../sources/hermes/fake/audit.ts';
import { callKey } from '../../sources/hermes/fake/call-key.ts';
import { hermesTree } from '../../sources/hermes/fake/tree.ts';
import chain from '../../sources/hermes/chain.ts';
import { expectWholeTree, resultsOf, startWorld, token, type World } from './world.ts';

let world: World;
afterEach(() => world.stop());

const small = { troops: 3, warriors: 4, groups: 3 };

describe('a seed that is dropped', () => {
  test('becomes the whole tree, each call made exactly once', async () => {
    world = await startWorld({ troops: 5, warriors: 20, groups: 5 });
    await world.run('r1');
    expectWholeTree(world, 'r1');
    const audit = auditCalls(world.hermes.calls());
    expect(audit.calls).toBe(1 + 5 + 100 + 500);
    expect(audit.calls).toBe(world.hermes.tree().expectedCalls(100));
    expect(audit.repeats).toEqual([]);
    expect(world.engine.lambda.stats()).toMatchObject({ errors: 0, retries: 0, deadLetters: 0, invocations: 606 });
  });

  test('becomes the whole tree whatever its ids are', async () => {
    world = await startWorld({ troops: 6, warriors: 6, groups: 8, hostile: true });
    await world.run('r1');
    expectWholeTree(world, 'r1');
  });

  test('becomes the whole tree when the functions reach S3 over HTTP, as they do on AWS', async () => {
    world = await startWorld(small, { functionsOverHttp: true });
    await world.run('r1');
    expectWholeTree(world, 'r1');
    expect(await world.invoke('sweep', { run: 'r1' })).toMatchObject({ runs: [{ complete: true }] });
  });

  test('becomes the whole tree over many pages', async () => {
    world = await startWorld({ ...small, pageSize: 2 });
    await world.run('r1');
    expectWholeTree(world, 'r1');
    expect(auditCalls(world.hermes.calls()).repeats).toEqual([]);
  });

  test('leaves a receipt for every item that has many children, with their number and the calls it took', async () => {
    world = await startWorld({ ...small, pageSize: 2 });
    await world.run('r1');
    expect(world.json('receipts/troops/r1.json')).toMatchObject({
      level: 'troops',
      run: 'r1',
      children: 3,
      apiCalls: 2,
      attempt: 1,
    });
    expect(world.objects('receipts/').size).toBe(1 + 3 + 12);
    expect(world.objects('failures/').size).toBe(0);
  });

  test('with chosen troops becomes their part of the tree', async () => {
    world = await startWorld(small);
    const [id = ''] = world.hermes.tree().idsAt([1]);
    await world.drop('seeds/r1.json', JSON.stringify({ only: { troop: [id] } }));
    await world.engine.idle();
    expect(world.objects('troops/r1/').size).toBe(1);
    const results = resultsOf(world, 'r1');
    expect(results).toHaveLength(12);
    expect(results.every(({ ids }) => ids[0] === id)).toBe(true);
  });

  test('again, after the run, fetches nothing again; another run fetches all of it', async () => {
    world = await startWorld(small);
    await world.run('r1');
    const calls = world.hermes.calls().length;
    await world.run('r1');
    expect(world.hermes.calls()).toHaveLength(calls);
    await world.run('r2');
    expect(world.hermes.calls()).toHaveLength(2 * calls);
    expectWholeTree(world, 'r2');
  });
});

describe('a Hermes that fails at random', () => {
  test('is called again within the invocation: the same bucket', async () => {
    world = await startWorld({ troops: 4, warriors: 10, groups: 5, failRate: 0.05 });
    await world.run('r1');
    expectWholeTree(world, 'r1');
    expect(auditCalls(world.hermes.calls()).repeats).toEqual([]);
  });

  test("is called again by Lambda's two retries alone: the same bucket", async () => {
    world = await startWorld(
      { troops: 4, warriors: 10, groups: 5, failRate: 0.02, seed: 3 },
      { environment: { CALL_RETRIES: '0' } },
    );
    await world.run('r1');
    expectWholeTree(world, 'r1');
    const { retries, deadLetters } = world.engine.lambda.stats();
    expect(retries).toBeGreaterThan(0);
    expect(deadLetters).toBe(0);
  });
});

describe('notifications', () => {
  test('that come twice and out of order make the same bucket, and no item is fetched after its receipt', async () => {
    world = await startWorld(
      { troops: 4, warriors: 8, groups: 5 },
      { notificationFaults: { copies: 2, shuffleSeed: 7 } },
    );
    await world.run('r1');
    expectWholeTree(world, 'r1');
    expect(world.engine.lambda.stats().invocations).toBe(2 * (1 + 4 + 32 + 32));
    // Two copies that run side by side may both call, before either has its receipt; each key twice at the most.
    const { byKey } = auditCalls(world.hermes.calls());
    expect(Math.max(...byKey.values())).toBeLessThanOrEqual(2);
    const before = world.hermes.calls().length;
    for (const { reads } of chain.levels) {
      for (const [key, body] of world.objects(`${reads}/`)) await world.drop(key, body);
    }
    await world.engine.idle();
    expect(world.hermes.calls()).toHaveLength(before);
    expectWholeTree(world, 'r1');
  });
});

describe('the token', () => {
  test('stands in no log line, note or object, whether the API takes it or refuses it', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 's3-cascade-token-'));
    try {
      world = await startWorld(small, { dataDir });
      await world.run('r1');
      world.hermes.configure({ token: 'another-token' });
      await world.run('r2');
      expect(world.json('failures/troops/r2.json')).toMatchObject({ code: 'HTTP_401' });
      const stored = [...world.objects('').values()].join('');
      await world.stop();
      const logs = readdirSync(join(dataDir, 'logs')).map((file) => readFileSync(join(dataDir, 'logs', file), 'utf8'));
      expect(logs.join('')).toContain('Item expanded.');
      expect(logs.join('')).not.toContain(token);
      expect(stored).not.toContain(token);
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});

describe('an item with fifty thousand children', () => {
  test('is expanded within 512 MB', async () => {
    const [troop = ''] = hermesTree({ troops: 1, warriors: 0, groups: 0 }).idsAt([0]);
    world = await startWorld(
      {
        troops: 1,
        warriors: 0,
        groups: 0,
        pageSize: 1000,
        overrides: { [callKey('warriors', [troop])]: { children: 50_000 } },
      },
      // The children's own events are lost: only the expansion is looked at.
      { notificationFaults: { drop: (key) => key.startsWith('amazon_warriors/') } },
    );
    await world.run('r1');
    expect(world.json(`receipts/warriors/r1/${troop}.json`)).toMatchObject({
      children: 50_000,
      existing: 0,
      attempt: 1,
    });
    expect(world.engine.lambda.stats()).toMatchObject({ crashes: 0, timeouts: 0, errors: 0 });
    const definition = world.engine.model.functions.find(({ name }) => name.endsWith('fetchWarriors'));
    expect(definition?.memoryMb).toBe(512);
  });
});
