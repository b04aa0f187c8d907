/** Builds a schedule's world from its seed: the API's tree, the bucket, the queues, the functions, and the checker over them. */
import { Bucket } from './bucket.ts';
import { Checker, strayItem } from './checker.ts';
import type { Core } from './core.ts';
import { fetchHandler, type LevelParts, type World } from './deployment.ts';
import { Environments } from './environments.ts';
import { Faults, type FaultChoice } from './faults.ts';
import { Hermes } from './hermes.ts';
import type { WantedTroops } from './ledger.ts';
import {
  everyNode,
  growTree,
  keysOfEvent,
  levelNames,
  modelRun,
  type ApiNode,
  type KeyRole,
  type Node,
  type Size,
} from './model.ts';
import { createNotifications, eventOf } from './notifications.ts';
import { Queue } from './queue.ts';
import { RateWatch } from './rate-watch.ts';
import { drawSettings, type Settings } from './settings.ts';
import { createDirectTrigger, createQueueTrigger, type TriggerOptions } from './triggers.ts';
import { VirtualTime } from './virtual-time.ts';

export type Scene = {
  core: Core;
  time: VirtualTime;
  faults: Faults;
  settings: Settings;
  checker: Checker;
  bucket: Bucket;
  hermes: Hermes;
  world: World;
  levels: Map<string, LevelParts & { environments: Environments }>;
  runs: string[];
  modelRoots: Node[];
  startMs: number;
  dayMs: number;
  trace: string[];
  say: (line: string) => void;
  hasPoison: boolean;
  isDeleted: () => boolean;
  /** A person drops a run's seed. */
  drop: (run: string) => void;
  stray: (kind: number) => void;
  deleteSomething: (run: string, which: string) => void;
  setRate: (body: string) => void;
  /** S3 tells of an object. */
  notify: (key: string) => void;
  /** The deployment is as it was meant to be; what is poisoned stays so. */
  calm: () => void;
  /** The API and AWS are well. */
  mend: () => void;
  onWaiting: () => void;
};

const hourMs = 3_600_000;

export function buildScene({
  seed,
  core,
  choice,
  size,
  isTraced,
}: {
  seed: number;
  core: Core;
  choice: FaultChoice;
  size: Size;
  isTraced: boolean;
}): Scene {
  const time = new VirtualTime();
  const startMs = time.nowMs;
  const faults: Faults = new Faults(seed, () => time.nowMs, choice);
  const site = faults.site('scene');
  const settings = drawSettings(faults);
  const dayMs = faults.between(site, 'day', 2, 30) * hourMs;
  const trace: string[] = [];
  const say = (line: string): void => {
    if (isTraced) trace.push(`${clockOf(time.nowMs - startMs)} ${line}`);
  };
  const runs = faults.between(site, 'runs', 1, 3) === 3 ? ['2026-11-20', 'r_2'] : ['2026-11-20'];
  const root = growTree(size, faults, startMs, dayMs);
  const roles = new Map<string, KeyRole>();
  const modelRoots = runs.map((run) => modelRun(run, root, roles));
  const checker = new Checker(time, roles);
  const { wanted, seeds } = drawSeeds(root, faults);
  const blackHoles = new Set<string>();
  for (const [key, { is }] of roles)
    if (is === 'item' && faults.strikes('black-hole', faults.site(`hole ${key}`))) blackHoles.add(key);

  const byIds = new Map<string, ApiNode>();
  for (const modelRoot of modelRoots)
    for (const { api } of everyNode(modelRoot)) byIds.set(JSON.stringify(api.ids), api);
  const hasPoison = blackHoles.size > 0 || [...byIds.values()].some(({ poison }) => poison !== undefined);

  const levels: Scene['levels'] = new Map();
  const notify = createNotifications({
    core,
    time,
    faults,
    accept: (level, payload) => levels.get(level)?.trigger.accept(payload),
  });

  const bucket: Bucket = new Bucket({
    core,
    time,
    faults,
    pageSize: settings.listPageSize,
    onChange: (key, before, after, by) => {
      say(
        `${by === 'person' ? 'a person' : by.name} ${after === undefined ? 'deletes' : before === undefined ? 'writes' : 'overwrites'} ${key}${key.startsWith('failures/') ? ` ${after?.body ?? ''}` : ''}`,
      );
      checker.onBucketChange(key, before, after, by);
      if (after !== undefined) notify(key);
    },
  });
  checker.ledger.watch(bucket.objects, wanted);

  const rateWatch = new RateWatch(settings.rates);
  const outages = ['first', 'second'].flatMap((which) => {
    const place = faults.site(`${which} outage`);
    if (!faults.strikes('api-outage', place)) return [];
    const fromMs = startMs + faults.between(place, 'from', 0, faults.pick(place, 'early', [600_000, dayMs]));
    return [{ fromMs, toMs: fromMs + faults.between(place, 'for', 60_000, 6 * hourMs) }];
  });
  let isWell = false;
  const hermes = new Hermes({
    root,
    core,
    time,
    faults,
    outages,
    pageSize: settings.apiPageSize,
    callTimeoutMs: settings.callTimeoutMs,
    say,
    onCall: (call) => {
      checker.onCall(call);
      const level = levelNames[call.node.depth] ?? '';
      const problem = rateWatch.call(level, call.atMs);
      if (problem !== undefined) checker.break('rate', `${call.life.name}: ${problem}`);
    },
  });

  const world: World = {
    core,
    time,
    faults,
    settings,
    bucket,
    hermes,
    nodeOf: (ids) => byIds.get(JSON.stringify(ids)),
    levels,
    onRefire: (_, payload, life) => {
      say(
        `${life.name} re-fires ${keysOfEvent(payload)
          .map(({ key, again }) => `${key}${again ? ' again' : ''}`)
          .join(', ')}`,
      );
      checker.onRefire(payload, life);
    },
  };
  for (const level of core.levels) {
    const rate = settings.rates.get(level.level);
    if (rate === undefined) throw new Error(`The model does not know the level ${level.level}.`);
    const environments = new Environments({
      name: level.level,
      limit: settings.environments.get(level.level) ?? 1,
      time,
      faults,
      timeoutMs: settings.deployment.fetchTimeoutMs,
      onWorkBehindAnswer: checker.onWorkBehindAnswer,
      onLost: () => rateWatch.crash(level.level),
    });
    const queue = (name: string, onAdd?: () => void): Queue =>
      new Queue({ name: `${level.level}-${name}`, core, time, faults, onRemove: checker.onRemove, onAdd });
    const deadLetters = queue('dead');
    const waiting = queue('waiting', () => scene.onWaiting());
    const options: TriggerOptions = {
      level: level.level,
      time,
      faults,
      environments,
      deadLetters,
      handler: fetchHandler(world, level),
      patienceMs:
        settings.deployment.trigger === 'queue'
          ? settings.deployment.queueRetentionMs
          : settings.deployment.fetchMaxEventAgeMs,
      onConsumed: checker.onConsumed,
      say,
    };
    const { batchSize, deployment } = settings;
    const trigger =
      deployment.trigger === 'queue'
        ? createQueueTrigger(options, {
            batchSize,
            maxReceives: deployment.queueMaxReceives,
            visibilityMs: 6 * deployment.fetchTimeoutMs,
          })
        : createDirectTrigger(options, settings.plainLetters);
    const open = {
      accept: (payload: string): void => {
        if (isWell || !keysOfEvent(payload).some(({ key }) => blackHoles.has(key))) trigger.accept(payload);
      },
    };
    levels.set(level.level, { level, rate, trigger: open, deadLetters, waiting, environments });
  }

  let deleted = 0;
  let dropped = 0;
  const scene: Scene = {
    core,
    time,
    faults,
    settings,
    checker,
    bucket,
    hermes,
    world,
    levels,
    runs,
    modelRoots,
    startMs,
    dayMs,
    trace,
    say,
    hasPoison,
    notify,
    isDeleted: () => deleted > 0,
    drop: (run) => {
      bucket.write(`seeds/${run}.json`, seeds[dropped % seeds.length] ?? '{}', {}, 'person');
      dropped += 1;
    },
    stray: (kind) => {
      if (kind === 0) bucket.write('seeds/not a run.json', '{}', {}, 'person');
      const payload = [
        '',
        '{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"bucket"}',
        '{"hello":"world"}',
        eventOf(`troops/${strayItem}`, time.nowMs),
      ][kind];
      if (kind > 0 && payload !== undefined) for (const { trigger } of levels.values()) trigger.accept(payload);
    },
    deleteSomething: (run, which) => {
      const keys = [...bucket.objects.keys()].filter((key) => {
        const role = roles.get(key);
        return role !== undefined && role.node.run === run && role.is !== 'failure' && role.node.parent !== undefined;
      });
      if (keys.length === 0) return;
      deleted += 1;
      bucket.delete(faults.pick(faults.site(`which ${which} ${run}`), 'key', keys.sort()), 'person');
    },
    setRate: (body) => {
      rateWatch.set(body, time.nowMs);
      bucket.write('control/rate.json', body, {}, 'person');
    },
    calm: () => {
      for (const [name, { environments }] of levels) environments.limit = settings.environments.get(name) ?? 1;
      if (bucket.objects.has('control/rate.json')) scene.setRate('{}');
      say('the faults end');
    },
    mend: () => {
      isWell = true;
      hermes.isMended = true;
      say('all is well');
    },
    onWaiting: () => undefined,
  };
  return scene;
}

/** A run is asked for some troops or for all; later drops ask for the same in other words. */
function drawSeeds(root: ApiNode, faults: Faults): { wanted: WantedTroops; seeds: string[] } {
  const site = faults.site('seed text');
  const always = root.children.filter(({ sinceMs }) => sinceMs === 0);
  if (always.length < 2 || faults.between(site, 'some', 0, 2) > 0)
    return { wanted: undefined, seeds: ['{}', '{ }', '{}\n'] };
  const ids = always.slice(1).map(({ id }) => id);
  const seeds = [ids, ids.toReversed(), ids].map(
    (troops, index) => `${JSON.stringify({ troops })}${' '.repeat(index)}`,
  );
  return { wanted: new Set(ids), seeds };
}

function clockOf(ms: number): string {
  return `+${Math.floor(ms / hourMs)}:${new Date(ms % hourMs).toISOString().slice(14, 23)}`;
}
