/** Builds a schedule's world from its seed: the API's tree, the bucket, the queues, the functions, and the checker over them. */
import { Answers, type Window } from './answers.ts';
import { Api, type Call } from './api.ts';
import type { Part } from './batch-book.ts';
import { elementBytes, withoutBreaks } from './batch-reader.ts';
import { Bucket, type Stored } from './bucket.ts';
import { drawChain, type ChainChoice, type ChainPlan } from './chain-plan.ts';
import { CallWatch } from './call-watch.ts';
import { Checker, strayItem } from './checker.ts';
import type { Core } from './core.ts';
import type { World } from './deployment.ts';
import { Faults, type FaultChoice, type FaultName, type Site } from './faults.ts';
import { FreezeWatch } from './freeze-watch.ts';
import { buildLevel, type BuiltLevel } from './level-parts.ts';
import type { Life } from './life.ts';
import { Mischief } from './mischief.ts';
import { everyNode, growTree, keysOfEvent, modelRun, trailOf, type ApiNode, type KeyRole, type Node } from './model.ts';
import { createNotifications, eventOf } from './notifications.ts';
import { RateWatch } from './rate-watch.ts';
import { ReadWatch } from './read-watch.ts';
import { drawSeeds } from './seed-texts.ts';
import { drawSettings, type Settings } from './settings.ts';
import { VirtualTime } from './virtual-time.ts';

export type Scene = {
  core: Core;
  plan: ChainPlan;
  time: VirtualTime;
  faults: Faults;
  settings: Settings;
  checker: Checker;
  bucket: Bucket;
  api: Api;
  world: World;
  levels: Map<string, BuiltLevel>;
  runs: string[];
  modelRoots: Node[];
  /** What every key of the model is for. */
  roles: ReadonlyMap<string, KeyRole>;
  startMs: number;
  dayMs: number;
  trace: string[];
  say: (line: string) => void;
  hasPoison: boolean;
  /** Events of it are lost until all is well. */
  isBlackHole: (key: string) => boolean;
  /** A person has deleted or overwritten something: a finished run is looked at again only if a person asks. */
  isTampered: boolean;
  /** A person drops a run's seed. */
  drop: (run: string) => void;
  /** A person drops a seed that asks for something else, under a run's name, once the run was started. */
  dropChanged: (run: string, site: Site) => boolean;
  stray: (kind: number) => void;
  deleteSomething: (run: string, which: string) => void;
  deleteObject: (key: string) => void;
  modelNodes: () => Node[];
  mischief: Mischief;
  setRate: (body: string) => void;
  /** A person pauses, cancels or resumes a run; `deleted`: by deleting what was set. */
  setRun: (run: string, wish: 'pause' | 'cancel' | 'resume' | 'deleted') => void;
  /** Of a batch that is looked at closely; undefined: of none any more. */
  watchBatch: (watch: CloseWatch | undefined) => void;
  /** S3 tells of an object. */
  notify: (key: string) => void;
  /** The deployment is as it was meant to be; what is poisoned stays so. */
  calm: () => void;
  /** The API and AWS are well. */
  mend: () => void;
  onWaiting: () => void;
};

/** Told of what becomes of one batch. */
export type CloseWatch = {
  begins: (life: Life) => void;
  noted: (key: string, stored: Stored, life: Life) => void;
  called: (call: Call, leaf: Node) => void;
  crashed: () => void;
  stored: (part: Part, life: Life) => void;
};

export type SceneOptions = { seed: number; core: Core; choice: FaultChoice; chain: ChainChoice; isTraced: boolean };

const hourMs = 3_600_000;

export function buildScene({ seed, core, choice, chain: chainChoice, isTraced }: SceneOptions): Scene {
  const time = new VirtualTime();
  const startMs = time.nowMs;
  const faults: Faults = new Faults(seed, () => time.nowMs, choice);
  const site = faults.site('scene');
  const plan = drawChain(faults, chainChoice);
  const settings = drawSettings(faults, plan);
  const dayMs = faults.between(site, 'day', 2, 30) * hourMs;
  const trace: string[] = [];
  const say = (line: string): void => {
    if (isTraced) trace.push(`${clockOf(time.nowMs - startMs)} ${line}`);
  };
  const runs = faults.between(site, 'runs', 1, 3) === 3 ? ['2026-11-20', 'r_2'] : ['2026-11-20'];
  const root = growTree(plan, faults, startMs, dayMs);
  settings.maxBatchBytes = fullBatchBytes(root, plan, faults) ?? settings.maxBatchBytes;
  const roles = new Map<string, KeyRole>();
  const modelRoots = runs.map((run) => modelRun(plan, run, root, roles));
  const { wanted, given, texts, changed } = drawSeeds(root, plan, faults);
  const nodes = modelRoots.flatMap((modelRoot) => [...everyNode(modelRoot)]);
  const checker = new Checker({
    time,
    plan,
    settings,
    roles,
    nodes,
    given,
    lostAfterMs: core.lostAfterMs(settings.deployment),
  });
  const byIds = new Map<string, ApiNode>(nodes.map(({ api }) => [JSON.stringify(api.ids), api]));
  const blackHoles = drawBlackHoles([...roles.keys(), ...batchKeys(plan, nodes)], roles, faults);
  const hasPoison = blackHoles.size > 0 || [...byIds.values()].some(({ poison }) => poison !== undefined);

  const levels: Scene['levels'] = new Map();
  const notify = createNotifications({
    plan,
    time,
    faults,
    accept: (level, payload) => levels.get(level)?.trigger.accept(payload),
  });
  const readWatch = new ReadWatch(
    core,
    settings,
    () => time.nowMs,
    (life) => checker.requests.isOfAll(life),
  );
  const bucket: Bucket = new Bucket({
    core,
    time,
    faults,
    pageSize: settings.listPageSize,
    // A queue gives an invocation several items at a time.
    writesAtOnce: settings.writeConcurrency * (settings.deployment.trigger === 'queue' ? settings.batchSize : 1),
    onTooMany: (what) => checker.break('rate', what),
    onAsk: (what, life) => {
      checker.tell('economy', readWatch.asks(what, life));
      const { batches } = checker.ledger;
      const batch = /^(sweep|status)/.test(life.name) ? batches.batches.get(what.replace(/^head /, '')) : undefined;
      if (batch === undefined || !batches.isWhole(batch)) return;
      // What is written while it looks it may not see.
      if (batches.partsOf(batch.key).every(({ stored }) => stored.modifiedMs + 1_000 < life.startedMs))
        checker.break('economy', `${life.name} asks for ${what}, of which its parts tell how many items it has`);
    },
    onAnswered: (what, life) => readWatch.answered(what, life),
    onFailed: (life) => readWatch.failed(life),
    onChange: (key, before, after, by) => {
      readWatch.changed(key);
      if (by !== 'person' && before === undefined) callWatch.wrote(key, by);
      say(
        `${by === 'person' ? 'a person' : by.name} ${after === undefined ? 'deletes' : before === undefined ? 'writes' : 'overwrites'} ${key}${key.startsWith('failures/') ? ` ${after?.body ?? ''}` : ''}`,
      );
      checker.onBucketChange(key, before, after, by);
      if (key === 'control/freeze.json') {
        const wrong = freezeWatch.onWrite(after?.body, by === 'person' ? undefined : by, time.nowMs);
        if (wrong !== undefined && by !== 'person') checker.break('rate', `${by.name} ${wrong}`);
      }
      if (after !== undefined) notify(key);
      if (by === 'person' || after === undefined) return;
      close?.noted(key, after, by);
      const part = checker.ledger.batches.parts.get(key);
      if (part !== undefined) close?.stored(part, by);
    },
  });
  checker.ledger.watch(bucket.objects, wanted);

  const rateWatch = new RateWatch(settings);
  const callWatch = new CallWatch(settings, () => time.nowMs);
  const freezeWatch = new FreezeWatch({
    settings,
    eventsOf: (call) => checker.eventsOf(call),
  });
  let close: CloseWatch | undefined;
  let isWell = false;
  const answers = new Answers({
    time,
    faults,
    pageSize: settings.apiPageSize,
    hasJsonResults: plan.results !== 'csv',
    outages: drawWindows('api-outage', faults, startMs, dayMs),
    throttles: drawWindows('api-throttles', faults, startMs, dayMs),
  });
  const api = new Api({
    core,
    time,
    faults,
    callTimeoutMs: settings.callTimeoutMs,
    answers,
    onAnswer: (call, answer) => {
      freezeWatch.onAnswer(call, answer, time.nowMs);
      callWatch.answered(call, answer);
    },
    onNoAnswer: (call) => callWatch.answered(call, undefined),
    onCrash: (call) => {
      checker.onCrash(call);
      close?.crashed();
    },
    onCall: (call) => {
      checker.onCall(call);
      const leaf = checker.nodeOf(call);
      if (leaf?.isInBatch === true) close?.called(call, leaf);
      const problem = rateWatch.call(call.atMs) ?? freezeWatch.call(call) ?? callWatch.call(call);
      if (problem !== undefined) checker.break('rate', `${call.life.name}: ${problem}`);
    },
  });
  const world: World = {
    core,
    plan,
    chain: core.createChain(plan.spec),
    time,
    faults,
    settings,
    bucket,
    api,
    onOutcome: (life, outcome) => {
      checker.tell('truth', callWatch.outcome(life, outcome));
      checker.tell('rate', freezeWatch.ended(life, time.nowMs));
      // Of several items, another one may be under way.
      const [event, another] = life.events;
      if (outcome.outcome === 'deferred' && event !== undefined && another === undefined)
        checker.batches.sentToWait(event.key, life);
    },
    nodeOf: (ids) => byIds.get(JSON.stringify(ids)),
    levels,
    onRefire: (level, payload, life) => {
      say(
        `${life.name} re-fires ${keysOfEvent(payload)
          .map(({ key, again }) => `${key}${again ? ' again' : ''}`)
          .join(', ')}`,
      );
      checker.onRefire(level, payload, life);
    },
  };
  const isLost = (payload: string): boolean => !isWell && keysOfEvent(payload).some(({ key }) => blackHoles.has(key));
  for (const level of world.chain.levels)
    levels.set(
      level.name,
      buildLevel(level, {
        ...{ world, checker, rateWatch, isLost, say },
        onWaiting: () => scene.onWaiting(),
        onBegin: (life) => {
          freezeWatch.begins(life);
          close?.begins(life);
        },
      }),
    );

  let dropped = 0;
  /** Runs whose seed asks for something else. */
  const mistaken = new Set<string>();
  const scene: Scene = {
    core,
    plan,
    time,
    faults,
    settings,
    checker,
    bucket,
    api,
    world,
    levels,
    runs,
    modelRoots,
    roles,
    startMs,
    dayMs,
    trace,
    say,
    hasPoison,
    isBlackHole: (key) => blackHoles.has(key),
    watchBatch: (watch) => (close = watch),
    notify,
    isTampered: false,
    drop: (run) => {
      // What people write beside their objects is theirs.
      const metadata = dropped % 2 === 0 ? { by: 'ada' } : {};
      bucket.write(`seeds/${run}.json`, texts[dropped % texts.length] ?? '{}', metadata, 'person');
      dropped += 1;
      mistaken.delete(run);
    },
    dropChanged: (run, place) => {
      if (changed.length === 0 || !bucket.objects.has(`params/${run}.json`)) return false;
      mistaken.add(run);
      bucket.write(`seeds/${run}.json`, faults.pick(place, 'changed', changed), {}, 'person');
      return true;
    },
    stray: (kind) => {
      if (kind === 0) bucket.write('seeds/not a run.json', '{}', {}, 'person');
      const payload = [
        '',
        '{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"bucket"}',
        '{"hello":"world"}',
        eventOf(strayItem(plan).key, time.nowMs),
      ][kind];
      if (kind > 0 && payload !== undefined) for (const { trigger } of levels.values()) trigger.accept(payload);
    },
    deleteSomething: (run, which) => {
      const keys = [...bucket.objects.keys()].filter((key) => {
        const role = roles.get(key);
        if (role !== undefined) return role.node.run === run && role.is !== 'failure' && role.node.parent !== undefined;
        const place = checker.ledger.batches.placeOf(key);
        return place !== undefined && place.parent.run === run && place.is !== 'note';
      });
      if (keys.length === 0) return;
      scene.deleteObject(faults.pick(faults.site(`which ${which} ${run}`), 'key', keys.sort()));
    },
    deleteObject: (key) => {
      scene.isTampered = true;
      bucket.delete(key, 'person');
    },
    modelNodes: () => nodes,
    get mischief() {
      return mischief;
    },
    setRate: (body) => {
      rateWatch.set(body, time.nowMs);
      bucket.write('control/rate.json', body, {}, 'person');
    },
    setRun: (run, wish) => setRun(scene, run, wish),
    calm: () => {
      for (const run of runs) if (bucket.objects.has(`control/runs/${run}.json`)) setRun(scene, run, 'resume');
      for (const [name, { environments }] of levels) environments.limit = settings.environments.get(name) ?? 1;
      if (bucket.objects.has('control/rate.json')) scene.setRate('{}');
      for (const run of mistaken) scene.drop(run);
      say('the faults end');
    },
    mend: () => {
      isWell = true;
      answers.isMended = true;
      mischief.tidy();
      say('all is well');
    },
    onWaiting: () => undefined,
  };
  const mischief = new Mischief(scene);
  return scene;
}

/** As the command does it. */
function setRun(
  { bucket, core, time, say }: Scene,
  run: string,
  wish: 'pause' | 'cancel' | 'resume' | 'deleted',
): void {
  const key = `control/runs/${run}.json`;
  say(`a person wants: ${wish} ${run}`);
  if (wish === 'deleted') {
    bucket.delete(key, 'person');
    return;
  }
  const before = readSetting(core, bucket.objects.get(key)?.body);
  if (wish === 'pause' && before.state === 'cancelled') return;
  const setting = core.changeRunSetting(before, wish, { at: new Date(time.nowMs).toISOString() });
  if (setting !== undefined) bucket.write(key, JSON.stringify(setting), {}, 'person');
}

function readSetting(core: Core, body: string | undefined): ReturnType<Core['parseRunSetting']> {
  try {
    return core.parseRunSetting(body ?? '');
  } catch {
    return { state: 'running' };
  }
}

/** Items whose events never come, until all is well. */
function drawBlackHoles(objects: readonly string[], roles: ReadonlyMap<string, KeyRole>, faults: Faults): Set<string> {
  const keys = new Set<string>();
  for (const key of objects)
    if ((roles.get(key)?.is ?? 'item') === 'item' && faults.strikes('black-hole', faults.site(`hole ${key}`)))
      keys.add(key);
  return keys;
}

/** Of all batches that there may be: each child alone in one. */
function batchKeys({ rows, batch }: ChainPlan, nodes: readonly Node[]): string[] {
  if (batch === 1) return [];
  return nodes
    .filter(({ api }) => api.depth === rows.length - 2)
    .flatMap((parent) =>
      parent.children.map(
        (_, number) => `${rows.at(-1)?.reads}/${trailOf(parent)}/${String(number).padStart(5, '0')}.json`,
      ),
    );
}

/** In some schedules a batch is full to the byte with the first children of a parent, or just not so. */
function fullBatchBytes(root: ApiNode, { batch, size }: ChainPlan, faults: Faults): number | undefined {
  const site = faults.site('full batch');
  if (batch === 1 || faults.between(site, 'is drawn', 0, 2) > 0) return undefined;
  const parentsIn = (node: ApiNode): ApiNode[] =>
    node.depth === size.length - 1 ? [node] : node.children.flatMap(parentsIn);
  const parents = parentsIn(root).filter(({ children }) => children.length > 1);
  if (parents.length === 0) return undefined;
  const { children } = faults.pick(site, 'parent', parents);
  const full = children.slice(0, faults.between(site, 'items', 2, Math.min(batch, children.length)));
  const bytes = full.reduce((sum, { ids, text }) => sum + elementBytes({ ids, item: withoutBreaks(text) }), 0);
  return bytes + faults.pick(site, 'beside', [-1, 0, 0, 1]);
}

function drawWindows(fault: FaultName, faults: Faults, startMs: number, dayMs: number): Window[] {
  return ['first', 'second'].flatMap((which) => {
    const place = faults.site(`${which} ${fault}`);
    if (!faults.strikes(fault, place)) return [];
    const fromMs = startMs + faults.between(place, 'from', 0, faults.pick(place, 'early', [600_000, dayMs]));
    const toMs = fromMs + faults.between(place, 'for', 60_000, 6 * hourMs);
    // It ends with the other faults: where events live for minutes only, all sweeps and replays may come before its own end.
    return [{ fromMs, toMs: Math.min(toMs, startMs + dayMs) }];
  });
}

function clockOf(ms: number): string {
  return `+${Math.floor(ms / hourMs)}:${new Date(ms % hourMs).toISOString().slice(14, 23)}`;
}
