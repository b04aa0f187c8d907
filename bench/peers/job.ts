/**
 * The job that every contender does, written once so that only the tool around it differs: one task is one item of the
 * tree: ask Hermes for its children, page by page, write each child's object, and say what the next tasks are. It tries
 * once: whether and how a task is tried again is the tool's.
 */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { peoplesCredentials, region } from '../../local-aws/account.ts';
import { chain } from '../../shared/engine/chain/chain.ts';
import { childKey, encodeSegment, resultKey } from '../../shared/engine/chain/keys.ts';
import type { Page } from '../../shared/engine/ports.ts';
import { createHermes } from '../../sources/hermes/client.ts';

/** An item by its ids from the top down; none is the seed. */
export type Task = { ids: string[] };

export const seedTask: Task = { ids: [] };

export type JobSettings = {
  hermesUrl: string;
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
export function createPerform({ hermesUrl, token }: JobSettings, write: Write): (task: Task) => Promise<Task[]> {
  const { signal } = new AbortController();
  const hermes = createHermes({
    baseUrl: hermesUrl,
    token,
    gate: (call) => call(signal),
    timeoutMs: 60_000,
    maxBodyBytes: 10_000_000,
  });
  const [troops, warriors, groups, data] = chain;
  return async ({ ids }) => {
    const [troop = '', warrior = '', group = ''] = ids;
    const next: Task[] = [];
    const expand = async (pages: AsyncIterable<Page>, level: (typeof chain)[number]): Promise<Task[]> => {
      for await (const { children } of pages) {
        await Promise.all(children.map(({ id, body }) => write(childKey(level, { run, ids }, id), body)));
        for (const { id } of children) next.push({ ids: [...ids, id] });
      }
      return next;
    };
    if (ids.length === 0) return expand(hermes.troops(), troops);
    if (ids.length === 1) return expand(hermes.warriors(troop), warriors);
    if (ids.length === 2) return expand(hermes.dataGroups(troop, warrior), groups);
    await write(resultKey(data, { run, ids }), await hermes.data(troop, warrior, group));
    return next;
  };
}
