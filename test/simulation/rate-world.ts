/**
 * Nothing but the rate: levels with environments that share it, a tree of calls, and time that jumps. Environments stop for a
 * while, die and are replaced; S3 is slow, fails, and carries out what it was asked long after; clocks differ. What it makes
 * visible is what whole schedules hide behind their other faults: how long a tree takes, and how many calls come in any time.
 */
import type { Clock, ObjectStore, StoredObject } from '../../shared/engine/ports.ts';
import type { ShareLease } from '../../shared/engine/rate/share-lease.ts';
import type { Core } from './core.ts';
import { noLog } from './deployment.ts';
import { RateFigures } from './rate-figures.ts';
import { mix, unit } from './random.ts';
import { VirtualTime } from './virtual-time.ts';

export type RateWorldOptions = {
  core: Pick<Core, 'createTurns' | 'createRateControl' | 'createShareLease' | 'TransientError' | 'ItemError'>;
  seed: number;
  perSecond: number;
  /** Calls at each level: the items of the first are there at the start, those of the others come with their parents. */
  calls: readonly number[];
  /** Of each level. */
  environments: readonly number[];
  /** Nothing but the table bounds who makes calls: so many may have a share at once, of all levels. */
  places?: number | undefined;
  /** Items that an environment works on side by side. */
  atOnce: number;
  callMs: readonly [min: number, max: number];
  /** Odds for each chance: an environment stops for up to a minute, dies, is replaced, is cut off from S3; S3 fails, is slow. */
  faults?: Partial<Record<'stalls' | 'dies' | 'recycled' | 'cut' | 'fails' | 'slow' | 'late' | 'silent', number>>;
  /** Odds that an invocation has hardly any time, and that a person overwrites the table when one begins. */
  hurries?: number;
  spoils?: number;
  /** Clocks differ by this much at most, in milliseconds. */
  skewMs?: number;
  /** The levels are in turn of two stages, which share the rate. This is what the second one is set to. */
  secondRate?: number | undefined;
  /** The rate is `auto`: the API says from each of these times on how many calls a second it allows; `perSecond` is the most. */
  told?: readonly ToldFrom[] | undefined;
  /** So late an environment may learn that the API allows less, in milliseconds. */
  learnMs?: number;
};

export type ToldFrom = { fromMs: number; perSecond: number };

export type RateWorldEnd = {
  seconds: number;
  calls: number;
  /** The smallest number for which in any t seconds there were at most rate × t calls, and this many; the rate as it held then. */
  burst: number;
  /** Environments that died. */
  crashes: number;
  /** Environments that began while the bucket still said that the API allows more than it did. */
  misled: number;
  /** The most that the shares in use added up to at any moment; and what may be saved up, beyond the environments. */
  shares: number;
  saves: number;
  writes: number;
  reads: number;
  /** What was wrong on the way. */
  problems: string[];
  /** When each call was made, and at which level; in milliseconds from the start. */
  made: { level: number; atMs: number }[];
};

type Item = { level: number; index: number };
type Life = {
  isDead: boolean;
  stalledToMs: number;
  cutToMs: number;
  skewMs: number;
  stage: number;
  lease?: ShareLease;
  figures: RateFigures;
};
type Warm = { life: Life; turns: ReturnType<Core['createTurns']> };

const timeoutMs = 300_000;
const usualWorkMs = 295_000;
/** Of an invocation that has hardly any time left. */
const shortWorkMs = [0, 0, 1, 40, 700, 4_000, 12_000] as const;
/** An environment whose share is too small waits so long for the others to make room. */
const patienceMs = 8_000;
/** Each time nobody has a share for half a minute. */
const mostSpoilt = 3;
const spoiltTables = ['', 'null', '{"version":1}', `"${'x'.repeat(600_000)}"`] as const;

export async function runRateWorld(options: RateWorldOptions): Promise<RateWorldEnd> {
  const { core, perSecond, calls, environments, atOnce, callMs, faults = {}, skewMs = 0, told } = options;
  const time = new VirtualTime();
  time.maxSteps = 3_000_000;
  let drawn = 0;
  const next = (): number => unit(mix(options.seed, (drawn += 1)));
  let drawnLater = 0;
  let spoilt = 0;
  /** Drawn by themselves, so that the others stay what they were. */
  const nextLater = (): number => unit(mix(options.seed, 1_000_000_007 + (drawnLater += 1)));
  const strikes = (fault: keyof typeof faults): boolean => next() < (faults[fault] ?? 0);
  const between = (min: number, max: number): number => min + next() * (max - min);
  const startMs = time.nowMs;
  const { places, secondRate } = options;
  const stageOf = (level: number): number => (secondRate === undefined ? 0 : level % 2);
  const allOf = (stage: number): number =>
    places ?? environments.reduce((sum, count, level) => sum + (stageOf(level) === stage ? count : 0), 0);
  const objects = new Map<string, StoredObject>();
  const made: { level: number; atMs: number }[] = [];
  const queues: Item[][] = calls.map(() => []);
  const busy = calls.map(() => 0);
  const warm: Warm[][] = calls.map(() => []);
  const lives: Life[] = [];
  const end: RateWorldEnd = {
    seconds: 0,
    calls: 0,
    burst: 0,
    crashes: 0,
    misled: 0,
    shares: 0,
    saves: -Infinity,
    writes: 0,
    reads: 0,
    problems: [],
    made,
  };

  /** Nothing of a dead environment goes on; a stopped one goes on when it is let to. */
  function alive(life: Life, run: () => void): void {
    if (life.isDead) return;
    if (life.stalledToMs > time.nowMs) time.at(life.stalledToMs, () => alive(life, run));
    else run();
  }

  /** What is in use at this moment, by each environment's own clock. */
  function look(): void {
    const held = lives.flatMap(({ isDead, lease, skewMs: itsSkewMs, stage }) =>
      isDead || lease === undefined || lease.held.untilMs <= time.nowMs + itsSkewMs ? [] : [{ ...lease.held, stage }],
    );
    end.shares = Math.max(
      end.shares,
      held.reduce((sum, { share }) => sum + share, 0),
    );
    // What comes after it may take for ever.
    if (end.shares > 1.001) time.isStopped = true;
    // Each stage has its own.
    for (const stage of secondRate === undefined ? [0] : [0, 1]) {
      const own = held.filter((each) => each.stage === stage);
      const saves = own.reduce((sum, each) => sum + each.saves, 0);
      const atWork = own.filter(({ share }) => share > 0).length;
      if (saves > 0) end.saves = Math.max(end.saves, saves + atWork - allOf(stage));
    }
  }

  function clockOf(life: Life): Clock {
    return {
      now: () => time.nowMs + life.skewMs,
      wait: (ms) =>
        new Promise((resolve) => {
          if (strikes('stalls')) life.stalledToMs = time.nowMs + ms + between(100, 60_000);
          time.in(ms, () => alive(life, resolve));
        }),
    };
  }

  function storeOf(life: Life): Pick<ObjectStore, 'get' | 'head' | 'list' | 'replace'> {
    const ask = <T>(act: () => T, mutates = false): Promise<T> =>
      new Promise((resolve, reject) => {
        if (life.isDead) return;
        const ms = strikes('slow') ? between(500, 30_000) : between(5, 40);
        time.in(ms, () => {
          const failed = new core.TransientError('SlowDown', 'S3 failed.');
          if (strikes('cut')) life.cutToMs = time.nowMs + between(1_000, 60_000);
          if (strikes('fails') || life.cutToMs > time.nowMs) {
            // The caller is told that it failed; it may be carried out all the same, or later.
            if (mutates && strikes('late')) time.in(between(0, 20_000), act);
            alive(life, () => reject(failed));
            return;
          }
          const answer = act();
          alive(life, () => resolve(answer));
          time.in(0, look);
        });
      });
    const get = async (key: string, maxBytes: number): Promise<StoredObject | undefined> => {
      end.reads += key.endsWith('shares.json') ? 1 : 0;
      if (key.endsWith('shares.json')) life.figures.looks(clockOf(life).now());
      const object = await ask(() => objects.get(key));
      if (object !== undefined && object.body.length > maxBytes)
        throw new core.ItemError('TOO_LARGE', 'It is too large.');
      return object;
    };
    return {
      get,
      head: (key) => ask(() => objects.get(key)),
      async *list(prefix) {
        yield await ask(() =>
          [...objects]
            .filter(([key]) => key.startsWith(prefix))
            .map(([key, { eTag, modifiedMs, body }]) => ({ key, eTag, modifiedMs, sizeBytes: body.length })),
        );
      },
      replace: (key, body, metadata, eTag) => {
        end.writes += 1;
        return ask(() => {
          if (objects.get(key)?.eTag !== eTag) return 'changed' as const;
          const text = String(body);
          if (key.endsWith('shares.json')) judgeTable(life, objects.get(key)?.body, text);
          objects.set(key, { body: text, eTag: `${text.length}-${text}`, metadata, modifiedMs: time.nowMs });
          return 'replaced' as const;
        }, true);
      },
    };
  }

  function judgeTable(life: Life, before: string | undefined, after: string): void {
    // Where requests take long, what is written may have been true long ago.
    const isSlow = Object.entries(faults).some(([fault, odds]) => fault !== 'silent' && odds > 0);
    if (isSlow) return;
    const isSteady = told === undefined && secondRate === undefined;
    const wrong = life.figures.wrong(before, after, clockOf(life).now(), isSteady ? perSecond : undefined);
    if (wrong !== undefined) end.problems.push(`an environment ${wrong}`);
  }

  /** A person writes something else over it. */
  function spoil(): void {
    spoilt += 1;
    const body = spoiltTables[Math.floor(nextLater() * spoiltTables.length)] ?? '';
    objects.set('control/shares.json', { body, eTag: `spoilt ${drawnLater}`, metadata: {}, modifiedMs: time.nowMs });
  }

  function isMisleading(): boolean {
    const limit = toldAt(told, time.nowMs - startMs) ?? Infinity;
    const { perSecond: known = 0 } = JSON.parse(objects.get('control/api-limit.json')?.body ?? '{}') as {
      perSecond?: number;
    };
    return known > limit;
  }

  function start(level: number): Warm {
    const stage = stageOf(level);
    const life: Life = {
      isDead: false,
      stalledToMs: 0,
      cutToMs: 0,
      skewMs: between(-skewMs / 2, skewMs / 2),
      stage,
      figures: new RateFigures(),
    };
    lives.push(life);
    if (isMisleading()) end.misled += 1;
    const clock = clockOf(life);
    const store = storeOf(life) as ObjectStore;
    const deployed = told === undefined ? (stage === 0 ? perSecond : (secondRate ?? perSecond)) : ('auto' as const);
    const limits = { deployed, minimumPerSecond: 0, autoMostPerSecond: perSecond };
    const turns = core.createTurns({
      control: core.createRateControl({ store, clock, log: noLog, limits, maxFreezeMs: 900_000 }),
      openLease: (onChange) => {
        const its = { store, clock, random: next, log: noLog, level: `level${level}`, bucket: `stage${stage}`, places };
        life.lease = core.createShareLease({ ...its, environments: allOf(stage), onChange });
        return life.lease;
      },
      clock,
      random: next,
      onSleep: () => undefined,
    });
    return { life, turns };
  }

  function put(item: Item): void {
    queues[item.level]?.push(item);
    time.in(between(20, 80), () => poll(item.level));
  }

  function poll(level: number): void {
    while ((busy[level] ?? 0) < (environments[level] ?? 1) && (queues[level]?.length ?? 0) > 0) {
      const items = queues[level]?.splice(0, atOnce) ?? [];
      busy[level] = (busy[level] ?? 0) + 1;
      const environment = (strikes('recycled') ? undefined : warm[level]?.pop()) ?? start(level);
      time.in(between(5, 20), () => void invoke(environment, level, items));
    }
  }

  async function invoke(environment: Warm, level: number, items: Item[]): Promise<void> {
    const { life, turns } = environment;
    if (nextLater() < (options.spoils ?? 0) && spoilt < mostSpoilt) spoil();
    const isHurried = nextLater() < (options.hurries ?? 0);
    const beganMs = clockOf(life).now();
    const shortMs = shortWorkMs[Math.floor(nextLater() * shortWorkMs.length)] ?? usualWorkMs;
    const deadlineMs = beganMs + (isHurried ? shortMs : usualWorkMs);
    const left = new Set(items);
    let isOver = false;
    const finish = (isCrash: boolean): void => {
      if (isOver) return;
      isOver = true;
      busy[level] = (busy[level] ?? 0) - 1;
      if (isCrash) {
        life.isDead = true;
        end.crashes += 1;
      } else warm[level]?.push(environment);
      for (const item of left) time.in(isCrash ? 1_000 : 5_000, () => put(item));
      time.in(10, () => poll(level));
    };
    const cancel = time.in(timeoutMs, () => finish(true));
    if (strikes('dies')) time.in(between(0, 5_000), () => finish(true));
    await Promise.all(
      items.map(async (item) => {
        try {
          await turns.take(deadlineMs);
        } catch (error) {
          const leftMs = Math.min(deadlineMs, beganMs + patienceMs) - clockOf(life).now();
          if ((error as { code?: string }).code === 'NO_TURN' && leftMs > 1)
            end.problems.push(`an item is requeued ${leftMs} ms before its environment has waited for its turn`);
          return;
        }
        if (life.isDead) return;
        if (clockOf(life).now() >= deadlineMs) end.problems.push('a call is let through when its time is up');
        life.figures.called();
        const limit = toldAt(told, time.nowMs - startMs);
        const startedMs = clockOf(life).now();
        made.push({ level: item.level, atMs: time.nowMs - startMs });
        await new Promise<void>((resolve) => time.in(between(...callMs), () => alive(life, resolve)));
        turns.answered(clockOf(life).now() - startedMs);
        life.figures.answered(clockOf(life).now() - startedMs);
        // Not every answer has the header.
        if (limit !== undefined && !strikes('silent')) turns.told({ perSecond: limit, startedMs });
        left.delete(item);
        expand(item);
      }),
    );
    // What could not be read is told as a failed invocation; its items are done.
    await turns.settle(deadlineMs).catch(() => undefined);
    cancel();
    finish(false);
  }

  function expand({ level, index }: Item): void {
    const [here = 1, below = 0] = [calls[level], calls[level + 1]];
    for (let child = Math.floor((index * below) / here); child < Math.floor(((index + 1) * below) / here); child += 1)
      put({ level: level + 1, index: child });
  }

  for (let index = 0; index < (calls[0] ?? 0); index += 1) put({ level: 0, index });
  const isDone = await time.runUntilQuiet(startMs + 24 * 3_600_000);
  if (!isDone && !time.isStopped) throw new Error('The tree is not done within a day.');
  return { ...end, calls: made.length, seconds: (made.at(-1)?.atMs ?? 0) / 1000, burst: burstOf() };

  function burstOf(): number {
    let undrained = 0;
    let worst = 0;
    let beforeMs = 0;
    for (const { atMs } of made) {
      undrained = Math.max(0, undrained - allowedBetween(options, beforeMs, atMs)) + 1;
      worst = Math.max(worst, undrained);
      beforeMs = atMs;
    }
    return worst;
  }
}

function toldAt(told: readonly ToldFrom[] | undefined, atMs: number): number | undefined {
  return told?.findLast(({ fromMs }) => fromMs <= atMs)?.perSecond;
}

/** How many calls the rate earns between two times: with `auto`, the most that the API has said of late. */
function allowedBetween(options: RateWorldOptions, fromMs: number, toMs: number): number {
  const { perSecond, secondRate = 0, told, learnMs = 0 } = options;
  if (told === undefined) return ((toMs - fromMs) / 1000) * Math.max(perSecond, secondRate);
  const changes = told.flatMap((each) => [each.fromMs, each.fromMs + learnMs]);
  const times = [fromMs, ...changes.filter((atMs) => atMs > fromMs && atMs < toMs).sort((a, b) => a - b), toMs];
  return times.slice(1).reduce((sum, endMs, index) => {
    const beginMs = times[index] ?? fromMs;
    const held = told.filter(({ fromMs: sinceMs }, at) => {
      const untilMs = told[at + 1]?.fromMs ?? Infinity;
      return sinceMs <= beginMs && untilMs + learnMs > beginMs;
    });
    // Before it is told anything, an environment begins with one call a second.
    const most = Math.max(...held.map((each) => each.perSecond), beginMs < learnMs ? 1 : 0);
    return sum + ((endMs - beginMs) / 1000) * Math.min(perSecond, most);
  }, 0);
}
