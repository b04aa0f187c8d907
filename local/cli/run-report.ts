/**
 * How a run stands, from a listing of all its objects: what is done, what failed and why, and whether every parent's count
 * of children agrees with what is there. Complete means: the bucket holds the whole tree.
 */
import { chain, type Level } from '../../shared/chain.ts';
import type { S3Store } from '../s3/store.ts';

export type LevelReport = {
  level: string;
  reads: string;
  writes: string;
  /** Objects under what it reads. */
  items: number;
  done: number;
  /** With a failure note and not done. */
  failed: number;
  open: number;
  /** Objects under what it writes. */
  objects: number;
};

export type FailureReason = { level: string; code: string; message: string; count: number; sampleKey: string };

export type RunReport = {
  run: string;
  complete: boolean;
  levels: LevelReport[];
  /** The commonest first. */
  failures: FailureReason[];
  /** Items whose receipt counts another number of children than are listed. */
  disagreements: { key: string; counted: number; listed: number }[];
};

const suffix = '.json';

/** Reads the store directly: it makes no request that would be counted. */
export function reportRun(store: S3Store, bucket: string, run: string): RunReport {
  const paths = (prefix: string): Set<string> => new Set(listPaths(store, bucket, prefix, run));
  const levels: LevelReport[] = [];
  const failures = new Map<string, FailureReason>();
  const disagreements: RunReport['disagreements'] = [];
  let items = paths(chain[0].reads);
  for (const row of chain) {
    const children = paths(row.writes);
    const done = row.children === 'one' ? children : paths(`receipts/${row.level}`);
    const report = { level: row.level, reads: row.reads, writes: row.writes, items: items.size, done: 0, failed: 0 };
    for (const path of items) if (done.has(path)) report.done += 1;
    for (const path of paths(`failures/${row.level}`)) {
      if (done.has(path) || !items.has(path)) continue;
      report.failed += 1;
      countFailure(failures, row.level, `failures/${row.level}/${path}`, store, bucket);
    }
    levels.push({ ...report, open: report.items - report.done - report.failed, objects: children.size });
    if (row.children === 'many') disagreements.push(...compare(row, items, done, children, store, bucket));
    items = children;
  }
  // A level without items is done when its parents' receipts say that they have no children; a run without a seed is not.
  const isDone = levels.every((level) => level.items === level.done) && levels[0]?.items === 1;
  return {
    run,
    complete: isDone && failures.size === 0 && disagreements.length === 0,
    levels,
    failures: [...failures.values()].sort((one, other) => other.count - one.count),
    disagreements,
  };
}

/** Paths as all prefixes share them: `<run>/<id>/<id>.json`, or `<run>.json` for what belongs to the seed. */
function* listPaths(store: S3Store, bucket: string, prefix: string, run: string): Generator<string> {
  let continuationToken: string | undefined;
  do {
    const page = store.list(bucket, { prefix: `${prefix}/${run}`, continuationToken });
    for (const { key } of page.contents) {
      const path = key.slice(prefix.length + 1);
      if (path === `${run}${suffix}` || (path.startsWith(`${run}/`) && path.endsWith(suffix))) yield path;
    }
    continuationToken = page.nextContinuationToken;
  } while (continuationToken !== undefined);
}

function compare(
  row: Level,
  items: ReadonlySet<string>,
  done: ReadonlySet<string>,
  children: ReadonlySet<string>,
  store: S3Store,
  bucket: string,
): RunReport['disagreements'] {
  const listedOf = new Map<string, number>();
  for (const path of children) {
    const parent = `${path.slice(0, path.lastIndexOf('/'))}${suffix}`;
    listedOf.set(parent, (listedOf.get(parent) ?? 0) + 1);
  }
  const different: RunReport['disagreements'] = [];
  for (const path of items) {
    if (!done.has(path)) continue;
    const key = `receipts/${row.level}/${path}`;
    const counted = Number(readJson(store, bucket, key)['children']);
    const listed = listedOf.get(path) ?? 0;
    if (counted !== listed) different.push({ key, counted, listed });
  }
  return different;
}

function countFailure(
  failures: Map<string, FailureReason>,
  level: string,
  key: string,
  store: S3Store,
  bucket: string,
): void {
  const note = readJson(store, bucket, key);
  const code = textOf(note['code'], 'UNREADABLE');
  const found = failures.get(`${level} ${code}`);
  // Messages name keys and ids, so no two are alike: the first stands for all with its code.
  if (found !== undefined) found.count += 1;
  else {
    const message = textOf(note['message'], 'The failure note can not be read.');
    failures.set(`${level} ${code}`, { level, code, message, count: 1, sampleKey: key });
  }
}

function textOf(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}

/** What is not a JSON object reads as one without fields; the caller says what that means. */
function readJson(store: S3Store, bucket: string, key: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(store.get(bucket, key).body));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
