/**
 * The job that every contender does, written once so that only the tool around it differs: one task is one item of the
 * tree: ask Hermes for its children, page by page, write each child's object, and say what the next tasks are. It makes
 * one attempt: whether and how there is another is the tool's.
 */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { peoplesCredentials, region } from '../../local-aws/index.ts';
import { childKey, encodeSegment, itemKey, resultKey } from '../../shared/engine/chain/keys.ts';
import type { CallGate } from '../../shared/engine/ports.ts';
import { createLevelFetch } from '../../shared/source/level-fetch.ts';
import { systemClock } from '../../shared/lambda/clock.ts';
import chain from '../../sources/hermes/chain.ts';

/** An item by its ids from the top down; none is the seed. */
export type Task = { ids: string[] };

export const seedTask: Task = { ids: [] };

export type JobSettings = {
  apiUrl: string;
  token: string;
  /** Absent: results are kept in memory. */
  s3Url?: string;
  bucket: string;
  /** For an S3 that looks at the signature. */
  accessKey?: string;
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
export function taskName({ ids }: Task): string {
  return ids.length === 0 ? 'seed' : ids.map(encodeSegment).join('/');
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
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: 'application/json' }));
  };
}

/** @returns what does one task and gives the tasks that follow from it; throws what the API or S3 refused */
export function createPerform({ apiUrl, token }: JobSettings, write: Write): (task: Task) => Promise<Task[]> {
  const { signal } = new AbortController();
  const gate: CallGate = (call) => call(signal);
  const levels = chain.levels.map((level) => ({
    level,
    fetch: createLevelFetch(chain, level, {
      apiUrl: apiUrl,
      secret: () => Promise.resolve(token),
      timeoutMs: 60_000,
      maxBodyBytes: 10_000_000,
      clock: systemClock,
    }),
  }));
  return async ({ ids }) => {
    const found = levels[ids.length];
    if (found === undefined) throw new Error(`The chain has no level of ${ids.length} ids.`);
    const { level, fetch } = found;
    const item = { run, ids, key: itemKey(level, { run, ids }), params: {} };
    if ('one' in fetch) {
      const { body } = await fetch.one({ ...item, read: () => Promise.resolve('{}') }, gate);
      await write(resultKey(level, item), String(body));
      return [];
    }
    const next: Task[] = [];
    for await (const { children } of fetch.many({ ...item, body: '{}' }, gate)) {
      await Promise.all(children.map(({ id, body }) => write(childKey(level, item, id), body)));
      for (const { id } of children) next.push({ ids: [...ids, id] });
    }
    return next;
  };
}
