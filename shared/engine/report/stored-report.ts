/** A run's report in the bucket: the only place that reads or writes one. */
import type { Chain } from '../chain/chain.ts';
import { reportKey, successKey } from '../chain/keys.ts';
import { ItemError } from '../errors.ts';
import type { ObjectStore } from '../ports.ts';
import type { RunStop } from '../runs/run-control.ts';
import type { LevelReport, RunReason, RunReport, SweepProblem } from './run-report.ts';

/** A report has some thousand bytes, however large the run. */
const maxReportBytes = 1_000_000;

/** @returns undefined when there is none, or what is there is no report, e.g. since another version wrote it */
export function readRunReport(run: string, store: Pick<ObjectStore, 'get'>): Promise<RunReport | undefined> {
  return readReportAt(reportKey(run), run, store);
}

/** The report as above; and why the last sweep failed, which a run may have that was never counted. */
export async function readStoredRun(
  run: string,
  store: Pick<ObjectStore, 'get'>,
): Promise<{ report: RunReport | undefined; problem: SweepProblem | undefined }> {
  const body = await readBodyAt(reportKey(run), store);
  const report = body === undefined ? undefined : parseRunReport(body, run);
  const problem = (parse(body) as { problem?: unknown } | null | undefined)?.problem;
  return { report, problem: isProblem(problem) ? problem : undefined };
}

async function readReportAt(key: string, run: string, store: Pick<ObjectStore, 'get'>): Promise<RunReport | undefined> {
  const body = await readBodyAt(key, store);
  return body === undefined ? undefined : parseRunReport(body, run);
}

async function readBodyAt(key: string, store: Pick<ObjectStore, 'get'>): Promise<string | undefined> {
  try {
    return (await store.get(key, maxReportBytes))?.body;
  } catch (error) {
    if (error instanceof ItemError && error.code === 'TOO_LARGE') return undefined;
    throw error;
  }
}

export async function writeRunReport(report: RunReport, store: Pick<ObjectStore, 'put'>): Promise<void> {
  await store.put(reportKey(report.run), JSON.stringify(report), {});
}

/** Keeps the figures of the last report, if there is one. */
export async function writeProblem(
  run: string,
  problem: SweepProblem,
  store: Pick<ObjectStore, 'get' | 'put'>,
): Promise<void> {
  const last = await readRunReport(run, store);
  await store.put(reportKey(run), JSON.stringify({ run, ...last, problem }), {});
}

/** @returns the report that a success marker holds; undefined when there is none that can be read */
export async function readSuccess(
  chain: Pick<Chain, 'levels'>,
  run: string,
  store: Pick<ObjectStore, 'get'>,
): Promise<RunReport | undefined> {
  return readReportAt(successKey(chain, run), run, store);
}

function parseRunReport(body: string, run: string): RunReport | undefined {
  const report = parse(body) as Partial<RunReport> | null | undefined;
  const isReport =
    report?.run === run &&
    typeof report.at === 'string' &&
    !Number.isNaN(Date.parse(report.at)) &&
    typeof report.complete === 'boolean' &&
    isCount(report.apiCalls) &&
    Array.isArray(report.levels) &&
    report.levels.every(isLevelReport) &&
    Array.isArray(report.reasons) &&
    report.reasons.every(isReason) &&
    (report.control === undefined || isStop(report.control)) &&
    (report.problem === undefined || isProblem(report.problem));
  return isReport ? (report as RunReport) : undefined;
}

function parse(body: string | undefined): unknown {
  try {
    return JSON.parse(body ?? '');
  } catch {
    return undefined;
  }
}

function isLevelReport(value: unknown): value is LevelReport {
  const { level, failed, ...counts } = (value ?? {}) as Partial<LevelReport>;
  const { retrying, dead, parked } = failed ?? {};
  const { items, done, open, lost, short, stray } = counts;
  return typeof level === 'string' && [items, done, open, lost, short, stray, retrying, dead, parked].every(isCount);
}

function isReason(value: unknown): value is RunReason {
  const { level, code, count, sample } = (value ?? {}) as Partial<RunReason>;
  const texts = [level, code, sample?.key, sample?.message, sample?.at];
  return texts.every((text) => typeof text === 'string') && isCount(count);
}

function isStop(value: unknown): boolean {
  const { state, at, reason = '' } = (value ?? {}) as Partial<RunStop>;
  return (state === 'paused' || state === 'cancelled') && typeof at === 'string' && typeof reason === 'string';
}

function isProblem(value: unknown): value is SweepProblem {
  const { code, message, at } = (value ?? {}) as Partial<SweepProblem>;
  return [code, message, at].every((text) => typeof text === 'string');
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
