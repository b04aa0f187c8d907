import { beforeEach, describe, expect, test } from '@jest/globals';
import { TransientError } from '../../../../shared/engine/errors.ts';
import { createShareLease, type ShareChange, type ShareLease } from '../../../../shared/engine/rate/share-lease.ts';
import {
  parseShareTable,
  sharesOf,
  shareTableText,
  type ShareEntry,
} from '../../../../shared/engine/rate/share-table.ts';
import { TestClock } from '../../../memory/clock.ts';
import { MemoryObjectStore } from '../../../memory/object-store.ts';

const key = 'control/shares.json';
const warnings: string[] = [];
const log = { info: () => undefined, warn: (message: string) => void warnings.push(message), error: () => undefined };
const demand = { wants: 1, perSecond: 0, waited: 0, inFlight: 0 };

let clock: TestClock;
let store: MemoryObjectStore;
beforeEach(() => {
  clock = new TestClock();
  store = new MemoryObjectStore(clock);
  warnings.length = 0;
});

/** What S3 does with the writes of one environment, instead of carrying them out. */
type Fate = (write: () => Promise<'replaced' | 'changed'>) => Promise<'replaced' | 'changed'>;

function open(
  fate: Fate = (write) => write(),
  places?: number,
  bucket = 'own',
  onChange: (change: ShareChange) => void = () => undefined,
): ShareLease {
  return createShareLease({
    store: {
      get: (name, bytes) => store.get(name, bytes),
      list: (prefix) => store.list(prefix),
      replace: (...write) => fate(() => store.replace(...write)),
    },
    clock,
    random: Math.random,
    log,
    bucket,
    level: 'leaf',
    environments: 8,
    places,
    onChange,
  });
}

const refresh = (lease: ShareLease, wants = 1): Promise<void> =>
  lease.refresh({ ...demand, wants }, clock.now() + 60_000, 20);
const table = (): readonly ShareEntry[] => parseShareTable(store.objects.get(key)?.body ?? '')?.entries ?? [];
const failure = new TransientError('SlowDown', 'S3 failed.');

describe('places', () => {
  test('are as many as may have a share at once; who finds none makes no call, until another has left one', async () => {
    const leases = Array.from({ length: 5 }, () => open((write) => write(), 3));
    await Promise.all(leases.map((lease) => refresh(lease)));
    expect(leases.filter(({ held }) => held.share > 0)).toHaveLength(3);
    expect(table()).toHaveLength(3);
    const without = leases.filter(({ held }) => held.share === 0);
    await Promise.all(without.map((lease) => refresh(lease)));
    expect(without.map(({ held }) => held.share)).toEqual([0, 0]);

    // A share ends after a second and a half, and is free for others a second later.
    clock.nowMs += 2_000;
    await refresh(without[0] as ShareLease);
    expect(without[0]?.held.share).toBe(0);
    clock.nowMs += 600;
    await Promise.all(without.map((lease) => refresh(lease)));
    expect(without.filter(({ held }) => held.share > 0)).toHaveLength(2);
  });

  test('that nothing bounds are not new to an environment that gets a share: what it has saved up stays its own', async () => {
    const changes: boolean[] = [];
    const lease = open(
      (write) => write(),
      undefined,
      'own',
      ({ isNewPlace }) => void changes.push(isNewPlace),
    );
    await refresh(lease);
    expect(lease.held.share).toBeGreaterThan(0);
    expect(changes).not.toContain(true);
  });

  test('are kept by who has one', async () => {
    const [first, second] = [open((write) => write(), 1), open((write) => write(), 1)];
    await refresh(first);
    await refresh(second);
    clock.nowMs += 1_000;
    await refresh(first);
    expect([first.held.share > 0.25, second.held.share]).toEqual([true, 0]);
  });
});

describe('a lease', () => {
  test('begins with a part of what is free, and grows to all but the reserve when nobody else wants it', async () => {
    const lease = open();
    expect(lease.held.share).toBe(0);
    await refresh(lease);
    expect(lease.held.share).toBe(0.25);
    await refresh(lease);
    expect(lease.held.share).toBeCloseTo(63 / 64, 5);
    expect(table()).toMatchObject([{ level: 'leaf', share: lease.held.share }]);
  });

  test('makes room for another within two looks, and never before it uses less itself', async () => {
    const [first, second] = [open(), open()];
    await refresh(first);
    await refresh(first);
    await refresh(second);
    expect(second.held.share).toBeGreaterThan(0);
    await refresh(first);
    expect(first.held.share).toBeCloseTo(63 / 128, 5);
    await refresh(second);
    expect(second.held.share).toBeCloseTo(63 / 128, 5);
    expect(first.held.share + second.held.share).toBeLessThanOrEqual(1);
  });

  test('of one that does nothing any more ends, and then the others have its share', async () => {
    const [idle, busy] = [open(), open()];
    await refresh(idle);
    await refresh(idle);
    clock.nowMs = idle.held.untilMs + 900;
    await refresh(busy);
    expect(busy.held.share).toBeLessThan(0.1);
    clock.nowMs += 200;
    await refresh(busy);
    expect(busy.held.share).toBeCloseTo(63 / 64, 5);
  });

  test('of many that begin at the same time add up to no more than all', async () => {
    const leases = Array.from({ length: 12 }, () => open());
    await Promise.all(leases.map((lease) => refresh(lease)));
    await Promise.all(leases.map((lease) => refresh(lease)));
    expect(table()).toHaveLength(12);
    expect(sharesOf(table())).toBeLessThanOrEqual(1);
    expect(sharesOf(leases.map(({ held }) => held))).toBeCloseTo(sharesOf(table()), 5);
  });
});

describe('a share that is given back', () => {
  const giveBack = (lease: ShareLease): Promise<void> => lease.giveBack(clock.now() + 60_000);

  test('is free for the others at once, and taken again at once when none has it', async () => {
    const [first, second] = [open(), open()];
    await refresh(first);
    await refresh(first);
    await giveBack(first);
    expect(first.held.share).toBe(0);
    expect(table()).toMatchObject([{ share: 0, saves: 0, wants: 0 }]);
    await refresh(first);
    expect(first.held.share).toBeCloseTo(63 / 64, 5);
    await giveBack(first);
    await refresh(second);
    await refresh(second);
    expect(second.held.share).toBeCloseTo(63 / 64, 5);
  });

  test('is not used any more, also when S3 does not say that it is written', async () => {
    let isLost = false;
    const lease = open((write) => (isLost ? Promise.reject(failure) : write()));
    await refresh(lease);
    isLost = true;
    await giveBack(lease);
    expect(lease.held.share).toBe(0);
    expect(table()).toMatchObject([{ share: 0.25 }]);
    expect(warnings).toHaveLength(1);
  });

  test('leaves its place to no other before its end, nor the call that goes with it', async () => {
    const changes: boolean[] = [];
    const mine = open(
      (write) => write(),
      1,
      'own',
      ({ isNewPlace }) => void changes.push(isNewPlace),
    );
    const other = open((write) => write(), 1);
    await refresh(mine);
    await giveBack(mine);
    await refresh(other);
    expect(other.held.share).toBe(0);
    changes.length = 0;
    await refresh(mine);
    expect(mine.held.share).toBeGreaterThan(0);
    expect(changes).not.toContain(true);

    await giveBack(mine);
    clock.nowMs += 2_600;
    await refresh(other);
    expect(other.held.share).toBeGreaterThan(0);
    clock.nowMs += 2_600;
    await refresh(mine);
    expect(changes).toContain(true);
  });

  test('of none, or of one that has ended, is nothing to write', async () => {
    const lease = open();
    await giveBack(lease);
    expect(table()).toEqual([]);
    await refresh(lease);
    clock.nowMs += 10_000;
    await giveBack(lease);
    expect(table()).toMatchObject([{ share: 0.25 }]);
  });
});

test('what another may leave free is known while less is held than is wanted', async () => {
  const [first, second] = [open(), open()];
  await refresh(first);
  expect(first.freeFromMs).toBe(Infinity);
  await refresh(first);
  await refresh(second);
  // A second after its end every clock agrees that it is over.
  expect(second.freeFromMs).toBe(first.held.untilMs + 1_000);
  await refresh(second, second.held.share);
  expect(second.freeFromMs).toBe(Infinity);
});

describe('a write whose answer is lost', () => {
  test('for more gives no more until the table is seen to say so', async () => {
    let isLost = false;
    const lease = open(async (write) => {
      const answer = await write();
      if (isLost) throw failure;
      return answer;
    });
    await refresh(lease);
    isLost = true;
    await refresh(lease);
    expect(lease.held.share).toBe(0.25);
    expect(warnings).toHaveLength(1);
    isLost = false;
    await refresh(lease);
    expect(lease.held.share).toBeCloseTo(63 / 64, 5);
  });

  test('for less is kept to, although the table does not say so yet: it may be carried out later', async () => {
    let late: (() => Promise<unknown>) | undefined;
    let isLate = false;
    const lease = open((write) => {
      if (!isLate) return write();
      late = write;
      return Promise.reject(failure);
    });
    await refresh(lease);
    await refresh(lease);
    isLate = true;
    await refresh(lease, 0.1);
    expect(lease.held.share).toBe(0.1);
    expect(table()[0]?.share).toBeGreaterThan(0.9);
    // A look that has nothing to write does not take the larger share of the table for its own.
    await lease.refresh({ ...demand, wants: 1 }, clock.now(), 20);
    expect(lease.held.share).toBe(0.1);
    await late?.();
    expect(table()[0]?.share).toBe(0.1);
  });
});

test('a lost race is no failure: the table is read again, and what another has written stays', async () => {
  const other: ShareEntry = {
    ...{
      id: 'other',
      bucket: 'own',
      level: 'list',
      rate: 20,
      share: 0.5,
      saves: 0,
      wants: 0.5,
      perSecond: 1,
      waited: 0,
      inFlight: 0,
    },
    untilMs: clock.nowMs + 10_000,
  };
  let races = 0;
  const lease = open((write) => {
    races += 1;
    if (races <= 2) store.drop(key, shareTableText({ version: races, entries: [other] }));
    return write();
  });
  await refresh(lease);
  expect(table().map(({ id }) => id)).toContain('other');
  expect(table()).toHaveLength(2);
  expect(warnings).toEqual([]);
});

test('races that are lost again and again end after a dozen writes: the next look begins anew', async () => {
  let writes = 0;
  const lease = open(() => {
    writes += 1;
    return Promise.resolve('changed');
  });
  await refresh(lease);
  expect(writes).toBe(12);
  expect(lease.held.share).toBe(0);
  await refresh(lease);
  expect(writes).toBe(24);
});

test('a table that a person deletes leaves no share to those that were in it, from their next look on', async () => {
  const lease = open();
  await refresh(lease);
  expect(lease.held.share).toBe(0.25);
  await store.remove(key);
  // A look that may write nothing any more.
  await lease.refresh({ ...demand, wants: 1 }, clock.now(), 20);
  expect(lease.held.share).toBe(0);
});

test('a rate that is another by a tenth is not worth a write, and by more it is told to the other stages', async () => {
  const lease = open();
  const setTo = (rate: number): Promise<void> => lease.refresh({ ...demand, wants: 0.25 }, clock.now() + 60_000, rate);
  await setTo(20);
  await setTo(22);
  expect(table()).toMatchObject([{ rate: 20 }]);
  await setTo(18);
  expect(table()).toMatchObject([{ rate: 20 }]);
  await setTo(22.1);
  expect(table()).toMatchObject([{ rate: 22.1 }]);
});

test('an error that will not pass is thrown', async () => {
  const lease = open(() => Promise.reject(new Error('AccessDenied')));
  await expect(refresh(lease)).rejects.toThrow('AccessDenied');
});

describe('stages that share the table', () => {
  const ofStage = (bucket: string, places?: number): ShareLease => open((write) => write(), places, bucket);

  test('have shares that add up to 1 at most, and know the slowest rate that another one is set to', async () => {
    const [one, other] = [ofStage('one'), ofStage('two')];
    expect(one.slowest).toBe(Infinity);
    for (let looks = 0; looks < 10; looks += 1) {
      await one.refresh(demand, clock.now() + 60_000, 20);
      await other.refresh(demand, clock.now() + 60_000, 4);
      expect(one.held.share + other.held.share).toBeLessThanOrEqual(1);
      clock.nowMs += 700;
    }
    expect(one.held.share).toBeGreaterThan(0.4);
    expect(other.held.share).toBeGreaterThan(0.4);
    expect([one.slowest, other.slowest]).toEqual([4, 20]);
    // A rate that a person has changed is told at the next look.
    await other.refresh(demand, clock.now() + 60_000, 9);
    await one.refresh(demand, clock.now() + 60_000, 20);
    expect(one.slowest).toBe(9);
    clock.nowMs += 60_000;
    await one.refresh(demand, clock.now() + 60_000, 20);
    expect(one.slowest).toBe(Infinity);
  });

  test('have places of their own, and save up what their own environments may', async () => {
    const leases = [ofStage('one', 1), ofStage('two', 1), ofStage('two', 1)];
    for (const lease of leases) await refresh(lease);
    expect(leases.map(({ held }) => held.share > 0)).toEqual([true, true, false]);
  });

  test('take what a version before wrote for their own, and write it as they found it', async () => {
    const before = {
      id: 'old',
      level: 'leaf',
      share: 0.25,
      saves: 0,
      wants: 0.25,
      perSecond: 1,
      waited: 0,
      inFlight: 0,
    };
    const until = new Date(clock.nowMs + 20_000).toISOString();
    store.drop(key, JSON.stringify({ version: 1, environments: [{ ...before, until }] }));
    const lease = ofStage('one');
    await refresh(lease);
    expect(lease.held.share).toBeGreaterThan(0);
    expect(lease.slowest).toBe(Infinity);
    expect(table()).toMatchObject([
      { id: 'old', bucket: '', rate: Infinity, share: 0.25 },
      { bucket: 'one', rate: 20 },
    ]);
  });
});
