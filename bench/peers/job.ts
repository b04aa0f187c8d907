/**
 * The job that every contender does, written once so that only the tool around it differs: one task is one item of the
 * tree: ask Hermes for its children, page by page, write each child's object, and say what the next tasks are. It makes
 * one attempt: whether and how there is another is the tool's.
 */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { peoplesCredentials, region } from '../../local-aws/index.ts';
import type { Level } from '../../shared/engine/chain/chain.ts';
import { batchPath, childKey, encodeSegment, itemKey, partKey, resultKey } from '../../shared/engine/chain/keys.ts';
import { mapConcurrently } from '../../shared/engine/concurrency.ts';
import { batchBody, batchElement } from '../../shared/engine/item/batch.ts';
import type { Fetch } from '../../shared/engine/item/fetch.ts';
import { resultLine } from '../../shared/engine/item/result-parts.ts';
import type { CallGate, Child } from '../../shared/engine/ports.ts';
import { createLevelFetch } from '../../shared/source/level-fetch.ts';
import { systemClock } from '../../shared/lambda/clock.ts';
import chain from '../../sources/hermes/chain.ts';
import { levelsOf } from './layout.ts';

/** An item by its ids from the top down; none is the seed. With a batch, those of its children that the batch names. */
export type Task = { ids: string[]; batch?: { number: number; ids: string[] } };

export const seedTask: Task = { ids: [] };

export type JobSettings = {
  apiUrl: string;
  token: string;
  /** Absent: results are kept in memory. */
  s3Url?: string;
  bucket: string;
  /** For an S3 that looks at the signature. */
  accessKey?: string;
  /** How many items of the last level are one task and one object; 1: each on its own. */
  batch: number;
  /** Tasks at once. */
  concurrency: number;
  /** s3-cascade's execution environments at once. */
  environments: number;
  /** Where the tool's own server listens, in the tool's own words. */
  server?: string;
  /** A folder of the measurement's own. */
  dir: string;
};

export type Write = (key: string, body: string) => Promise<void>;

export const run = 'bench';

/** A name for the task that is the same each time it is made, for tools that know a task again by it. */
export function taskName({ ids, batch }: Task): string {
  const path = batch === undefined ? ids : batchPath({ run, ids }, batch.number).ids;
  return path.length === 0 ? 'seed' : path.map(encodeSegment).join('/');
}

/** @returns what writes an object to the local S3, with the SDK as anybody uses it */
export function s3Writer({ s3Url = '', bucket, accessKey }: JobSettings): Write {
  const s3 = new S3Client({
    endpoint: s3Url,
    region,
    credentials: accessKey === undefined ? peoplesCredentials : { accessKeyId: accessKey, secretAccessKey: accessKey },
    forcePathStyle: true,
    requestHandler: { httpAgent: { maxSockets: 64 } },
  });
  return async (key, body) => {
    const ContentType = key.endsWith('.ndjson') ? 'application/x-ndjson' : 'application/json';
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType }));
  };
}

/** @returns what does one task and gives the tasks that follow from it; throws what the API or S3 refused */
export function createPerform(settings: JobSettings, write: Write): (task: Task) => Promise<Task[]> {
  const levels = levelsOf(settings.batch).map((level) => ({ level, fetch: createFetch(level, settings) }));
  return async ({ ids, batch }) => {
    const found = levels[ids.length + (batch === undefined ? 0 : 1)];
    if (found === undefined) throw new Error(`The chain has no level of ${ids.length} ids.`);
    const { level, fetch } = found;
    if ('many' in fetch) {
      const next = levels[ids.length + 1]?.level;
      return next === undefined || next.batch === 1
        ? writeChildren(level, ids, childrenOf(fetch, level, ids), write)
        : writeBatches(next, ids, childrenOf(fetch, level, ids), write);
    }
    if (batch === undefined) await write(resultKey(level, { run, ids }), await answerOf(fetch, level, ids));
    else await fetchBatch(fetch, level, { ids, batch }, write);
    return [];
  };
}

function createFetch(level: Level, { apiUrl, token }: JobSettings): Fetch {
  return createLevelFetch(chain, level, {
    apiUrl,
    secret: () => Promise.resolve(token),
    timeoutMs: 60_000,
    maxBodyBytes: 10_000_000,
    clock: systemClock,
  });
}

const { signal } = new AbortController();
const gate: CallGate = (call) => call(signal);

function itemOf(level: Level, ids: readonly string[]) {
  return { run, ids, key: itemKey(level, { run, ids }), params: {} };
}

async function* childrenOf(fetch: Extract<Fetch, { many: unknown }>, level: Level, ids: readonly string[]) {
  for await (const { children } of fetch.many({ ...itemOf(level, ids), body: '{}' }, gate)) yield children;
}

async function answerOf(
  fetch: Extract<Fetch, { one: unknown }>,
  level: Level,
  ids: readonly string[],
): Promise<string> {
  const { body } = await fetch.one({ ...itemOf(level, ids), read: () => Promise.resolve('{}') }, gate);
  return String(body);
}

async function writeChildren(
  level: Level,
  ids: string[],
  pages: AsyncIterable<readonly Child[]>,
  write: Write,
): Promise<Task[]> {
  const next: Task[] = [];
  for await (const children of pages) {
    await Promise.all(children.map(({ id, body }) => write(childKey(level, { run, ids }, id), body)));
    for (const { id } of children) next.push({ ids: [...ids, id] });
  }
  return next;
}

/** All of a parent's children are known first, then its batches are written side by side. */
async function writeBatches(
  level: Level,
  ids: string[],
  pages: AsyncIterable<readonly Child[]>,
  write: Write,
): Promise<Task[]> {
  const all = (await Array.fromAsync(pages)).flat();
  const batches = Array.from({ length: Math.ceil(all.length / level.batch) }, (_, number) =>
    all.slice(number * level.batch, (number + 1) * level.batch),
  );
  return Promise.all(
    batches.map(async (children, number): Promise<Task> => {
      const body = batchBody(children.map((child) => batchElement(ids, child)));
      await write(itemKey(level, batchPath({ run, ids }, number)), body);
      return { ids, batch: { number, ids: children.map(({ id }) => id) } };
    }),
  );
}

/** As many calls side by side as s3-cascade makes for a batch, and one object with a line for each. */
async function fetchBatch(
  fetch: Extract<Fetch, { one: unknown }>,
  level: Level,
  { ids: parents, batch }: Required<Task>,
  write: Write,
): Promise<void> {
  const lines: string[] = [];
  const fetched = mapConcurrently(batch.ids, level.callsInFlight, async (id) => {
    const ids = [...parents, id];
    const json = await answerOf(fetch, level, ids);
    return resultLine(level, ids, { fetchedAt: new Date().toISOString(), json });
  });
  for await (const line of fetched) lines.push(line);
  await write(partKey(level, batchPath({ run, ids: parents }, batch.number), 0), lines.join(''));
}
