/**
 * How fast a census is by itself, and that its memory does not grow with the run: it counts complete runs of 10 thousand,
 * 100 thousand and 1 million items whose listings are made up page by page and kept nowhere, each size in a process of its
 * own. Keys are those of all listings: items, receipts, results. Not measured: S3's answer to a LIST, which is some 50 ms
 * for a thousand keys of a listing, all listings side by side; and to a HEAD of each receipt, 32 side by side.
 *
 * "Most resident" is all memory that the process ever had at once, of which most is garbage that was not due yet: V8 lets
 * its new space grow with the machine's memory, so a bound for it can be given. "Most live" is what was left on the heap
 * after a full collection, made now and then.
 *
 *     node bench/census.ts [--items 10000,100000,1000000] [--semi-space-mb 16]
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { chain, nextLevel } from '../shared/chain.ts';
import { takeCensus, type CensusStore } from '../shared/core/census.ts';
import type { Listed } from '../shared/core/ports.ts';

const { values } = parseArgs({
  options: {
    items: { type: 'string', default: '10000,100000,1000000' },
    'semi-space-mb': { type: 'string', default: '16' },
    /** Given by this program to itself. */
    alone: { type: 'string' },
  },
});

const run = 'bench';
const pageSize = 1000;
const warriors = 100;
const groups = 10;
const itemsOfTroop = 1 + warriors + warriors * groups;
const input = { eTag: '00000000000000000000000000000000', modifiedMs: Date.parse('2026-11-20T00:00:00Z') };

const id = (name: string, number: number): string => `${name}-${String(number).padStart(7, '0')}`;

/** The paths of a complete run's items with so many ids, in byte order. */
function* paths(troops: number, depth: number): Generator<string> {
  for (let troop = 0; troop < troops; troop += 1) {
    if (depth === 1) yield id('troop', troop);
    for (let warrior = 0; depth > 1 && warrior < warriors; warrior += 1) {
      if (depth === 2) yield `${id('troop', troop)}/${id('warrior', warrior)}`;
      for (let group = 0; depth > 2 && group < groups; group += 1) {
        yield `${id('troop', troop)}/${id('warrior', warrior)}/${id('group', group)}`;
      }
    }
  }
}

/** How many ids the items or results under each prefix have. Nothing failed. */
const depths = new Map<string, number>();
for (const level of chain) {
  depths.set(level.reads, level.ids.length);
  depths.set(nextLevel(level) === undefined ? level.writes : `receipts/${level.level}`, level.ids.length);
}

/** LIST calls from one full collection to the next. */
const collectEvery = 100;
let mostLiveBytes = 0;

function measureLive(): void {
  globalThis.gc?.();
  mostLiveBytes = Math.max(mostLiveBytes, process.memoryUsage().heapUsed);
}

function fakeStore(troops: number): { store: CensusStore; counts: { keys: number; lists: number; heads: number } } {
  const counts = { keys: 0, lists: 0, heads: 0 };
  const childrenOf = (key: string): number => [troops, warriors, groups][key.split('/').length - 3] ?? 0;
  function* keysUnder(prefix: string): Generator<string> {
    const [, base = ''] = /^(.*)\/bench(?:\.json|\/)$/.exec(prefix) ?? [];
    const depth = depths.get(base);
    if (depth === 0) yield prefix;
    else if (depth !== undefined) for (const path of paths(troops, depth)) yield `${prefix}${path}.json`;
  }
  const store: CensusStore = {
    async *list(prefix) {
      // As S3 does it: a page says whether there are more, so that no empty one is asked for at the end.
      const keys = keysUnder(prefix);
      let next = keys.next();
      do {
        const page: Listed[] = [];
        for (; page.length < pageSize && next.done !== true; next = keys.next())
          page.push({ key: next.value, ...input });
        counts.lists += 1;
        counts.keys += page.length;
        if (counts.lists % collectEvery === 0) measureLive();
        // A page comes from the network: never in the same turn.
        await new Promise(setImmediate);
        yield page;
      } while (next.done !== true);
    },
    async head(key) {
      counts.heads += 1;
      await new Promise(setImmediate);
      const children = String(childrenOf(key));
      return { eTag: input.eTag, metadata: { 'input-etag': input.eTag, children, 'api-calls': '1' } };
    },
    get: () => Promise.resolve(undefined),
  };
  return { store, counts };
}

type Measured = {
  items: number;
  keys: number;
  lists: number;
  heads: number;
  seconds: number;
  mostLiveMb: number;
  maxRssMb: number;
};

async function measure(wanted: number): Promise<Measured> {
  const { store, counts } = fakeStore(Math.max(1, Math.round((wanted - 1) / itemsOfTroop)));
  const startedMs = performance.now();
  let findings = 0;
  const { levels } = await takeCensus(run, store, () => void (findings += 1));
  const seconds = (performance.now() - startedMs) / 1000;
  measureLive();
  const items = levels.reduce((sum, level) => sum + level.items, 0);
  const done = levels.reduce((sum, level) => sum + level.done, 0);
  if (findings > 0 || done !== items) throw new Error(`The run is complete, but ${findings} findings were made.`);
  return {
    items,
    ...counts,
    seconds,
    mostLiveMb: mostLiveBytes / 1e6,
    maxRssMb: process.resourceUsage().maxRSS / 1024,
  };
}

if (values.alone !== undefined) {
  process.stdout.write(JSON.stringify(await measure(Number(values.alone))));
} else {
  const bareMb = execFileSync(process.execPath, ['-p', 'process.resourceUsage().maxRSS / 1024'], { encoding: 'utf8' });
  process.stdout.write(`An empty Node process has at most ${Math.round(Number(bareMb))} MB resident.\n`);
  process.stdout.write('    items       keys   seconds  keys/s  LIST calls  HEAD calls  most live  most resident\n');
  const semiSpaceMb = values['semi-space-mb'];
  const flags = ['--expose-gc', `--max-semi-space-size=${semiSpaceMb}`];
  for (const items of values.items.split(',')) {
    const args = [...flags, import.meta.filename, '--alone', items];
    const text = execFileSync(process.execPath, args, { encoding: 'utf8' });
    const result = JSON.parse(text) as Measured;
    const cells: [string | number, number][] = [
      [result.items, 9],
      [result.keys, 11],
      [result.seconds.toFixed(2), 10],
      [Math.round(result.keys / result.seconds), 8],
      [result.lists, 12],
      [result.heads, 12],
      [`${Math.round(result.mostLiveMb)} MB`, 11],
      [`${Math.round(result.maxRssMb)} MB`, 15],
    ];
    process.stdout.write(`${cells.map(([cell, width]) => String(cell).padStart(width)).join('')}\n`);
  }
}
