/**
 * What a run has cost on AWS, estimated from its report and its chain: how many objects its items are in, the requests that
 * these make, and what an invocation usually takes.
 */
import { isBatched, type Level } from '../../shared/engine/chain/chain.ts';
import type { LevelReport, RunReport } from '../../shared/engine/report/run-report.ts';
import type { Cost } from '../../page/wire.ts';
import { costOf, usdPerGbSecond, type S3Requests } from '../run/cost.ts';

/**
 * As docs/cost.md counts them, for calls of 100 ms at 512 MB. In GB-seconds: of an item that is fetched alone, and of a batch each
 * time that as many calls as it makes side by side have come back. In US dollars: the logs of an invocation.
 */
const gbSecondsOf = { item: 5_219 / 64_021, round: 0.132 };
const logUsdOfInvocation = 0.0375 / 64_021;

type Levels = readonly Pick<Level, 'name' | 'batch' | 'callsInFlight' | 'table'>[];

/** @returns undefined when nothing is done yet */
export function costOfRun({ levels, apiCalls, complete }: RunReport, chain: Levels): Cost | undefined {
  const done = sum(levels, ({ done: items }) => items);
  const known = sum(levels, ({ items }) => items);
  if (done === 0) return undefined;
  const soFar = usdFor(levels, apiCalls, chain);
  if (complete) {
    const whole = soFar + publishingUsd(levels, chain);
    return { soFar: whole, expected: whole };
  }
  const whole = levels.map((level) => ({ ...level, done: level.items }));
  return { soFar, expected: Math.max(soFar, usdFor(whole, (apiCalls * known) / done, chain)) };
}

function usdFor(levels: readonly LevelReport[], apiCalls: number, chain: Levels): number {
  const last = levels.at(-1)?.done ?? 0;
  const lists = sum(levels.slice(0, -1), ({ done }) => done);
  const results = resultsOf(levels, chain);
  // The seed is a person's; each other object is written once, and each done one leaves a receipt, a result or a part.
  const written = sum(levels.slice(1, -1), ({ items }) => items) + results.objects + lists + results.done;
  // A list's item and its receipt; a sweep looks at each receipt. Calls for further pages and retries take as long as the first.
  const s3: S3Requests = { put: written, get: lists, head: 2 * lists, list: 0, copy: 0, delete: 0 };
  s3.get += results.gets;
  s3.head += results.heads;
  const invocations = lists + results.done;
  const gbSeconds = Math.max(0, apiCalls - last) * gbSecondsOf.item + results.gbSeconds;
  const requests = costOf({ s3, sqsRequests: 0, invocations, lambdaGbSeconds: 0 }).usd;
  return requests + gbSeconds * usdPerGbSecond + invocations * logUsdOfInvocation;
}

/** To publish a run, each of its results is read once; what is written is a few objects, and the time is that of a few invocations. */
function publishingUsd(levels: readonly LevelReport[], chain: Levels): number {
  if (chain.every(({ table }) => table === undefined)) return 0;
  const s3: S3Requests = { put: 0, get: resultsOf(levels, chain).done, head: 0, list: 0, copy: 0, delete: 0 };
  return costOf({ s3, sqsRequests: 0, invocations: 2, lambdaGbSeconds: 0 }).usd;
}

/** Of the last level. `objects`: that its items are in; `done`: of these, that have been fetched. */
type Results = { objects: number; done: number; gets: number; heads: number; gbSeconds: number };

function resultsOf(levels: readonly LevelReport[], chain: Levels): Results {
  const report = levels.at(-1);
  const level = chain.find(({ name }) => name === report?.level);
  if (report === undefined) return { objects: 0, done: 0, gets: 0, heads: 0, gbSeconds: 0 };
  const { items, done } = report;
  if (level === undefined || !isBatched(level))
    return { objects: levels.length > 1 ? items : 0, done, gets: 0, heads: done, gbSeconds: done * gbSecondsOf.item };
  // A batch has items of one parent only. The parents are taken to have as many items each.
  const parents = Math.min(items, levels.at(-2)?.done ?? 0);
  const objects = parents === 0 ? 0 : parents * Math.ceil(items / parents / level.batch);
  const doneObjects = items === 0 ? 0 : Math.ceil((objects * done) / items);
  const rounds = objects === 0 ? 0 : Math.ceil(items / objects / level.callsInFlight);
  // A batch is read, and whether it has parts; a sweep looks at each part.
  const heads = 2 * doneObjects;
  return { objects, done: doneObjects, gets: doneObjects, heads, gbSeconds: doneObjects * rounds * gbSecondsOf.round };
}

function sum(levels: readonly LevelReport[], of: (level: LevelReport) => number): number {
  return levels.reduce((all, level) => all + of(level), 0);
}
