/**
 * How fast census, sweep and replay are by themselves, and what they hold in memory, for runs of 10 thousand, 100 thousand
 * and 1 million items whose listings and letters are made up page by page and kept nowhere, each in a process of its own:
 *
 * - census: a complete run is counted. The last level's items are in full batches, each with one part of results.
 * - sweep: the same run, but the results of each tenth batch are not there: it is noted, and given to its function again.
 * - replay: so many dead letters, each as Lambda sends it for a batch that is open: it is parsed, the batch, its parts and its note
 *   are looked for, the batch is given to its function again, and the letter is removed.
 *
 * Not measured: what S3, SQS and Lambda take to answer, which is nearly all of it on AWS. A LIST takes some 50 ms for a
 * thousand keys, all listings side by side, and the rest 10 to 30 ms each: HEADs of receipts 32 side by side, a replay's letters 40
 * side by side for each level, a sweep's re-fires one after the other. bench/replay.ts measures a replay over HTTP.
 *
 * "Most live" is what was left on the heap after a full collection, made now and then. "Most resident" is all memory that the
 * process ever had at once, of which most is garbage that was not due yet: V8 lets its new space grow with the machine's
 * memory, so a bound for it can be given.
 *
 *     node bench/recovery.ts [--items 10000,100000,1000000] [--semi-space-mb 16]
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { parseLetter } from '../shared/aws/letter-codec.ts';
import { lastLevel } from '../shared/engine/chain/chain.ts';
import { toBitmap } from '../shared/engine/item/item-set.ts';
import { takeCensus } from '../shared/engine/report/census.ts';
import { donePrefix, itemKey } from '../shared/engine/chain/keys.ts';
import chain from '../sources/hermes/chain.ts';
import type { Clock, Listed, Log, MessageQueue, ObjectStore, QueueMessage } from '../shared/engine/ports.ts';
import { replay } from '../shared/engine/recovery/replay.ts';
import { sweep } from '../shared/engine/recovery/sweep.ts';
import { destinationRecord } from './dead-letters.ts';
import { markdown } from './peers/table.ts';

const works = { census: measureCensus, sweep: measureSweep, replay: measureReplay };
type WorkName = keyof typeof works;

const { values } = parseArgs({
  options: {
    items: { type: 'string', default: '10000,100000,1000000' },
    'semi-space-mb': { type: 'string', default: '16' },
    /** Given by this program to itself. */
    alone: { type: 'string' },
  },
});

const run = 'bench';
const bucket = 'bench';
const pageSize = 1000;
const warriors = 100;
/** A batch. */
const groups = lastLevel(chain).batch;
const itemsOfTroop = 1 + warriors + warriors * groups;
const input = { eTag: '00000000000000000000000000000000', modifiedMs: Date.parse('2026-11-20T00:00:00Z') };
const leaf = lastLevel(chain);
/** What a HEAD tells of a batch, and of its results: all are there. */
const all = Array.from({ length: groups }, (_, index) => index);
const batchOrPart = {
  eTag: input.eTag,
  metadata: { items: String(groups), 'batch-etag': input.eTag, has: toBitmap(all, groups) },
};

type Counts = Record<'keys' | 'LIST' | 'HEAD' | 'GET' | 'PUT' | 'DELETE' | 'receives' | 'deletes' | 're-fires', number>;
const counts: Counts = {
  ...{ keys: 0, LIST: 0, HEAD: 0, GET: 0, PUT: 0, DELETE: 0 },
  ...{ receives: 0, deletes: 0, 're-fires': 0 },
};

const firstBatch = '00000';

const id = (name: string, number: number): string => `${name}-${String(number).padStart(7, '0')}`;

/** The paths of a complete run's objects with so many ids, in byte order. */
function* paths(troops: number, depth: number): Generator<string> {
  for (let troop = 0; troop < troops; troop += 1) {
    if (depth === 1) yield id('troop', troop);
    for (let warrior = 0; depth > 1 && warrior < warriors; warrior += 1) {
      if (depth === 2) yield `${id('troop', troop)}/${id('warrior', warrior)}`;
      if (depth === 3) yield `${id('troop', troop)}/${id('warrior', warrior)}/${firstBatch}`;
    }
  }
}

/** How many ids the objects under each prefix have, and what their keys end with. Nothing failed. */
const listed = new Map<string, { depth: number; suffix: string }>();
for (const level of chain.levels) {
  listed.set(level.reads, { depth: level.ids.length, suffix: '.json' });
  listed.set(donePrefix(level), { depth: level.ids.length, suffix: level.children === 'one' ? level.suffix : '.json' });
}

let mostLiveBytes = 0;

function measureLive(): void {
  globalThis.gc?.();
  mostLiveBytes = Math.max(mostLiveBytes, process.memoryUsage().heapUsed);
}

function troopsOf(items: number): number {
  return Math.max(1, Math.round((items - 1) / itemsOfTroop));
}

/** A bucket with a complete run. @param isLost whether a batch's results are not there */
function madeUpStore(troops: number, isLost: (path: string) => boolean = () => false): ObjectStore {
  const childrenOf = (key: string): number => [troops, warriors, 1][key.split('/').length - 3] ?? 0;
  function* keysUnder(prefix: string): Generator<string> {
    const [, base = ''] = /^(.*)\/bench(?:\.json|\/)$/.exec(prefix) ?? [];
    const { depth, suffix } = listed.get(base) ?? {};
    if (depth === 0) yield prefix;
    else if (depth !== undefined)
      for (const path of paths(troops, depth))
        if (base !== leaf.writes || !isLost(path)) yield `${prefix}${path}${suffix}`;
  }
  return {
    async *list(prefix) {
      // As S3 does it: a page says whether there are more, so that no empty one is asked for at the end.
      const keys = keysUnder(prefix);
      let next = keys.next();
      do {
        const page: Listed[] = [];
        for (; page.length < pageSize && next.done !== true; next = keys.next())
          page.push({ key: next.value, sizeBytes: 0, ...input });
        counts.LIST += 1;
        counts.keys += page.length;
        if (counts.LIST % 100 === 0) measureLive();
        // A page comes from the network: never in the same turn.
        await nextTurn();
        yield page;
      } while (next.done !== true);
    },
    async head(key) {
      counts.HEAD += 1;
      await nextTurn();
      if (key.startsWith(`${leaf.reads}/`) || key.startsWith(`${leaf.writes}/`)) return batchOrPart;
      const children = String(childrenOf(key));
      return { eTag: input.eTag, metadata: { 'input-etag': input.eTag, children, 'api-calls': '1' } };
    },
    ...writesNothing,
  };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const writesNothing = {
  async get() {
    counts.GET += 1;
    return nextTurn().then(() => undefined);
  },
  async create() {
    counts.PUT += 1;
    await nextTurn();
    return 'created';
  },
  async replace() {
    counts.PUT += 1;
    await nextTurn();
    return 'replaced';
  },
  async put() {
    counts.PUT += 1;
    await nextTurn();
  },
  async remove() {
    counts.DELETE += 1;
    await nextTurn();
  },
} satisfies Partial<ObjectStore>;

const refire = {
  async send() {
    counts['re-fires'] += 1;
    await nextTurn();
  },
};

const clock: Clock = { now: Date.now, wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) };
const log: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Each gives the number of items. */
async function measureCensus(wanted: number): Promise<number> {
  let findings = 0;
  const census = takeCensus(chain, run, madeUpStore(troopsOf(wanted)));
  for await (const { kind } of census.findings) if (kind !== 'stray') findings += 1;
  const levels = census.levels();
  const items = levels.reduce((sum, level) => sum + level.items, 0);
  const done = levels.reduce((sum, level) => sum + level.done, 0);
  if (findings > 0 || done !== items) throw new Error(`The run is complete, but ${findings} findings were made.`);
  return items;
}

async function measureSweep(wanted: number): Promise<number> {
  const troops = troopsOf(wanted);
  const isLost = (path: string): boolean => path.endsWith(`0/${firstBatch}`);
  const report = await sweep(
    { run },
    {
      chain,
      store: madeUpStore(troops, isLost),
      refires: new Map(chain.levels.map(({ name }) => [name, refire])),
      clock,
      log,
      lostAfterMs: () => 0,
      stoppedUntilMs: () => Promise.resolve(0),
      retryingForMs: 0,
      settleMs: 0,
      maxRefires: 3,
      deadlineMs: Infinity,
    },
  );
  const lost = (troops * warriors) / 10;
  const [swept] = report.runs;
  if (swept?.refired !== lost * groups || counts['re-fires'] !== lost)
    throw new Error(`${lost} batches are lost, but ${counts['re-fires']} were re-fired.`);
  return troops * itemsOfTroop + 1;
}

async function measureReplay(letters: number): Promise<number> {
  const isItem = (key: string): boolean => key.startsWith(`${leaf.reads}/`);
  const store: ObjectStore = {
    ...madeUpStore(0),
    async head(key) {
      counts.HEAD += 1;
      await nextTurn();
      return isItem(key) ? batchOrPart : undefined;
    },
  };
  let sent = 0;
  const queue: MessageQueue = {
    async receive() {
      counts.receives += 1;
      if (counts.receives % 1000 === 0) measureLive();
      await nextTurn();
      const messages: QueueMessage[] = [];
      for (; messages.length < 10 && sent < letters; sent += 1) {
        const key = itemKey(leaf, { run, ids: [id('troop', 0), id('warrior', sent), firstBatch] });
        const body = destinationRecord(bucket, key);
        const { modifiedMs: sentAtMs } = input;
        const letter = parseLetter({ body, attributes: {}, sentAtMs }, bucket);
        messages.push({ handle: String(sent), sentAtMs, letter, excerpt: body.slice(0, 200) });
      }
      return messages;
    },
    async remove(handles) {
      counts.deletes += handles.length;
      await nextTurn();
    },
    release: () => nextTurn(),
    approximateCount: () => Promise.resolve(0),
  };
  const report = await replay(
    {},
    {
      levels: [{ level: leaf, queue, refire }],
      store,
      clock,
      log,
      maxReplays: 3,
      retryingForMs: 0,
      deadlineMs: Date.now() + 3_600_000,
    },
  );
  if (report.replayed !== letters * groups || counts.deletes !== letters)
    throw new Error(`${report.replayed} items were replayed, not ${letters * groups}.`);
  return letters;
}

type Measured = { items: number; seconds: number; counts: Counts; mostLiveMb: number; mostResidentMb: number };

async function measure(name: WorkName, wanted: number): Promise<Measured> {
  const startedMs = performance.now();
  const items = await works[name](wanted);
  const seconds = (performance.now() - startedMs) / 1000;
  measureLive();
  const mostResidentMb = process.resourceUsage().maxRSS / 1024;
  return { items, seconds, counts, mostLiveMb: mostLiveBytes / 1e6, mostResidentMb };
}

function requestsOf({ counts: made }: Measured): string {
  const requests = Object.entries(made).filter(([name, count]) => name !== 'keys' && count > 0);
  return requests.map(([name, count]) => `${count.toLocaleString('en')} ${name}`).join(', ');
}

if (values.alone !== undefined) {
  const [name = '', items = ''] = values.alone.split(' ');
  process.stdout.write(JSON.stringify(await measure(name as WorkName, Number(items))));
} else {
  const flags = ['--expose-gc', `--max-semi-space-size=${values['semi-space-mb']}`];
  const rows: string[][] = [];
  for (const name of Object.keys(works)) {
    for (const wanted of values.items.split(',')) {
      const args = [...flags, import.meta.filename, '--alone', `${name} ${wanted}`];
      const measured = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Measured;
      const { items, seconds, mostLiveMb, mostResidentMb } = measured;
      rows.push([
        name,
        items.toLocaleString('en'),
        seconds.toFixed(2),
        Math.round(items / seconds).toLocaleString('en'),
        requestsOf(measured),
        `${Math.round(mostLiveMb)} MB`,
        `${Math.round(mostResidentMb)} MB`,
      ]);
    }
  }
  const header = ['', 'items or letters', 'seconds', 'a second', 'requests', 'most live', 'most resident'];
  process.stdout.write(`${markdown(header, rows)}\n`);
}
