/** What a run has cost on AWS, estimated from its report: the requests that its items make, and what a call usually takes. */
import type { LevelReport, RunReport } from '../../shared/engine/report/run-report.ts';
import type { Cost } from '../../page/wire.ts';
import { costOf, usdPerGbSecond } from '../run/cost.ts';

/** As docs/cost.md counts them, for calls of 100 ms at 512 MB, in GB-seconds and US dollars for each call. */
const gbSecondsOfCall = 5_219 / 64_021;
const logUsdOfCall = 0.038 / 64_021;

/** @returns undefined when nothing is done yet */
export function costOfRun({ levels, apiCalls, complete }: RunReport): Cost | undefined {
  const done = sum(levels, ({ done: items }) => items);
  const known = sum(levels, ({ items }) => items);
  if (done === 0) return undefined;
  const soFar = usdFor(levels, apiCalls);
  if (complete) return { soFar, expected: soFar };
  const whole = levels.map((level) => ({ ...level, done: level.items }));
  return { soFar, expected: Math.max(soFar, usdFor(whole, (apiCalls * known) / done)) };
}

function usdFor(levels: readonly LevelReport[], apiCalls: number): number {
  const done = sum(levels, ({ done: items }) => items);
  const many = sum(levels.slice(0, -1), ({ done: items }) => items);
  // The seed is a person's; each other item is written once, and each done one leaves a receipt or a result.
  const written = sum(levels.slice(1), ({ items }) => items);
  const s3 = { put: written + done, get: many, head: done + many, list: 0, copy: 0, delete: 0 };
  const gbSeconds = apiCalls * gbSecondsOfCall;
  const requests = costOf({ s3, sqsRequests: 0, invocations: done, lambdaGbSeconds: 0 }).usd;
  return requests + gbSeconds * usdPerGbSecond + apiCalls * logUsdOfCall;
}

function sum(levels: readonly LevelReport[], of: (level: LevelReport) => number): number {
  return levels.reduce((all, level) => all + of(level), 0);
}
