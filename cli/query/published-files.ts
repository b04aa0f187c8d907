/** The files of the published tables: which runs there are, and copies of their parts in a folder that keeps them. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { forEachConcurrently } from '../../shared/engine/concurrency.ts';
import type { Manifest } from '../../shared/engine/publish/manifest.ts';
import { runOfTableSuccess, tablePrefix, tableSuccessKey } from '../../shared/engine/publish/table-keys.ts';
import { copyToFile, listObjects, readText } from '../run/deployed-bucket.ts';

export type PublishedRun = { run: string; publishedMs: number };

const copiesAtOnce = 16;

/** The runs of a table that have a success marker, the newest first. */
export async function publishedRuns(client: S3Client, bucket: string, table: string): Promise<PublishedRun[]> {
  const runs: PublishedRun[] = [];
  for await (const { key, modifiedMs } of listObjects(client, bucket, tablePrefix(table))) {
    const run = runOfTableSuccess(table, key);
    if (run !== undefined) runs.push({ run, publishedMs: modifiedMs });
  }
  return runs.sort((a, b) => b.publishedMs - a.publishedMs || (a.run < b.run ? 1 : -1));
}

/** @returns undefined when the run was taken away meanwhile */
export async function manifestOf(
  client: S3Client,
  bucket: string,
  table: string,
  run: string,
): Promise<Manifest | undefined> {
  const text = await readText(client, bucket, tableSuccessKey(table, run));
  return text === undefined ? undefined : (JSON.parse(text) as Manifest);
}

/** Where copies are kept; each has the ETag of its part in its name, so that another part under the same key is another file. */
export function cacheDir(bucket: string): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 's3-cascade', bucket);
}

/** @returns the paths of the parts, copied unless they are there */
export async function fetchParts(
  client: S3Client,
  bucket: string,
  { table, run, parts }: Manifest,
  dir: string,
): Promise<string[]> {
  const files = parts.map(({ key, eTag }) => {
    const name = (key.split('/').at(-1) ?? '').replace(/\.parquet$/, '');
    return { key, path: join(dir, table, `run=${run}`, `${name}.${eTag.replaceAll(/[^\w-]/g, '')}.parquet`) };
  });
  const missing = files.filter(({ path }) => !existsSync(path));
  await forEachConcurrently(missing, copiesAtOnce, ({ key, path }) => copyToFile(client, bucket, key, path));
  return files.map(({ path }) => path);
}
