import { beforeEach, describe, expect, test } from '@jest/globals';
import { createChain, type Chain } from '../../../../shared/engine/chain/chain.ts';
import { TransientError } from '../../../../shared/engine/errors.ts';
import { createRunParamsReader, fixRunParams, type RunParams } from '../../../../shared/engine/runs/run-params.ts';
import { parseSeed } from '../../../../shared/engine/runs/seed.ts';
import { fourLevels, withParams } from '../../../chains.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

let clock: TestClock;
let store: MemoryObjectStore;

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
});

const fix = (seed: object, chain: Chain = withParams): Promise<RunParams> =>
  fixRunParams('r', parseSeed(JSON.stringify(seed), chain), chain, { store, clock });
const read = (chain: Chain = withParams): Promise<RunParams> => createRunParamsReader(chain, store)('r');
const seedOf = (params: object = {}, only: object = {}): object => ({ only, params: { owner: 'me', ...params } });
const defaults = { currency: 'EUR', least: 0, returns: false, owner: 'me' };

describe("a run's parameters", () => {
  test('are what its first seed gives and the defaults, those that move with time included', async () => {
    const params = { ...defaults, from: '2026-11-19T23:00:00.000Z' };
    expect(await fix(seedOf())).toMatchObject({ params, only: {} });
    expect(await read()).toMatchObject({ params, only: {} });
  });

  test('are the same hours later, for the same seed and for every level', async () => {
    await fix(seedOf());
    clock.nowMs += 10 * 3_600_000;
    expect((await fix(seedOf())).params).toMatchObject({ from: '2026-11-19T23:00:00.000Z' });
    expect((await read()).params).toMatchObject({ from: '2026-11-19T23:00:00.000Z' });
  });

  test('never change: another seed of the run is refused, saying what it was started with', async () => {
    await fix(seedOf({ from: '2026-11-01', least: 5 }));
    const before = store.json('params/r.json');
    await expect(fix(seedOf({ from: '2026-11-02' }))).rejects.toMatchObject({
      name: 'ItemError',
      code: 'PARAMS_CHANGED',
      message:
        'The run r was started with other parameters (from was "2026-11-01", least was 5), and a run\'s parameters never change. Drop this seed under another name.',
    });
    // Without it, it would have the default, which is another.
    await expect(fix(seedOf({ least: 5 }))).rejects.toMatchObject({ message: expect.stringContaining('from was') });
    expect(store.json('params/r.json')).toEqual(before);
    expect(await fix(seedOf({ least: 5, from: '2026-11-01' }))).toMatchObject({ params: { least: 5 } });
  });

  test('may be given in full by a later seed when they are what the defaults came to', async () => {
    await fix(seedOf());
    expect(await fix(seedOf({ from: '2026-11-19T23:00:00.000Z', currency: 'EUR' }))).toMatchObject({
      params: { currency: 'EUR' },
    });
  });

  test('of two seeds at once are those of one of them, and the other is refused', async () => {
    const outcomes = await Promise.allSettled([fix(seedOf({ least: 1 })), fix(seedOf({ least: 2 }))]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [won] = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect((await read()).params).toEqual(won?.params);
  });

  test("that something else wrote are an error that says so, and so are those of another chain's types", async () => {
    for (const body of [
      '',
      'hello',
      '5',
      '"r"',
      '{}',
      '[]',
      'null',
      '{"params":null,"only":{},"given":[]}',
      '{"params":{},"only":5,"given":[]}',
      '{"params":5,"only":{},"given":[]}',
      '{"params":{},"only":{"shop":"a"},"given":[]}',
    ]) {
      store.drop('params/r.json', body);
      await expect(fix(seedOf())).rejects.toMatchObject({ name: 'ItemError', code: 'BAD_PARAMS' });
      await expect(read()).rejects.toMatchObject({ name: 'ItemError', code: 'BAD_PARAMS' });
    }
  });

  test('that were deleted while they were compared may be fixed by the next attempt', async () => {
    await fix(seedOf());
    store.get = () => Promise.resolve(undefined);
    await expect(fix(seedOf())).rejects.toMatchObject({ name: 'TransientError', code: 'PARAMS_UNREADABLE' });
  });
});

describe('the ids that a run is about', () => {
  test('never change below the first list; of the first, a later seed may ask for others', async () => {
    await fix(seedOf({}, { shop: ['a'], sale: ['1', '2'] }));
    expect((await read()).only).toEqual({ sale: ['1', '2'] });
    expect(await fix(seedOf({}, { shop: ['b'], sale: ['2', '1', '1'] }))).toMatchObject({ only: { sale: ['1', '2'] } });
    await expect(fix(seedOf({}, { shop: ['a'] }))).rejects.toMatchObject({
      code: 'PARAMS_CHANGED',
      message: expect.stringContaining('only.sale was ["1","2"]'),
    });
    await expect(fix(seedOf({}, { sale: ['3'] }))).rejects.toMatchObject({ code: 'PARAMS_CHANGED' });
  });

  test('are not the same when only some of them are, or when there are more or fewer', async () => {
    await fix(seedOf({}, { sale: ['1', '2'] }));
    for (const sale of [['1', '3'], ['1'], ['1', '2', '3']])
      await expect(fix(seedOf({}, { sale }))).rejects.toMatchObject({ code: 'PARAMS_CHANGED' });
  });

  test('can not become fewer once they were all', async () => {
    await fix(seedOf());
    await expect(fix(seedOf({}, { sale: ['1'] }))).rejects.toMatchObject({
      message: expect.stringContaining('only.sale was "all"'),
    });
  });
});

describe('a level', () => {
  test("reads a run's parameters once, and again after S3 has failed", async () => {
    await fix(seedOf());
    let reads = 0;
    const get = store.get.bind(store);
    store.get = (key, maxBytes) => {
      reads += 1;
      return reads === 1 ? Promise.reject(new TransientError('SlowDown', 'busy')) : get(key, maxBytes);
    };
    const reader = createRunParamsReader(withParams, store);
    await expect(reader('r')).rejects.toThrow('busy');
    await Promise.all([reader('r'), reader('r')]);
    await reader('r');
    expect(reads).toBe(2);
  });

  test('keeps a bounded number of runs', async () => {
    let reads = 0;
    store.get = () => {
      reads += 1;
      return Promise.resolve(undefined);
    };
    const reader = createRunParamsReader(fourLevels, store);
    for (let run = 0; run < 200; run += 1) await reader(`r${run}`);
    await reader('r199');
    expect(reads).toBe(200);
    await reader('r0');
    expect(reads).toBe(201);
  });

  test('of a run that version 0.1 began has nothing to go by, and needs nothing', async () => {
    expect(await read(fourLevels)).toEqual({ params: {}, only: {} });
  });

  /** The chain as it was before it had parameters. */
  const before = createChain({
    levels: [
      { name: 'shops', children: 'many', id: 'shop' },
      { name: 'sales', children: 'many', id: 'sale' },
      { name: 'receipt_texts', children: 'one' },
    ],
  });
  /** With some whose defaults do for a run that does not have them. */
  const after: Chain = {
    ...before,
    params: { from: { type: 'timestamp', default: 'now-1h' }, currency: { type: 'text', default: 'EUR' } },
  };

  test('finds the defaults of parameters that the chain has got since its run began, by when that was', async () => {
    await fix({}, before);
    clock.nowMs += 10 * 3_600_000;
    expect((await read(after)).params).toEqual({ from: '2026-11-19T23:00:00.000Z', currency: 'EUR' });
  });

  test('of a run without a record can not tell a default that moves with time: an error that says so', async () => {
    await expect(read(after)).rejects.toMatchObject({ code: 'BAD_PARAMS', message: expect.stringContaining('from') });
  });
});
