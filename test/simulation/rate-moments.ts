/**
 * What an environment makes of the control objects at a moment that is set up: what the API told so and so long ago, at each limit of
 * time and number and a millisecond beside it, what can't be read, and what it writes then. No time passes in between. It has its own
 * table of what docs/decisions/0021-auto-rate.md says, and asks nothing of the engine.
 */
import type { ObjectStore, StoredObject } from '../../shared/engine/ports.ts';
import type { Core } from './core.ts';
import { noLog } from './deployment.ts';
import { fieldsOf, spoilt } from './other-shapes.ts';
import { hashText, unit } from './random.ts';

export type MomentsCore = Pick<Core, 'createRateControl' | 'createShareLease' | 'ItemError' | 'TransientError'>;

const startMs = Date.parse('2026-11-20T06:00:00Z');
const moments = 40;

/** Of decision 0021. */
const [stepMs, holdMs, validMs, smallChange] = [5_000, 30_000, 600_000, 0.05];
/** Of rate-control.ts: how old what is known may be, also while it can't be read. */
const [staleMs, keptMs] = [5_000, 30_000];
/** Of share-table.ts: clocks differ by less. */
const [marginMs, leaseMs] = [1_000, 30_000];
const [minimumPerSecond, autoMostPerSecond] = [0.2, 40];
const maxFreezeMs = 900_000;
const limitKey = 'control/api-limit.json';
const sharesKey = 'control/shares.json';
const freezeKey = 'control/freeze.json';

/** Draws, a store without latency, and a clock that is set by hand. */
class Stage {
  nowMs = startMs;
  isFailing = false;
  readonly objects = new Map<string, StoredObject>();
  readonly reads: string[] = [];
  readonly core: MomentsCore;
  readonly #seed: number;
  #drawn = 0;

  constructor(core: MomentsCore, seed: number) {
    this.core = core;
    this.#seed = seed;
  }

  pick<T>(from: readonly [T, ...T[]]): T {
    this.#drawn += 1;
    return from[Math.floor(unit(hashText(`moment ${this.#drawn}`, this.#seed)) * from.length)] ?? from[0];
  }

  put(key: string, body: string): void {
    const modifiedMs = Math.floor(this.nowMs / 1_000) * 1_000;
    this.objects.set(key, {
      body,
      eTag: `${this.nowMs} ${body.length} ${body.slice(0, 400)}`,
      metadata: {},
      modifiedMs,
    });
  }

  text(key: string): string {
    return this.objects.get(key)?.body ?? '';
  }

  readonly clock = { now: () => this.nowMs, wait: () => Promise.resolve() };

  get store(): ObjectStore {
    const { objects, core } = this;
    const mustWork = (key: string): void => {
      this.reads.push(key);
      if (this.isFailing) throw new core.TransientError('SlowDown', 'S3 failed.');
    };
    const store: Pick<ObjectStore, 'get' | 'head' | 'list' | 'replace'> = {
      get: async (key, maxBytes) => {
        mustWork(key);
        const object = objects.get(key);
        if (object !== undefined && object.body.length > maxBytes)
          throw new core.ItemError('TOO_LARGE', 'It is too large.');
        return await Promise.resolve(object);
      },
      head: async (key) => {
        mustWork(key);
        return await Promise.resolve(objects.get(key));
      },
      async *list(prefix) {
        await Promise.resolve();
        yield [...objects]
          .filter(([key]) => key.startsWith(prefix))
          .map(([key, { eTag, modifiedMs, body }]) => ({ key, eTag, modifiedMs, sizeBytes: body.length }));
      },
      replace: async (key, body, _, eTag) => {
        mustWork(key);
        if (objects.get(key)?.eTag !== eTag) return await Promise.resolve('changed');
        this.put(key, String(body));
        return 'replaced';
      },
    };
    return store as ObjectStore;
  }

  control(deployed: 'auto' | number) {
    const limits = { deployed, minimumPerSecond, autoMostPerSecond };
    return this.core.createRateControl({ store: this.store, clock: this.clock, log: noLog, limits, maxFreezeMs });
  }
}

/** @returns what is wrong */
export async function wrongMoment(core: MomentsCore, seed: number): Promise<string | undefined> {
  for (let moment = 0; moment < moments; moment += 1) {
    const stage = new Stage(core, seed * 1_000 + moment);
    const kinds = [tellsALimit, readsAgain, orders, takesAShare] as const;
    const wrong = await stage
      .pick(kinds)(stage)
      .catch((error: unknown) => `it throws ${String(error)}`);
    if (wrong !== undefined) return `at a moment that is set up, ${wrong}`;
  }
  return undefined;
}

type Limit = { perSecond: number; from: number; writtenMs: number };

const bounded = (perSecond: number): number => Math.max(minimumPerSecond, Math.min(perSecond, autoMostPerSecond));
const isNear = (a: number, b: number): boolean => Math.abs(a - b) < 1e-9;

/** By what is in the bucket. */
function autoRate(limit: Limit | undefined, nowMs: number): number {
  if (limit === undefined) return 1;
  const most = bounded(limit.perSecond);
  const ageMs = nowMs - limit.writtenMs;
  if (ageMs >= validMs) return Math.min(1, most);
  return Math.min(most, bounded(limit.from) * 2 ** Math.max(0, Math.floor(ageMs / stepMs)));
}

/** What is written when the API tells its limit; undefined: nothing. */
function written(limit: Limit | undefined, told: { perSecond: number; startedMs: number }, nowMs: number) {
  const from = autoRate(limit, nowMs);
  const { perSecond } = told;
  if (limit === undefined) return { perSecond, from };
  const [now, next] = [bounded(limit.perSecond), bounded(perSecond)];
  if (next < now * (1 - smallChange)) return { perSecond, from: Math.min(from, next) };
  if (next > now * (1 + smallChange))
    return told.startedMs > limit.writtenMs + holdMs ? { perSecond, from } : undefined;
  return nowMs - limit.writtenMs > validMs / 2 ? { perSecond, from } : undefined;
}

async function tellsALimit(stage: Stage): Promise<string | undefined> {
  const there = { perSecond: stage.pick([0.1, 0.5, 1, 10, 20, 300]), from: stage.pick([0.5, 1, 8]) };
  const isThere = stage.pick(['none', 'whole', 'whole', 'whole', 'whole', 'junk']);
  const junk = [
    '',
    'null',
    '{"perSecond":0,"from":1}',
    '{"perSecond":-1,"from":1}',
    '{"perSecond":1e999,"from":1}',
  ] as const;
  const more = [
    '{"perSecond":5}',
    '{"perSecond":"5","from":1}',
    '{"perSecond":5,"from":0}',
    'x'.repeat(20_000),
  ] as const;
  if (isThere !== 'none')
    stage.put(limitKey, isThere === 'whole' ? JSON.stringify(there) : stage.pick([...junk, ...more]));
  const limit = isThere === 'whole' ? { ...there, writtenMs: startMs } : undefined;
  const after = stage.pick([0, stepMs, 2 * stepMs, 3 * stepMs, holdMs, validMs / 2, validMs, validMs + stepMs]);
  stage.nowMs = startMs + Math.max(0, after + stage.pick([-1, 0, 1, 700]));
  const control = stage.control('auto');
  const before = await control.read();
  const is = autoRate(limit, stage.nowMs);
  const state = `${stage.text(limitKey)} after ${stage.nowMs - startMs} ms`;
  if (!isNear(Number(before.perSecond), is)) return `${state} makes ${before.perSecond} calls a second, and not ${is}`;
  const ceiling = bounded(limit?.perSecond ?? 1);
  if (!isNear(Number(before.ceiling), ceiling)) return `${state} rises to ${before.ceiling}, and not ${ceiling}`;
  const near = there.perSecond * stage.pick([1, 1 + smallChange, 1 - smallChange, 1.2, 0.8, 3]);
  const told = {
    perSecond: stage.pick([near, near, near + 1e-6, near - 1e-6, 0.1, 2, 100]),
    startedMs: stage.pick([stage.nowMs, startMs + holdMs - 1, startMs + holdMs, startMs + holdMs + 1, startMs]),
  };
  const text = stage.text(limitKey);
  const change = written(limit, told, stage.nowMs);
  const reads = stage.reads.length;
  control.told(told);
  await control.settled();
  // It is looked at, perhaps told to be too large, and replaced.
  const isLarge = text.length > 10_000;
  if (stage.reads.length - reads > (change === undefined ? 0 : isLarge ? 3 : 2))
    return `${state}, told ${JSON.stringify(told)}, is asked for ${stage.reads.length - reads} times`;
  if ((stage.text(limitKey) === text) !== (change === undefined))
    return `${state}, told ${JSON.stringify(told)}, becomes ${stage.text(limitKey)}, and not ${JSON.stringify(change)}`;
  const { perSecond, from } = JSON.parse(change === undefined ? '{}' : stage.text(limitKey)) as Partial<Limit>;
  if (change !== undefined && !(isNear(perSecond ?? -1, change.perSecond) && isNear(from ?? -1, change.from)))
    return `${state}, told ${JSON.stringify(told)}, becomes ${stage.text(limitKey)}, and not ${JSON.stringify(change)}`;
  // Its own answer holds here at once, when it is lower.
  const own = Math.min(bounded(told.perSecond), autoRate(change && { ...change, writtenMs: stage.nowMs }, stage.nowMs));
  const now = Math.min(bounded(told.perSecond), change === undefined ? is : own);
  const next = await control.read();
  return isNear(Number(next.perSecond), now)
    ? undefined
    : `${state}, told ${JSON.stringify(told)}, makes ${next.perSecond} calls a second, and not ${now}`;
}

/** What is set is read again when it is so old, and no sooner; while it can't be read it holds for so long, and no longer. */
async function readsAgain(stage: Stage): Promise<string | undefined> {
  const control = stage.control(5);
  stage.put('control/rate.json', '{"requestsPerSecond":3}');
  const first = await control.read();
  if (first.perSecond !== 3) return `a rate of 3 is read as ${first.perSecond}`;
  stage.put('control/rate.json', '{"requestsPerSecond":4}');
  stage.isFailing = stage.pick([false, false, true]);
  stage.nowMs +=
    stage.pick(stage.isFailing ? [keptMs, keptMs, staleMs] : [staleMs, staleMs, staleMs]) + stage.pick([-1, 0, 1]);
  const ageMs = stage.nowMs - startMs;
  const asked = stage.reads.length;
  const told = await control.read().then(
    ({ perSecond }) => perSecond,
    () => undefined,
  );
  const isAsked = stage.reads.length > asked;
  if (isAsked !== ageMs >= staleMs) return `the rate is ${isAsked ? '' : 'not '}read again after ${ageMs} ms`;
  const is = stage.isFailing ? (ageMs > keptMs ? undefined : 3) : ageMs >= staleMs ? 4 : 3;
  return told === is ? undefined : `the rate is ${told} after ${ageMs} ms, and not ${is}`;
}

/** An order to wait is written, but not over a later one; no freeze lasts longer than the longest. */
async function orders(stage: Stage): Promise<string | undefined> {
  const forMs = stage.pick([1, 20_000, maxFreezeMs - 1, maxFreezeMs, maxFreezeMs + 1, 10 * maxFreezeMs]);
  const untilMs = startMs + Math.min(forMs, maxFreezeMs);
  const thereMs = stage.pick([0, startMs - 1, untilMs - 1, untilMs, untilMs + 1, startMs + 5 * maxFreezeMs]);
  if (thereMs > 0) stage.put(freezeKey, `{"until":"${new Date(thereMs).toISOString()}"}`);
  // S3 tells times in whole seconds.
  const heldMs = Math.min(thereMs, startMs + 1_000 + maxFreezeMs);
  const control = stage.control(5);
  const before = await control.read();
  if (before.frozenUntilMs !== heldMs)
    return `a freeze until ${thereMs} holds until ${before.frozenUntilMs}, and not ${heldMs}`;
  const text = stage.text(freezeKey);
  await control.freeze(forMs);
  const isLater = untilMs > heldMs;
  const is = isLater ? `{"until":"${new Date(untilMs).toISOString()}"}` : text;
  if (stage.text(freezeKey) !== is)
    return `an order of ${forMs} ms makes ${text} ${stage.text(freezeKey)}, and not ${is}`;
  const after = await control.read();
  return after.frozenUntilMs === Math.max(untilMs, heldMs)
    ? undefined
    : `an order of ${forMs} ms holds until ${after.frozenUntilMs}, next to a freeze until ${heldMs}`;
}

/** A share that another one has is free when every clock says so, and one that may have been given by a table that is spoilt is, too. */
async function takesAShare(stage: Stage): Promise<string | undefined> {
  const other = {
    ...{ id: 'other', bucket: 'bucket', level: 'level', rate: 5, share: 1, saves: 0, wants: 1 },
    ...{ perSecond: 5, waited: 0.5, inFlight: 1, until: new Date(startMs + 7_000).toISOString() },
  };
  const table = { version: 1, environments: [other] };
  const isSpoilt = stage.pick([false, true]);
  const isLarge = isSpoilt && stage.pick([false, false, true]);
  const fields = fieldsOf(table).filter((field) => field !== 'environments') as [string, ...string[]];
  const text = isSpoilt ? spoilt(table, stage.pick(fields).split('.')) : JSON.stringify(table);
  stage.put(sharesKey, isLarge ? `${text}${' '.repeat(600_000)}` : text);
  // S3 tells times in whole seconds.
  const freeMs = startMs + (isSpoilt ? 1_000 + leaseMs : 7_000) + marginMs;
  stage.nowMs = freeMs + stage.pick([-1, 0, 1]);
  const lease = stage.core.createShareLease({
    ...{ store: stage.store, clock: stage.clock, random: () => 0.5, log: noLog, bucket: 'bucket', level: 'level' },
    ...{ environments: 3, onChange: () => undefined },
  });
  await lease.refresh({ wants: 1, perSecond: 0, waited: 0, inFlight: 0 }, stage.nowMs + 60_000, 5);
  const isFree = stage.nowMs >= freeMs;
  return lease.held.share > 0 === isFree
    ? undefined
    : `${text.slice(0, 300)} leaves a share of ${lease.held.share} ${stage.nowMs - freeMs} ms after it is free`;
}
